//! Watches a body on its way in: remembers why it broke off, and keeps the
//! pieces of aws-chunked bodies small.
//!
//! The protocol crate holds each chunk in memory until it has all of it, and a
//! client may send five gigabytes as one chunk. Where chunks are not signed they
//! are cut into pieces here; where they are, a chunk has to be of bearable size.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The largest chunk that may be signed as a whole. SDKs send 64 KiB to 1 MiB.
const MOST_SIGNED: u64 = 16 * 1024 * 1024;
/// A line that says how long a chunk is, with its signature.
const MOST_LINE: usize = 1024;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the body ended early")]
    Incomplete,
    #[error("nothing came for too long")]
    Stalled,
    #[error("a chunk is not well formed")]
    BadChunk,
    #[error("a signed chunk is too large")]
    LargeChunk,
    #[error("a chunk has no signature")]
    Unsigned,
}

/// Tells whoever reads a body why it failed: the layers between lose it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Arc<OnceLock<Fault>>);

impl Faults {
    pub fn get(&self) -> Option<Fault> {
        self.0.get().copied()
    }

    fn note(&self, fault: Fault) -> Cause {
        // The first is the cause of all others.
        let _ = self.0.set(fault);
        Box::new(fault)
    }
}

/// How the bytes of a body are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Plain,
    /// aws-chunked, each chunk with its signature.
    Signed,
    /// aws-chunked without signatures.
    Unsigned,
}

impl Framing {
    /// As the header `x-amz-content-sha256` has it.
    pub fn of(declared: Option<&str>) -> Self {
        match declared {
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => Self::Unsigned,
            Some(text) if text.starts_with("STREAMING-") => Self::Signed,
            _ => Self::Plain,
        }
    }
}

#[derive(Debug)]
enum State {
    /// In the line before a chunk; these are its bytes so far.
    Line(BytesMut),
    /// This many bytes of a chunk are to come.
    Data(u64),
    /// In the line end after a chunk; this many of its bytes were seen.
    End(u8),
    /// After the last chunk.
    Trailers,
}

/// A body that is watched.
#[derive(Debug)]
pub(crate) struct Watched<B> {
    body: B,
    framing: Framing,
    state: State,
    ready: VecDeque<Bytes>,
    faults: Faults,
}

impl<B> Watched<B> {
    pub fn new(body: B, framing: Framing) -> (Self, Faults) {
        let faults = Faults::default();
        let watched = Self {
            body,
            framing,
            state: State::Line(BytesMut::new()),
            ready: VecDeque::new(),
            faults: faults.clone(),
        };
        (watched, faults)
    }

    fn take(&mut self, mut data: Bytes) -> Result<(), Fault> {
        while !data.is_empty() {
            match &mut self.state {
                State::Line(line) => {
                    let end = data.iter().position(|b| *b == b'\n').map(|at| at + 1);
                    let part = data.split_to(end.unwrap_or(data.len()));
                    if line.len() + part.len() > MOST_LINE {
                        return Err(Fault::BadChunk);
                    }
                    line.extend_from_slice(&part);
                    if end.is_some() {
                        let line = std::mem::take(line).freeze();
                        self.begin_chunk(line)?;
                    }
                }
                State::Data(left) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let part = data.split_to(most.min(data.len()));
                    *left -= part.len() as u64;
                    if *left == 0 {
                        self.state = State::End(0);
                    }
                    self.emit(part);
                }
                State::End(seen) => {
                    let byte = data.split_to(1);
                    if byte[0] != b"\r\n"[usize::from(*seen)] {
                        return Err(Fault::BadChunk);
                    }
                    *seen += 1;
                    if *seen == 2 {
                        self.state = State::Line(BytesMut::new());
                    }
                    if self.framing == Framing::Signed {
                        self.ready.push_back(byte);
                    }
                }
                State::Trailers => self.ready.push_back(std::mem::take(&mut data)),
            }
        }
        Ok(())
    }

    fn begin_chunk(&mut self, line: Bytes) -> Result<(), Fault> {
        let size = chunk_size(&line).ok_or(Fault::BadChunk)?;
        if self.framing == Framing::Signed && !line.contains(&b';') {
            return Err(Fault::Unsigned);
        }
        if size == 0 {
            self.state = State::Trailers;
            self.ready.push_back(line);
        } else {
            self.state = State::Data(size);
            if self.framing == Framing::Signed {
                if size > MOST_SIGNED {
                    return Err(Fault::LargeChunk);
                }
                self.ready.push_back(line);
            }
        }
        Ok(())
    }

    /// Hands on bytes of a chunk: as they are, or as a chunk of their own.
    fn emit(&mut self, part: Bytes) {
        if self.framing == Framing::Unsigned {
            self.ready.push_back(format!("{:x}\r\n", part.len()).into());
            self.ready.push_back(part);
            self.ready.push_back(Bytes::from_static(b"\r\n"));
        } else {
            self.ready.push_back(part);
        }
    }
}

/// The number before `;` or the line's end. It is in hexadecimal.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|b| matches!(b, b';' | b'\r'))?;
    let text = std::str::from_utf8(&line[..end]).ok()?;
    let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_plain.then(|| u64::from_str_radix(text, 16).ok())?
}

fn fault_of(error: &Cause) -> Fault {
    let io = error.downcast_ref::<io::Error>();
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => Fault::Stalled,
        _ => Fault::Incomplete,
    }
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Cause>,
{
    type Data = Bytes;
    type Error = Cause;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let fault = fault_of(&error.into());
                    return Poll::Ready(Some(Err(self.faults.note(fault))));
                }
                None if self.framing == Framing::Plain || matches!(self.state, State::Trailers) => {
                    return Poll::Ready(None);
                }
                None => return Poll::Ready(Some(Err(self.faults.note(Fault::Incomplete)))),
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if self.framing == Framing::Plain {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if let Err(fault) = self.take(data) {
                return Poll::Ready(Some(Err(self.faults.note(fault))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.framing == Framing::Plain && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Plain => self.body.size_hint(),
            Framing::Signed | Framing::Unsigned => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Channel, Full};

    use super::*;

    async fn read(framing: Framing, pieces: &[&[u8]]) -> Result<String, Fault> {
        let (mut sender, body) = Channel::<Bytes, io::Error>::new(64);
        for piece in pieces {
            sender
                .send_data(Bytes::copy_from_slice(piece))
                .await
                .unwrap();
        }
        drop(sender);
        let (watched, faults) = Watched::new(body, framing);
        match watched.collect().await {
            Ok(all) => Ok(String::from_utf8(all.to_bytes().to_vec()).unwrap()),
            Err(_) => Err(faults.get().unwrap()),
        }
    }

    fn bytewise(text: &str) -> Vec<&[u8]> {
        text.as_bytes().chunks(1).collect()
    }

    #[tokio::test]
    async fn chunks_without_signatures_are_cut() {
        let whole: &[u8] = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        let read_whole = read(Framing::Unsigned, &[whole]).await.unwrap();
        assert_eq!(read_whole.as_bytes(), whole);
        let cut = read(
            Framing::Unsigned,
            &[b"5\r\nhel", b"lo\r\n0", b"\r\na:b\r\n"],
        )
        .await;
        assert_eq!(cut.unwrap(), "3\r\nhel\r\n2\r\nlo\r\n0\r\na:b\r\n");
    }

    #[tokio::test]
    async fn signed_chunks_stay_as_they_are() {
        let text = "3;chunk-signature=ab\r\nabc\r\n0;chunk-signature=cd\r\n\r\n";
        assert_eq!(read(Framing::Signed, &bytewise(text)).await.unwrap(), text);
        let bare = read(Framing::Signed, &[b"3\r\nabc\r\n0\r\n\r\n"]).await;
        assert_eq!(bare, Err(Fault::Unsigned));
        let large = format!("{:x};chunk-signature=ab\r\n", MOST_SIGNED + 1);
        assert_eq!(
            read(Framing::Signed, &[large.as_bytes()]).await,
            Err(Fault::LargeChunk)
        );
    }

    #[tokio::test]
    async fn what_is_cut_off_or_not_well_formed_is_an_error() {
        for (text, fault) in [
            ("", Fault::Incomplete),
            ("5\r\nhel", Fault::Incomplete),
            ("5\r\nhello\r\n", Fault::Incomplete),
            ("5\r\nhelloworld", Fault::BadChunk),
            ("x\r\nhello\r\n", Fault::BadChunk),
            ("+5\r\nhello\r\n", Fault::BadChunk),
            ("\r\nhello\r\n", Fault::BadChunk),
            ("fffffffffffffffff\r\n", Fault::BadChunk),
        ] {
            assert_eq!(
                read(Framing::Unsigned, &[text.as_bytes()]).await,
                Err(fault),
                "{text}"
            );
        }
        let long = [b'1'; MOST_LINE + 1];
        assert_eq!(
            read(Framing::Unsigned, &[&long]).await,
            Err(Fault::BadChunk)
        );
    }

    #[tokio::test]
    async fn plain_bodies_pass() {
        let body = Full::new(Bytes::from("anything"));
        let (watched, _) = Watched::new(body, Framing::of(None));
        assert_eq!(watched.size_hint().exact(), Some(8));
        assert_eq!(watched.collect().await.unwrap().to_bytes(), "anything");
    }
}
