//! The thread that writes. Every now and then it takes what the running jobs have
//! waiting, and writes all of it in one transaction. It sleeps while no job runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, TransactionBehavior};
use types::Timestamp;

use crate::error::StoreError;

use super::model::{End, JobState};
use super::owner::Owner;
use super::prune::{self, Keep};
use super::running::{Ending, Slot, Waiting};
use super::sheaf::Sheaf;
use super::{rows, schema};

/// How long results lie in memory.
const LINGER: Duration = Duration::from_millis(50);
/// How often a running job says that it lives and how far it is.
const BEAT: Duration = Duration::from_secs(1);
/// A row that has so many bytes is not written over any more.
const ROW: usize = 64 << 10;
/// How often the end of a job is tried to be written that could not be.
const AGAIN: Duration = Duration::from_secs(5);
/// For so long another process may be in the way before a job is given up.
const GIVE_UP: Duration = Duration::from_mins(1);

/// What the thread and the book share.
#[derive(Debug)]
pub(super) struct Desk {
    pub path: PathBuf,
    pub connection: Mutex<Connection>,
    pub here: Owner,
    bell: Mutex<Bell>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct Bell {
    slots: Vec<Arc<Slot>>,
    hurry: bool,
    closed: bool,
    /// The thread is gone.
    abandoned: bool,
}

/// What the thread has in its hands.
#[derive(Default)]
struct Work {
    drafts: HashMap<i64, Draft>,
    /// Ends of jobs that could not be written: until they are, or this process is
    /// gone, others take the jobs for running.
    unsettled: Vec<(Arc<Slot>, End)>,
    blocked: Option<Instant>,
}

impl Desk {
    pub fn new(path: &Path, connection: Connection) -> Self {
        Self {
            path: path.to_owned(),
            connection: Mutex::new(connection),
            here: Owner::this(),
            bell: Mutex::default(),
            rung: Condvar::new(),
        }
    }

    pub fn enter(&self, slot: Arc<Slot>) {
        let mut bell = self.bell.lock();
        if bell.abandoned {
            slot.abandon();
        }
        bell.slots.push(slot);
        self.rung.notify_one();
    }

    pub fn hurry(&self) {
        let mut bell = self.bell.lock();
        bell.hurry = true;
        if bell.abandoned {
            bell.slots.iter().for_each(|slot| slot.abandon());
        }
        self.rung.notify_one();
    }

    /// What jobs hold is still written, then the thread ends.
    pub fn close(&self) {
        self.bell.lock().closed = true;
        self.rung.notify_one();
    }

    /// The jobs that run, after a while; None, when the book is closed. `restless`
    /// comes back also if there are none.
    fn wait(&self, restless: bool) -> Option<Vec<Arc<Slot>>> {
        let mut bell = self.bell.lock();
        while bell.slots.is_empty() && !bell.closed {
            if !restless {
                self.rung.wait(&mut bell);
            } else if self.rung.wait_for(&mut bell, AGAIN).timed_out() {
                return Some(vec![]);
            }
        }
        if bell.slots.is_empty() {
            return None;
        }
        let until = Instant::now() + LINGER;
        while !bell.hurry && !bell.closed {
            if self.rung.wait_until(&mut bell, until).timed_out() {
                break;
            }
        }
        bell.hurry = false;
        Some(bell.slots.clone())
    }

    fn leave(&self, slot: &Slot) {
        let mut bell = self.bell.lock();
        bell.slots.retain(|other| other.number != slot.number);
    }

    /// What the thread does until the book is closed.
    pub fn work(&self) {
        /// Should the thread ever panic, nobody waits for it.
        struct Abandon<'a>(&'a Desk);
        impl Drop for Abandon<'_> {
            fn drop(&mut self) {
                self.0.bell.lock().abandoned = true;
                self.0.hurry();
            }
        }
        let _abandon = Abandon(self);
        let mut work = Work::default();
        let mut beaten = Instant::now();
        while let Some(slots) = self.wait(!work.unsettled.is_empty()) {
            let beat = beaten.elapsed() >= BEAT;
            self.turn(&mut work, slots, beat);
            if beat {
                beaten = Instant::now();
            }
        }
        self.catch_up(&mut work);
    }

    fn turn(&self, work: &mut Work, slots: Vec<Arc<Slot>>, beat: bool) {
        for slot in slots {
            let draft = work.drafts.entry(slot.number);
            draft.or_insert_with(|| Draft::new(slot)).take();
        }
        match self.write(&mut work.drafts, beat) {
            Ok(()) => work.blocked = None,
            Err(StoreError::Database(error)) if schema::is_busy(&error) => {
                let since = *work.blocked.get_or_insert_with(Instant::now);
                if since.elapsed() < GIVE_UP {
                    return;
                }
                give_up(&mut work.drafts, error.into());
            }
            Err(error) => give_up(&mut work.drafts, error),
        }
        self.settle(work);
        if beat || work.drafts.is_empty() {
            self.catch_up(work);
        }
    }

    fn write(&self, drafts: &mut HashMap<i64, Draft>, beat: bool) -> Result<(), StoreError> {
        let mut connection = self.connection.lock();
        let now = Timestamp::now();
        if drafts.values().any(|draft| beat || draft.has_news()) {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for draft in drafts.values_mut() {
                draft.write(&transaction, beat, now)?;
            }
            transaction.commit()?;
        }
        drafts.values_mut().for_each(Draft::written);
        for draft in drafts.values() {
            if rows::is_cancelled(&connection, draft.slot.number)? {
                draft.slot.cancel.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Lets those go that ended, and answers them.
    fn settle(&self, work: &mut Work) {
        let over: Vec<Draft> = work
            .drafts
            .extract_if(|_, draft| draft.ending.is_some())
            .map(|(_, draft)| draft)
            .collect();
        if over.is_empty() {
            return;
        }
        for draft in &over {
            self.leave(&draft.slot);
            if let Some(error) = draft.slot.broken.get() {
                let end = End {
                    state: JobState::Failed,
                    error: Some(format!("results could no longer be kept: {}", said(error))),
                    progress: None,
                };
                work.unsettled.push((Arc::clone(&draft.slot), end));
            }
        }
        self.catch_up(work);
        for draft in over {
            if let Some(answer) = draft.ending.and_then(|ending| ending.answer) {
                // Who asked may have gone.
                let _ = answer.send(draft.slot.check());
            }
        }
        self.clear_away();
    }

    /// Says in the book that jobs could not be written to their ends, if that much can
    /// be written.
    fn catch_up(&self, work: &mut Work) {
        if work.unsettled.is_empty() {
            return;
        }
        let connection = self.connection.lock();
        work.unsettled.retain(|(slot, end)| {
            let written = rows::set_failed(&connection, slot, end, &self.here);
            written.is_err()
        });
    }

    /// A little of what is too old or too much goes with each job that ends.
    fn clear_away(&self) {
        if let Err(error) = prune::step(self, &Keep::default()) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old jobs were not cleared away"
            );
        }
    }
}

/// With its causes, in one line.
fn said(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn give_up(drafts: &mut HashMap<i64, Draft>, error: StoreError) {
    let error = Arc::new(error);
    for draft in drafts.values_mut().filter(|draft| draft.has_news()) {
        if draft.slot.broken.set(Arc::clone(&error)).is_ok() {
            tracing::error!(
                job = %draft.slot.id,
                error = &*error as &dyn std::error::Error,
                "results of a job can no longer be kept"
            );
        }
        draft.drop_news();
        draft.slot.room.notify_waiters();
    }
}

/// What the thread took of a job, until it is committed.
struct Draft {
    slot: Arc<Slot>,
    /// The content of the row that is being filled.
    sheaf: Sheaf,
    row: Option<i64>,
    /// Where the sheaf was written, until that is committed.
    wrote: Option<i64>,
    grown: bool,
    news: Waiting,
    ending: Option<Ending>,
}

impl Draft {
    fn new(slot: Arc<Slot>) -> Self {
        Self {
            slot,
            sheaf: Sheaf::default(),
            row: None,
            wrote: None,
            grown: false,
            news: Waiting::default(),
            ending: None,
        }
    }

    fn take(&mut self) {
        // While nothing can be written, no more is taken: so what waits is bounded.
        if self.grown {
            return;
        }
        let mut taken = std::mem::take(&mut *self.slot.waiting.lock());
        if self.slot.broken.get().is_none() {
            if !taken.sheaf.is_empty() {
                self.sheaf.append(&taken.sheaf);
                self.grown = true;
            }
            self.news.failures.append(&mut taken.failures);
            self.news.progress = taken.progress.or(self.news.progress.take());
        }
        self.ending = self.ending.take().or(taken.end);
        self.slot.room.notify_waiters();
    }

    fn has_news(&self) -> bool {
        self.grown || !self.news.failures.is_empty() || self.ending.is_some()
    }

    fn write(
        &mut self,
        connection: &Connection,
        beat: bool,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        if self.slot.broken.get().is_some() {
            return Ok(());
        }
        let Slot {
            number,
            round,
            identity,
            ..
        } = *self.slot;
        if self.grown {
            let row = rows::put_sheaf(connection, self.row, identity, &self.sheaf, now)?;
            self.wrote = Some(row);
        }
        for failure in &self.news.failures {
            rows::put_failure(connection, number, round, failure)?;
        }
        if let Some(Ending { end, .. }) = &self.ending {
            rows::set_state(connection, number, end, now)?;
            if end.state == JobState::Complete {
                rows::forget_failures(connection, number, round)?;
            }
        } else if beat {
            rows::beat(connection, number, self.news.progress.as_deref(), now)?;
        }
        Ok(())
    }

    /// After the commit.
    fn written(&mut self) {
        self.row = self.wrote.take().or(self.row);
        self.grown = false;
        self.news.failures.clear();
        if self.sheaf.bytes() >= ROW {
            self.sheaf.clear();
            self.row = None;
        }
    }

    fn drop_news(&mut self) {
        self.sheaf = Sheaf::default();
        self.grown = false;
        self.news = Waiting::default();
    }
}
