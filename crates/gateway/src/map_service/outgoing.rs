//! A table on its way out. It is written by a thread that may wait, in pieces that a
//! slow client makes it wait for; what is small goes out whole, with its length.

use std::io::{self, Write};

use aws_wire::{Body, body};
use bytes::Bytes;
use tokio::sync::mpsc;

/// A piece of an answer.
const PIECE: usize = 256 * 1024;
/// Pieces that may wait for the client.
const WAITING: usize = 4;

/// Runs `write` on a thread of its own, and returns when its first piece is there:
/// what fails before it is an error, later it breaks the answer off.
pub(crate) async fn written(
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()> + Send + 'static,
) -> io::Result<Body> {
    let (sender, mut pieces) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces {
            filling: Vec::new(),
            sender,
        };
        if let Err(error) = write(&mut out).and_then(|()| out.send()) {
            let _ = out.sender.blocking_send(Err(error));
        }
    });
    let first = pieces.recv().await.transpose()?.unwrap_or_default();
    if first.len() < PIECE {
        // Only the last piece is not full; an error may follow it all the same.
        return match pieces.recv().await {
            None => Ok(body::full(first)),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) => Err(io::Error::other("a piece came after the last")),
        };
    }
    Ok(body::stream(prepended(first, pieces)))
}

fn prepended(
    first: Bytes,
    mut rest: mpsc::Receiver<io::Result<Bytes>>,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, all) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut next = Some(Ok(first));
        while let Some(piece) = next {
            if sender.send(piece).await.is_err() {
                return;
            }
            next = rest.recv().await;
        }
    });
    all
}

/// Collects what is written into pieces of one size.
struct Pieces {
    filling: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.filling));
        let sent = self.sender.blocking_send(Ok(piece));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client went away"))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.filling.len();
        let taken = room.min(bytes.len());
        self.filling.extend_from_slice(&bytes[..taken]);
        if self.filling.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    /// Pieces go when they are full: formats flush more often than is good here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a JSON list of lines of JSON as they are written.
pub(crate) struct JsonList<W> {
    out: W,
    begun: bool,
    /// A line has ended, and it is not known whether one follows.
    between: bool,
}

impl<W: Write> JsonList<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            begun: false,
            between: false,
        }
    }

    pub fn end(mut self) -> io::Result<W> {
        self.out.write_all(if self.begun { b"]" } else { b"[]" })?;
        Ok(self.out)
    }
}

impl<W: Write> Write for JsonList<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.begun {
                self.out.write_all(b"[")?;
                self.begun = true;
            } else if self.between {
                self.out.write_all(b",\n")?;
            }
            let text = line.strip_suffix(b"\n");
            self.between = text.is_some();
            self.out.write_all(text.unwrap_or(line))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_is_small_has_a_length_and_the_rest_comes_in_pieces() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7] {
            let body = written(move |out| out.write_all(&vec![b'x'; size]))
                .await
                .unwrap();
            let exact = body.size_hint().exact();
            assert_eq!(exact, (size < PIECE).then_some(size as u64), "{size}");
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), size);
        }
    }

    #[tokio::test]
    async fn a_failure_is_an_error_at_first_and_breaks_off_later() {
        let fails = |size: usize| {
            written(move |out| {
                out.write_all(&vec![b'x'; size])?;
                Err(io::Error::other("no more"))
            })
        };
        assert!(fails(0).await.is_err());
        assert!(fails(10).await.is_err());
        let body = fails(2 * PIECE).await.unwrap();
        assert!(body.collect().await.is_err());
    }

    #[test]
    fn lines_become_a_list() {
        for (lines, list) in [
            ("", "[]"),
            ("1\n", "[1]"),
            ("{\"a\":\"\\n\"}\n2\n3\n", "[{\"a\":\"\\n\"},\n2,\n3]"),
        ] {
            for step in [1, 2, 100] {
                let mut out = JsonList::new(Vec::new());
                for piece in lines.as_bytes().chunks(step) {
                    out.write_all(piece).unwrap();
                }
                assert_eq!(String::from_utf8(out.end().unwrap()).unwrap(), list);
            }
        }
    }
}
