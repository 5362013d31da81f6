//! Taking a request's body: whole or in pieces, and never more, longer or slower
//! than the rules allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_wire::Body;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Bodies up to this size are read without asking for memory: what they can take
/// together is bounded by the number of connections.
const SMALL: u64 = 64 * 1024;

/// A head that says more is not believed: so much may be claimed, and not come, without
/// harm to those who count.
const BELIEVED: u64 = 64 * 1024;

/// The unit in which memory is reserved.
const UNIT: u64 = 64 * 1024;

/// A body may drip, but not for ever.
const LONGEST: Duration = Duration::from_mins(10);

/// What is read and thrown away of a body that is not wanted: as much as one
/// request may bring to S3. A client that is cut off while it sends sees a broken
/// connection instead of our answer.
const DISCARDED: u64 = 5 << 30;
const DISCARD_TIME: Duration = Duration::from_secs(30);

/// Shared by all requests of a server.
#[derive(Debug, Clone)]
pub struct BodyRules {
    pub(super) stall: Duration,
    memory: Arc<Semaphore>,
}

impl BodyRules {
    /// A body that brings nothing for `stall` is given up; large bodies share
    /// `memory_bytes`.
    pub fn new(stall: Duration, memory_bytes: u64) -> Self {
        let units = usize::try_from(memory_bytes / UNIT).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            stall,
            memory: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
        }
    }
}

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    TooLarge {
        limit: u64,
        /// As declared or counted; more may have been to come.
        size: u64,
        /// The rest was not read: the connection is of no more use.
        cut_off: bool,
    },
    Stalled,
    /// Memory for large bodies did not become free in time.
    Busy,
    /// The client broke off, or its framing is not HTTP.
    Broken,
}

impl Refusal {
    /// Says in the answer to it what becomes of the connection.
    pub fn mark(self, answer: Response<Body>) -> Response<Body> {
        if matches!(self, Self::TooLarge { cut_off: false, .. }) {
            return answer;
        }
        closing(answer)
    }
}

/// After this answer the connection is of no more use.
pub(super) fn closing(mut answer: Response<Body>) -> Response<Body> {
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}

/// The body of a request that nobody has taken yet.
#[derive(Debug)]
pub struct Unread<'a> {
    pub(super) incoming: Incoming,
    pub(super) rules: &'a BodyRules,
    /// The client waits for a word before it sends.
    pub(super) awaited: bool,
    /// On which it is counted, where nobody knows beforehand how much it is.
    pub(super) came: Option<Arc<AtomicU64>>,
}

impl<'a> Unread<'a> {
    /// Whether nothing comes after the head.
    pub fn is_empty(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(super) fn new(incoming: Incoming, head: &Parts, rules: &'a BodyRules) -> Self {
        let awaited = head
            .headers
            .get(header::EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Self {
            incoming,
            rules,
            awaited,
            came: None,
        }
    }

    /// Has a body counted whose length no head says, or says to be large.
    pub fn counted(mut self, came: impl FnOnce() -> Arc<AtomicU64>) -> Self {
        let told = self.incoming.size_hint().exact();
        if told.is_none_or(|size| size > BELIEVED) {
            self.came = Some(came());
        }
        self
    }

    /// Reads all of it, if it is not more than `limit` bytes.
    pub async fn whole(self, limit: u64) -> Result<Whole, Refusal> {
        // Who asks beforehand is told at once, and sends nothing.
        let declared = self.incoming.size_hint().exact();
        if let Some(size) = declared.filter(|size| self.awaited && *size > limit) {
            return Err(Refusal::TooLarge {
                limit,
                size,
                cut_off: true,
            });
        }
        let read = read(self.incoming, limit, self.rules).await;
        if let Some(came) = &self.came {
            let size = match &read {
                Ok(whole) => len(&whole.bytes),
                Err(Refusal::TooLarge { size, .. }) => (*size).min(limit),
                Err(_) => 0,
            };
            came.store(size, Ordering::Relaxed);
        }
        read
    }
}

/// A body that was read.
#[derive(Debug)]
pub struct Whole {
    pub bytes: Bytes,
    /// To be kept as long as the bytes may be.
    pub reserved: Option<OwnedSemaphorePermit>,
}

async fn read(mut body: Incoming, limit: u64, rules: &BodyRules) -> Result<Whole, Refusal> {
    if body.is_end_stream() {
        return Ok(Whole {
            bytes: Bytes::new(),
            reserved: None,
        });
    }
    let declared = body.size_hint().exact();
    if declared.is_some_and(|size| size > limit) {
        return Err(discard(body, limit, 0, rules.stall).await);
    }
    let reserved = reserve(declared.unwrap_or(limit), rules).await?;
    let deadline = Instant::now() + LONGEST;

    // Nearly all bodies arrive in one piece: that piece is not copied.
    let Some(first) = frame(&mut body, rules.stall).await? else {
        return Ok(Whole {
            bytes: Bytes::new(),
            reserved,
        });
    };
    if body.is_end_stream() && len(&first) <= limit {
        return Ok(Whole {
            bytes: first,
            reserved,
        });
    }
    let expected = declared.and_then(|size| usize::try_from(size).ok());
    let mut all = BytesMut::with_capacity(expected.unwrap_or(first.len() * 2));
    all.extend_from_slice(&first);
    drop(first);
    while len(&all) <= limit {
        if Instant::now() > deadline {
            return Err(Refusal::Stalled);
        }
        match frame(&mut body, rules.stall).await? {
            Some(piece) => all.extend_from_slice(&piece),
            None => {
                return Ok(Whole {
                    bytes: all.freeze(),
                    reserved,
                });
            }
        }
    }
    let size = len(&all);
    drop((all, reserved));
    Err(discard(body, limit, size, rules.stall).await)
}

/// Reserved as a whole before the first byte is read, so that no two bodies can
/// wait for each other's memory.
async fn reserve(size: u64, rules: &BodyRules) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    if size <= SMALL {
        return Ok(None);
    }
    let units = u32::try_from(size.div_ceil(UNIT)).map_err(|_| Refusal::Busy)?;
    match timeout(rules.stall, rules.memory.clone().acquire_many_owned(units)).await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
    }
}

/// The next piece; `None` at the end. Trailers are passed over.
async fn frame(body: &mut Incoming, stall: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        match timeout(stall, body.frame()).await {
            Err(_) => return Err(Refusal::Stalled),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Refusal::Broken),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

async fn discard(mut body: Incoming, limit: u64, seen: u64, stall: Duration) -> Refusal {
    let declared = body.size_hint().exact();
    let rest = drain(&mut body, stall).await;
    let counted = match rest {
        Drained::All(size) | Drained::CutOff(size) => seen.saturating_add(size),
    };
    Refusal::TooLarge {
        limit,
        size: declared.map_or(counted, |rest| rest.saturating_add(seen)),
        cut_off: matches!(rest, Drained::CutOff(_)),
    }
}

/// How much was thrown away.
pub(super) enum Drained {
    All(u64),
    /// There was too much, or it came too slowly.
    CutOff(u64),
}

/// Reads on to the end without keeping anything.
pub(super) async fn drain(body: &mut Incoming, stall: Duration) -> Drained {
    let mut size = 0;
    let deadline = Instant::now() + DISCARD_TIME;
    while size <= DISCARDED && Instant::now() < deadline {
        match frame(body, stall.min(DISCARD_TIME)).await {
            Ok(Some(piece)) => size += len(&piece),
            Ok(None) => return Drained::All(size),
            Err(_) => break,
        }
    }
    Drained::CutOff(size)
}

fn len(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
