//! Blobs: files named by the SHA-256 of their content. The same content is kept
//! once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::files::{Root, blocking, make_dir};

/// A blob that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    pub sha: String,
    pub bytes: u64,
}

#[derive(Debug)]
pub struct Blobs {
    pub(crate) root: Arc<Root>,
    pub(crate) dir: PathBuf,
}

impl Blobs {
    pub(crate) fn open(root: Arc<Root>) -> Result<Self, StoreError> {
        let dir = root.dir().join("blobs");
        make_dir(&dir)?;
        Ok(Self { root, dir })
    }

    /// Keeps the bytes and answers with their name, the lower-case hexadecimal
    /// SHA-256. Returns when they are durable.
    pub async fn put(&self, bytes: Bytes) -> Result<String, StoreError> {
        self.root.check_open()?;
        let (root, dir) = (Arc::clone(&self.root), self.dir.clone());
        blocking(move || {
            let sha = hex::encode(Sha256::digest(&bytes));
            let path = path_of(&dir, &sha);
            let there = fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64);
            if !there {
                root.place(&place_for(&root, &dir, &sha)?, &bytes)?;
            }
            Ok(sha)
        })
        .await
    }

    /// Where a blob of this name is or would be. A name that no blob can have
    /// leads to a path where nothing is.
    pub fn path(&self, sha: &str) -> PathBuf {
        match check(sha) {
            Ok(()) => path_of(&self.dir, sha),
            Err(_) => self.dir.join("no-such-blob"),
        }
    }

    pub async fn read(&self, sha: &str) -> Result<Bytes, StoreError> {
        self.root.check_open()?;
        check(sha)?;
        let (path, sha) = (path_of(&self.dir, sha), sha.to_owned());
        blocking(move || match fs::read(&path) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::NoSuchBlob { sha })
            }
            Err(error) => Err(StoreError::io("read", &path)(error)),
        })
        .await
    }

    /// Removing what is not there succeeds.
    pub async fn remove(&self, sha: &str) -> Result<(), StoreError> {
        self.root.check_open()?;
        check(sha)?;
        let path = path_of(&self.dir, sha);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path)(error))
            }
            _ => Ok(()),
        })
        .await
    }

    /// All blobs, sorted by name.
    pub async fn list(&self) -> Result<Vec<BlobInfo>, StoreError> {
        self.root.check_open()?;
        let dir = self.dir.clone();
        blocking(move || {
            let mut blobs = walk(&dir).map_err(StoreError::io("read", &dir))?;
            blobs.sort_by(|a, b| a.sha.cmp(&b.sha));
            Ok(blobs)
        })
        .await
    }

    /// What all blobs take; it looks at each of them.
    pub async fn total_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.list().await?.iter().map(|blob| blob.bytes).sum())
    }
}

/// Only what `put` can have answered is ever made part of a path.
pub(crate) fn check(sha: &str) -> Result<(), StoreError> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if sha.len() == 64 && sha.bytes().all(hex) {
        return Ok(());
    }
    Err(StoreError::BadDigest {
        name: sha.chars().take(80).collect(),
    })
}

fn path_of(dir: &Path, sha: &str) -> PathBuf {
    dir.join(&sha[..2]).join(sha)
}

/// The path of a blob that is about to be put there.
pub(crate) fn place_for(root: &Root, dir: &Path, sha: &str) -> Result<PathBuf, StoreError> {
    let path = path_of(dir, sha);
    let shard = path.parent().unwrap_or(dir);
    if !shard.exists() {
        make_dir(shard)?;
        root.sync_dir_of(shard)?;
    }
    Ok(path)
}

fn walk(dir: &Path) -> io::Result<Vec<BlobInfo>> {
    let mut blobs = Vec::new();
    for shard in fs::read_dir(dir)? {
        for file in fs::read_dir(shard?.path())? {
            let file = file?;
            let Ok(sha) = file.file_name().into_string() else {
                continue;
            };
            // One that is removed meanwhile is not there.
            if check(&sha).is_ok()
                && let Ok(found) = file.metadata()
            {
                let bytes = found.len();
                blobs.push(BlobInfo { sha, bytes });
            }
        }
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use crate::{Durability, Store, StoreError};

    #[tokio::test]
    async fn content_is_kept_once_under_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Durability::Full).unwrap();
        let blobs = store.blobs();
        let sha = blobs.put("abc".into()).await.unwrap();
        assert_eq!(
            sha,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(blobs.put("abc".into()).await.unwrap(), sha);
        assert_eq!(blobs.read(&sha).await.unwrap(), "abc");
        assert_eq!(std::fs::read(blobs.path(&sha)).unwrap(), b"abc");
        blobs.put("".into()).await.unwrap();
        assert_eq!(blobs.list().await.unwrap().len(), 2);
        assert_eq!(blobs.total_bytes().await.unwrap(), 3);
        blobs.remove(&sha).await.unwrap();
        blobs.remove(&sha).await.unwrap();
        let gone = blobs.read(&sha).await;
        assert!(matches!(gone, Err(StoreError::NoSuchBlob { .. })));
    }

    #[tokio::test]
    async fn a_file_cut_short_is_mended_by_the_next_put() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
        let sha = store.blobs().put("abc".into()).await.unwrap();
        std::fs::write(store.blobs().path(&sha), "").unwrap();
        store.blobs().put("abc".into()).await.unwrap();
        assert_eq!(store.blobs().read(&sha).await.unwrap(), "abc");
    }

    #[tokio::test]
    async fn a_name_cannot_lead_out_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
        for bad in [
            "",
            "..",
            "../../etc/passwd",
            &"A".repeat(64),
            &"é".repeat(32),
        ] {
            assert!(store.blobs().read(bad).await.is_err(), "{bad:?}");
            assert!(store.blobs().remove(bad).await.is_err(), "{bad:?}");
            assert!(!store.blobs().path(bad).exists(), "{bad:?}");
        }
    }
}
