//! A request's body as it comes, for what is too large to be held: the memory it
//! takes is that of one piece. What the handler leaves of it is read to the end
//! where that is not too much, so that the client gets to see the answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_wire::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use hyper::body::{Body as _, Incoming};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::{Drained, Refusal, Unread, closing, drain};

/// A body may drip, but not for ever: 5 GiB, the most that S3 takes in one
/// request, need this long at 1 Mbit/s.
const LONGEST: Duration = Duration::from_hours(12);

/// A body that is read piece by piece. One that stalls or breaks off ends in an
/// error.
#[derive(Debug)]
pub struct Pieces {
    /// `None`: there is no more.
    incoming: Option<Incoming>,
    /// Whether the client was let know that its body is wanted.
    asked: bool,
    stall: Duration,
    deadline: Instant,
    /// Made when a piece is first waited for, and kept for the next ones.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    fate: Arc<Mutex<Fate>>,
    came: Option<Arc<AtomicU64>>,
}

/// What became of a body, for when its handler has answered.
#[derive(Debug)]
pub struct Rest {
    fate: Arc<Mutex<Fate>>,
    stall: Duration,
    /// The client waits for a word before it sends.
    awaited: bool,
}

#[derive(Debug)]
enum Fate {
    /// The handler still has it.
    Taken,
    /// Given up before its end.
    Left {
        incoming: Incoming,
        asked: bool,
    },
    Ended,
    Failed(Refusal),
}

impl Unread<'_> {
    /// For reading it piece by piece. The second is for when the handler is done.
    pub fn pieces(self) -> (Pieces, Rest) {
        let stall = self.rules.stall;
        let ended = self.incoming.is_end_stream();
        let fate = if ended { Fate::Ended } else { Fate::Taken };
        let fate = Arc::new(Mutex::new(fate));
        let pieces = Pieces {
            incoming: Some(self.incoming).filter(|_| !ended),
            asked: false,
            stall,
            deadline: Instant::now() + LONGEST,
            timer: None,
            waiting: false,
            fate: fate.clone(),
            came: self.came,
        };
        let rest = Rest {
            fate,
            stall,
            awaited: self.awaited,
        };
        (pieces, rest)
    }
}

impl Pieces {
    /// Has the time for the next piece run out?
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = (Instant::now() + self.stall).min(self.deadline);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }

    fn end(&mut self, fate: Fate) {
        self.incoming = None;
        *self.fate.lock() = fate;
    }

    fn fail(&mut self, refusal: Refusal, error: io::Error) -> io::Error {
        self.end(Fate::Failed(refusal));
        error
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        this.asked = true;
        let frame = match Pin::new(incoming).poll_frame(cx) {
            Poll::Pending if this.poll_timer(cx).is_pending() => return Poll::Pending,
            Poll::Pending => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the body stalled");
                return Poll::Ready(Some(Err(this.fail(Refusal::Stalled, error))));
            }
            Poll::Ready(frame) => frame,
        };
        this.waiting = false;
        Poll::Ready(match frame {
            // Time is read only where a client could keep us for ever.
            Some(Ok(frame)) => {
                if let (Some(came), Some(data)) = (&this.came, frame.data_ref()) {
                    came.fetch_add(data.len() as u64, Ordering::Relaxed);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, error);
                Some(Err(this.fail(Refusal::Broken, error)))
            }
            None => {
                this.end(Fate::Ended);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else {
            return;
        };
        *self.fate.lock() = if incoming.is_end_stream() {
            Fate::Ended
        } else {
            let asked = self.asked;
            Fate::Left { incoming, asked }
        };
    }
}

impl Rest {
    /// The same for an answer to a head alone: a connection that ends with it is not
    /// read on.
    pub(super) async fn settle_or_close(self, answer: Response<Body>) -> Response<Body> {
        if answer.headers().contains_key(http::header::CONNECTION) {
            return answer;
        }
        let refuse = |_| closing(Response::new(aws_wire::body::empty()));
        self.settle(answer, refuse).await
    }

    /// Brings the body to its end, and the answer into the form that this needs.
    /// An error that the client's body caused is told in the words of `refuse`.
    pub async fn settle(
        self,
        answer: Response<Body>,
        refuse: impl FnOnce(Refusal) -> Response<Body>,
    ) -> Response<Body> {
        let fate = std::mem::replace(&mut *self.fate.lock(), Fate::Taken);
        match fate {
            Fate::Ended => answer,
            Fate::Failed(_) if answer.status().is_success() => closing(answer),
            Fate::Failed(refusal) => refusal.mark(refuse(refusal)),
            // It was not told to send, and so it will not.
            Fate::Left { asked: false, .. } if self.awaited => closing(answer),
            Fate::Left { mut incoming, .. } => match drain(&mut incoming, self.stall).await {
                Drained::All(_) => answer,
                Drained::CutOff(_) => closing(answer),
            },
            // Someone still reads it, beside the answer.
            Fate::Taken => closing(answer),
        }
    }
}
