//! What a request carries: bytes in memory, or a stretch of a file, which is read
//! anew for each attempt and never held whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_wire::{Body, body};
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::checksum::Crc;
use super::error::S3Error;
use crate::progress::Progress;

/// How much of a file is read at once.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be sent.
const AHEAD: usize = 4;

#[derive(Debug, Clone)]
pub enum Payload {
    Bytes(Bytes),
    File(Slice),
}

/// A stretch of a file.
#[derive(Debug, Clone)]
pub struct Slice {
    pub file: Arc<File>,
    pub start: u64,
    pub len: u64,
}

/// What happens to the bytes of one attempt.
#[derive(Debug, Clone)]
pub struct Meter {
    progress: Arc<Progress>,
    sent: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Payload {
    pub fn empty() -> Self {
        Self::Bytes(Bytes::new())
    }

    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(slice) => slice.len,
        }
    }

    /// The checksum of all of it.
    pub async fn crc(&self) -> Result<u64, S3Error> {
        match self {
            Self::Bytes(bytes) => Ok(super::checksum::of(bytes)),
            Self::File(slice) => {
                let slice = slice.clone();
                aside(move || slice.crc()).await.map_err(unreadable)
            }
        }
    }

    pub fn body(&self, meter: &Meter) -> Body {
        match self {
            Self::Bytes(bytes) => {
                meter.count(bytes.len());
                body::full(bytes.clone())
            }
            Self::File(slice) => slice.clone().body(meter.clone()),
        }
    }
}

impl Slice {
    fn crc(&self) -> io::Result<u64> {
        let mut crc = Crc::new();
        self.read(|piece| {
            crc.update(&piece);
            true
        })?;
        Ok(crc.finish())
    }

    /// Streams it from a thread of its own: files block.
    fn body(self, meter: Meter) -> Body {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let read = self.read(|piece| {
                meter.count(piece.len());
                sender.blocking_send(Ok(piece)).is_ok()
            });
            if let Err(error) = read {
                meter.fail(error);
                let _ = sender.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        });
        body::stream(receiver)
    }

    /// Hands out pieces until `take` has had enough.
    fn read(&self, mut take: impl FnMut(Bytes) -> bool) -> io::Result<()> {
        let end = self.start + self.len;
        let mut at = self.start;
        while at < end {
            let wanted = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
            let mut piece = BytesMut::zeroed(wanted);
            self.file.read_exact_at(&mut piece, at)?;
            at += wanted as u64;
            if !take(piece.freeze()) {
                break;
            }
        }
        Ok(())
    }
}

impl Meter {
    pub fn new(progress: &Arc<Progress>) -> Self {
        Self {
            progress: Arc::clone(progress),
            sent: Arc::default(),
            failure: Arc::default(),
        }
    }

    fn count(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.progress.add(bytes as u64);
    }

    /// The attempt failed: none of it counts.
    pub fn roll_back(&self) {
        self.progress
            .take_back(self.sent.swap(0, Ordering::Relaxed));
    }

    fn fail(&self, error: io::Error) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// What went wrong on our side, which the endpoint only saw as a broken body.
    pub fn failure(&self) -> Option<S3Error> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().map(unreadable)
    }
}

fn unreadable(source: io::Error) -> S3Error {
    let doing = if source.kind() == io::ErrorKind::UnexpectedEof {
        "the file became shorter while it was read"
    } else {
        "cannot read the file"
    };
    S3Error::local(doing, source)
}

/// Runs what blocks on a thread for that.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
