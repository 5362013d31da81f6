//! Code that comes from a bucket. It goes from the object into the store in
//! pieces: packages from buckets may be larger than those that are sent along.

use buckets::BucketError;
use bytes::Bytes;
use store::BlobInfo;
use types::{BucketName, ObjectKey, VersionId};

use super::Catalog;
use super::code::{check_not_empty, too_large_unzipped};
use super::error::ControlError;
use super::model::ObjectCode;

impl Catalog {
    /// The policy of a bucket, for whoever asks for code that lies in it.
    pub fn bucket_policy(&self, bucket: &str) -> Option<policy::Document> {
        let bucket = self.inner.buckets.bucket(&bucket.parse().ok()?).ok()?;
        let policy = bucket.settings.policy.as_ref();
        policy.map(|policy| policy.document().clone())
    }

    /// Adds the tags of an object to what conditions of policies may ask about.
    pub async fn add_existing_tags(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        context: &mut policy::Context,
    ) -> Result<(), ControlError> {
        let buckets = &self.inner.buckets;
        let found = bucket.parse().map(|name| buckets.bucket(&name));
        // What is not there is refused where it is read.
        let Ok(Ok(found)) = found else {
            return Ok(());
        };
        let add = buckets.add_existing_tags(&found, key, version, context);
        add.await.map_err(refusal)
    }

    /// Copies the object into the store.
    pub(super) async fn keep_object(&self, source: &ObjectCode) -> Result<BlobInfo, ControlError> {
        let buckets = &self.inner.buckets;
        // A name that no bucket can have is that of none.
        let name: BucketName = source.bucket.parse().map_err(|_| no_such_bucket())?;
        let key: ObjectKey = source.key.parse().map_err(|_| no_such_key())?;
        let version: Option<VersionId> = match &source.version {
            None => None,
            Some(version) => Some(version.parse().map_err(|_| bad_version())?),
        };
        let bucket = buckets.bucket(&name).map_err(refusal)?;
        let found = buckets.get(&bucket, &key, version.as_ref()).await;
        let found = found.map_err(refusal)?;
        let size = found.object.size;
        // A zip is hardly ever larger than what is in it.
        let limit = self.inner.limits.unzipped_bytes;
        if size > limit {
            return Err(too_large_unzipped(limit));
        }
        let blobs = self.inner.store.blobs();
        let mut pieces = buckets.read(&found.found, 0..size);
        let mut blob = blobs.writer().await?;
        let mut first: Option<Bytes> = None;
        while let Some(piece) = pieces.next().await? {
            first.get_or_insert_with(|| piece.clone());
            blob.write(piece).await?;
        }
        check_not_empty(&first.unwrap_or_default())?;
        Ok(blobs.finish(blob).await?)
    }
}

fn failed(code: &str, message: &str) -> ControlError {
    ControlError::invalid(format!(
        "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    ))
}

fn no_such_bucket() -> ControlError {
    failed("NoSuchBucket", "The specified bucket does not exist")
}

fn no_such_key() -> ControlError {
    failed("NoSuchKey", "The specified key does not exist.")
}

fn bad_version() -> ControlError {
    failed("InvalidArgument", "Invalid version id specified")
}

/// What S3 said, in the words in which Lambda passes it on.
fn refusal(error: BucketError) -> ControlError {
    match error {
        BucketError::NoSuchBucket { .. } => no_such_bucket(),
        BucketError::NoSuchKey { .. } | BucketError::Deleted { .. } => no_such_key(),
        BucketError::NoSuchVersion { .. } => {
            failed("NoSuchVersion", "The specified version does not exist.")
        }
        BucketError::IsDeleteMarker { .. } => failed(
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        ),
        BucketError::Store(error) => ControlError::Store(error),
        other => failed("InvalidRequest", &other.to_string()),
    }
}
