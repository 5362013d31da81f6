//! Events: the durable queue of asynchronous invocations. What was accepted is
//! tried at least once, whatever happens to the process.
//!
//! The rows are in SQLite; which of them are due, and which are on lease, is
//! known in memory.

mod index;
mod rows;

pub(crate) use index::Reservation;
pub(crate) use rows::{delete, insert, update};

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use types::{FunctionName, Qualifier, RequestId, Timestamp};

use crate::database::Reader;
use crate::documents::{self, Change};
use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::operation::carry_out;
use crate::writer::{Write, Writer};

use index::{Book, Index, Lease};

/// An asynchronous invocation to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub request_id: RequestId,
    pub function: FunctionName,
    pub qualifier: Option<Qualifier>,
    pub payload: Bytes,
    pub client_context: Option<String>,
    pub trace_id: Option<String>,
    pub accepted: Timestamp,
    /// Events of the same order run one after the other, as they were accepted.
    pub order: Option<String>,
    /// What caused it, where it was not a client's own call.
    pub source: Option<EventSource>,
    /// In place of what the function's settings say.
    pub retry: Option<RetryPolicy>,
}

impl NewEvent {
    /// A client's own call.
    pub fn new(request_id: RequestId, function: FunctionName, payload: Bytes) -> Self {
        Self {
            request_id,
            function,
            qualifier: None,
            payload,
            client_context: None,
            trace_id: None,
            accepted: Timestamp::now(),
            order: None,
            source: None,
            retry: None,
        }
    }
}

/// What caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSource {
    /// The service that invokes, such as `s3.amazonaws.com`.
    pub service: String,
    /// The bucket, rule or schedule on whose behalf.
    pub arn: String,
    /// The role as which it invokes, where it has one.
    pub role: Option<String>,
    /// What happened, for people: `ObjectCreated:Put raw/data.csv`.
    pub subject: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub max_retries: u32,
    pub max_age_seconds: u32,
}

/// An accepted event, on lease to who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: i64,
    pub event: NewEvent,
    /// How often it was tried, as `retry` was last told.
    pub attempts: u32,
    pub due: Timestamp,
}

/// Why an event was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("the queue of accepted events is full")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The queue. A clone is another handle.
#[derive(Clone)]
pub struct Events {
    reader: Reader,
    writer: Arc<Writer>,
    index: Arc<Index>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn load(reader: Reader, writer: Arc<Writer>) -> Result<Self, StoreError> {
        let mut book = Book::default();
        reader.read(|connection| {
            // In the order of acceptance, which is the order within a line.
            let sql = "SELECT id, due, attempts, line FROM events ORDER BY id";
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (due, line) = (Timestamp(row.get(1)?), row.get::<_, Option<String>>(3)?);
                book.enter(row.get(0)?, due, row.get(2)?, line.as_deref());
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(Self {
            reader,
            writer,
            index: Arc::new(Index::new(book)),
        })
    }

    /// Returns when the event is durable. `limit` is how many may be accepted
    /// and not yet done, this one included.
    pub async fn accept(&self, event: NewEvent, limit: u64) -> Result<i64, AcceptError> {
        let ids = self.accept_all(vec![event], Vec::new(), limit).await?;
        // One event has one id.
        ids.first()
            .copied()
            .ok_or(AcceptError::Store(StoreError::Closed))
    }

    /// Accepts all of the events and makes all of the changes to documents, or
    /// nothing of it. Answers with the ids of the events.
    pub async fn accept_all(
        &self,
        events: Vec<NewEvent>,
        changes: Vec<Change>,
        limit: u64,
    ) -> Result<Vec<i64>, AcceptError> {
        let place = self.reserve(events.len(), limit).ok_or(AcceptError::Full)?;
        let work = move |transaction: &Transaction<'_>, _: &mut Ledger| {
            documents::apply(transaction, &changes)?;
            Ok(Ok(((), events.clone())))
        };
        let accepted: Result<_, AcceptError> = carry_out(&self.writer, Some(place), work).await;
        Ok(accepted?.1)
    }

    /// Places for events that are about to be written; `None` if there are not
    /// enough below the limit.
    pub(crate) fn reserve(&self, count: usize, limit: u64) -> Option<Reservation> {
        Index::reserve(&self.index, count as u64, limit)
    }

    /// Hands out up to `max` events whose time has come, on lease: none of them
    /// comes again before `retry` or a restart. End each by `retry` or `done`.
    pub async fn due(&self, now: Timestamp, max: usize) -> Vec<Event> {
        let mut lease = Lease::take(&self.index, now, max);
        if lease.unread.is_empty() {
            return lease.keep();
        }
        let ids: Vec<i64> = lease.unread.iter().map(|&(id, ..)| id).collect();
        let read = self
            .reader
            .read_aside(move |connection| {
                ids.iter().map(|&id| rows::select(connection, id)).collect()
            })
            .await;
        let found: Vec<Result<NewEvent, StoreError>> = match read {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "due events could not be read"
                );
                Vec::new()
            }
        };
        lease.read(found, now);
        lease.keep()
    }

    /// When the next event is due, those on lease aside.
    #[expect(
        clippy::unused_async,
        reason = "the queue may come to be asked on the disk"
    )]
    pub async fn next_due(&self) -> Option<Timestamp> {
        let book = self.index.book.lock();
        book.waiting.first().map(|&(due, _)| due)
    }

    /// When the one that has waited longest was due. None if all are under way.
    pub fn first_due(&self) -> Option<Timestamp> {
        let book = self.index.book.lock();
        book.waiting.first().map(|&(due, _)| due)
    }

    /// Waits until an event was accepted since this was last waited for.
    pub async fn arrival(&self) {
        self.index.arrival.notified().await;
    }

    /// Ends a lease: the event is to come again at `due`. A crash may forget
    /// this, and then the event comes sooner.
    pub async fn retry(&self, id: i64, due: Timestamp, attempts: u32) {
        if !self.index.book.lock().reschedule(id, due, attempts) {
            return;
        }
        self.index.arrival.notify_one();
        // A store that closes leaves the event as it was: it will come again.
        let _ = self.writer.tell(Write::Retry { id, due, attempts }).await;
    }

    /// Ends an event for good. A crash may forget this, and then it comes again.
    pub async fn done(&self, id: i64) {
        let forgotten = self.index.book.lock().forget(id);
        if forgotten {
            // It may have made way for the next of its line.
            self.index.arrival.notify_one();
            let _ = self.writer.tell(Write::Done { id }).await;
        }
    }

    /// Events accepted and not yet done.
    pub fn len(&self) -> u64 {
        self.index.book.lock().entries.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
