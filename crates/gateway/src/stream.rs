//! Answers that come in pieces: the prelude that says status and headers, and
//! the body that is passed on as it comes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_wire::Body;
use bytes::{Bytes, BytesMut};
use engine::{ResponseStream, StreamEvent};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::answer::Head;
use crate::refusal::Refusal;

/// The content type of streams that begin with a prelude.
const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";
/// What ends the prelude.
const DELIMITER: [u8; 8] = [0; 8];
/// A prelude is headers; one that grows past this has no end.
const LONGEST_PRELUDE: usize = 1 << 20;

/// Waits until status and headers are known; the rest follows by itself.
pub(crate) async fn translate(stream: ResponseStream) -> Result<Response<Body>, Refusal> {
    let content_type = stream.content_type.as_deref().unwrap_or_default();
    let mut chunks = stream.chunks;
    if content_type.starts_with(WITH_PRELUDE) {
        let (head, first) = read_prelude(&mut chunks).await?;
        return head.response(Pieces::body(first, chunks));
    }
    // Only a first piece, or the end, tells that the function did not fail.
    let first = match chunks.recv().await {
        Some(StreamEvent::Chunk(first)) => first,
        Some(StreamEvent::End { error: None, .. }) => {
            let mut response = Response::new(aws_wire::body::empty());
            set_content_type(&mut response, content_type);
            return Ok(response);
        }
        _ => return Err(Refusal::BadAnswer),
    };
    let mut response = Response::new(Pieces::body(first, chunks));
    set_content_type(&mut response, content_type);
    Ok(response)
}

/// The head, and what of the body came with it.
async fn read_prelude(chunks: &mut mpsc::Receiver<StreamEvent>) -> Result<(Head, Bytes), Refusal> {
    let mut seen = BytesMut::new();
    loop {
        match chunks.recv().await {
            Some(StreamEvent::Chunk(chunk)) => seen.extend_from_slice(&chunk),
            Some(StreamEvent::Head { .. }) => continue,
            Some(StreamEvent::End { .. }) | None => return Err(Refusal::BadAnswer),
        }
        if let Some(at) = find_delimiter(&seen) {
            let prelude = seen.split_to(at);
            let head = serde_json::from_slice(&prelude).map_err(|_| Refusal::BadAnswer)?;
            let first = seen.split_off(DELIMITER.len());
            return Ok((head, first.freeze()));
        }
        if seen.len() > LONGEST_PRELUDE {
            return Err(Refusal::BadAnswer);
        }
    }
}

/// JSON holds no NUL, so the first one begins the delimiter.
fn find_delimiter(seen: &[u8]) -> Option<usize> {
    let at = seen.iter().position(|&byte| byte == 0)?;
    seen[at..].starts_with(&DELIMITER).then_some(at)
}

fn set_content_type(response: &mut Response<Body>, content_type: &str) {
    let given = HeaderValue::from_str(content_type).ok();
    let value = given
        .filter(|value| !value.is_empty())
        .unwrap_or(HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CONTENT_TYPE, value);
}

/// The rest of a stream. If the function fails on the way the connection is
/// broken off, so that nobody takes half an answer for a whole one.
#[derive(Debug)]
struct Pieces {
    first: Option<Bytes>,
    chunks: mpsc::Receiver<StreamEvent>,
    ended: bool,
}

impl Pieces {
    fn body(first: Bytes, chunks: mpsc::Receiver<StreamEvent>) -> Body {
        let pieces = Self {
            first: Some(first).filter(|first| !first.is_empty()),
            chunks,
            ended: false,
        };
        pieces.boxed_unsync()
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            let event = std::task::ready!(self.chunks.poll_recv(cx));
            return Poll::Ready(match event {
                Some(StreamEvent::Chunk(chunk)) => Some(Ok(Frame::data(chunk))),
                Some(StreamEvent::Head { .. }) => continue,
                Some(StreamEvent::End { error: None, .. }) => {
                    self.ended = true;
                    None
                }
                Some(StreamEvent::End { error: Some(_), .. }) | None => {
                    self.ended = true;
                    Some(Err(io::Error::other(
                        "the function did not finish its answer",
                    )))
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{RequestId, Version};

    use super::*;

    fn end(error: Option<&str>) -> StreamEvent {
        StreamEvent::End {
            error: error.map(|text| ("Error".to_owned(), text.to_owned())),
            log_tail: Bytes::new(),
        }
    }

    fn chunk(bytes: &'static [u8]) -> StreamEvent {
        StreamEvent::Chunk(Bytes::from(bytes))
    }

    async fn answer(
        content_type: &str,
        events: Vec<StreamEvent>,
    ) -> Result<(u16, String, io::Result<Bytes>), Refusal> {
        let (sender, chunks) = mpsc::channel(events.len().max(1));
        for event in events {
            sender.send(event).await.unwrap();
        }
        drop(sender);
        let response = translate(ResponseStream {
            request_id: RequestId::random(),
            version: Version::Latest,
            content_type: Some(content_type.to_owned()).filter(|kind| !kind.is_empty()),
            chunks,
        })
        .await?;
        let (head, body) = response.into_parts();
        let content_type = head.headers["content-type"].to_str().unwrap().to_owned();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        Ok((head.status.as_u16(), content_type, body))
    }

    #[tokio::test]
    async fn a_prelude_says_status_and_headers() {
        let pieces = [
            vec![chunk(b"{\"statusCode\":201,\"headers\":{\"content-type\":\"text/plain\"}}\0\0\0\0\0\0\0\0ab"), chunk(b"c"), end(None)],
            vec![chunk(b"{\"statusCode\":201,\"headers\":"), chunk(b"{\"content-type\":\"text/plain\"}}\0\0\0"), chunk(b"\0\0\0\0\0"), chunk(b"abc"), end(None)],
        ];
        for events in pieces {
            let (status, kind, body) = answer(WITH_PRELUDE, events).await.unwrap();
            assert_eq!(
                (status, kind.as_str(), body.unwrap().as_ref()),
                (201, "text/plain", &b"abc"[..])
            );
        }
    }

    #[tokio::test]
    async fn a_body_may_hold_the_delimiter_again() {
        let events = vec![chunk(b"{}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x"), end(None)];
        let (status, kind, body) = answer(WITH_PRELUDE, events).await.unwrap();
        assert_eq!((status, kind.as_str()), (200, "application/json"));
        assert_eq!(body.unwrap().as_ref(), b"\0\0\0\0\0\0\0\0x");
    }

    #[tokio::test]
    async fn without_prelude_the_bytes_are_the_body() {
        let (status, kind, body) = answer("text/csv", vec![chunk(b"a,"), chunk(b"b"), end(None)])
            .await
            .unwrap();
        assert_eq!(
            (status, kind.as_str(), body.unwrap().as_ref()),
            (200, "text/csv", &b"a,b"[..])
        );
        let (_, kind, body) = answer("", vec![end(None)]).await.unwrap();
        assert_eq!(
            (kind.as_str(), body.unwrap().len()),
            ("application/json", 0)
        );
    }

    #[tokio::test]
    async fn failures_before_the_head_are_answers_and_later_ones_break_off() {
        assert!(answer("", vec![end(Some("x"))]).await.is_err());
        assert!(answer(WITH_PRELUDE, vec![end(Some("x"))]).await.is_err());
        assert!(
            answer(WITH_PRELUDE, vec![chunk(b"{}"), end(None)])
                .await
                .is_err()
        );
        assert!(
            answer(WITH_PRELUDE, vec![chunk(b"x\0\0\0\0\0\0\0\0"), end(None)])
                .await
                .is_err()
        );
        let (status, _, body) = answer("", vec![chunk(b"a"), end(Some("x"))]).await.unwrap();
        assert_eq!((status, body.is_err()), (200, true));
        let (_, _, body) = answer("", vec![chunk(b"a")]).await.unwrap();
        assert!(body.is_err());
    }
}
