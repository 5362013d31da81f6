//! What goes on on one connection: its stream and its requests tell it, and whoever
//! watches over the connection asks. So no request needs a timer of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use aws_wire::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

/// Requests that a client of HTTP/2 may give up one after the other before it loses its
/// connection. Half of what was counted is forgotten with every look.
const MOST_GIVEN_UP: u32 = 500;

#[derive(Debug, Default)]
pub(super) struct Meter {
    begun: AtomicU64,
    /// Requests whose answers are not yet handed over as a whole.
    busy: AtomicU32,
    /// Bytes wait until the client takes some.
    unsent: AtomicBool,
    /// Bytes came in that no request has been made of.
    partial: AtomicBool,
    given_up: AtomicU32,
    pub flooded: Notify,
    /// The answers under way whose client decides how fast they go (HTTP/2).
    answers: Mutex<Vec<Arc<Pace>>>,
}

/// How long one answer has waited for its client.
#[derive(Debug)]
struct Pace {
    /// `None`: it waits for the one who makes it, or is done.
    offered: Mutex<Option<Instant>>,
    done: AtomicBool,
}

impl Meter {
    pub fn came(&self) {
        self.partial.store(true, Relaxed);
    }

    pub fn sent(&self, all: bool) {
        self.unsent.store(!all, Relaxed);
    }

    /// How many requests have begun so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Nothing is worked on and nothing waits to be sent.
    pub fn is_idle(&self) -> bool {
        self.busy.load(Relaxed) == 0 && !self.unsent.load(Relaxed)
    }

    /// There is a beginning of a request that may still come.
    pub fn is_partial(&self) -> bool {
        self.partial.load(Relaxed)
    }

    /// Begins a request, which is busy until what this returns is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Relaxed);
        self.busy.fetch_add(1, Relaxed);
        self.partial.store(false, Relaxed);
        Busy {
            meter: self.clone(),
            done: false,
        }
    }

    /// Whether an answer has waited for its client for longer than this. Called now and
    /// then; it also forgets what is over.
    pub fn is_stalled(&self, longest: Duration) -> bool {
        let given_up = self.given_up.load(Relaxed);
        self.given_up.fetch_sub(given_up.div_ceil(2), Relaxed);
        let mut answers = self.answers.lock();
        answers.retain(|pace| !pace.done.load(Relaxed));
        answers.iter().any(|pace| {
            let offered = *pace.offered.lock();
            offered.is_some_and(|since| since.elapsed() > longest)
        })
    }
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Busy {
    meter: Arc<Meter>,
    /// Its answer was handed over as a whole.
    done: bool,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.meter.partial.store(false, Relaxed);
        self.meter.busy.fetch_sub(1, Relaxed);
        if !self.done && self.meter.given_up.fetch_add(1, Relaxed) == MOST_GIVEN_UP {
            self.meter.flooded.notify_one();
        }
    }
}

/// The body of an answer, with what is to be told of it.
#[derive(Debug)]
pub(super) struct Metered {
    body: Body,
    busy: Busy,
    pace: Option<Arc<Pace>>,
}

impl Metered {
    /// `paced`: the client holds back single answers, as HTTP/2 lets it.
    pub fn new(body: Body, mut busy: Busy, paced: bool) -> Self {
        busy.done = body.is_end_stream();
        let pace = (paced && !busy.done).then(|| {
            let pace = Arc::new(Pace {
                offered: Mutex::new(Some(Instant::now())),
                done: AtomicBool::new(false),
            });
            busy.meter.answers.lock().push(pace.clone());
            pace
        });
        Self { body, busy, pace }
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || this.body.is_end_stream() {
            this.busy.done = true;
        }
        if let Some(pace) = &this.pace {
            *pace.offered.lock() = frame.is_ready().then(Instant::now);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        if let Some(pace) = &self.pace {
            pace.done.store(true, Relaxed);
        }
    }
}
