//! A streamed answer: each piece that the function writes becomes one frame of
//! the event stream, the last frame says how it ended.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_wire::{Body, eventstream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engine::{ResponseStream, StreamEvent};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::invoke::mark;

/// AWS keeps the payload of a frame well below the 16 MB of the format.
const FRAME_BYTES: usize = 1024 * 1024;

pub(crate) fn answer(stream: ResponseStream, tail: bool) -> Response<Body> {
    let frames = Frames {
        events: stream.chunks,
        rest: Bytes::new(),
        tail,
        ended: false,
    };
    let mut response = Response::new(frames.boxed_unsync());
    mark(&mut response, stream.request_id, stream.version);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.amazon.eventstream"),
    );
    response
}

/// A body that encodes events as the client takes them.
struct Frames {
    events: mpsc::Receiver<StreamEvent>,
    /// What is left of a chunk that is longer than a frame.
    rest: Bytes,
    tail: bool,
    ended: bool,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Frames {
    fn chunk(&mut self, mut chunk: Bytes) -> Bytes {
        self.rest = chunk.split_off(chunk.len().min(FRAME_BYTES));
        eventstream::event("PayloadChunk", "application/octet-stream", &chunk)
    }

    fn end(&mut self, error: Option<(String, String)>, log: &[u8]) -> Bytes {
        self.ended = true;
        let mut complete = json!({});
        if let Some((kind, message)) = error {
            complete["ErrorCode"] = kind.into();
            complete["ErrorDetails"] = message.into();
        }
        if self.tail {
            complete["LogResult"] = Value::from(STANDARD.encode(log));
        }
        let payload = complete.to_string();
        eventstream::event("InvokeComplete", "application/json", payload.as_bytes())
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(Frame::data(self.chunk(rest)))));
        }
        loop {
            let frame = match ready!(self.events.poll_recv(cx)) {
                // How the function names its answer matters to function URLs only.
                Some(StreamEvent::Head { .. }) => continue,
                Some(StreamEvent::Chunk(chunk)) if chunk.is_empty() => continue,
                Some(StreamEvent::Chunk(chunk)) => Ok(self.chunk(chunk)),
                Some(StreamEvent::End { error, log_tail }) => Ok(self.end(error, &log_tail)),
                None => {
                    // The client must not take half an answer for a whole one.
                    self.ended = true;
                    Err(io::Error::other("the invocation ended without an answer"))
                }
            };
            return Poll::Ready(Some(frame.map(Frame::data)));
        }
    }
}
