//! What was built is kept, so that what did not change costs nothing. All of it can be
//! made again: it may be deleted at any time, and what was not used for long is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{PackageError, What};

/// What the cache may take. Layers with their libraries unpacked are most of it.
const BYTES_MAX: u64 = 6 << 30;
/// Zips of code, and notes of what passed; each is small.
const SMALL_MAX: usize = 500;
/// Nobody works on a package for longer.
const SCRATCH_AGE_MAX: Duration = Duration::from_hours(24);
/// What says that a layer is whole; written last.
const MANIFEST: &str = "manifest.json";

/// Folders of the cache: `layers` by key, `code` zips by content, `passed` what
/// was found out, `scratch` what is being made.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// While it lives nobody else makes the same thing.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "the lock goes with the file")] File);

impl Cache {
    pub(crate) fn open(root: &Path) -> Result<Self, PackageError> {
        for folder in ["layers", "code", "passed", "scratch", "turns"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).what(|| format!("make {}", path.display()))?;
        }
        let root = fs::canonicalize(root).what(|| format!("open {}", root.display()))?;
        // Others of this machine are not to read code that is not theirs.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700))
            .what(|| format!("set the mode of {}", root.display()))?;
        forget_old(&root.join("scratch"));
        Ok(Self { root })
    }

    /// A fresh folder, removed when it is dropped. On the disk of the cache, so that
    /// what is made in it can be moved there.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, PackageError> {
        let folder = self.root.join("scratch");
        let made = tempfile::Builder::new().prefix("p").tempdir_in(&folder);
        let made = made.what(|| format!("make a folder in {}", folder.display()))?;
        open_to_all(made.path())?;
        Ok(made)
    }

    pub(crate) fn code(&self) -> PathBuf {
        self.root.join("code")
    }

    pub(crate) fn guests(&self) -> PathBuf {
        self.root.join("guests")
    }

    /// Waits for whoever makes this now, here or in another process.
    pub(crate) fn turn(&self, key: &str) -> Result<Turn, PackageError> {
        let path = self.root.join("turns").join(key);
        let waiting = || format!("lock {}", path.display());
        let file = File::create(&path).what(waiting)?;
        file.lock().what(waiting)?;
        Ok(Turn(file))
    }

    pub(crate) fn layer(&self, key: &str) -> PathBuf {
        self.root.join("layers").join(key)
    }

    /// What is known of a layer that is there whole.
    pub(crate) fn manifest<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let path = self.layer(key).join(MANIFEST);
        let found = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        // The time says when it was used last.
        let touched = File::options().append(true).open(&path);
        let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
        Some(found)
    }

    /// Moves a finished folder into its place.
    pub(crate) fn place(
        &self,
        key: &str,
        folder: &Path,
        manifest: &impl Serialize,
    ) -> Result<(), PackageError> {
        let target = self.layer(key);
        let placing = || format!("make {}", target.display());
        let text = serde_json::to_vec(manifest).expect("a manifest is plain data");
        fs::write(folder.join(MANIFEST), text).what(placing)?;
        open_to_all(folder)?;
        remove(&target).what(placing)?;
        fs::rename(folder, &target).what(placing)?;
        self.prune(key);
        Ok(())
    }

    /// What was found out for this key, if it was.
    pub(crate) fn recall(&self, key: &str) -> Option<String> {
        fs::read_to_string(self.root.join("passed").join(key)).ok()
    }

    /// That it is not kept costs the same work the next time, and nothing else.
    pub(crate) fn remember(&self, key: &str, text: &str) {
        let folder = self.root.join("passed");
        let _ = fs::write(folder.join(key), text);
        keep_newest(&folder);
    }

    pub(crate) fn has_passed(&self, key: &str) -> bool {
        self.root.join("passed").join(key).is_file()
    }

    pub(crate) fn pass(&self, key: &str) {
        self.remember(key, "");
    }

    pub(crate) fn keep_newest_code(&self) {
        keep_newest(&self.code());
    }

    /// Removes the layers that were not used for longest, until the others fit.
    fn prune(&self, but: &str) {
        let mut layers: Vec<(SystemTime, u64, PathBuf)> = entries(&self.root.join("layers"))
            .filter(|path| !path.ends_with(but))
            .map(|path| (used(&path.join(MANIFEST)), bytes_of(&path), path))
            .collect();
        layers.sort();
        let mut total: u64 = layers.iter().map(|(_, bytes, _)| bytes).sum();
        total += bytes_of(&self.layer(but));
        for (_, bytes, path) in layers {
            if total <= BYTES_MAX {
                return;
            }
            // Its manifest first: half a layer must not be taken for a whole one.
            let _ = fs::remove_file(path.join(MANIFEST));
            if fs::remove_dir_all(&path).is_ok() {
                total -= bytes;
            }
        }
    }
}

/// 32 digits that stand for these parts.
pub(crate) fn key(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}

/// Functions run as another user, who must be able to read what is unpacked.
pub(crate) fn open_to_all(folder: &Path) -> Result<(), PackageError> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .what(|| format!("set the mode of {}", folder.display()))
}

/// What was being made when its maker was killed.
fn forget_old(folder: &Path) {
    let is_old = |path: &PathBuf| {
        let age = SystemTime::now().duration_since(used(path));
        age.is_ok_and(|age| age > SCRATCH_AGE_MAX)
    };
    for path in entries(folder).filter(is_old) {
        let _ = fs::remove_dir_all(path);
    }
}

fn keep_newest(folder: &Path) {
    let mut files: Vec<(SystemTime, PathBuf)> =
        entries(folder).map(|path| (used(&path), path)).collect();
    if files.len() > SMALL_MAX {
        files.sort();
        for (_, path) in &files[..files.len() - SMALL_MAX] {
            let _ = fs::remove_file(path);
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn used(path: &Path) -> SystemTime {
    let meta = fs::metadata(path).and_then(|meta| meta.modified());
    meta.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn bytes_of(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => entries(path).map(|path| bytes_of(&path)).sum(),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_there_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        assert_eq!(cache.manifest::<String>("k"), None);
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        for text in ["one", "two"] {
            let scratch = cache.scratch().unwrap().keep();
            fs::write(scratch.join("file"), text).unwrap();
            cache.place("k", &scratch, &text).unwrap();
            assert_eq!(cache.manifest::<String>("k").as_deref(), Some(text));
        }
        let file = fs::read_to_string(cache.layer("k").join("file"));
        assert_eq!(file.unwrap(), "two");
        assert_eq!(entries(&folder.path().join("scratch")).count(), 0);
    }

    #[test]
    fn only_the_newest_small_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        for number in 0..SMALL_MAX + 10 {
            cache.pass(&number.to_string());
        }
        assert_eq!(entries(&folder.path().join("passed")).count(), SMALL_MAX);
    }

    #[test]
    fn what_was_left_half_made_is_forgotten_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let (old, new) = (cache.scratch().unwrap(), cache.scratch().unwrap());
        let opened = File::open(old.path()).unwrap();
        opened.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        Cache::open(folder.path()).unwrap();
        assert!(!old.path().exists() && new.path().exists());
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
        assert_eq!(key(&[b"a"]).len(), 32);
    }
}
