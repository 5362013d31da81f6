//! Tests of objects: this file has what they share.

mod basic;
mod model;
mod pins;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;
use types::{ObjectKey, Timestamp};

use super::*;
use crate::{Durability, Store};

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) store: Arc<Store>,
    pub(crate) bucket: BucketId,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path(), Durability::Relaxed).unwrap());
        let name = "bucket".parse().unwrap();
        let bucket = store
            .objects()
            .create_bucket(name, Timestamp(1), b"settings".to_vec())
            .await
            .unwrap();
        Self {
            dir,
            store,
            bucket: bucket.id,
        }
    }

    pub(crate) fn objects(&self) -> &Objects {
        self.store.objects()
    }

    pub(crate) async fn content(&self, bytes: &[u8]) -> Content {
        let mut writer = self.objects().writer(None);
        for piece in bytes.chunks(300_000) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        writer.finish().await.unwrap()
    }

    pub(crate) async fn object(&self, key: &str, bytes: &[u8]) -> PutObject {
        let content = self.content(bytes).await;
        PutObject {
            bucket: self.bucket,
            key: key.parse().unwrap(),
            versioning: Versioning::Off,
            precondition: Precondition::default(),
            etag: hex::encode(content.md5),
            attributes: b"attributes".to_vec(),
            modified: Timestamp(2),
            parts: vec![Part {
                content,
                attributes: Vec::new(),
            }],
            completes: None,
        }
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Committed {
        let object = self.object(key, bytes).await;
        self.objects().put(object, None).await.unwrap()
    }

    pub(crate) async fn delete(&self, key: &str, versioning: Versioning) -> Committed {
        let (key, rule) = (key.parse().unwrap(), Precondition::default());
        let deleted = self
            .objects()
            .delete(self.bucket, key, None, versioning, rule, None);
        deleted.await.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>, ObjectError> {
        let key: ObjectKey = key.parse().unwrap();
        let found = self.objects().get(self.bucket, &key, None).await?;
        Ok(self.read(&found, 0..u64::MAX).await)
    }

    pub(crate) async fn read(&self, found: &Found, range: Range<u64>) -> Vec<u8> {
        let mut reader = self.objects().read(found, range);
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            assert!(!piece.is_empty() && piece.len() <= 1 << 20);
            bytes.extend_from_slice(&piece);
        }
        assert!(reader.next().await.unwrap().is_none());
        bytes
    }

    /// Names of the files of content.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let dir = self.dir.path().join("objects");
        Shelf::walk(&dir, |hash| {
            files.push(shelf::path_of(&dir, &hash));
            Ok(())
        })
        .unwrap();
        files
    }

    pub(crate) fn scratch(&self) -> usize {
        let scratch = self.dir.path().join("tmp");
        std::fs::read_dir(scratch).unwrap().count()
    }

    pub(crate) async fn check(&self) -> CheckReport {
        let store = Arc::clone(&self.store);
        let check = move || store.objects().check(|_| ControlFlow::Continue(()));
        blocking(check).await.unwrap()
    }

    /// Returns when the writing thread has done what was handed to it before.
    pub(crate) async fn settle(&self) {
        // One to be written behind what is there, one behind its clearing away.
        for _ in 0..2 {
            self.store.documents().commit(Vec::new()).await.unwrap();
        }
    }
}

/// Bytes that do not repeat soon.
pub(crate) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
