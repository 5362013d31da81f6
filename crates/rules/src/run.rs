//! The loop that lets time run functions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store::{AcceptError, NewEvent};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;
use types::{BusName, RequestId, Timestamp};

use crate::model::Rule;
use crate::routes::calls;
use crate::rules::{Rules, progress_change};
use crate::schedule_call;
use crate::state::State;
use crate::timetable::{Batch, Firing, Key};
use crate::wire_time;

/// How many runs are accepted in one transaction.
const BATCH: usize = 100;
/// A run that is later than this was missed: the machine slept.
const GRACE_MS: i64 = 60_000;
/// The pause before what could not be accepted is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Why a clock was not moved.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    #[error("the clock is the system's, and only a manual one can be moved")]
    NotManual,
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

/// What came of moving a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advanced {
    pub now: Timestamp,
    /// Runs of rules and schedules that became due and were accepted.
    pub ran: usize,
}

impl Rules {
    /// Accepts what becomes due, until it is told to stop. It may also be dropped
    /// at any time.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let outcome = self.fire(self.clock.now()).await;
            let next = self.timetable.lock().next_due();
            let pause = async {
                match (&outcome, next) {
                    (Err(_), _) => tokio::time::sleep(RETRY).await,
                    (Ok(_), Some(next)) => self.clock.sleep_until(next).await,
                    (Ok(_), None) => std::future::pending().await,
                }
            };
            if let Err(error) = &outcome {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "runs of schedules wait because they could not be accepted"
                );
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = pause => {}
            }
        }
    }

    /// Moves a manual clock. Returns when all that became due is accepted, in the
    /// order of its times. On an error the clock stands where it came to.
    pub async fn advance(&self, by: Duration) -> Result<Advanced, AdvanceError> {
        if !self.clock.is_manual() {
            return Err(AdvanceError::NotManual);
        }
        let _turn = self.moving.lock().await;
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.now().plus_millis(millis);
        let ran = self.fire(now).await?;
        self.clock.move_to(now);
        Ok(Advanced { now, ran })
    }

    /// Accepts all that is due. The note that a run is accepted is committed with
    /// it, and so no run comes twice or is lost, whatever happens to the process.
    async fn fire(&self, now: Timestamp) -> Result<usize, AcceptError> {
        let missed_until = if self.clock.is_manual() {
            self.opened
        } else {
            self.opened.max(now.plus_millis(-GRACE_MS))
        };
        let mut ran = 0;
        loop {
            let turn = Arc::clone(&self.writing).lock_owned().await;
            let batch = self.timetable.lock().due(now, missed_until, BATCH);
            if batch.is_empty() {
                return Ok(ran);
            }
            let count = batch.firings.len();
            let latest = batch.firings.last().map(|firing| firing.at);
            self.accept(turn, batch).await?;
            if let Some(latest) = latest {
                self.clock.move_to(latest);
            }
            ran += count;
        }
    }

    async fn accept(&self, turn: OwnedMutexGuard<()>, mut batch: Batch) -> Result<(), AcceptError> {
        let calls = self.calls_of(&batch);
        let draft = self.without_completed(&mut batch);
        let mut changes: Vec<_> = batch
            .progress()
            .map(|(key, progress)| progress_change(&key.to_string(), Some(progress)))
            .collect();
        let mut gone = Vec::new();
        let draft = draft.map(|mut draft| {
            let noted = draft.take_noted();
            changes.extend(noted.changes);
            gone.extend(noted.plans.into_iter().map(|(key, _)| key));
            changes.extend(
                gone.iter()
                    .map(|key: &Key| progress_change(&key.to_string(), None)),
            );
            draft
        });
        let (store, limit) = (Arc::clone(&self.store), self.policy.queued_limit);
        let (state, timetable) = (Arc::clone(&self.state), Arc::clone(&self.timetable));
        let commit = self.tasks.spawn(async move {
            let _turn = turn;
            store.events().accept_all(calls, changes, limit).await?;
            if let Some(draft) = draft {
                *state.write() = draft;
            }
            let mut timetable = timetable.lock();
            timetable.apply(batch);
            for key in &gone {
                timetable.clear(key);
            }
            Ok(())
        });
        commit
            .await
            .expect("a commit neither panics nor is aborted")
    }

    fn calls_of(&self, batch: &Batch) -> Vec<NewEvent> {
        let state = self.state.read();
        batch
            .firings
            .iter()
            .flat_map(|Firing { key, at, .. }| self.calls_at(&state, key, *at))
            .collect()
    }

    /// The calls of one run.
    pub(crate) fn calls_at(&self, state: &State, key: &Key, at: Timestamp) -> Vec<NewEvent> {
        match key {
            Key::Rule(name) => match state.rule(&BusName::standard(), name) {
                Ok(rule) => {
                    let subject = format!("schedule {name} at {}", wire_time(at));
                    let event = self.scheduled_event(rule, at);
                    calls(&self.scope, rule, &event, &subject, at)
                }
                Err(_) => Vec::new(),
            },
            Key::Schedule(group, name) => {
                let Ok(schedule) = state.schedule(group, name) else {
                    return Vec::new();
                };
                match schedule_call::call(&self.scope, schedule, at) {
                    Ok(call) => vec![call],
                    Err(reason) => {
                        tracing::warn!(%group, %name, reason, "a schedule's target was not called");
                        Vec::new()
                    }
                }
            }
        }
    }

    /// What rules with a schedule send.
    fn scheduled_event(&self, rule: &Rule, at: Timestamp) -> Value {
        json!({
            "version": "0",
            "id": RequestId::random().to_string(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.scope.account.as_str(),
            "time": wire_time(at),
            "region": self.scope.region.as_str(),
            "resources": [rule.arn(&self.scope)],
            "detail": {},
        })
    }

    /// The state without the schedules that are to go when they are complete, if
    /// there are any.
    fn without_completed(&self, batch: &mut Batch) -> Option<State> {
        let state = self.state.read();
        let completed: Vec<Key> = batch
            .firings
            .iter()
            .filter(|firing| firing.is_last)
            .map(|firing| firing.key.clone())
            .filter(|key| match key {
                Key::Schedule(group, name) => state
                    .schedule(group, name)
                    .is_ok_and(|schedule| schedule.delete_when_complete),
                Key::Rule(_) => false,
            })
            .collect();
        if completed.is_empty() {
            return None;
        }
        let mut draft = state.clone();
        for key in completed {
            if let Key::Schedule(group, name) = &key {
                draft.remove_schedule(group, name);
            }
            batch.forget(&key);
        }
        Some(draft)
    }
}
