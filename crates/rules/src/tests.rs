//! Rules and schedules over a real store, on a clock that is moved by hand.

mod book;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store::{Durability, Event, Store};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use types::{BusName, GroupName, Scope, Timestamp};

use crate::input::{InputText, Transformer};
use crate::model::RunState;
use crate::{
    Clock, Missed, NewEntry, NewRule, NewSchedule, NewScheduleTarget, NewTarget, Policy, RuleError,
    Rules, RunError, RunKind, ScheduleError,
};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// Rules that can be opened again on the same directory.
struct Place {
    dir: TempDir,
    missed: Missed,
    limit: u64,
}

impl Place {
    fn new(missed: Missed) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            dir,
            missed,
            limit: 10_000,
        }
    }

    fn open(&self, now: &str) -> Rules {
        let store = Store::open(self.dir.path(), Durability::Relaxed).unwrap();
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let policy = Policy {
            schedule_seconds: true,
            missed: self.missed,
            queued_limit: self.limit,
        };
        Rules::open(Arc::new(store), scope, Clock::manual(at(now)), policy).unwrap()
    }
}

async fn close(rules: Rules) {
    rules.drain().await;
    rules.store.close().await;
}

/// What was accepted and not looked at yet, in the order of acceptance.
async fn accepted(rules: &Rules) -> Vec<Event> {
    let mut events = rules.store.events().due(Timestamp(i64::MAX), 10_000).await;
    events.sort_by_key(|event| event.id);
    for event in &events {
        rules.store.events().done(event.id).await;
    }
    events
}

fn payload(event: &Event) -> Value {
    serde_json::from_slice(&event.event.payload).unwrap()
}

/// The times in the payloads of scheduled events.
async fn times(rules: &Rules) -> Vec<String> {
    let events = accepted(rules).await;
    let time = |event: &Event| payload(event)["time"].as_str().unwrap().to_owned();
    events.iter().map(time).collect()
}

fn rule(name: &str, pattern: Option<Value>, schedule: Option<&str>) -> NewRule {
    NewRule {
        name: name.parse().unwrap(),
        bus: BusName::standard(),
        description: None,
        state: RunState::Enabled,
        pattern: pattern.map(|pattern| pattern.to_string()),
        schedule: schedule.map(str::to_owned),
        role: None,
        tags: BTreeMap::new(),
    }
}

fn target(id: &str, arn: &str, input: InputText) -> NewTarget {
    NewTarget {
        id: id.parse().unwrap(),
        arn: arn.to_owned(),
        input,
        role: None,
        retry: None,
        dead_letter: None,
    }
}

async fn put(rules: &Rules, rule: NewRule, targets: Vec<NewTarget>) {
    let (bus, name) = (rule.bus.clone(), rule.name.clone());
    rules.put_rule(rule).await.unwrap();
    let refused = rules.put_targets(&bus, &name, targets).await.unwrap();
    assert_eq!(refused, []);
}

fn schedule(name: &str, expression: &str) -> NewSchedule {
    NewSchedule {
        name: name.parse().unwrap(),
        group: GroupName::standard(),
        description: None,
        state: RunState::Enabled,
        expression: expression.to_owned(),
        zone: None,
        start: None,
        end: None,
        window_minutes: None,
        delete_when_complete: false,
        target: NewScheduleTarget {
            arn: FUNCTION.to_owned(),
            role: ROLE.to_owned(),
            input: None,
            retry: None,
            dead_letter: None,
        },
        kms_key: None,
    }
}

async fn advance(rules: &Rules, seconds: u64) -> usize {
    let advanced = rules.advance(Duration::from_secs(seconds)).await.unwrap();
    assert_eq!(advanced.now, rules.clock().now());
    advanced.ran
}
