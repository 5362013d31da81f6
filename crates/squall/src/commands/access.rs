//! `squall logs --access` and `--request`: the requests that the gateway answered, and
//! all that was done for one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws_wire::form;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use types::Timestamp;

use crate::args::{Global, LogsArgs};
use crate::client::{self, Call, Client};
use crate::failure::Failure;
use crate::output;

use super::logs::{self, Event};

/// Chunks of a request whose logs are shown.
const MOST_CHUNKS: usize = 200;
/// A function's log is searched so much before and behind its invocation.
const MARGIN_MILLIS: i64 = 2_000;

#[derive(Debug, Deserialize)]
struct Page {
    lines: Vec<Box<RawValue>>,
    next: Option<String>,
    more: bool,
}

/// What is shown of a line.
#[derive(Debug, Deserialize)]
struct Line {
    time: String,
    kind: String,
    request_id: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    status: Value,
    #[serde(default)]
    bytes_in: u64,
    #[serde(default)]
    bytes_out: u64,
    micros: u64,
    client: Option<String>,
    route: Option<String>,
    target: Option<String>,
    name: Option<String>,
    caller: Option<String>,
    refused: Option<String>,
    #[serde(default)]
    cached: bool,
    function: Option<String>,
    job: Option<String>,
}

pub async fn run(global: &Global, args: &LogsArgs) -> Result<(), Failure> {
    let client = client::find(global)?;
    match &args.request {
        Some(id) => request(&client, id, global.json).await,
        None => access(&client, args, global.json).await,
    }
}

async fn access(client: &Client, args: &LogsArgs, as_json: bool) -> Result<(), Failure> {
    let now = Timestamp::now();
    let mut query = Vec::new();
    for (name, value) in [("status", &args.status), ("route", &args.route)] {
        if let Some(value) = value {
            query.push((name, value.clone()));
        }
    }
    let mut from = None;
    match (&args.since, args.follow) {
        (Some(text), _) => query.push(("since", logs::since(text, now)?.0.to_string())),
        (None, true) => from = Some("end".to_owned()),
        (None, false) => {
            let since = now.plus_millis(-logs::DEFAULT_BACK_MILLIS);
            query.push(("since", since.0.to_string()));
        }
    }
    if args.follow && !as_json {
        output::note("following the requests of the gateway; Ctrl-C ends it");
    }
    loop {
        let page = page(client, &query, from.as_deref()).await?;
        for line in &page.lines {
            show(line, as_json)?;
        }
        from = page.next.or(from);
        if page.more {
            continue;
        }
        if !args.follow {
            return Ok(());
        }
        tokio::time::sleep(logs::POLL).await;
    }
}

async fn page(
    client: &Client,
    query: &[(&str, String)],
    from: Option<&str>,
) -> Result<Page, Failure> {
    let from = from.map(|from| ("from", from.to_owned()));
    let pairs: Vec<String> = query
        .iter()
        .chain(&from)
        .map(|(name, value)| format!("{name}={}", form::encode(value)))
        .collect();
    let call = Call {
        service: "squall",
        method: Method::GET,
        target: format!("/_squall/access?{}", pairs.join("&")),
        headers: vec![],
        body: Bytes::new(),
    };
    Ok(client.send(call).await?.json()?)
}

fn show(line: &RawValue, as_json: bool) -> Result<(), Failure> {
    if as_json {
        output::line(line.get())?;
    } else if let Ok(line) = serde_json::from_str::<Line>(line.get()) {
        output::line(&line.text())?;
    }
    Ok(())
}

impl Line {
    /// For people: what matters first. A client may have put anything into it.
    fn text(&self) -> String {
        let status = self.status.to_string();
        let status = status.trim_matches('"');
        let took = millis(self.micros);
        let mut text = if let Some(function) = &self.function {
            format!("{}  chunk of {function}  {status}  {took}", self.time)
        } else {
            let sizes = format!("{}/{} B", self.bytes_in, self.bytes_out);
            format!(
                "{}  {:<6} {}  {status}  {took}  {sizes}",
                self.time, self.method, self.path
            )
        };
        for (word, value) in [
            ("route", &self.route),
            ("target", &self.target),
            ("name", &self.name),
            ("caller", &self.caller),
            ("refused", &self.refused),
            ("from", &self.client),
            ("job", &self.job),
        ] {
            if let Some(value) = value {
                // Writing to a string does not fail, here and below.
                let _ = write!(text, "  {word}={value}");
            }
        }
        if self.cached {
            text.push_str("  cached");
        }
        let _ = write!(text, "  {}", self.request_id);
        text.replace(char::is_control, " ")
    }

    fn begin(&self) -> Option<i64> {
        let time: jiff::Timestamp = self.time.parse().ok()?;
        Some(time.as_millisecond())
    }

    /// The function that an invocation with the line's id ran.
    fn invoked(&self) -> Option<&str> {
        match self.kind.as_str() {
            "chunk" => self.function.as_deref(),
            _ if self
                .target
                .as_deref()
                .is_some_and(|it| it.starts_with("function")) =>
            {
                self.name.as_deref()
            }
            _ => None,
        }
    }
}

fn millis(micros: u64) -> String {
    let (whole, part) = (micros / 1000, micros % 1000 / 10);
    format!("{whole}.{part:02} ms")
}

/// The invocations of one function that are looked for in its log.
#[derive(Debug)]
struct Sought {
    ids: BTreeSet<String>,
    begin: i64,
    end: i64,
}

async fn request(client: &Client, id: &str, as_json: bool) -> Result<(), Failure> {
    let query = [("request", id.to_owned())];
    let (mut from, mut lines) = (None, Vec::new());
    loop {
        let page = page(client, &query, from.as_deref()).await?;
        lines.extend(page.lines);
        from = page.next;
        if !page.more {
            break;
        }
    }
    if lines.is_empty() {
        let failure = Failure::mistake(format!("no request of the gateway has the id {id}"));
        return Err(failure.hint("squall logs --access --json shows ids; old lines are gone"));
    }
    let mut sought: BTreeMap<String, Sought> = BTreeMap::new();
    let mut chunks = 0;
    for line in &lines {
        show(line, as_json)?;
        let Ok(line) = serde_json::from_str::<Line>(line.get()) else {
            continue;
        };
        chunks += usize::from(line.kind == "chunk");
        let (Some(function), Some(begin)) = (line.invoked(), line.begin()) else {
            continue;
        };
        if chunks > MOST_CHUNKS {
            continue;
        }
        let end = begin + i64::try_from(line.micros / 1000).unwrap_or(0) + MARGIN_MILLIS;
        let begin = begin - MARGIN_MILLIS;
        let entry = sought.entry(function.to_owned()).or_insert(Sought {
            ids: BTreeSet::new(),
            begin,
            end,
        });
        entry.begin = entry.begin.min(begin);
        entry.end = entry.end.max(end);
        entry.ids.insert(line.request_id);
    }
    if chunks > MOST_CHUNKS && !as_json {
        output::note(&format!(
            "the logs of the first {MOST_CHUNKS} chunks are shown"
        ));
    }
    for (function, sought) in &sought {
        let group = logs::group(function);
        let events = match logs::between(client, &group, sought.begin, sought.end).await {
            Ok(events) => events,
            // It has not written anything, or its log was deleted.
            Err(failure) if failure.is_missing() => continue,
            Err(failure) => return Err(failure),
        };
        for (id, event) in of_invocations(events, &sought.ids) {
            show_event(function, &id, &event, as_json)?;
        }
    }
    Ok(())
}

/// The lines that were written by the invocations: an instance runs one at a time, so in
/// its stream all between START and REPORT are of one.
fn of_invocations(events: Vec<Event>, ids: &BTreeSet<String>) -> Vec<(String, Event)> {
    let mut running: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        let words = |kind: &str| {
            let rest = event.message.strip_prefix(kind)?;
            rest.split_ascii_whitespace().next()
        };
        if let Some(id) = words("START RequestId: ") {
            running.insert(event.stream.clone(), id.to_owned());
        }
        let ends = words("REPORT RequestId: ").is_some();
        let stream = event.stream.clone();
        if let Some(id) = running.get(&stream).filter(|id| ids.contains(*id)) {
            found.push((id.clone(), event));
        }
        if ends {
            running.remove(&stream);
        }
    }
    found
}

fn show_event(function: &str, id: &str, event: &Event, as_json: bool) -> Result<(), Failure> {
    let time = Timestamp(event.timestamp).rfc3339();
    if as_json {
        output::json(&json!({
            "time": time,
            "kind": "log",
            "function": function,
            "request_id": id,
            "stream": event.stream,
            "message": event.message,
        }))?;
    } else {
        let text = output::unfolded(event.message.trim_end_matches('\n'));
        output::line(&format!("{time}  {function}: {text}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(stream: &str, message: &str) -> Event {
        serde_json::from_value(json!({
            "eventId": "1", "logStreamName": stream, "timestamp": 0, "message": message,
        }))
        .unwrap()
    }

    #[test]
    fn lines_belong_to_the_invocation_between_which_they_stand() {
        let events = vec![
            event("a", "early\n"),
            event("a", "START RequestId: 1 Version: 3\n"),
            event("b", "START RequestId: 2 Version: 3\n"),
            event("a", "of one\n"),
            event("b", "of two\n"),
            event("a", "END RequestId: 1\n"),
            event("a", "REPORT RequestId: 1\tDuration: 1 ms\n"),
            event("a", "between\n"),
        ];
        let ids = BTreeSet::from(["1".to_owned()]);
        let found: Vec<String> = of_invocations(events, &ids)
            .into_iter()
            .map(|(_, event)| event.message)
            .collect();
        assert_eq!(found.len(), 4);
        assert_eq!(found[1], "of one\n");
    }

    #[test]
    fn a_line_for_people_is_one_line() {
        let line: Line = serde_json::from_value(json!({
            "time": "2026-11-21T10:00:00.000Z", "kind": "request", "request_id": "r", "method": "GET",
            "path": "/a\u{1b}[2J", "status": 200, "bytes_in": 0, "bytes_out": 12, "micros": 1234,
            "route": "GET /{x}", "target": "function", "name": "f",
        }))
        .unwrap();
        let text = line.text();
        assert_eq!(
            text,
            "2026-11-21T10:00:00.000Z  GET    /a [2J  200  1.23 ms  0/12 B  route=GET /{x}  \
             target=function  name=f  r"
        );
        assert_eq!(line.invoked(), Some("f"));
        assert!(line.begin().is_some());
    }
}
