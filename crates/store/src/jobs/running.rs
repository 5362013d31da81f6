//! A job that runs: where its results wait to be written, and what its driver hears.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::error::StoreError;

use super::book::JobBook;
use super::model::{End, ItemFailure, ItemKey, JobId, JobState};
use super::rows;
use super::sheaf::{Sheaf, Wanted};

/// Bytes of results that wait at most; past them [`RunningJob::ready`] waits.
const MOST_WAITING: usize = 4 << 20;
/// So many are written without lying in wait for more.
const ENOUGH: usize = 1 << 20;
/// Failures that wait at most.
const MOST_FAILURES: usize = 4096;

/// A job that this process runs.
#[derive(Debug)]
pub struct RunningJob {
    book: Arc<JobBook>,
    slot: Arc<Slot>,
}

/// What the job shares with the thread that writes.
#[derive(Debug)]
pub(super) struct Slot {
    pub id: JobId,
    pub number: i64,
    pub round: i64,
    /// The short number of what its results are kept under.
    pub identity: i64,
    /// Those under which there may be results to take, the latest last.
    pub known: Vec<i64>,
    pub waiting: Mutex<Waiting>,
    /// Told whenever what waited is taken away, and when the job breaks.
    pub room: Notify,
    /// Why nothing more of it can be written.
    pub broken: OnceLock<Arc<StoreError>>,
    pub cancel: AtomicBool,
}

/// What the thread has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub sheaf: Sheaf,
    pub failures: Vec<ItemFailure>,
    pub progress: Option<String>,
    pub end: Option<Ending>,
}

#[derive(Debug)]
pub(super) struct Ending {
    pub end: End,
    pub answer: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.sheaf.bytes() >= MOST_WAITING || self.failures.len() >= MOST_FAILURES
    }
}

impl Slot {
    pub fn new(id: JobId, number: i64, round: i64, identity: i64, known: Vec<i64>) -> Self {
        Self {
            id,
            number,
            round,
            identity,
            known,
            waiting: Mutex::default(),
            room: Notify::new(),
            broken: OnceLock::new(),
            cancel: AtomicBool::new(false),
        }
    }

    /// Nobody will ever take what waits.
    pub fn abandon(&self) {
        // It may be broken already.
        let _ = self.broken.set(Arc::new(StoreError::Closed));
        *self.waiting.lock() = Waiting::default();
        self.room.notify_waiters();
    }

    /// The error that everyone hears who still wants something written.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.broken.get() {
            Some(error) => Err(StoreError::JobsUnwritable(Arc::clone(error))),
            None => Ok(()),
        }
    }
}

impl RunningJob {
    pub(super) fn new(book: Arc<JobBook>, slot: Arc<Slot>) -> Self {
        Self { book, slot }
    }

    pub fn id(&self) -> &JobId {
        &self.slot.id
    }

    /// Whether looking for known results can find any.
    pub fn may_know(&self) -> bool {
        !self.slot.known.is_empty()
    }

    /// Looks for results of items; `found` hears the place in `keys` and the result.
    /// May read for some milliseconds.
    pub fn known(
        &self,
        keys: &[ItemKey],
        mut found: impl FnMut(usize, &[u8]),
    ) -> Result<(), StoreError> {
        if !self.may_know() || keys.is_empty() {
            return Ok(());
        }
        let mut wanted =
            Wanted::with_capacity_and_hasher(keys.len(), BuildHasherDefault::default());
        // Items that are equal share a result: place by place, the one before it.
        let mut twins: HashMap<usize, usize> = HashMap::new();
        for (place, key) in keys.iter().enumerate() {
            if let Some(before) = wanted.insert(*key, place) {
                twins.insert(place, before);
            }
        }
        let mut tell = |place: usize, result: &[u8]| {
            let mut next = Some(place);
            while let Some(place) = next {
                found(place, result);
                next = twins.get(&place).copied();
            }
        };
        let readers = self.book.readers();
        readers.read(|connection| {
            let mut identities = self.slot.known.iter();
            identities
                .try_for_each(|identity| rows::known(connection, *identity, &wanted, &mut tell))
        })
    }

    /// Keeps a result, which is written a fraction of a second later. Never waits:
    /// between a handful of calls await [`RunningJob::ready`].
    pub fn keep(&self, key: &ItemKey, result: &[u8]) {
        let mut waiting = self.slot.waiting.lock();
        let before = waiting.sheaf.bytes();
        waiting.sheaf.push(key, result);
        let crossed = before < ENOUGH && waiting.sheaf.bytes() >= ENOUGH;
        drop(waiting);
        if crossed {
            self.book.hurry();
        }
    }

    /// Returns when there is room for more, or with the reason why nothing more of
    /// this job can be written.
    pub async fn ready(&self) -> Result<(), StoreError> {
        loop {
            let mut room = std::pin::pin!(self.slot.room.notified());
            // From here on nothing that is told is missed.
            room.as_mut().enable();
            self.slot.check()?;
            if !self.slot.waiting.lock().is_full() {
                return Ok(());
            }
            self.book.hurry();
            room.await;
        }
    }

    pub fn fail(&self, failure: ItemFailure) {
        self.slot.waiting.lock().failures.push(failure);
    }

    /// How far the job is. Of several, the last is written, about once a second.
    pub fn progress(&self, progress: String) {
        self.slot.waiting.lock().progress = Some(progress);
    }

    /// Whether somebody asked, from whatever process, that the job stops.
    pub fn cancel_asked(&self) -> bool {
        self.slot.cancel.load(Ordering::Relaxed)
    }

    /// Writes all that waits, and how the job ended.
    pub async fn finish(self, end: End) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.end(Ending {
            end,
            answer: Some(answer),
        });
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    fn end(&self, ending: Ending) {
        self.slot.waiting.lock().end.get_or_insert(ending);
        self.book.hurry();
    }
}

impl Drop for RunningJob {
    /// For who forgot to finish it. After `finish` this changes nothing.
    fn drop(&mut self) {
        self.end(Ending {
            end: End {
                state: JobState::Failed,
                error: Some("it was given up without a word".to_owned()),
                progress: None,
            },
            answer: None,
        });
    }
}
