//! Reading a request's body: whole, and never more, longer or slower than the
//! rules allow.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Bodies up to this size are read without asking for memory: what they can take
/// together is bounded by the number of connections.
const SMALL: u64 = 256 * 1024;

/// The unit in which memory is reserved.
const UNIT: u64 = 64 * 1024;

/// A body may drip, but not for ever.
const LONGEST: Duration = Duration::from_mins(10);

/// What is read and thrown away of a body that is too large. A client that is
/// cut off while it sends sees a broken connection instead of our answer.
const DISCARDED: u64 = 256 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(30);

/// Shared by all requests of a server.
#[derive(Debug, Clone)]
pub struct BodyRules {
    stall: Duration,
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
    pub(super) fn spoils_the_connection(self) -> bool {
        !matches!(self, Self::TooLarge { cut_off: false, .. })
    }
}

#[derive(Debug)]
pub(super) struct Read {
    pub bytes: Bytes,
    /// To be kept as long as the bytes may be.
    pub reserved: Option<OwnedSemaphorePermit>,
}

pub(super) async fn read(
    mut body: Incoming,
    limit: u64,
    rules: &BodyRules,
) -> Result<Read, Refusal> {
    if body.is_end_stream() {
        return Ok(Read {
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
        return Ok(Read {
            bytes: Bytes::new(),
            reserved,
        });
    };
    if body.is_end_stream() && len(&first) <= limit {
        return Ok(Read {
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
                return Ok(Read {
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

/// Reads on to the end without keeping anything.
async fn discard(mut body: Incoming, limit: u64, seen: u64, stall: Duration) -> Refusal {
    let declared = body.size_hint().exact();
    let mut size = seen;
    let refusal = |size: u64, cut_off| Refusal::TooLarge {
        limit,
        size: declared.map_or(size, |rest| rest.saturating_add(seen)),
        cut_off,
    };
    let deadline = Instant::now() + DISCARD_TIME;
    while size <= DISCARDED && Instant::now() < deadline {
        match frame(&mut body, stall).await {
            Ok(Some(piece)) => size += len(&piece),
            Ok(None) => return refusal(size, false),
            Err(_) => break,
        }
    }
    refusal(size, true)
}

fn len(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
