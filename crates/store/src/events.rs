//! Events: the durable queue of asynchronous invocations. What was accepted is
//! tried at least once, whatever happens to the process.
//!
//! The rows are in SQLite; which of them are due, and which are on lease, is
//! known in memory.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Notify;
use types::{FunctionName, Qualifier, RequestId, Timestamp};

use crate::database::Reader;
use crate::error::StoreError;
use crate::writer::{Write, Writer};

/// Payloads of fresh events that stay in memory, so that they need not be read
/// back a moment later.
const RESIDENT_BYTES: usize = 4 << 20;
/// When to try again to read an event that could not be read.
const UNREADABLE_DELAY_MS: i64 = 5_000;

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

pub struct Events {
    reader: Reader,
    writer: Arc<Writer>,
    index: Arc<Index>,
    next_id: AtomicI64,
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
        let mut last_id = 0;
        reader.read(|connection| {
            let mut statement = connection.prepare("SELECT id, due, attempts FROM events")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (id, due) = (row.get(0)?, Timestamp(row.get(1)?));
                book.put_back(id, due, row.get(2)?);
                last_id = last_id.max(id);
            }
            Ok(())
        })?;
        Ok(Self {
            reader,
            writer,
            index: Arc::new(Index {
                book: Mutex::new(book),
                arrival: Notify::new(),
            }),
            next_id: AtomicI64::new(last_id + 1),
        })
    }

    /// Returns when the event is durable. `limit` is how many may be accepted
    /// and not yet done, this one included.
    pub async fn accept(&self, event: NewEvent, limit: u64) -> Result<i64, AcceptError> {
        let place = Index::reserve(&self.index, limit).ok_or(AcceptError::Full)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.writer
            .ask(|answer| Write::Accept {
                id,
                event,
                place,
                answer,
            })
            .await?;
        Ok(id)
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
            .read_aside(move |connection| ids.iter().map(|&id| select(connection, id)).collect())
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
        if self.index.book.lock().forget(id) {
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

/// What is known in memory of the accepted events.
struct Index {
    book: Mutex<Book>,
    arrival: Notify,
}

#[derive(Default)]
struct Book {
    entries: HashMap<i64, Entry>,
    /// Those that are not on lease.
    waiting: BTreeSet<(Timestamp, i64)>,
    /// Places of events that are just being written.
    reserved: u64,
    resident_bytes: usize,
}

struct Entry {
    due: Timestamp,
    attempts: u32,
    leased: bool,
    resident: Option<Box<NewEvent>>,
}

impl Index {
    fn reserve(index: &Arc<Self>, limit: u64) -> Option<Reservation> {
        let mut book = index.book.lock();
        if book.entries.len() as u64 + book.reserved >= limit {
            return None;
        }
        book.reserved += 1;
        Some(Reservation {
            index: Arc::clone(index),
        })
    }
}

/// A place in the queue for an event that is being written; dropped, it is free.
pub(crate) struct Reservation {
    index: Arc<Index>,
}

impl Reservation {
    pub(crate) fn fill(self, id: i64, event: NewEvent) {
        self.index.book.lock().add(id, event);
        self.index.arrival.notify_one();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.index.book.lock().reserved -= 1;
    }
}

impl Book {
    fn add(&mut self, id: i64, event: NewEvent) {
        let due = event.accepted;
        self.put_back(id, due, 0);
        let size = event.payload.len();
        if self.resident_bytes + size <= RESIDENT_BYTES
            && let Some(entry) = self.entries.get_mut(&id)
        {
            self.resident_bytes += size;
            entry.resident = Some(Box::new(event));
        }
    }

    fn put_back(&mut self, id: i64, due: Timestamp, attempts: u32) {
        self.waiting.insert((due, id));
        let entry = Entry {
            due,
            attempts,
            leased: false,
            resident: None,
        };
        self.entries.insert(id, entry);
    }

    fn reschedule(&mut self, id: i64, due: Timestamp, attempts: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        self.waiting.remove(&(entry.due, id));
        self.waiting.insert((due, id));
        entry.due = due;
        entry.attempts = attempts;
        entry.leased = false;
        true
    }

    fn forget(&mut self, id: i64) -> bool {
        let Some(entry) = self.entries.remove(&id) else {
            return false;
        };
        self.waiting.remove(&(entry.due, id));
        if let Some(event) = entry.resident {
            self.resident_bytes -= event.payload.len();
        }
        true
    }
}

/// Events on their way out. If it is dropped on the way, they wait again.
struct Lease<'a> {
    index: &'a Index,
    events: Vec<Event>,
    unread: Vec<(i64, Timestamp, u32)>,
}

impl<'a> Lease<'a> {
    fn take(index: &'a Index, now: Timestamp, max: usize) -> Self {
        let mut lease = Self {
            index,
            events: Vec::new(),
            unread: Vec::new(),
        };
        let mut book = index.book.lock();
        let book = &mut *book;
        while lease.events.len() + lease.unread.len() < max {
            let Some(&(due, id)) = book.waiting.first().filter(|(due, _)| *due <= now) else {
                break;
            };
            book.waiting.pop_first();
            let Some(entry) = book.entries.get_mut(&id) else {
                continue;
            };
            entry.leased = true;
            match entry.resident.take() {
                Some(event) => {
                    book.resident_bytes -= event.payload.len();
                    lease.events.push(Event {
                        id,
                        event: *event,
                        attempts: entry.attempts,
                        due,
                    });
                }
                None => lease.unread.push((id, due, entry.attempts)),
            }
        }
        lease
    }

    /// Takes in what was read for `unread`, in its order; what could not be
    /// read is tried again later.
    fn read(&mut self, found: Vec<Result<NewEvent, StoreError>>, now: Timestamp) {
        let mut found = found.into_iter();
        for (id, due, attempts) in std::mem::take(&mut self.unread) {
            match found.next() {
                Some(Ok(event)) => self.events.push(Event {
                    id,
                    event,
                    attempts,
                    due,
                }),
                unreadable => {
                    if let Some(Err(error)) = unreadable {
                        tracing::error!(
                            id,
                            error = &error as &dyn std::error::Error,
                            "an event could not be read"
                        );
                    }
                    let later = now.plus_millis(UNREADABLE_DELAY_MS);
                    self.index.book.lock().reschedule(id, later, attempts);
                }
            }
        }
        self.events.sort_by_key(|event| (event.due, event.id));
    }

    fn keep(mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let back = self
            .events
            .iter()
            .map(|event| (event.id, event.due, event.attempts))
            .chain(self.unread.iter().copied());
        let mut book = self.index.book.lock();
        for (id, due, attempts) in back {
            book.reschedule(id, due, attempts);
        }
    }
}

pub(crate) fn insert(connection: &Connection, id: i64, event: &NewEvent) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO events (id, request_id, function, qualifier, payload, client_context,
             trace_id, accepted, due, attempts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 0)",
    )?;
    statement.execute(params![
        id,
        event.request_id.to_string(),
        event.function.as_str(),
        event.qualifier.as_ref().map(Qualifier::to_string),
        event.payload.as_ref(),
        event.client_context,
        event.trace_id,
        event.accepted.0,
    ])?;
    Ok(())
}

pub(crate) fn update(
    connection: &Connection,
    id: i64,
    due: Timestamp,
    attempts: u32,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE events SET due = ?, attempts = ? WHERE id = ?")?
        .execute(params![due.0, attempts, id])?;
    Ok(())
}

pub(crate) fn delete(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM events WHERE id = ?")?
        .execute([id])?;
    Ok(())
}

/// The outer result is about the connection, the inner one about this event.
fn select(connection: &Connection, id: i64) -> Result<Result<NewEvent, StoreError>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT request_id, function, qualifier, payload, client_context, trace_id, accepted
         FROM events WHERE id = ?",
    )?;
    let event = statement
        .query_row([id], |row| Ok(from_row(row)))
        .optional()?;
    Ok(event.unwrap_or_else(|| Err(corrupt("its row is gone"))))
}

fn from_row(row: &Row<'_>) -> Result<NewEvent, StoreError> {
    let qualifier: Option<String> = row.get(2)?;
    Ok(NewEvent {
        request_id: parsed(&row.get::<_, String>(0)?)?,
        function: parsed(&row.get::<_, String>(1)?)?,
        qualifier: qualifier.as_deref().map(parsed).transpose()?,
        payload: row.get::<_, Vec<u8>>(3)?.into(),
        client_context: row.get(4)?,
        trace_id: row.get(5)?,
        accepted: Timestamp(row.get(6)?),
    })
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|error: T::Err| corrupt(&error.to_string()))
}

fn corrupt(detail: &str) -> StoreError {
    StoreError::Corrupt {
        what: "an event",
        detail: detail.to_owned(),
    }
}
