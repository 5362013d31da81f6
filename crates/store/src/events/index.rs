//! Which events are due, in memory: those that wait, those on lease, and the
//! lines of those that run one after the other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use types::Timestamp;

use super::{Event, NewEvent};
use crate::error::StoreError;

/// Payloads of fresh events that stay in memory, so that they need not be read
/// back a moment later.
const RESIDENT_BYTES: usize = 4 << 20;
/// When to try again to read an event that could not be read.
const UNREADABLE_DELAY_MS: i64 = 5_000;

/// What is known in memory of the accepted events.
pub(super) struct Index {
    pub(super) book: Mutex<Book>,
    pub(super) arrival: Notify,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) entries: HashMap<i64, Entry>,
    /// Those that are neither on lease nor behind another one in their line.
    pub(super) waiting: BTreeSet<(Timestamp, i64)>,
    /// Events of the same order. Only the first of each line may run.
    lines: HashMap<Arc<str>, BTreeSet<i64>>,
    /// Places of events that are just being written.
    reserved: u64,
    resident_bytes: usize,
}

pub(super) struct Entry {
    due: Timestamp,
    attempts: u32,
    line: Option<Arc<str>>,
    resident: Option<Box<NewEvent>>,
}

impl Index {
    pub(super) fn new(book: Book) -> Self {
        Self {
            book: Mutex::new(book),
            arrival: Notify::new(),
        }
    }

    pub(super) fn reserve(index: &Arc<Self>, count: u64, limit: u64) -> Option<Reservation> {
        let mut book = index.book.lock();
        let taken = book.entries.len() as u64 + book.reserved;
        if count > 0 && taken + count > limit {
            return None;
        }
        book.reserved += count;
        Some(Reservation {
            index: Arc::clone(index),
            count,
        })
    }
}

/// Places in the queue for events that are being written; dropped, they are
/// free.
pub(crate) struct Reservation {
    index: Arc<Index>,
    count: u64,
}

impl Reservation {
    /// The events were written, in the order of their ids.
    pub(crate) fn fill(self, events: Vec<(i64, NewEvent)>) {
        if events.is_empty() {
            return;
        }
        let mut book = self.index.book.lock();
        for (id, event) in events {
            book.add(id, event);
        }
        drop(book);
        self.index.arrival.notify_one();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.index.book.lock().reserved -= self.count;
    }
}

impl Book {
    fn add(&mut self, id: i64, event: NewEvent) {
        self.enter(id, event.accepted, 0, event.order.as_deref());
        let size = event.payload.len();
        if self.resident_bytes + size <= RESIDENT_BYTES
            && let Some(entry) = self.entries.get_mut(&id)
        {
            self.resident_bytes += size;
            entry.resident = Some(Box::new(event));
        }
    }

    /// Ids come in the order of acceptance.
    pub(super) fn enter(&mut self, id: i64, due: Timestamp, attempts: u32, line: Option<&str>) {
        let line = line.map(|name| match self.lines.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        });
        if let Some(line) = &line {
            self.lines.entry(Arc::clone(line)).or_default().insert(id);
        }
        let entry = Entry {
            due,
            attempts,
            line,
            resident: None,
        };
        if self.is_first(id, &entry) {
            self.waiting.insert((due, id));
        }
        self.entries.insert(id, entry);
    }

    fn is_first(&self, id: i64, entry: &Entry) -> bool {
        let line = entry.line.as_ref().and_then(|line| self.lines.get(line));
        line.is_none_or(|line| line.first() == Some(&id))
    }

    pub(super) fn reschedule(&mut self, id: i64, due: Timestamp, attempts: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        self.waiting.remove(&(entry.due, id));
        entry.due = due;
        entry.attempts = attempts;
        if let Some(entry) = self.entries.get(&id)
            && self.is_first(id, entry)
        {
            self.waiting.insert((due, id));
        }
        true
    }

    /// Answers whether the event was there; the next of its line may run.
    pub(super) fn forget(&mut self, id: i64) -> bool {
        let Some(entry) = self.entries.remove(&id) else {
            return false;
        };
        self.waiting.remove(&(entry.due, id));
        if let Some(event) = entry.resident {
            self.resident_bytes -= event.payload.len();
        }
        if let Some(line) = entry.line {
            self.leave(id, &line);
        }
        true
    }

    fn leave(&mut self, id: i64, name: &Arc<str>) {
        let Some(line) = self.lines.get_mut(name) else {
            return;
        };
        let was_first = line.first() == Some(&id);
        line.remove(&id);
        match line.first() {
            None => _ = self.lines.remove(name),
            Some(next) if was_first => {
                if let Some(entry) = self.entries.get(next) {
                    self.waiting.insert((entry.due, *next));
                }
            }
            Some(_) => {}
        }
    }
}

/// Events on their way out. If it is dropped on the way, they wait again.
pub(super) struct Lease<'a> {
    index: &'a Index,
    events: Vec<Event>,
    pub(super) unread: Vec<(i64, Timestamp, u32)>,
}

impl<'a> Lease<'a> {
    pub(super) fn take(index: &'a Index, now: Timestamp, max: usize) -> Self {
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
    pub(super) fn read(&mut self, found: Vec<Result<NewEvent, StoreError>>, now: Timestamp) {
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

    pub(super) fn keep(mut self) -> Vec<Event> {
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
