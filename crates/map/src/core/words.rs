//! What the core is told, and what it says.

use std::time::Duration;

use crate::options::{ChunkSize, OnError, Width};
use crate::payload::Took;
use crate::run::{Broken, End};

/// Names one sending of a chunk.
pub(crate) type AttemptId = u64;

/// One item, as far as decisions need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its place on its shelf.
    pub(crate) place: u32,
    /// How often it failed by itself: it raised, or it died alone.
    pub(crate) tries: u32,
    /// What it adds to a payload, roughly.
    pub(crate) bytes: u64,
}

impl Item {
    pub(crate) fn new(place: u32, bytes: u64) -> Self {
        Self {
            place,
            tries: 0,
            bytes,
        }
    }
}

/// So many items that add so many bytes to payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
}

/// What a job may do. Never changes while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) chunk: ChunkSize,
    pub(crate) width: Width,
    pub(crate) retries: u32,
    pub(crate) backup_after: Option<f64>,
    pub(crate) on_error: OnError,
    pub(crate) max_time: Option<Duration>,
    pub(crate) max_cost: Option<f64>,
    /// No payload may be larger, in bytes.
    pub(crate) most_payload: u64,
    pub(crate) shelves: u32,
    /// All items of all shelves, at most.
    pub(crate) items: u64,
    /// Dollars for a second of one instance, and for a request.
    pub(crate) second_price: f64,
    pub(crate) request_price: f64,
}

/// What happened. `V` is a result, `E` an error: they travel through untouched.
/// `jitter` is a random number between 0 and 1.
#[derive(Debug)]
pub(crate) enum Event<V, E> {
    /// The shelf that was asked for is there: what of it is to be run, and how many
    /// of its items need not.
    Shelf {
        items: Vec<Item>,
        known: u64,
    },
    /// An attempt can be sent.
    Encoded {
        attempt: AttemptId,
        bytes: u64,
    },
    Answered {
        attempt: AttemptId,
        answers: Vec<Result<V, E>>,
        took: Took,
        round_trip: Duration,
        /// Seconds that AWS would bill.
        billed: f64,
        jitter: f64,
    },
    Failed {
        attempt: AttemptId,
        why: Why<E>,
        billed: f64,
        jitter: f64,
    },
    /// Time has passed.
    Tick,
    Cancel,
}

/// Why an attempt has no answers.
#[derive(Debug)]
pub(crate) enum Why<E> {
    /// Not run: too many are running.
    Throttled {
        error: E,
        end: Broken,
    },
    /// Nobody knows whether it ran.
    Network {
        error: E,
        end: Broken,
    },
    /// An instance could not be brought up.
    Init {
        error: E,
        end: Broken,
    },
    /// The payload is over the limit.
    TooLarge(E),
    /// A payload over the limit could not be handed over in another way.
    NotHandedOver(E),
    /// The function raised for the chunk as a whole.
    Raised(E),
    Died {
        death: Death,
        error: E,
    },
    /// No attempt will ever do better.
    Broken(Broken),
}

/// How an attempt ended without the function saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    OutOfMemory,
    TimedOut,
    Exited,
    ResponseTooLarge,
    BadAnswer,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect<V, E> {
    /// Bring the next shelf into memory, and answer by [`Event::Shelf`].
    Load(u32),
    /// All items of the shelf are finished.
    Drop(u32),
    /// Write the payload of an attempt, and keep it until it is sent or abandoned.
    /// `aside`: it is handed over by the store, for it or its answer is too large.
    Encode {
        attempt: AttemptId,
        shelf: u32,
        places: Vec<u32>,
        /// Roughly how large it will be.
        bytes: u64,
        aside: bool,
    },
    Send(AttemptId),
    /// Nobody waits for this attempt any more, whether it was sent or not.
    Abandon(AttemptId),
    /// Results by place.
    Done {
        shelf: u32,
        results: Vec<(u32, V)>,
    },
    Failed {
        shelf: u32,
        place: u32,
        error: E,
        tries: u32,
    },
    /// Nothing follows.
    End(End),
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) done: u64,
    pub(crate) known: u64,
    pub(crate) failed: u64,
    pub(crate) invocations: u64,
    pub(crate) retries: u64,
    pub(crate) backups: u64,
    pub(crate) splits: u64,
    pub(crate) cost: f64,
    pub(crate) billed: f64,
}
