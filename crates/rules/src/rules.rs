//! The door to all of it: opening, changing, reading.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use store::{Change, NewEvent, Store, StoreError};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio_util::task::TaskTracker;
use types::{BusName, GroupName, Scope, Timestamp};

use crate::clock::Clock;
use crate::model::{Bus, Group};
use crate::routes::Routes;
use crate::rule_book::whole_seconds;
use crate::state::{self, Noted, State};
use crate::timetable::{Missed, Progress, Timetable};

/// Documents with how far each plan is.
pub(crate) const PROGRESS: &str = "timetable";

/// What an installation decides.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Allows `rate(10 seconds)`, which AWS does not have.
    pub schedule_seconds: bool,
    pub missed: Missed,
    /// How many events may be accepted and not yet done.
    pub queued_limit: u64,
}

/// Buses with their rules, groups with their schedules, and the timetable.
pub struct Rules {
    pub(crate) scope: Scope,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
    /// What was due before is missed.
    pub(crate) opened: Timestamp,
    pub(crate) state: Arc<RwLock<State>>,
    pub(crate) timetable: Arc<Mutex<Timetable>>,
    /// Held from reading the state to publishing its successor, and while runs are
    /// accepted: what was deleted does not run any more.
    pub(crate) writing: Arc<tokio::sync::Mutex<()>>,
    /// Commits run as tasks of their own, so that a client that vanishes cannot
    /// stop one between the disk and the memory.
    pub(crate) tasks: TaskTracker,
    /// The timetable is another.
    pub(crate) changed: Arc<Notify>,
    /// Held while a manual clock is being moved.
    pub(crate) moving: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("scope", &self.scope)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Rules {
    /// Reads what there is. It blocks: call it at the start.
    pub fn open(
        store: Arc<Store>,
        scope: Scope,
        clock: Clock,
        policy: Policy,
    ) -> Result<Self, StoreError> {
        let mut state = State::default();
        load(&store, state::BUS, |bus| drop(state.put_bus(bus)))?;
        load(&store, state::RULE, |rule| drop(state.put_rule(rule)))?;
        load(&store, state::GROUP, |group| drop(state.put_group(group)))?;
        load(&store, state::SCHEDULE, |schedule| {
            drop(state.put_schedule(schedule));
        })?;
        let now = Timestamp::now();
        if state.bus(&BusName::standard()).is_err() {
            state.put_bus(Bus::standard(now));
        }
        if state.group(&GroupName::standard()).is_err() {
            state.put_group(Group::standard(now));
        }
        // These came from the store, or are the same at every start; only the
        // plans are of use.
        let noted = state.take_noted();
        let progress: HashMap<String, Progress> = load_keyed(&store, PROGRESS)?.collect();
        let mut timetable = Timetable::new(policy.missed);
        for (key, planned) in noted.plans {
            if let Some(planned) = planned {
                let progress = progress.get(&key.to_string()).copied();
                timetable.set(key, planned, progress);
            }
        }
        // A clock that was moved by hand into the future must not begin before
        // what it has done.
        if let Some(latest) = timetable.latest() {
            clock.move_to(latest);
        }
        Ok(Self {
            scope,
            store,
            // A run of this very second is not missed yet.
            opened: whole_seconds(clock.now()).plus_millis(-1),
            clock,
            policy,
            state: Arc::new(RwLock::new(state)),
            timetable: Arc::new(Mutex::new(timetable)),
            writing: Arc::default(),
            tasks: TaskTracker::new(),
            changed: Arc::default(),
            moving: tokio::sync::Mutex::default(),
        })
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The rules of a bus as they are now, for one event or many. A `source` that
    /// all of these events have leaves out rules that want others.
    pub fn routes(&self, bus: &BusName, source: Option<&str>) -> Routes {
        let state = self.state.read();
        let wanted = state.rules(bus).filter(|rule| {
            rule.is_enabled()
                && !rule.targets.is_empty()
                && rule.pattern.as_ref().is_some_and(|pattern| {
                    source.is_none_or(|source| pattern.allows("source", source))
                })
        });
        Routes::new(
            self.scope.clone(),
            self.clock.clone(),
            wanted.cloned().collect(),
        )
    }

    /// What an event on a bus is to run.
    pub fn route(&self, bus: &BusName, event: &serde_json::Value) -> Vec<NewEvent> {
        self.routes(bus, None).route(event)
    }

    /// Works on a copy of the state; what it touched is committed before the copy
    /// takes the state's place. On an error nothing has happened.
    pub(crate) async fn change<T, E: From<StoreError>>(
        &self,
        operation: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let mut draft = self.state.read().clone();
        let result = operation(&mut draft)?;
        let noted = draft.take_noted();
        if !noted.changes.is_empty() {
            self.commit(turn, draft, noted).await?;
        }
        Ok(result)
    }

    async fn commit(
        &self,
        turn: OwnedMutexGuard<()>,
        draft: State,
        mut noted: Noted,
    ) -> Result<(), StoreError> {
        {
            let timetable = self.timetable.lock();
            for (key, planned) in &noted.plans {
                let progress = planned
                    .as_ref()
                    .map(|planned| timetable.progress_with(key, planned));
                noted
                    .changes
                    .push(progress_change(&key.to_string(), progress));
            }
        }
        let (store, state) = (Arc::clone(&self.store), Arc::clone(&self.state));
        let (timetable, changed) = (Arc::clone(&self.timetable), Arc::clone(&self.changed));
        let commit = self.tasks.spawn(async move {
            let _turn = turn;
            store.documents().commit(noted.changes).await?;
            *state.write() = draft;
            let mut timetable = timetable.lock();
            for (key, planned) in noted.plans {
                match planned {
                    Some(planned) => timetable.set(key, planned, None),
                    None => timetable.clear(&key),
                }
            }
            changed.notify_one();
            Ok::<_, StoreError>(())
        });
        commit
            .await
            .expect("a commit neither panics nor is aborted")
    }
}

pub(crate) fn progress_change(key: &str, progress: Option<Progress>) -> Change {
    Change {
        kind: PROGRESS,
        key: key.to_owned(),
        body: progress
            .map(|progress| serde_json::to_vec(&progress).expect("two times are plain data")),
    }
}

fn load<T: DeserializeOwned>(
    store: &Store,
    kind: &str,
    put: impl FnMut(T),
) -> Result<(), StoreError> {
    load_keyed(store, kind)?
        .map(|(_, record)| record)
        .for_each(put);
    Ok(())
}

fn load_keyed<T: DeserializeOwned>(
    store: &Store,
    kind: &str,
) -> Result<impl Iterator<Item = (String, T)>, StoreError> {
    let documents = store.documents().load(kind)?;
    let kind = kind.to_owned();
    Ok(documents.into_iter().filter_map(move |(key, body)| {
        serde_json::from_slice(&body)
            .inspect_err(|error| {
                tracing::error!(kind, key, %error, "skipped a stored record that is not readable");
            })
            .ok()
            .map(|record| (key, record))
    }))
}
