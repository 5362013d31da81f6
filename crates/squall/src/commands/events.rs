//! `squall events`: what happened lately, and what it set off.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::Timestamp;

use super::schedules::get;
use crate::args::{EventsArgs, Global};
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::output::{self, Table};

const POLL: Duration = Duration::from_millis(400);
/// How far back what has changed is looked for.
const FOLLOWED: u32 = 1_000;

#[derive(Debug, Deserialize)]
struct Page {
    events: Vec<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    time: Timestamp,
    service: String,
    source: String,
    subject: String,
    function: Option<String>,
    request_id: Option<String>,
    state: String,
    attempts: Option<u32>,
    duration_ms: Option<f64>,
    error: Option<String>,
}

pub async fn run(global: &Global, args: EventsArgs) -> Result<(), Failure> {
    let client = client::find(global)?;
    if args.follow {
        return follow(global, &client, args.number).await;
    }
    let events = recent(&client, args.number).await?;
    if global.json {
        output::json(&events)?;
        return Ok(());
    }
    let events = read(&events)?;
    if events.is_empty() {
        output::note("no events yet; a bucket's notifications, rules and schedules make some");
        return Ok(());
    }
    output::bytes(table(&events).render().as_bytes())?;
    Ok(())
}

/// Shows each when it comes, and again when something has become of it.
async fn follow(global: &Global, client: &Client, number: u32) -> Result<(), Failure> {
    let mut shown: HashMap<String, String> = HashMap::new();
    let mut events = recent(client, FOLLOWED.max(number)).await?;
    let mut silent = events.len().saturating_sub(number as usize);
    if !global.json {
        output::note("following events; Ctrl-C ends it");
    }
    loop {
        let mut seen = HashMap::new();
        for (index, value) in events.iter().enumerate() {
            let event = one(value)?;
            let (id, progress) = (event.id(), event.progress());
            if index >= silent && shown.get(&id) != Some(&progress) {
                if global.json {
                    output::json(value)?;
                } else {
                    output::line(&line(&event))?;
                }
            }
            seen.insert(id, progress);
        }
        // What is on the page no more will not come back.
        shown = seen;
        silent = 0;
        tokio::time::sleep(POLL).await;
        events = recent(client, FOLLOWED).await?;
    }
}

/// The last so many, the oldest of them first.
async fn recent(client: &Client, limit: u32) -> Result<Vec<Value>, Failure> {
    let target = format!("/_squall/events?limit={limit}");
    let page: Page = client.send(get(&target)).await?.json()?;
    Ok(page.events)
}

fn read(values: &[Value]) -> Result<Vec<Event>, Failure> {
    values.iter().map(one).collect()
}

fn one(value: &Value) -> Result<Event, Failure> {
    let event = Event::deserialize(value);
    event.map_err(|error| Failure::from(anyhow::Error::from(error)))
}

impl Event {
    fn id(&self) -> String {
        match &self.request_id {
            Some(id) => id.clone(),
            None => format!("{} {} {}", self.time.0, self.source, self.subject),
        }
    }

    fn progress(&self) -> String {
        format!("{} {}", self.state, self.attempts.unwrap_or(0))
    }

    /// `10:15:02.123`
    fn clock(&self) -> String {
        self.time.rfc3339()[11..23].to_owned()
    }

    /// `s3 lake`, `events nightly`: the service's and the thing's own names.
    fn origin(&self) -> String {
        let service = self.service.split('.').next().unwrap_or_default();
        let name = self.source.rsplit([':', '/']).next().unwrap_or_default();
        format!("{service} {name}")
    }

    fn outcome(&self) -> String {
        match (&self.error, self.attempts) {
            (Some(error), _) => format!("{}: {error}", self.state),
            (None, Some(attempts)) if attempts > 0 && self.state == "waiting" => {
                format!("retrying, tried {}", times(attempts))
            }
            _ => self.state.clone(),
        }
    }

    fn took(&self) -> String {
        match self.duration_ms {
            Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
            Some(ms) if ms < 10_000.0 => format!("{ms:.0} ms"),
            Some(ms) => format!("{:.1} s", ms / 1_000.0),
            None => String::new(),
        }
    }
}

fn table(events: &[Event]) -> Table {
    let titles = ["TIME", "SOURCE", "SUBJECT", "FUNCTION", "STATE", ">TOOK"];
    let mut table = Table::new(&titles);
    for event in events {
        let time = event.time.rfc3339();
        table.row([
            format!("{} {}", &time[..10], event.clock()),
            event.origin(),
            event.subject.clone(),
            event.function.clone().unwrap_or_else(|| "-".to_owned()),
            event.outcome(),
            event.took(),
        ]);
    }
    table
}

/// For a stream of them, which cannot know how wide its columns will be.
fn line(event: &Event) -> String {
    let what = format!(
        "{}  {:<16}  {}",
        event.clock(),
        event.origin(),
        event.subject
    );
    let function = event.function.as_deref().unwrap_or("-");
    let took = event.took();
    let end = format!("{function} {} {took}", event.outcome());
    format!("{what}  ->  {}", end.trim_end()).replace(char::is_control, " ")
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Event> {
        let values = serde_json::json!([
            {"time": 1_700_000_000_042_i64, "service": "s3.amazonaws.com",
             "source": "arn:aws:s3:::lake", "subject": "ObjectCreated:Put raw/a.csv",
             "function": "clean", "request_id": "r", "state": "done", "duration_ms": 12.4},
            {"time": 1_700_000_001_000_i64, "service": "events.amazonaws.com",
             "source": "arn:aws:events:us-east-1:000000000000:rule/nightly",
             "subject": "Scheduled Event", "function": null, "state": "no target"},
            {"time": 1_700_000_002_000_i64, "service": "s3.amazonaws.com",
             "source": "arn:aws:s3:::lake", "subject": "x\ny", "function": "f",
             "request_id": "q", "state": "failed", "error": "timeout", "duration_ms": 61_000},
        ]);
        read(values.as_array().unwrap()).unwrap()
    }

    #[test]
    fn an_event_is_a_row() {
        assert_eq!(
            table(&events()).render(),
            "\
TIME                     SOURCE          SUBJECT                      FUNCTION  STATE              TOOK
2023-11-14 22:13:20.042  s3 lake         ObjectCreated:Put raw/a.csv  clean     done              12 ms
2023-11-14 22:13:21.000  events nightly  Scheduled Event              -         no target
2023-11-14 22:13:22.000  s3 lake         x y                          f         failed: timeout  61.0 s
"
        );
    }

    #[test]
    fn a_followed_event_is_a_line() {
        let lines: Vec<String> = events().iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "22:13:20.042  s3 lake           ObjectCreated:Put raw/a.csv  ->  clean done 12 ms",
                "22:13:21.000  events nightly    Scheduled Event  ->  - no target",
                "22:13:22.000  s3 lake           x y  ->  f failed: timeout 61.0 s",
            ]
        );
    }
}
