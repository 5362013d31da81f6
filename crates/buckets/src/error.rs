//! Why an operation on buckets was not carried out. The text of each variant is
//! what S3 tells its clients; the wire crate adds code and status.

use store::{ObjectError, StoreError};
use types::{BucketName, ObjectKey, Timestamp, VersionId};

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    // --- buckets -----------------------------------------------------------
    #[error("The specified bucket does not exist")]
    NoSuchBucket { bucket: Option<BucketName> },
    #[error("Your previous request to create the named bucket succeeded and you already own it.")]
    BucketAlreadyOwnedByYou { bucket: BucketName },
    #[error("The bucket you tried to delete is not empty")]
    BucketNotEmpty { bucket: BucketName },
    #[error("You have attempted to create more buckets than allowed")]
    TooManyBuckets,

    // --- objects -----------------------------------------------------------
    #[error("The specified key does not exist.")]
    NoSuchKey { key: ObjectKey },
    /// The current version is a delete marker: to clients `NoSuchKey`, and the
    /// headers `x-amz-delete-marker` and `x-amz-version-id`.
    #[error("The specified key does not exist.")]
    Deleted { key: ObjectKey, version: VersionId },
    /// The version that was named is a delete marker: `MethodNotAllowed`, the
    /// same headers, and `Last-Modified`.
    #[error("The specified method is not allowed against this resource.")]
    IsDeleteMarker {
        key: ObjectKey,
        version: VersionId,
        modified: Timestamp,
    },
    #[error("The specified version does not exist.")]
    NoSuchVersion { key: ObjectKey, version: VersionId },
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed { condition: &'static str },
    /// `OperationAborted`: others were faster, again and again.
    #[error(
        "A conflicting conditional operation is currently in progress against this resource. Please try again."
    )]
    Conflict,
    /// `limit` was the caller's, or S3's.
    #[error("Your proposed upload exceeds the maximum allowed size")]
    EntityTooLarge { size: u64, limit: u64 },
    #[error("The requested range is not satisfiable")]
    InvalidRange { size: u64 },

    // --- multipart uploads -------------------------------------------------
    #[error(
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )]
    NoSuchUpload { id: String },
    #[error(
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )]
    InvalidPart { number: u32, etag: String },
    #[error(
        "The list of parts was not in ascending order. The parts list must be specified in order by part number."
    )]
    InvalidPartOrder,
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    EntityTooSmall {
        number: u32,
        size: u64,
        minimum: u64,
    },
    #[error("Part number must be an integer between 1 and 10000, inclusive")]
    BadPartNumber,
    /// `BadDigest`: what was uploaded is not what the client says it is.
    #[error("The {algorithm} you specified did not match the calculated checksum.")]
    BadChecksum { algorithm: &'static str },

    // --- settings ----------------------------------------------------------
    #[error("{message}")]
    InvalidArgument { message: String },
    #[error("{message}")]
    InvalidRequest { message: String },
    #[error(
        "The XML you provided was not well-formed or did not validate against our published schema"
    )]
    MalformedXml,
    #[error("{message}")]
    MalformedPolicy { message: String },
    #[error("{message}")]
    AccessDenied { message: String },

    // --- the engine --------------------------------------------------------
    /// `SlowDown`: the events of this write have no place in the queue.
    #[error("Please reduce your request rate.")]
    QueueFull,
    /// `InternalError`.
    #[error("We encountered an internal error. Please try again.")]
    Store(#[from] StoreError),
}

impl BucketError {
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::InvalidArgument {
            message: message.into(),
        }
    }

    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::InvalidRequest {
            message: message.into(),
        }
    }

    /// The store's refusal of an operation on a bucket as a whole.
    pub(crate) fn of_bucket(error: ObjectError, bucket: &BucketName) -> Self {
        match error {
            ObjectError::BucketExists => Self::BucketAlreadyOwnedByYou {
                bucket: bucket.clone(),
            },
            ObjectError::BucketNotEmpty => Self::BucketNotEmpty {
                bucket: bucket.clone(),
            },
            other => Self::of_upload(other, Some(bucket), ""),
        }
    }

    /// The store's refusal of an operation on an object.
    pub(crate) fn of_object(
        error: ObjectError,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Self {
        match (error, version) {
            (ObjectError::NoSuchKey | ObjectError::NoSuchVersion, Some(version)) => {
                Self::NoSuchVersion {
                    key: key.clone(),
                    version: version.clone(),
                }
            }
            (ObjectError::NoSuchKey | ObjectError::NoSuchVersion, None) => {
                Self::NoSuchKey { key: key.clone() }
            }
            (other, _) => Self::of_upload(other, Some(bucket), ""),
        }
    }

    /// The store's refusal of an operation on an upload.
    pub(crate) fn of_upload(error: ObjectError, bucket: Option<&BucketName>, id: &str) -> Self {
        match error {
            ObjectError::NoSuchBucket => Self::NoSuchBucket {
                bucket: bucket.cloned(),
            },
            ObjectError::NoSuchUpload => Self::NoSuchUpload { id: id.to_owned() },
            ObjectError::PreconditionFailed => Self::PreconditionFailed {
                condition: "If-Match",
            },
            ObjectError::QueueFull => Self::QueueFull,
            ObjectError::Store(error) => Self::Store(error),
            // Each operation names these before it comes here.
            error @ (ObjectError::BucketExists
            | ObjectError::BucketNotEmpty
            | ObjectError::NoSuchKey
            | ObjectError::NoSuchVersion) => Self::request(error.to_string()),
        }
    }
}
