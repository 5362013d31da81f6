//! DeleteObject.

use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};
use s3s::{S3Request, S3Response, S3Result};
use store::{Committed, StoredBody};
use types::VersionId;

use crate::caller::Caller;
use crate::error::{fault_with, refused};
use crate::ops::{conditions, done, key, version};
use crate::service::Service;

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = request.input;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(fault_with(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
        ));
    }
    let bucket = service.bucket(&input.bucket)?;
    let key = key(&input.key)?;
    let version = version(input.version_id.as_deref())?;
    let precondition = conditions::of_write(&request.headers)?;
    let origin = Caller::of(&request.extensions).origin();
    let deleted =
        service
            .buckets
            .delete_object(&bucket, key, version.clone(), precondition, origin);
    let gone = Gone::of(&deleted.await.map_err(refused)?, version);
    done(DeleteObjectOutput {
        delete_marker: gone.marker.then_some(true),
        request_charged: None,
        version_id: gone.version.map(String::from),
    })
}

/// What a delete did, as clients are told.
pub(crate) struct Gone {
    /// A delete marker was made, or removed.
    pub marker: bool,
    /// The marker that was made, or the version that was removed.
    pub version: Option<VersionId>,
}

impl Gone {
    pub fn of(committed: &Committed, named: Option<VersionId>) -> Self {
        let is_marker = |stored: &store::Stored| matches!(stored.body, StoredBody::DeleteMarker);
        if let Some(version) = named {
            return Self {
                marker: committed.removed.as_ref().is_some_and(is_marker),
                version: Some(version),
            };
        }
        let made = committed
            .written
            .as_ref()
            .filter(|stored| is_marker(stored));
        Self {
            marker: made.is_some(),
            version: made.map(|stored| stored.version.clone()),
        }
    }
}
