//! The one body type of all answers, buffered or streamed.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full};
use tokio::sync::mpsc;

/// The body of an answer.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// A body of known bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that ends when the channel closes. An `Err` breaks the connection off,
/// so that the client does not take half an answer for a whole one.
pub fn stream(chunks: mpsc::Receiver<io::Result<Bytes>>) -> Body {
    Chunks(chunks).boxed_unsync()
}

struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chunks")
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_carries_its_chunks_and_ends() {
        let (sender, receiver) = mpsc::channel(2);
        sender.send(Ok(Bytes::from("ab"))).await.unwrap();
        sender.send(Ok(Bytes::from("c"))).await.unwrap();
        drop(sender);
        let collected = stream(receiver).collect().await.unwrap().to_bytes();
        assert_eq!(collected, "abc");
    }

    #[tokio::test]
    async fn a_broken_stream_is_an_error() {
        let (sender, receiver) = mpsc::channel(2);
        sender.send(Ok(Bytes::from("ab"))).await.unwrap();
        sender
            .send(Err(io::Error::other("the function died")))
            .await
            .unwrap();
        drop(sender);
        assert!(stream(receiver).collect().await.is_err());
    }
}
