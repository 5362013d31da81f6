//! The shelf: content in files, each named by the hash of what is in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::content::Content;
use super::model::ContentHash;
use super::pins::{Pin, Pins};
use crate::error::StoreError;
use crate::files::{Root, make_dir};

/// A file of more than this takes a while to remove, so another thread does it.
const QUICKLY_REMOVED: u64 = 1 << 20;
/// Files that wait for that thread at most; past it they are removed at once.
const REMOVALS: usize = 1024;
/// Is there while a store is open; found at an opening, the last one was killed.
const IN_USE: &str = "in-use";

/// The files of content.
#[derive(Debug)]
pub(crate) struct Shelf {
    root: Arc<Root>,
    dir: PathBuf,
    pins: Arc<Pins>,
    remover: Mutex<Option<Remover>>,
}

/// The way to the thread that removes large files, and the thread.
#[derive(Debug)]
struct Remover {
    paths: SyncSender<PathBuf>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pins").finish_non_exhaustive()
    }
}

impl Shelf {
    /// Opens it. What a killed process published and did not refer to any more
    /// is removed; the directory is walked only after such an end.
    pub(crate) fn open(root: Arc<Root>, connection: &Connection) -> Result<Arc<Self>, StoreError> {
        let dir = root.dir().join("objects");
        make_dir(&dir)?;
        root.sync_dir_of(&dir)?;
        let (paths, taken) = sync_channel(REMOVALS);
        let thread = std::thread::Builder::new()
            .name("store-remover".to_owned())
            .spawn(move || remove_all(&taken))
            .map_err(StoreError::io("start a thread for", &dir))?;
        let remover = Remover { paths, thread };
        let shelf = Self {
            root,
            dir,
            pins: Arc::default(),
            remover: Mutex::new(Some(remover)),
        };
        let marker = shelf.dir.join(IN_USE);
        if marker.exists() {
            shelf.remove_orphans(connection)?;
        } else {
            shelf.root.place(&marker, b"")?;
        }
        Ok(Arc::new(shelf))
    }

    /// To be called when nothing writes any more. It blocks.
    pub(crate) fn close(&self) {
        let Some(Remover { paths, thread }) = self.remover.lock().take() else {
            return;
        };
        drop(paths);
        let _ = thread.join();
        // Left where it is, the next start looks closer: it does where content
        // is still held that nothing may refer to.
        if !self.pins.has_suspects() {
            let _ = fs::remove_file(self.dir.join(IN_USE));
        }
    }

    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    pub(crate) fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    pub(crate) fn path(&self, hash: &ContentHash) -> PathBuf {
        path_of(&self.dir, hash)
    }

    /// Whether content is where it can be read.
    pub(crate) fn has(&self, content: &Content) -> bool {
        content.is_small() || self.path(&content.hash).exists()
    }

    /// Makes a file that is written durable and gives it its name. Where there
    /// is one of this name already, that one serves.
    pub(crate) fn publish(
        &self,
        scratch: &Scratch,
        file: &File,
        hash: ContentHash,
        size: u64,
    ) -> Result<Pin, StoreError> {
        // Before the look whether it is there, so that it stays there.
        let pin = Pins::pin_new(&self.pins, hash);
        let path = self.path(&hash);
        if let Ok(there) = File::open(&path)
            && there.metadata().is_ok_and(|found| found.len() == size)
        {
            // Whoever wrote it may not have come to sync it yet.
            self.root.sync_file(&there, &path)?;
            self.root.sync_dir_of(&path)?;
            return Ok(pin);
        }
        let shard = path.parent().unwrap_or(&self.dir);
        if !shard.exists() {
            make_dir(shard)?;
            self.root.sync_dir_of(shard)?;
        }
        self.root.sync_file(file, scratch.path())?;
        self.root.move_into_place(scratch.path(), &path)?;
        Ok(pin)
    }

    /// A place to write a file that is not published yet.
    pub(crate) fn scratch(self: &Arc<Self>) -> Scratch {
        Scratch {
            path: self.root.scratch(),
            shelf: Arc::clone(self),
        }
    }

    /// Removes a file that nothing refers to, unless it is pinned.
    pub(crate) fn remove(&self, hash: &ContentHash) {
        let path = self.path(hash);
        let mut large = None;
        self.pins.unless_pinned(hash, || {
            if fs::metadata(&path).is_ok_and(|found| found.len() > QUICKLY_REMOVED) {
                let aside = self.root.scratch();
                if fs::rename(&path, &aside).is_ok() {
                    large = Some(aside);
                    return;
                }
            }
            remove_file(&path);
        });
        if let Some(aside) = large {
            self.remove_aside(aside);
        }
    }

    fn remove_aside(&self, path: PathBuf) {
        let refused = match &*self.remover.lock() {
            Some(remover) => match remover.paths.try_send(path) {
                Ok(()) => return,
                Err(TrySendError::Full(path) | TrySendError::Disconnected(path)) => path,
            },
            None => path,
        };
        remove_file(&refused);
    }

    /// Calls `visit` with the hash of each file.
    pub(crate) fn walk(
        dir: &Path,
        mut visit: impl FnMut(ContentHash) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let read = |path: &Path| fs::read_dir(path).map_err(StoreError::io("read", path));
        for shard in read(dir)? {
            let shard = shard.map_err(StoreError::io("read", dir))?.path();
            if !shard.is_dir() {
                continue;
            }
            for file in read(&shard)? {
                let file = file.map_err(StoreError::io("read", &shard))?;
                let name = file.file_name();
                if let Some(hash) = name.to_str().and_then(ContentHash::from_hex) {
                    visit(hash)?;
                }
            }
        }
        Ok(())
    }

    fn remove_orphans(&self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute("DELETE FROM contents WHERE refs = 0", [])?;
        let mut known = connection.prepare("SELECT 1 FROM contents WHERE hash = ?")?;
        let mut orphans = Vec::new();
        Self::walk(&self.dir, |hash| {
            if !known.exists([hash.0])? {
                orphans.push(hash);
            }
            Ok(())
        })?;
        for hash in &orphans {
            self.remove(hash);
        }
        if !orphans.is_empty() {
            let count = orphans.len();
            tracing::info!(count, "removed content that an earlier process left over");
        }
        Ok(())
    }
}

/// Where the content of this hash is, below the directory of contents.
pub(crate) fn path_of(dir: &Path, hash: &ContentHash) -> PathBuf {
    let name = hash.to_string();
    dir.join(&name[..2]).join(name)
}

fn remove_all(paths: &Receiver<PathBuf>) {
    while let Ok(path) = paths.recv() {
        remove_file(&path);
    }
}

fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        // It takes up space, and the next check of the store shows it.
        tracing::warn!(path = %path.display(), %error, "a file was not removed");
    }
}

/// A file on its way in; dropped, it is gone, unless it was published.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    shelf: Arc<Shelf>,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.path.exists() {
            self.shelf.remove_aside(std::mem::take(&mut self.path));
        }
    }
}
