//! Packages: zips among the blobs, unpacked to be mounted into instances. A
//! package appears whole or not at all, and a hostile zip is refused before
//! anything of it appears.

mod archive;
mod extract;
mod tree;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::blobs::{self, Blobs};
use crate::error::StoreError;
use crate::files::{Root, blocking, make_dir};

/// What a package may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    pub unzipped_bytes: u64,
    /// Files, links and directories, those included that are only part of a path.
    pub entries: u64,
}

/// A package that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    pub path: PathBuf,
    /// The content of its files and links.
    pub bytes: u64,
}

/// Why a zip was refused. All but `Io` is the fault of who made it.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("not a zip that can be unpacked: {0}")]
    NotAZip(String),
    #[error("the unpacked files are over the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the zip has more than {limit} entries")]
    TooManyEntries { limit: u64 },
    #[error("the zip has a bad path {name:?}: {reason}")]
    BadPath { name: String, reason: &'static str },
    #[error("the zip has a link {name:?} to {target:?}, which does not stay inside it")]
    BadLink { name: String, target: String },
    #[error("the zip has {name:?} twice")]
    Duplicate { name: String },
    #[error("the zip has an encrypted entry {name:?}")]
    Encrypted { name: String },
    #[error(transparent)]
    Io(#[from] StoreError),
}

/// The part of a hostile name that fits into an error message.
fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}

#[derive(Debug, Clone)]
pub struct Packages {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: Arc<Root>,
    dir: PathBuf,
    blobs: Arc<Blobs>,
    /// Packages seen since the start, and the turns of those who want them.
    seen: Mutex<HashMap<String, Arc<Seen>>>,
}

/// Who holds the lock makes, looks at or removes the package.
type Seen = tokio::sync::Mutex<Option<Size>>;

/// What a package takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Size {
    bytes: u64,
    entries: u64,
}

impl Size {
    fn check(self, limits: &UnpackLimits) -> Result<(), UnpackError> {
        if self.entries > limits.entries {
            let limit = limits.entries;
            return Err(UnpackError::TooManyEntries { limit });
        }
        if self.bytes > limits.unzipped_bytes {
            let limit = limits.unzipped_bytes;
            return Err(UnpackError::TooLarge { limit });
        }
        Ok(())
    }
}

impl Packages {
    pub(crate) fn open(root: Arc<Root>, blobs: Arc<Blobs>) -> Result<Self, StoreError> {
        let dir = root.dir().join("packages");
        forget_after_reboot(&root, &dir)?;
        make_dir(&dir)?;
        let seen = Mutex::default();
        let shared = Shared {
            root,
            dir,
            blobs,
            seen,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Where the package of this blob is once it is unpacked.
    pub fn path(&self, sha: &str) -> PathBuf {
        match blobs::check(sha) {
            Ok(()) => self.shared.dir.join(sha),
            Err(_) => self.shared.dir.join("no-such-package"),
        }
    }

    /// Unpacks the blob unless that is done already; callers at the same time
    /// share one unpacking. The limits are checked in any case.
    pub async fn unpack(&self, sha: &str, limits: &UnpackLimits) -> Result<Unpacked, UnpackError> {
        self.shared.root.check_open()?;
        blobs::check(sha)?;
        let path = self.path(sha);
        let mut turn = self.turn(sha).await;
        let known = *turn;
        if let Some(size) = known
            && path.is_dir()
        {
            size.check(limits)?;
            let bytes = size.bytes;
            return Ok(Unpacked { path, bytes });
        }
        let (shared, sha, limits) = (Arc::clone(&self.shared), sha.to_owned(), *limits);
        // The turn goes along: should the caller leave, the others still wait.
        blocking(move || {
            let size = if path.is_dir() {
                measure(&path).map_err(StoreError::io("read", &path))?
            } else {
                shared.make(&sha, &path, &limits)?
            };
            *turn = Some(size);
            size.check(&limits)?;
            let bytes = size.bytes;
            Ok(Unpacked { path, bytes })
        })
        .await
    }

    /// Removes the unpacked files; the blob stays. Nothing may use them any more.
    pub async fn remove(&self, sha: &str) -> Result<(), StoreError> {
        self.shared.root.check_open()?;
        blobs::check(sha)?;
        let path = self.path(sha);
        let mut turn = self.turn(sha).await;
        let (shared, sha) = (Arc::clone(&self.shared), sha.to_owned());
        blocking(move || {
            *turn = None;
            shared.seen.lock().remove(&sha);
            shared.root.remove_tree(&path)
        })
        .await
    }

    async fn turn(&self, sha: &str) -> tokio::sync::OwnedMutexGuard<Option<Size>> {
        let seen = Arc::clone(self.shared.seen.lock().entry(sha.to_owned()).or_default());
        seen.lock_owned().await
    }
}

impl Shared {
    /// Unpacks into a temporary directory, and moves that into its place.
    fn make(&self, sha: &str, path: &Path, limits: &UnpackLimits) -> Result<Size, UnpackError> {
        let blob = self.blobs.path(sha);
        let file = match fs::File::open(&blob) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let sha = sha.to_owned();
                return Err(StoreError::NoSuchBlob { sha }.into());
            }
            Err(error) => return Err(StoreError::io("open", &blob)(error).into()),
        };
        let scratch = self.root.scratch();
        let made = extract::unpack(&file, &scratch, limits).and_then(|size| {
            match fs::rename(&scratch, path) {
                // Made by somebody whose turn was over before the end.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                moved => moved.map_err(StoreError::io("make", path))?,
            }
            Ok(size)
        });
        if scratch.exists()
            && let Err(error) = fs::remove_dir_all(&scratch)
        {
            tracing::warn!(%error, "a half-made package stays until the next start");
        }
        made
    }
}

/// Packages are not synced to the disk: they can be made again. After a boot
/// they are, as a loss of power may have left files in them empty.
fn forget_after_reboot(root: &Root, dir: &Path) -> Result<(), StoreError> {
    let marker = root.dir().join("packages.boot");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if fs::read_to_string(&marker).is_ok_and(|found| found == boot) {
        return Ok(());
    }
    root.remove_tree(dir)?;
    root.place(&marker, boot.as_bytes())
}

fn measure(dir: &Path) -> io::Result<Size> {
    let mut size = Size::default();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        size.entries += 1;
        let found = entry.metadata()?;
        if found.is_dir() {
            let inside = measure(&entry.path())?;
            size.entries += inside.entries;
            size.bytes += inside.bytes;
        } else {
            size.bytes += found.len();
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests;
