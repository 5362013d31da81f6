//! What runs next, and what is to become of runs that were missed. Pure: it is
//! told the time, says what is due, and changes only when it is told that what
//! was due is accepted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use types::{GroupName, RuleName, ScheduleName, Timestamp};

use crate::schedule::{Occurrence, Plan};

/// How many missed runs of one schedule are made up for, at most.
const MISSED_MOST: usize = 1_000;

/// What becomes of runs whose time passed while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// However many were missed, the last of them is run.
    #[default]
    Once,
    /// They are forgotten.
    Skip,
    /// Each is run, up to a thousand of a schedule.
    All,
}

/// What runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// A rule with a schedule expression: these are on the default bus only.
    Rule(RuleName),
    Schedule(GroupName, ScheduleName),
}

/// A plan and how far it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub plan: Plan,
    /// Occurrences up to here have run, or will not.
    pub done: Timestamp,
}

/// What is stored of the progress of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub done: Timestamp,
    pub last: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    plan: Plan,
    progress: Progress,
    next: Option<Occurrence>,
    /// Missed runs beyond the bound were dropped already.
    is_bounded: bool,
}

#[derive(Debug)]
pub(crate) struct Timetable {
    missed: Missed,
    entries: BTreeMap<Key, Entry>,
    queue: BTreeSet<(Timestamp, Key)>,
}

/// One run that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Firing {
    pub key: Key,
    pub at: Timestamp,
    /// There is none after it.
    pub is_last: bool,
}

/// Runs in the order of their times, and what the timetable is after them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub firings: Vec<Firing>,
    after: BTreeMap<Key, Entry>,
}

impl Timetable {
    pub fn new(missed: Missed) -> Self {
        Self {
            missed,
            entries: BTreeMap::new(),
            queue: BTreeSet::new(),
        }
    }

    /// A plan that stays as it was keeps its progress.
    pub fn set(&mut self, key: Key, planned: Planned, progress: Option<Progress>) {
        let old = self.remove(&key);
        let kept = progress.or_else(|| {
            old.filter(|old| old.plan == planned.plan)
                .map(|old| old.progress)
        });
        let progress = kept.unwrap_or(Progress {
            done: planned.done,
            last: None,
        });
        let entry = Entry::new(planned.plan, progress);
        self.insert(key, entry);
    }

    pub fn clear(&mut self, key: &Key) {
        self.remove(key);
    }

    /// The progress that `set` would give: what belongs on disk with the plan.
    pub fn progress_with(&self, key: &Key, planned: &Planned) -> Progress {
        match self.entries.get(key) {
            Some(old) if old.plan == planned.plan => old.progress,
            _ => Progress {
                done: planned.done,
                last: None,
            },
        }
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|(fire, _)| *fire)
    }

    /// The time of the next occurrence of one, and of the last that ran.
    pub fn times(&self, key: &Key) -> (Option<Timestamp>, Option<Timestamp>) {
        match self.entries.get(key) {
            Some(entry) => (entry.next.map(|next| next.fire), entry.progress.last),
            None => (None, None),
        }
    }

    /// The latest moment that anything here is done with.
    pub fn latest(&self) -> Option<Timestamp> {
        self.entries.values().map(|entry| entry.progress.done).max()
    }

    /// What is due at `now`, at most `most` runs in the order of their times. What
    /// was due at `missed_until` or before counts as missed. An empty batch may
    /// still be worth applying, as missed runs may have been forgotten in it.
    pub fn due(&self, now: Timestamp, missed_until: Timestamp, most: usize) -> Batch {
        let mut batch = Batch::default();
        let due = || self.queue.iter().take_while(|(fire, _)| *fire <= now);
        let mut queue: BTreeSet<(Timestamp, Key)> = due().take(most).cloned().collect();
        // Beyond this there are others that come first.
        let horizon = due().nth(most).map(|(fire, _)| *fire);
        while batch.firings.len() < most
            && let Some((fire, key)) = queue.pop_first()
        {
            if horizon.is_some_and(|horizon| fire > horizon) {
                break;
            }
            let mut entry = match batch.after.remove(&key) {
                Some(entry) => entry,
                None => self.entries[&key].clone(),
            };
            if let Some(occurrence) = entry.step(self.missed, missed_until) {
                batch.firings.push(Firing {
                    key: key.clone(),
                    at: occurrence.at,
                    is_last: entry.next.is_none(),
                });
            }
            if let Some(next) = entry.next.filter(|next| next.fire <= now) {
                queue.insert((next.fire, key.clone()));
            }
            batch.after.insert(key, entry);
        }
        batch
    }

    /// What was due is accepted for good.
    pub fn apply(&mut self, batch: Batch) {
        for (key, entry) in batch.after {
            self.remove(&key);
            self.insert(key, entry);
        }
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        if let Some(next) = entry.next {
            self.queue.insert((next.fire, key.clone()));
        }
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(next) = entry.next {
            self.queue.remove(&(next.fire, key.clone()));
        }
        Some(entry)
    }
}

impl Batch {
    /// Nothing is due, and nothing was forgotten.
    pub fn is_empty(&self) -> bool {
        self.after.is_empty()
    }

    /// How far each plan is when the batch is accepted.
    pub fn progress(&self) -> impl Iterator<Item = (&Key, Progress)> {
        self.after.iter().map(|(key, entry)| (key, entry.progress))
    }

    pub fn forget(&mut self, key: &Key) {
        self.after.remove(key);
    }
}

impl Entry {
    fn new(plan: Plan, progress: Progress) -> Self {
        let next = plan.next_after(progress.done);
        Self {
            plan,
            progress,
            next,
            is_bounded: false,
        }
    }

    /// Goes one run on. `None` is that missed runs were forgotten.
    fn step(&mut self, missed: Missed, until: Timestamp) -> Option<Occurrence> {
        let next = self.next?;
        if next.fire > until {
            self.done(next);
            return Some(next);
        }
        match missed {
            Missed::Once => {
                let last = self.plan.last_until(until, self.progress.done);
                let last = last.unwrap_or(next);
                self.done(last);
                Some(last)
            }
            Missed::Skip => {
                let last = self.plan.last_until(until, self.progress.done);
                let seen = self.progress.last;
                self.done(last.unwrap_or(next));
                self.progress.last = seen;
                None
            }
            Missed::All => {
                let run = if self.is_bounded {
                    next
                } else {
                    self.within_bound(next, until)
                };
                self.is_bounded = true;
                self.done(run);
                Some(run)
            }
        }
    }

    /// `next`, or a later one if too many were missed.
    fn within_bound(&self, next: Occurrence, until: Timestamp) -> Occurrence {
        let mut kept = VecDeque::from([next]);
        while let Some(&latest) = kept.back()
            && let Some(more) = self.plan.next_after(latest.at)
            && more.fire <= until
        {
            kept.push_back(more);
            if kept.len() > MISSED_MOST {
                kept.pop_front();
            }
        }
        kept.front().copied().unwrap_or(next)
    }

    fn done(&mut self, occurrence: Occurrence) {
        self.progress.done = occurrence.at;
        self.progress.last = Some(occurrence.at);
        self.next = self.plan.next_after(occurrence.at);
    }
}

/// The name of the document with its progress.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(name) => write!(f, "rule/{name}"),
            Self::Schedule(group, name) => write!(f, "schedule/{group}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
