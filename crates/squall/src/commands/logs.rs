//! `squall logs`: a function's log, up to now or as it comes.

use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;

use crate::args::{Global, LogsArgs};
use crate::client::{self, Call, Client};
use crate::failure::Failure;
use crate::output;

pub(super) const POLL: Duration = Duration::from_millis(400);
pub(super) const DEFAULT_BACK_MILLIS: i64 = 3_600_000;
/// A line can be written a little later than its time says.
const OVERLAP_MILLIS: i64 = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<Event>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "eventId")]
    id: String,
    #[serde(rename = "logStreamName")]
    pub stream: String,
    pub timestamp: i64,
    pub message: String,
}

/// A group, and how far it has been shown.
#[derive(Debug)]
pub(super) struct Reader {
    client: Client,
    group: String,
    start: Timestamp,
    /// Ids in the overlap, so that nothing is shown twice.
    shown: HashSet<String>,
}

pub async fn run(global: &Global, args: LogsArgs) -> Result<(), Failure> {
    let Some(name) = &args.name else {
        return super::access::run(global, &args).await;
    };
    let now = Timestamp::now();
    let start = match (&args.since, args.follow) {
        (Some(text), _) => since(text, now)?,
        (None, true) => now,
        (None, false) => now.plus_millis(-DEFAULT_BACK_MILLIS),
    };
    let mut reader = Reader::new(client::find(global)?, group(name), start);
    let mut first = true;
    loop {
        match reader.read(global.json).await {
            // Before its first invocation a function has no group to follow yet.
            Err(failure) if !(args.follow && failure.is_missing()) => return Err(failure),
            _ => {}
        }
        if !args.follow {
            return Ok(());
        }
        if first && !global.json {
            output::note(&format!("following {}; Ctrl-C ends it", reader.group));
        }
        first = false;
        tokio::time::sleep(POLL).await;
    }
}

impl Reader {
    pub fn new(client: Client, group: String, start: Timestamp) -> Self {
        Self {
            client,
            group,
            start,
            shown: HashSet::new(),
        }
    }

    /// Shows what is there and new.
    async fn read(&mut self, as_json: bool) -> Result<(), Failure> {
        let mut token: Option<String> = None;
        let mut seen = Seen::of(self);
        loop {
            let page = self.page(token.as_deref()).await?;
            for event in seen.new_ones(page.events, &self.shown) {
                show(&event, as_json)?;
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        self.remember(seen);
        Ok(())
    }

    /// What is there and new, as it is: to be asked often, so that it is little.
    pub async fn fresh(&mut self) -> Result<Vec<Event>, Failure> {
        let mut token: Option<String> = None;
        let mut seen = Seen::of(self);
        let mut fresh = Vec::new();
        loop {
            let page = self.page(token.as_deref()).await?;
            fresh.extend(seen.new_ones(page.events, &self.shown));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        self.remember(seen);
        Ok(fresh)
    }

    fn remember(&mut self, seen: Seen) {
        self.shown = seen.ids;
        self.start = self.start.max(seen.newest.plus_millis(-OVERLAP_MILLIS));
    }

    async fn page(&self, token: Option<&str>) -> Result<Page, Failure> {
        let query = json!({
            "logGroupName": self.group,
            "startTime": self.start.0,
            "interleaved": true,
        });
        page(&self.client, query, token).await
    }
}

async fn page(client: &Client, mut query: Value, token: Option<&str>) -> Result<Page, Failure> {
    if let Some(token) = token {
        query["nextToken"] = Value::from(token);
    }
    let call = Call {
        service: "logs",
        method: Method::POST,
        target: "/".to_owned(),
        headers: vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", "Logs_20140328.FilterLogEvents".to_owned()),
        ],
        body: query.to_string().into(),
    };
    Ok(client.send(call).await?.json()?)
}

/// All that a group has of a time, in milliseconds since 1970.
pub(super) async fn between(
    client: &Client,
    group: &str,
    begin: i64,
    end: i64,
) -> Result<Vec<Event>, Failure> {
    let query = json!({
        "logGroupName": group,
        "startTime": begin,
        "endTime": end,
        "interleaved": true,
    });
    let (mut token, mut events): (Option<String>, _) = (None, Vec::new());
    loop {
        let page = page(client, query.clone(), token.as_deref()).await?;
        events.extend(page.events);
        token = page.next_token;
        if token.is_none() {
            return Ok(events);
        }
    }
}

/// What one reading came upon.
#[derive(Debug)]
struct Seen {
    ids: HashSet<String>,
    newest: Timestamp,
}

impl Seen {
    fn of(reader: &Reader) -> Self {
        Self {
            ids: HashSet::new(),
            newest: reader.start,
        }
    }

    fn new_ones(&mut self, events: Vec<Event>, shown: &HashSet<String>) -> Vec<Event> {
        let mut new_ones = Vec::new();
        for event in events {
            self.newest = self.newest.max(Timestamp(event.timestamp));
            self.ids.insert(event.id.clone());
            if !shown.contains(&event.id) {
                new_ones.push(event);
            }
        }
        new_ones
    }
}

fn show(event: &Event, as_json: bool) -> Result<(), Failure> {
    let time = Timestamp(event.timestamp).rfc3339();
    if as_json {
        output::json(&json!({
            "time": time,
            "stream": event.stream,
            "message": event.message,
        }))?;
    } else {
        let text = output::unfolded(event.message.trim_end_matches('\n'));
        output::line(&format!("{time}  {text}"))?;
    }
    Ok(())
}

/// A name that begins with a slash is a group's own.
pub(super) fn group(name: &str) -> String {
    if name.starts_with('/') {
        name.to_owned()
    } else {
        format!("/aws/lambda/{name}")
    }
}

pub(super) fn since(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let unit = match text.chars().last() {
        Some('s') => Some(1_000),
        Some('m') => Some(60_000),
        Some('h') => Some(3_600_000),
        Some('d') => Some(86_400_000),
        _ => None,
    };
    let back = unit.and_then(|unit: i64| {
        let count: u32 = text[..text.len() - 1].parse().ok()?;
        i64::from(count).checked_mul(unit)
    });
    if let Some(back) = back {
        return Ok(now.plus_millis(-back));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Timestamp(time.as_millisecond())),
        Err(_) => Err(Failure::mistake(format!("{text:?} is not a time")).hint(
            "say how far back, such as 30s, 10m, 2h or 1d, or a time such as 2026-11-21T10:00:00Z",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spans_or_points() {
        let now = Timestamp(1_700_000_000_000);
        let millis = |text: &str| since(text, now).map(|time| now.0 - time.0).ok();
        assert_eq!(millis("30s"), Some(30_000));
        assert_eq!(millis("10m"), Some(600_000));
        assert_eq!(millis("2d"), Some(172_800_000));
        assert_eq!(millis("2023-11-14T22:13:10Z"), Some(10_000));
        for bad in ["", "m", "10", "-5m", "ten minutes", "5ä", "99999999999d"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_functions_or_groups() {
        assert_eq!(group("fit"), "/aws/lambda/fit");
        assert_eq!(group("/own/group"), "/own/group");
    }
}
