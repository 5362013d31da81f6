//! Where a model comes from: something that can be asked, at little cost, whether it is
//! still the same.

use std::sync::Arc;

use buckets::{BucketError, Buckets};
use bytes::Bytes;
use types::{BucketName, ObjectKey};

/// Tells one state of an object from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What clients see of it: the object's version, or its entity tag.
    pub version: Arc<str>,
    /// Differs whenever the object may be another one.
    pub state: Arc<str>,
}

/// Why an object cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    #[error("it has {size} bytes, and a model may have {limit}")]
    TooLarge { size: u64, limit: u64 },
    #[error("{0}")]
    Unreachable(String),
}

/// One object.
pub trait ModelSource: Send + Sync + 'static {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// What is there now; None if nothing is.
    fn look(&self) -> impl Future<Output = Result<Option<Mark>, SourceError>> + Send;

    /// All of it, if it has at most `most` bytes; None if nothing is there.
    fn fetch(
        &self,
        most: u64,
    ) -> impl Future<Output = Result<Option<(Mark, Bytes)>, SourceError>> + Send;
}

/// An object of the engine in this process.
#[derive(Debug)]
pub struct BucketObject {
    buckets: Buckets,
    bucket: BucketName,
    key: ObjectKey,
}

impl BucketObject {
    pub fn new(buckets: Buckets, bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            buckets,
            bucket,
            key,
        }
    }

    async fn find(&self) -> Result<Option<buckets::GetObject>, SourceError> {
        let found = match self.buckets.bucket(&self.bucket) {
            Ok(bucket) => self.buckets.get(&bucket, &self.key, None).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(object) => Ok(Some(object)),
            Err(error) => absent(&error),
        }
    }
}

/// That nothing is there is no failure.
fn absent<T>(error: &BucketError) -> Result<Option<T>, SourceError> {
    match error {
        BucketError::NoSuchBucket { .. }
        | BucketError::NoSuchKey { .. }
        | BucketError::Deleted { .. } => Ok(None),
        error => Err(SourceError::Unreachable(error.to_string())),
    }
}

fn mark(object: &buckets::GetObject) -> Mark {
    let stored = object.stored();
    let version = if stored.version.is_null() {
        object.etag()
    } else {
        stored.version.as_str()
    };
    Mark {
        version: version.into(),
        // The same bytes that are put again are the same model.
        state: format!("{} {}", object.etag(), stored.version.as_str()).into(),
    }
}

impl ModelSource for BucketObject {
    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    async fn look(&self) -> Result<Option<Mark>, SourceError> {
        Ok(self.find().await?.as_ref().map(mark))
    }

    async fn fetch(&self, most: u64) -> Result<Option<(Mark, Bytes)>, SourceError> {
        let Some(object) = self.find().await? else {
            return Ok(None);
        };
        let size = object.object.size;
        if size > most {
            return Err(SourceError::TooLarge { size, limit: most });
        }
        let mut reader = self.buckets.read(&object.found, 0..size);
        let mut bytes = bytes::BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
        let broken = |error: store::StoreError| SourceError::Unreachable(error.to_string());
        while let Some(piece) = reader.next().await.map_err(broken)? {
            bytes.extend_from_slice(&piece);
        }
        Ok(Some((mark(&object), bytes.freeze())))
    }
}
