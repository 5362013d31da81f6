//! The data directory as a place for files: temporary names, files that appear
//! whole or not at all, and syncing as the durability asks for it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::StoreError;
use crate::store::Durability;

/// What all parts of the store share.
#[derive(Debug)]
pub(crate) struct Root {
    dir: PathBuf,
    durability: Durability,
    closed: AtomicBool,
    counter: AtomicU64,
}

impl Root {
    pub(crate) fn new(dir: PathBuf, durability: Durability) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = now.unwrap_or_default().as_nanos();
        Self {
            dir,
            durability,
            closed: AtomicBool::new(false),
            // Names are not used again by who opens the directory next, while
            // somebody still clears away behind an earlier one.
            counter: AtomicU64::new(u64::try_from(nanos).unwrap_or(0)),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        Ok(())
    }

    /// A name in the directory that is emptied at every start.
    pub(crate) fn scratch(&self) -> PathBuf {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        self.scratch_dir().join(number.to_string())
    }

    /// Nothing in there outlives the process that made it.
    pub(crate) fn empty_scratch(&self) -> Result<(), StoreError> {
        let dir = self.scratch_dir();
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("empty", &dir)(error));
            }
            _ => {}
        }
        make_dir(&dir)
    }

    fn scratch_dir(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Puts a file in its place: whole or not at all.
    pub(crate) fn place(&self, target: &Path, content: &[u8]) -> Result<(), StoreError> {
        let scratch = self.scratch();
        let written = self.write_synced(&scratch, content);
        if let Err(error) = written.and_then(|()| self.move_into_place(&scratch, target)) {
            // Whatever is left of it would go at the next start anyway.
            let _ = fs::remove_file(&scratch);
            return Err(error);
        }
        Ok(())
    }

    pub(crate) fn move_into_place(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        fs::rename(from, to).map_err(StoreError::io("make", to))?;
        self.sync_dir_of(to)
    }

    /// Makes what was written to a file durable.
    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        if self.durability == Durability::Full {
            file.sync_all().map_err(StoreError::io("sync", path))?;
        }
        Ok(())
    }

    /// Makes the name of a file as durable as its content.
    pub(crate) fn sync_dir_of(&self, path: &Path) -> Result<(), StoreError> {
        let dir = path.parent().unwrap_or(&self.dir);
        if self.durability == Durability::Full {
            File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(StoreError::io("sync", dir))?;
        }
        Ok(())
    }

    /// Takes a directory away at once, and then apart.
    pub(crate) fn remove_tree(&self, dir: &Path) -> Result<(), StoreError> {
        let scratch = self.scratch();
        match fs::rename(dir, &scratch) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io("remove", dir)(error)),
        }
        fs::remove_dir_all(&scratch).map_err(StoreError::io("remove", &scratch))
    }

    fn write_synced(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(StoreError::io("create", path))?;
        file.write_all(content)
            .map_err(StoreError::io("write", path))?;
        self.sync_file(&file, path)
    }
}

/// Makes a directory that only its owner can enter, with its parents.
pub(crate) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(StoreError::io("make", dir))
}

/// Closes an existing directory to everybody but its owner.
pub(crate) fn make_private(dir: &Path) -> Result<(), StoreError> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
        .map_err(StoreError::io("close to others", dir))
}

/// Runs file or database work where it may block.
pub(crate) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(StoreError::Closed.into()),
    }
}
