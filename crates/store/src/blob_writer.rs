//! Writes a blob in pieces, for what is too large to be held in memory.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::blobs::{self, BlobInfo, Blobs};
use crate::error::StoreError;
use crate::files::{Root, blocking};

/// A blob in the making. Dropped before `finish`, nothing remains of it.
#[derive(Debug)]
pub struct BlobWriter {
    root: Arc<Root>,
    /// Away while a piece is written, and for good after a failure.
    draft: Option<Draft>,
}

#[derive(Debug)]
struct Draft {
    path: PathBuf,
    file: File,
    hash: Sha256,
    size: u64,
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `finish` it is not there any more; else the next start would
        // remove it as well.
        let _ = fs::remove_file(&self.path);
    }
}

impl Blobs {
    /// Begins a blob that comes in pieces.
    pub async fn writer(&self) -> Result<BlobWriter, StoreError> {
        self.root.check_open()?;
        let root = Arc::clone(&self.root);
        blocking(move || {
            let path = root.scratch();
            let file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(StoreError::io("create", &path))?;
            let draft = Draft {
                path,
                file,
                hash: Sha256::new(),
                size: 0,
            };
            Ok(BlobWriter {
                root,
                draft: Some(draft),
            })
        })
        .await
    }

    /// Returns when the blob is durable.
    pub async fn finish(&self, writer: BlobWriter) -> Result<BlobInfo, StoreError> {
        let BlobWriter { root, draft } = writer;
        let mut draft = draft.ok_or(StoreError::Closed)?;
        let dir = self.dir.clone();
        blocking(move || {
            root.sync_file(&draft.file, &draft.path)?;
            let sha = hex::encode(draft.hash.finalize_reset());
            let place = blobs::place_for(&root, &dir, &sha)?;
            root.move_into_place(&draft.path, &place)?;
            Ok(BlobInfo {
                sha,
                bytes: draft.size,
            })
        })
        .await
    }
}

impl BlobWriter {
    /// Appends a piece.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), StoreError> {
        let mut draft = self.draft.take().ok_or(StoreError::Closed)?;
        let draft = blocking(move || {
            draft
                .file
                .write_all(&piece)
                .map_err(StoreError::io("write", &draft.path))?;
            draft.hash.update(&piece);
            draft.size += piece.len() as u64;
            Ok::<_, StoreError>(draft)
        })
        .await?;
        self.draft = Some(draft);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, Store};

    #[tokio::test]
    async fn pieces_become_the_blob_that_the_whole_would_be() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
        let blobs = store.blobs();
        let mut writer = blobs.writer().await.unwrap();
        for piece in ["one", "", "two"] {
            writer.write(piece.into()).await.unwrap();
        }
        let made = blobs.finish(writer).await.unwrap();
        assert_eq!(made.bytes, 6);
        assert_eq!(blobs.put("onetwo".into()).await.unwrap(), made.sha);
        assert_eq!(blobs.read(&made.sha).await.unwrap(), "onetwo");
        assert_eq!(blobs.list().await.unwrap(), [made]);
    }

    #[tokio::test]
    async fn nothing_remains_of_what_was_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
        let mut writer = store.blobs().writer().await.unwrap();
        writer.write("x".into()).await.unwrap();
        let scratch = || fs::read_dir(dir.path().join("tmp")).unwrap().count();
        assert_eq!(scratch(), 1);
        drop(writer);
        assert_eq!(scratch(), 0);
        assert!(store.blobs().list().await.unwrap().is_empty());
    }
}
