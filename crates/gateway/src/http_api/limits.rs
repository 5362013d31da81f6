//! How often a route may be called, and how many of its requests are worked on at one
//! time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use aws_wire::Body;
use bytes::Bytes;
use engine::http_apis::Throttle;
use engine::usage::{self, Bucket};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;

/// Of one route of a stage.
#[derive(Debug, Default)]
pub(super) struct Limits {
    bucket: Mutex<Option<Bucket>>,
    inside: Arc<AtomicU32>,
}

/// A request that is worked on.
#[derive(Debug)]
pub(super) struct Inside(Arc<AtomicU32>);

impl Limits {
    /// Lets one request in, or says in how many milliseconds it is worth asking again.
    pub fn take(&self, throttle: Throttle) -> Result<(), u64> {
        let throttle = usage::Throttle {
            rate: throttle.rate,
            burst: throttle.burst,
        };
        let now = Instant::now();
        let mut bucket = self.bucket.lock();
        let bucket = bucket.get_or_insert_with(|| Bucket::full(throttle, now));
        bucket.take(throttle, now)
    }

    /// None: `most` are inside.
    pub fn enter(&self, most: u32) -> Option<Inside> {
        let entered = self
            .inside
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |inside| {
                (inside < most).then_some(inside + 1)
            });
        entered.ok().map(|_| Inside(Arc::clone(&self.inside)))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An answer that is still made while it goes out keeps its request inside.
pub(super) fn hold(inside: Vec<Inside>, response: Response<Body>) -> Response<Body> {
    if inside.is_empty() || response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        Held {
            body,
            _inside: inside,
        }
        .boxed_unsync()
    })
}

struct Held {
    body: Body,
    _inside: Vec<Inside>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_are_inside() {
        let limits = Limits::default();
        let first = limits.enter(2).unwrap();
        let _second = limits.enter(2).unwrap();
        assert!(limits.enter(2).is_none());
        drop(first);
        assert!(limits.enter(2).is_some());
        assert!(limits.enter(0).is_none());
    }

    #[test]
    fn a_rate_lets_in_what_has_come_together() {
        let limits = Limits::default();
        let throttle = Throttle {
            rate: 0.001,
            burst: 2,
        };
        assert_eq!(limits.take(throttle), Ok(()));
        assert_eq!(limits.take(throttle), Ok(()));
        assert!(limits.take(throttle).is_err_and(|pause| pause > 1000));
        let never = Throttle {
            rate: 0.0,
            burst: 0,
        };
        assert_eq!(Limits::default().take(never), Err(u64::MAX));
    }
}
