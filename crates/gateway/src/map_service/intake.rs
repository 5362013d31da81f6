//! A body on its way from the network to those who read it: pieces go through a
//! bounded channel to a thread that parses while more arrives. What was read is kept,
//! in memory and past a limit in a scratch file, because a data set may have to be
//! read a second time.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Pieces that may wait for the parser.
const WAITING: usize = 16;
/// Smaller ones go together: a client may send a body byte by byte, and to keep a
/// piece costs as much as tens of bytes.
const PIECE: usize = 16 * 1024;

/// How much of a body is taken, and where it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// The most that a body may have.
    pub body: u64,
    /// What is kept of it in memory; the rest goes to a scratch file.
    pub memory: u64,
    pub scratch: PathBuf,
}

/// Why a body was not taken to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    TooLarge,
    Stalled,
    /// The client went away.
    Broken,
    /// Who read it wants no more; its error says why.
    Unwanted,
}

/// The end into which the body is put.
#[derive(Debug)]
pub(crate) struct Feed {
    pieces: mpsc::Sender<Result<Bytes, Cut>>,
    bounds: Bounds,
}

/// The end from which it is read, as often as is needed.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    shared: Arc<Mutex<Kept>>,
    /// Bytes that have been read for the first time.
    read: Arc<AtomicU64>,
}

pub(crate) fn channel(bounds: Bounds) -> (Feed, Source) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let kept = Kept {
        pieces: receiver,
        ended: None,
        memory: Vec::new(),
        held: 0,
        file: None,
        bounds: bounds.clone(),
    };
    let source = Source {
        shared: Arc::new(Mutex::new(kept)),
        read: Arc::default(),
    };
    (
        Feed {
            pieces: sender,
            bounds,
        },
        source,
    )
}

impl Feed {
    /// Takes a body to its end. Readers see an error if it has none.
    pub async fn take<B>(self, mut body: B) -> Result<u64, Cut>
    where
        B: Body<Data = Bytes, Error = io::Error> + Unpin,
    {
        let mut size = 0;
        let mut small = BytesMut::new();
        let cut = loop {
            let piece = match body.frame().await {
                None => {
                    // To a reader, nothing would be the end.
                    if !small.is_empty() && self.pieces.send(Ok(small.freeze())).await.is_err() {
                        return Err(Cut::Unwanted);
                    }
                    return Ok(size);
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => piece,
                    // Trailers.
                    Err(_) => continue,
                },
                Some(Err(error)) if error.kind() == ErrorKind::TimedOut => break Cut::Stalled,
                Some(Err(_)) => break Cut::Broken,
            };
            size += piece.len() as u64;
            if size > self.bounds.body {
                break Cut::TooLarge;
            }
            let piece = if small.is_empty() && piece.len() >= PIECE {
                piece
            } else {
                small.extend_from_slice(&piece);
                if small.len() < PIECE {
                    continue;
                }
                small.split().freeze()
            };
            if self.pieces.send(Ok(piece)).await.is_err() {
                return Err(Cut::Unwanted);
            }
        };
        let _ = self.pieces.send(Err(cut)).await;
        Err(cut)
    }
}

/// The body so far.
#[derive(Debug)]
struct Kept {
    pieces: mpsc::Receiver<Result<Bytes, Cut>>,
    /// Whether all has come, or why no more does.
    ended: Option<Result<(), Cut>>,
    memory: Vec<Bytes>,
    /// Bytes of `memory`.
    held: u64,
    file: Option<File>,
    bounds: Bounds,
}

impl Kept {
    /// The next piece, for the first time; None at the end.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(ended) = self.ended {
            return ended.map(|()| None).map_err(broken);
        }
        match self.pieces.blocking_recv() {
            Some(Ok(piece)) => {
                self.keep(&piece)?;
                Ok(Some(piece))
            }
            Some(Err(cut)) => {
                self.ended = Some(Err(cut));
                Err(broken(cut))
            }
            None => {
                self.ended = Some(Ok(()));
                Ok(None)
            }
        }
    }

    fn keep(&mut self, piece: &Bytes) -> io::Result<()> {
        let size = piece.len() as u64;
        if self.file.is_none() && self.held + size <= self.bounds.memory {
            self.held += size;
            self.memory.push(piece.clone());
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self
                .file
                .insert(tempfile::tempfile_in(&self.bounds.scratch)?),
        };
        file.write_all(piece)
    }
}

fn broken(cut: Cut) -> io::Error {
    let what = match cut {
        Cut::TooLarge => "the body is too large",
        Cut::Stalled => "the body stalled",
        Cut::Broken | Cut::Unwanted => "the body did not come to its end",
    };
    io::Error::new(ErrorKind::UnexpectedEof, what)
}

impl Source {
    /// The body from its beginning. Reading waits while it is still on its way, and
    /// so must not be done on a thread that has other things to do.
    pub fn open(&self) -> Reader {
        Reader {
            source: self.clone(),
            at: 0,
            piece: Bytes::new(),
        }
    }
}

/// Reads what is kept, and then what comes.
#[derive(Debug)]
pub(crate) struct Reader {
    source: Source,
    /// How much of the body lies before `piece`'s rest.
    at: u64,
    piece: Bytes,
}

impl Reader {
    /// The piece that begins at `at`.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut kept = self.source.shared.lock();
        if self.at == self.source.read.load(Ordering::Relaxed) {
            let piece = kept.next()?;
            let size = piece.as_ref().map_or(0, |piece| piece.len() as u64);
            self.source.read.fetch_add(size, Ordering::Relaxed);
            return Ok(piece);
        }
        kept.again(self.at).map(Some)
    }
}

impl Kept {
    /// What was kept from this place on. There is some.
    fn again(&mut self, at: u64) -> io::Result<Bytes> {
        const READ: usize = 256 * 1024;
        let Some(behind) = at.checked_sub(self.held) else {
            let mut begins = 0;
            for piece in &self.memory {
                let ends = begins + piece.len() as u64;
                if at < ends {
                    let skipped = usize::try_from(at - begins).expect("within a piece in memory");
                    return Ok(piece.slice(skipped..));
                }
                begins = ends;
            }
            unreachable!("what is held lies in the pieces");
        };
        let file = self.file.as_mut().expect("what is not held is in the file");
        file.seek(SeekFrom::Start(behind))?;
        let mut bytes = vec![0; READ];
        let count = file.read(&mut bytes)?;
        bytes.truncate(count);
        // The next piece is written behind the last.
        file.seek(SeekFrom::End(0))?;
        Ok(bytes.into())
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.next()? {
                None => return Ok(0),
                Some(piece) => self.piece = piece,
            }
        }
        let count = self.piece.len().min(out.len());
        self.piece.copy_to_slice(&mut out[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use aws_wire::body;

    use super::*;

    fn bounds(folder: &tempfile::TempDir, body: u64, memory: u64) -> Bounds {
        Bounds {
            body,
            memory,
            scratch: folder.path().into(),
        }
    }

    fn pieces(count: usize) -> Vec<Bytes> {
        (0..count)
            .map(|place| format!("piece {place}\n").repeat(place % 7 * 400).into())
            .collect()
    }

    fn body_of(pieces: Vec<io::Result<Bytes>>) -> aws_wire::Body {
        let (sender, receiver) = mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.try_send(piece).unwrap();
        }
        body::stream(receiver)
    }

    async fn read(source: &Source) -> io::Result<Vec<u8>> {
        let source = source.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            source.open().read_to_end(&mut all).map(|_| all)
        });
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn a_body_can_be_read_twice_wherever_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for memory in [0, 100_000, 1 << 20] {
            let all = pieces(60);
            let (feed, source) = channel(bounds(&folder, 1 << 20, memory));
            let sent = body_of(all.iter().cloned().map(Ok).collect());
            let expected = all.concat();
            let (size, first) = tokio::join!(feed.take(sent), read(&source));
            assert_eq!(size, Ok(expected.len() as u64));
            assert_eq!(first.unwrap(), expected, "{memory}");
            assert_eq!(read(&source).await.unwrap(), expected, "{memory}");
        }
    }

    #[tokio::test]
    async fn a_body_that_comes_byte_by_byte_is_kept_in_few_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let (feed, source) = channel(bounds(&folder, 1 << 20, 1 << 20));
        let all = vec![b'x'; 3 * PIECE + 5];
        let bytes = all.iter().map(|byte| Ok(Bytes::copy_from_slice(&[*byte])));
        let sent = body_of(bytes.collect());
        let (size, first) = tokio::join!(feed.take(sent), read(&source));
        assert_eq!(size, Ok(all.len() as u64));
        assert_eq!(first.unwrap(), all);
        assert_eq!(source.shared.lock().memory.len(), 4);
        assert_eq!(read(&source).await.unwrap(), all);
    }

    #[tokio::test]
    async fn a_second_reading_begins_before_the_first_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (feed, source) = channel(bounds(&folder, 1 << 20, 50_000));
        let all = pieces(40);
        let expected = all.concat();
        let sent = body_of(all.into_iter().map(Ok).collect());
        let half = source.clone();
        let (_, half) = tokio::join!(
            feed.take(sent),
            tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; 333];
                half.open().read_exact(&mut bytes).unwrap();
                let mut all = Vec::new();
                half.open().read_to_end(&mut all).unwrap();
                (bytes, all)
            })
        );
        let (bytes, all) = half.unwrap();
        assert_eq!(bytes, expected[..333]);
        assert_eq!(all, expected);
    }

    #[tokio::test]
    async fn what_is_too_large_or_breaks_off_is_an_error_to_both() {
        let folder = tempfile::tempdir().unwrap();
        let text = |text: &'static str| Ok(Bytes::from(text));
        let fails = |kind| Err(io::Error::new(kind, "x"));
        for (pieces, cut) in [
            (vec![text("12345"), text("67890"), text("!")], Cut::TooLarge),
            (vec![text("1"), fails(ErrorKind::TimedOut)], Cut::Stalled),
            (
                vec![text("1"), fails(ErrorKind::UnexpectedEof)],
                Cut::Broken,
            ),
        ] {
            let (feed, source) = channel(bounds(&folder, 10, 1 << 20));
            let (taken, seen) = tokio::join!(feed.take(body_of(pieces)), read(&source));
            assert_eq!(taken, Err(cut));
            assert_eq!(seen.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn who_wants_no_more_ends_the_taking() {
        let folder = tempfile::tempdir().unwrap();
        let (feed, source) = channel(bounds(&folder, 1 << 20, 1 << 20));
        drop(source);
        let taken = feed.take(body_of(vec![Ok(Bytes::from("x"))])).await;
        assert_eq!(taken, Err(Cut::Unwanted));
    }
}
