//! An object's bytes as the body of an answer, in bounded memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_wire::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use store::{ContentReader, StoreError};

type Piece = (ContentReader, Result<Option<Bytes>, StoreError>);

/// A piece on its way out of the store.
struct Reading {
    /// `None` after the last one.
    next: Option<Pin<Box<dyn Future<Output = Piece> + Send>>>,
    left: u64,
}

/// What `reader` has to give, which is `length` bytes.
pub(super) fn body(reader: ContentReader, length: u64) -> Body {
    let reading = Reading {
        next: Some(Box::pin(read(reader))),
        left: length,
    };
    reading.boxed_unsync()
}

async fn read(mut reader: ContentReader) -> Piece {
    let piece = reader.next().await;
    (reader, piece)
}

impl http_body::Body for Reading {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (reader, piece) = ready!(next.as_mut().poll(cx));
        self.next = None;
        Poll::Ready(match piece {
            Ok(Some(bytes)) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                self.next = Some(Box::pin(read(reader)));
                Some(Ok(Frame::data(bytes)))
            }
            Ok(None) => None,
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                tracing::error!(error = cause, "an object could not be read to its end");
                Some(Err(io::Error::other(error)))
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
