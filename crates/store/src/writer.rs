//! The one thread that writes to the database. It drains what waits into one
//! transaction, commits, and only then answers: one sync for many writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};
use types::Timestamp;

use crate::deliveries::{self, Delivery};
use crate::documents::{self, Change};
use crate::error::StoreError;
use crate::events;
use crate::files::blocking;
use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::operation::Job;
use crate::records::{self, Pruner, Record};
use crate::store::Durability;

/// Writes that wait at most; past it callers wait.
const QUEUE: usize = 8192;
/// So many writes do not wait for more.
const BATCH: usize = 1000;
/// How long records and the ends of events lie in memory.
const LINGER: Duration = Duration::from_millis(100);

type Answer = oneshot::Sender<Result<(), StoreError>>;

/// One thing to write. Those with an answer are urgent; the others may be lost
/// in a crash.
pub(crate) enum Write {
    Documents {
        changes: Vec<Change>,
        answer: Answer,
    },
    /// What brings its own answer: operations on objects, and the acceptance
    /// of events.
    Job(Box<dyn Job>),
    Retry {
        id: i64,
        due: Timestamp,
        attempts: u32,
    },
    Done {
        id: i64,
    },
    Record(Record),
    Delivery(Delivery),
    /// Makes the thread look for content that nothing needs any more.
    Sweep,
    /// Is answered when everything before it is written.
    Barrier {
        answer: Answer,
    },
}

/// The way to the thread.
pub(crate) struct Writer {
    mailbox: Mailbox<Write>,
    room: Semaphore,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: AtomicU64,
    commit_micros: AtomicU64,
    jobs: Arc<AtomicU64>,
}

/// How often was committed, and how long that took in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commits {
    pub count: u64,
    pub micros: u64,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        durability: Durability,
        pruner: Pruner,
        ledger: Ledger,
    ) -> std::io::Result<Arc<Self>> {
        let jobs = Arc::new(AtomicU64::new(0));
        let writer = Arc::new(Self {
            mailbox: Mailbox::new(BATCH),
            room: Semaphore::new(QUEUE),
            thread: Mutex::new(None),
            commits: AtomicU64::new(0),
            commit_micros: AtomicU64::new(0),
            jobs: Arc::clone(&jobs),
        });
        let desk = Desk {
            jobs,
            connection,
            durability,
            pruner,
            ledger,
            syncing: None,
        };
        let shared = Arc::clone(&writer);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&shared, desk))?;
        *writer.thread.lock() = Some(thread);
        Ok(writer)
    }

    /// Returns when the write is committed.
    pub(crate) async fn ask(&self, write: impl FnOnce(Answer) -> Write) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.enter(write(answer), true).await?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Returns when the write is in the queue.
    pub(crate) async fn tell(&self, write: Write) -> Result<(), StoreError> {
        self.enter(write, false).await
    }

    /// Returns when the job is in the queue; it answers by itself.
    pub(crate) async fn hand_in(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.enter(Write::Job(job), true).await
    }

    /// As `tell` for who must not wait. Where the queue is full the thread is
    /// about to come by anyway.
    pub(crate) fn nudge(&self, write: Write) {
        if let Ok(permit) = self.room.try_acquire() {
            permit.forget();
            let _ = self.mailbox.push(write, false);
        }
    }

    async fn enter(&self, write: Write, urgent: bool) -> Result<(), StoreError> {
        let permit = self.room.acquire().await.map_err(|_| StoreError::Closed)?;
        // The thread gives it back when it takes the write.
        permit.forget();
        self.mailbox
            .push(write, urgent)
            .map_err(|_| StoreError::Closed)
    }

    pub(crate) fn commits(&self) -> Commits {
        Commits {
            count: self.commits.load(Ordering::Relaxed),
            micros: self.commit_micros.load(Ordering::Relaxed),
        }
    }

    /// Another number after each commit with a job in it, and before anybody is told of
    /// it: what was read under one number is as it was while that is the number.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Acquire)
    }

    /// Writes what waits, and ends.
    pub(crate) async fn close(&self) {
        self.stop_intake();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = blocking(move || {
                let _ = thread.join();
                Ok::<_, StoreError>(())
            });
            let _ = joined.await;
        }
    }

    /// As `close`, for a store that is dropped without it.
    pub(crate) fn close_now(&self) {
        self.stop_intake();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }

    fn stop_intake(&self) {
        self.room.close();
        self.mailbox.close();
    }
}

fn run(writer: &Writer, mut desk: Desk) {
    /// Should the thread ever panic, nobody waits for it.
    struct Abandon<'a>(&'a Writer);
    impl Drop for Abandon<'_> {
        fn drop(&mut self) {
            self.0.room.close();
            self.0.mailbox.abandon();
        }
    }
    let _abandon = Abandon(writer);
    while let Some(batch) = writer.mailbox.take(LINGER, None) {
        writer.room.add_permits(batch.len());
        let begun = Instant::now();
        desk.write(batch);
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        writer.commits.fetch_add(1, Ordering::Relaxed);
        writer.commit_micros.fetch_add(micros, Ordering::Relaxed);
    }
    desk.finish();
}

/// What the thread works at.
struct Desk {
    /// Counts commits with jobs in them.
    jobs: Arc<AtomicU64>,
    connection: Connection,
    durability: Durability,
    pruner: Pruner,
    ledger: Ledger,
    /// Whether commits are synced at the moment.
    syncing: Option<bool>,
}

impl Desk {
    fn write(&mut self, mut batch: Vec<Write>) {
        if self.commit(&mut batch).is_ok() {
            for write in batch {
                answer(write, Ok(()));
            }
            self.clear_away();
            return;
        }
        // One of them may have spoiled it for the others.
        for mut write in batch {
            let result = self.commit(std::slice::from_mut(&mut write));
            let committed = result.is_ok();
            answer(write, result);
            if committed {
                self.clear_away();
            }
        }
    }

    fn commit(&mut self, batch: &mut [Write]) -> Result<(), StoreError> {
        let awaited = batch
            .iter()
            .any(|write| matches!(write, Write::Documents { .. } | Write::Job(_)));
        self.sync_commits(awaited && self.durability == Durability::Full)?;
        let has_job = batch.iter().any(|write| matches!(write, Write::Job(_)));
        let transaction = self.connection.transaction()?;
        self.ledger.begin();
        let (mut records, mut newest) = (0, 0);
        for write in batch {
            match write {
                Write::Documents { changes, .. } => documents::apply(&transaction, changes)?,
                Write::Job(job) => job.apply(&transaction, &mut self.ledger)?,
                Write::Retry { id, due, attempts } => {
                    events::update(&transaction, *id, *due, *attempts)?;
                }
                Write::Done { id } => events::delete(&transaction, *id)?,
                Write::Record(record) => {
                    newest = records::insert(&transaction, record)?;
                    records += 1;
                }
                Write::Delivery(delivery) => {
                    deliveries::note(&transaction, &mut self.ledger, delivery)?;
                }
                Write::Sweep | Write::Barrier { .. } => {}
            }
        }
        if records > 0 {
            self.pruner.prune(&transaction, records, newest)?;
        }
        self.ledger.finish(&transaction)?;
        let committed = transaction.commit();
        if has_job {
            // After a commit that failed nobody knows, so that counts as one.
            self.jobs.fetch_add(1, Ordering::Release);
        }
        Ok(committed?)
    }

    /// Takes away the files that the last commit left without an owner.
    fn clear_away(&mut self) {
        self.ledger.remove_released();
        if let Err(error) = self.ledger.sweep(&mut self.connection) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "content that nothing needs was not removed"
            );
        }
    }

    /// What nobody waits for need not be on the disk; the next synced commit
    /// takes it along.
    fn sync_commits(&mut self, sync: bool) -> rusqlite::Result<()> {
        if self.syncing != Some(sync) {
            let level = if sync { "full" } else { "normal" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.syncing = Some(sync);
        }
        Ok(())
    }

    fn finish(&mut self) {
        let shortened =
            self.connection
                .pragma_update_and_check(None, "wal_checkpoint", "truncate", |_| Ok(()));
        if let Err(error) = shortened {
            tracing::warn!(%error, "the database's log could not be folded in");
        }
    }
}

fn answer(write: Write, result: Result<(), StoreError>) {
    // Who asked may have gone; then the answer has no reader.
    match write {
        Write::Documents { answer, .. } | Write::Barrier { answer } => {
            let _ = answer.send(result);
        }
        Write::Job(job) => job.settle(result),
        Write::Retry { .. }
        | Write::Done { .. }
        | Write::Record(_)
        | Write::Delivery(_)
        | Write::Sweep => {
            if let Err(error) = result {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a record, a delivery or the end of an event was not written"
                );
            }
        }
    }
}
