//! Bytes on their way in: hashed while they come, and durable when they are in.
//!
//! What is small stays in memory and lies in the database with its object. What
//! is larger goes to a file, piece by piece: while one piece is hashed and
//! written on other threads, the next one is collected, so no thread waits for
//! a slow client and memory stays bounded.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use tokio::task::JoinHandle;

use super::model::ContentHash;
use super::pins::Pin;
use super::shelf::{Scratch, Shelf};
use crate::error::StoreError;
use crate::files::blocking;
use crate::store::Durability;

/// Content up to this size lies in the database. A part of the format: a larger
/// figure would need the files of this size to move.
pub(crate) const INLINE_MAX: u64 = 32 << 10;
/// So much is collected before it is hashed and written.
const PIECE: usize = 1 << 20;
/// Smaller bytes are copied together, so that many crumbs do not cost more than
/// what is in them.
const CRUMB: usize = 16 << 10;
/// After so many bytes the disk is told to begin, so that the last sync is short.
const SYNC_EVERY: u64 = 32 << 20;

/// Bytes that are durable in the store and stay there while this lives, whether
/// or not an object refers to them yet.
#[derive(Debug, Clone)]
pub struct Content {
    pub hash: ContentHash,
    pub size: u64,
    /// The MD5 of the bytes, which is the entity tag of a simple object.
    pub md5: [u8; 16],
    pub(crate) hold: Hold,
}

/// What keeps the bytes of content at hand.
#[derive(Debug, Clone)]
pub(crate) enum Hold {
    /// They are here. They are durable with the first object that has them.
    Here(Bytes),
    /// They are in a file or in the database, and stay there.
    There(#[expect(dead_code, reason = "is there to be dropped")] Pin),
}

impl Content {
    /// Whether it lies in the database.
    pub(crate) fn is_small(&self) -> bool {
        self.size <= INLINE_MAX
    }

    pub(crate) fn is_here(&self) -> bool {
        matches!(self.hold, Hold::Here(_))
    }
}

/// Takes bytes in, in bounded memory. Dropped before `finish`, nothing remains.
#[derive(Debug)]
pub struct ContentWriter {
    shelf: Arc<Shelf>,
    pieces: Vec<Bytes>,
    crumbs: BytesMut,
    collected: usize,
    size: u64,
    /// Nothing yet while all of it fits into one piece.
    stream: Option<Stream>,
    failed: bool,
}

impl ContentWriter {
    /// What is expected decides how much memory is taken at once, no more.
    pub(crate) fn new(shelf: Arc<Shelf>, expected: Option<u64>) -> Self {
        let crumbs = usize::try_from(expected.unwrap_or(0)).map_or(CRUMB, |size| size.min(CRUMB));
        Self {
            shelf,
            pieces: Vec::new(),
            crumbs: BytesMut::with_capacity(crumbs),
            collected: 0,
            size: 0,
            stream: None,
            failed: false,
        }
    }

    /// After an error nothing more can be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Closed);
        }
        self.shelf.root().check_open()?;
        self.size += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = PIECE - self.collected;
            let bytes = rest.split_to(room.min(rest.len()));
            self.collect(bytes);
            if self.collected == PIECE {
                // Lost if this is not waited for to the end: what was
                // collected is on its way to other threads.
                self.failed = true;
                self.pass_on().await?;
                self.failed = false;
            }
        }
        Ok(())
    }

    /// Returns when the bytes are durable, those of small content aside, which
    /// become so with the first object that has them.
    pub async fn finish(mut self) -> Result<Content, StoreError> {
        if self.failed {
            return Err(StoreError::Closed);
        }
        self.shelf.root().check_open()?;
        if self.size <= INLINE_MAX {
            let bytes = self.gather();
            return Ok(Content {
                hash: ContentHash(blake3::hash(&bytes).into()),
                size: self.size,
                md5: Md5::digest(&bytes).into(),
                hold: Hold::Here(bytes),
            });
        }
        let last = self.take_pieces();
        match self.stream.take() {
            None => {
                let shelf = Arc::clone(&self.shelf);
                blocking(move || {
                    let mut digest = Md5::new();
                    let mut sheet = Sheet::create(&shelf)?;
                    sheet.write(&last)?;
                    for bytes in &last {
                        digest.update(bytes);
                    }
                    sheet.publish(digest)
                })
                .await
            }
            Some(mut stream) => {
                stream.pass_on(last).await?;
                stream.finish().await
            }
        }
    }

    fn collect(&mut self, bytes: Bytes) {
        self.collected += bytes.len();
        if bytes.len() < CRUMB {
            self.crumbs.extend_from_slice(&bytes);
        } else {
            self.sweep_up();
            self.pieces.push(bytes);
        }
    }

    fn sweep_up(&mut self) {
        if !self.crumbs.is_empty() {
            self.pieces.push(self.crumbs.split().freeze());
        }
    }

    fn take_pieces(&mut self) -> Vec<Bytes> {
        self.sweep_up();
        self.collected = 0;
        std::mem::take(&mut self.pieces)
    }

    fn gather(&mut self) -> Bytes {
        // Copied, so that a few bytes do not keep the buffer they came in.
        self.take_pieces().concat().into()
    }

    async fn pass_on(&mut self) -> Result<(), StoreError> {
        let pieces = self.take_pieces();
        if self.stream.is_none() {
            let shelf = Arc::clone(&self.shelf);
            let sheet = blocking(move || Sheet::create(&shelf)).await?;
            self.stream = Some(Stream {
                sheet: Worker::Idle(sheet),
                digest: Worker::Idle(Md5::new()),
            });
        }
        match &mut self.stream {
            Some(stream) => stream.pass_on(pieces).await,
            None => Err(StoreError::Closed),
        }
    }
}

/// Two workers: one that hashes for the entity tag, which is slow, and one that
/// does all the rest.
#[derive(Debug)]
struct Stream {
    sheet: Worker<Sheet>,
    digest: Worker<Md5>,
}

impl Stream {
    async fn pass_on(&mut self, pieces: Vec<Bytes>) -> Result<(), StoreError> {
        let copy = pieces.clone();
        self.digest
            .hand(move |digest| {
                for bytes in &copy {
                    digest.update(bytes);
                }
                Ok(())
            })
            .await?;
        self.sheet.hand(move |sheet| sheet.write(&pieces)).await
    }

    async fn finish(self) -> Result<Content, StoreError> {
        let (digest, sheet) = (self.digest.rest().await?, self.sheet.rest().await?);
        blocking(move || sheet.publish(digest)).await
    }
}

/// Something that is worked at on a thread where it may block, one step after
/// the other.
#[derive(Debug)]
enum Worker<T> {
    Idle(T),
    Busy(JoinHandle<Result<T, StoreError>>),
    Lost,
}

impl<T: Send + 'static> Worker<T> {
    /// Waits for the step before, and begins this one.
    async fn hand(
        &mut self,
        step: impl FnOnce(&mut T) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let mut state = std::mem::replace(self, Self::Lost).rest().await?;
        *self = Self::Busy(tokio::task::spawn_blocking(move || {
            step(&mut state)?;
            Ok(state)
        }));
        Ok(())
    }

    async fn rest(self) -> Result<T, StoreError> {
        match self {
            Self::Idle(state) => Ok(state),
            Self::Busy(step) => match step.await {
                Ok(state) => state,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => Err(StoreError::Closed),
            },
            Self::Lost => Err(StoreError::Closed),
        }
    }
}

/// A file of content on its way.
#[derive(Debug)]
struct Sheet {
    file: Arc<File>,
    scratch: Scratch,
    /// Boxed, as it is large and moves from thread to thread.
    hasher: Box<blake3::Hasher>,
    size: u64,
    unsynced: u64,
    /// Tells how the sync that runs aside ends.
    syncing: Option<Receiver<io::Result<()>>>,
    shelf: Arc<Shelf>,
}

impl Sheet {
    fn create(shelf: &Arc<Shelf>) -> Result<Self, StoreError> {
        let scratch = shelf.scratch();
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(scratch.path())
            .map_err(StoreError::io("create", scratch.path()))?;
        Ok(Self {
            file: Arc::new(file),
            scratch,
            hasher: Box::default(),
            size: 0,
            unsynced: 0,
            syncing: None,
            shelf: Arc::clone(shelf),
        })
    }

    fn write(&mut self, pieces: &[Bytes]) -> Result<(), StoreError> {
        for bytes in pieces {
            (&*self.file)
                .write_all(bytes)
                .map_err(StoreError::io("write", self.scratch.path()))?;
            self.hasher.update(bytes);
            self.size += bytes.len() as u64;
            self.unsynced += bytes.len() as u64;
        }
        if self.shelf.root().durability() == Durability::Full && self.unsynced >= SYNC_EVERY {
            self.sync_aside()?;
        }
        Ok(())
    }

    /// Tells the disk to begin. One sync at a time: while the disk is behind,
    /// more of them do not help.
    fn sync_aside(&mut self) -> Result<(), StoreError> {
        match self.syncing.as_ref().map(Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => return Ok(()),
            Some(Ok(synced)) => synced.map_err(StoreError::io("sync", self.scratch.path()))?,
            Some(Err(TryRecvError::Disconnected)) | None => {}
        }
        self.unsynced = 0;
        let (done, syncing) = sync_channel(1);
        let file = Arc::clone(&self.file);
        tokio::task::spawn_blocking(move || {
            let _ = done.send(file.sync_data());
        });
        self.syncing = Some(syncing);
        Ok(())
    }

    fn publish(self, digest: Md5) -> Result<Content, StoreError> {
        // The kernel tells of a failure once, so this one must be heard out.
        if let Some(Ok(synced)) = self.syncing.as_ref().map(Receiver::recv) {
            synced.map_err(StoreError::io("sync", self.scratch.path()))?;
        }
        let hash = ContentHash(self.hasher.finalize().into());
        let pin = self
            .shelf
            .publish(&self.scratch, &self.file, hash, self.size)?;
        Ok(Content {
            hash,
            size: self.size,
            md5: digest.finalize().into(),
            hold: Hold::There(pin),
        })
    }
}
