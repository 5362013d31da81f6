//! Invocations that are put on somebody's bill, and bodies that are.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use types::{Invocation, Invoke, InvokeError, Outcome, Tallied, Tally};

use super::told::Told;

/// Who pays for the invocations of a map.
#[derive(Clone, Default)]
pub(crate) enum Bill {
    #[default]
    Nobody,
    /// A request whose answer is waited for, and counted as one.
    Request(Arc<Tally>),
    /// A job: what each invocation used is told when it has ended, whatever becomes of
    /// the job, and of this process, afterwards.
    Job(Arc<dyn Fn(Tallied) + Send + Sync>),
}

impl fmt::Debug for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Request(_) => "Request",
            Self::Job(_) => "Job",
        })
    }
}

impl Bill {
    /// On which one invocation is put.
    fn tally(&self) -> Option<Arc<Tally>> {
        match self {
            Self::Nobody => None,
            Self::Request(tally) => Some(Arc::clone(tally)),
            Self::Job(count) => {
                let count = Arc::clone(count);
                // It tells when the last who works for the invocation lets go of it.
                Some(Arc::new(Tally::with_late(move |used| count(used))))
            }
        }
    }

    pub fn add_rows(&self, rows: u64) {
        if let Some(tally) = self.tally() {
            tally.add_rows(rows);
        }
    }
}

pub(crate) struct Tallying<I> {
    pub invoke: Arc<I>,
    pub bill: Bill,
    pub told: Arc<Told>,
}

impl<I: Invoke> Invoke for Tallying<I> {
    async fn invoke(&self, mut invocation: Invocation) -> Result<Outcome, InvokeError> {
        invocation.tally = self.bill.tally();
        let chunk = self.told.chunk(&mut invocation);
        let outcome = self.invoke.invoke(invocation).await;
        self.told.chunk_ended(chunk, &outcome);
        outcome
    }
}

/// A body whose bytes are put on a tally as they are read: of one that comes in pieces
/// nobody knows before how much it is, and what a head says is only said.
pub(crate) struct Counted<B> {
    body: B,
    tally: Option<Arc<Tally>>,
}

impl<B> Counted<B> {
    pub fn new(body: B, tally: Option<Arc<Tally>>) -> Self {
        Self { body, tally }
    }
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes, Error = io::Error> + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(tally)) = (&polled, &self.tally)
            && let Some(data) = frame.data_ref()
        {
            tally.add_bytes_in(data.len());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
