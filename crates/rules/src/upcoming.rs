//! What people ask: what runs when, and running it now.

use serde::Serialize;
use store::AcceptError;
use types::{BusName, GroupName, RequestId, Timestamp};

use crate::model::RunState;
use crate::rules::Rules;
use crate::timetable::Key;

/// One rule or schedule that runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upcoming {
    pub name: String,
    pub kind: RunKind,
    /// Of a schedule.
    pub group: Option<String>,
    pub expression: String,
    /// `None` is UTC.
    pub zone: Option<String>,
    pub state: RunState,
    pub next: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub targets: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    Rule,
    Schedule,
}

/// What was run by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ran {
    pub name: String,
    pub kind: RunKind,
    /// Empty where a rule has no targets.
    pub request_ids: Vec<RequestId>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("there is no rule with a schedule and no schedule named {0:?}")]
    NotFound(String),
    #[error(
        "{0:?} is the name of more than one: say whether the rule or the schedule, and of which group"
    )]
    Ambiguous(String),
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

impl Rules {
    /// All rules with a schedule expression and all schedules, disabled ones
    /// included: first what runs next.
    pub fn upcoming(&self) -> Vec<Upcoming> {
        let state = self.state.read();
        let timetable = self.timetable.lock();
        let rules = state.all_rules().filter_map(|rule| {
            let expression = rule.schedule.as_ref()?;
            let (next, last) = timetable.times(&Key::Rule(rule.name.clone()));
            let targets = rule.targets.values();
            Some(Upcoming {
                name: rule.name.to_string(),
                kind: RunKind::Rule,
                group: None,
                expression: expression.to_string(),
                zone: None,
                state: rule.state,
                next,
                last,
                targets: targets
                    .map(|target| target.arn.as_str().to_owned())
                    .collect(),
            })
        });
        let schedules = state.schedules().map(|schedule| {
            let key = Key::Schedule(schedule.group.clone(), schedule.name.clone());
            let (next, last) = timetable.times(&key);
            Upcoming {
                name: schedule.name.to_string(),
                kind: RunKind::Schedule,
                group: Some(schedule.group.to_string()),
                expression: schedule.expression.to_string(),
                zone: schedule.zone.as_ref().map(|zone| zone.name().to_owned()),
                state: schedule.state,
                next,
                last,
                targets: vec![schedule.target.arn.clone()],
            }
        });
        let mut all: Vec<Upcoming> = rules.chain(schedules).collect();
        all.sort_by_key(|one| one.next.unwrap_or(Timestamp(i64::MAX)));
        all
    }

    /// Runs a rule or schedule once, now, whatever its state; when it runs next
    /// stays as it is.
    pub async fn run_now(
        &self,
        name: &str,
        kind: Option<RunKind>,
        group: Option<&str>,
    ) -> Result<Ran, RunError> {
        let (key, calls) = {
            let state = self.state.read();
            let rule = name
                .parse()
                .ok()
                .filter(|_| kind != Some(RunKind::Schedule) && group.is_none());
            let rule = rule.filter(|name| {
                let rule = state.rule(&BusName::standard(), name);
                rule.is_ok_and(|rule| rule.schedule.is_some())
            });
            let group: Option<GroupName> = group.and_then(|group| group.parse().ok());
            let schedules = state.schedules().filter(|schedule| {
                kind != Some(RunKind::Rule)
                    && schedule.name.as_str() == name
                    && group.as_ref().is_none_or(|group| schedule.group == *group)
            });
            let keys: Vec<Key> = rule
                .map(Key::Rule)
                .into_iter()
                .chain(schedules.map(|one| Key::Schedule(one.group.clone(), one.name.clone())))
                .collect();
            let key = match <[Key; 1]>::try_from(keys) {
                Ok([key]) => key,
                Err(keys) if keys.is_empty() => return Err(RunError::NotFound(name.to_owned())),
                Err(_) => return Err(RunError::Ambiguous(name.to_owned())),
            };
            let calls = self.calls_at(&state, &key, self.clock.now());
            (key, calls)
        };
        let request_ids = calls.iter().map(|call| call.request_id).collect();
        self.store
            .events()
            .accept_all(calls, Vec::new(), self.policy.queued_limit)
            .await?;
        Ok(Ran {
            name: name.to_owned(),
            kind: match key {
                Key::Rule(_) => RunKind::Rule,
                Key::Schedule(..) => RunKind::Schedule,
            },
            request_ids,
        })
    }
}
