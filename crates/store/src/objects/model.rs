//! What is kept of buckets and objects.

use std::fmt;

use types::{BucketName, ObjectKey, Timestamp, VersionId};

use super::content::Content;
use crate::error::StoreError;
use crate::events::NewEvent;

/// Never used again, even when a bucket of the same name is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(pub i64);

#[derive(Debug, Clone)]
pub struct BucketRow {
    pub id: BucketId,
    pub name: BucketName,
    pub created: Timestamp,
    pub settings: Vec<u8>,
}

/// How much is in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSize {
    pub name: BucketName,
    pub objects: u64,
    pub bytes: u64,
}

/// The BLAKE3 of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// From the 64 lower-case digits that `Display` writes.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).ok()?;
        (!text.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(Self(hash))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What happens to what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It goes.
    Off,
    /// It stays as an older version.
    Enabled,
    /// The version `null` goes; others stay.
    Suspended,
}

/// What must hold of the current version for a write to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    pub if_match: Option<MatchRule>,
    pub if_none_match: Option<MatchRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchRule {
    /// `*`: that there is one.
    Any,
    /// An entity tag without its quotes.
    Etag(String),
    /// The very version that was seen, by its sequence.
    Sequence(u64),
}

/// An object to publish.
#[derive(Debug)]
pub struct PutObject {
    pub bucket: BucketId,
    pub key: ObjectKey,
    pub versioning: Versioning,
    pub precondition: Precondition,
    /// Without quotes.
    pub etag: String,
    /// The caller's, opaque here: headers, user metadata, checksums, tags.
    pub attributes: Vec<u8>,
    pub modified: Timestamp,
    /// One for a simple object, in order for one of many parts.
    pub parts: Vec<Part>,
    /// The upload that ends with this: gone in the same transaction.
    pub completes: Option<UploadId>,
}

/// A stretch of an object.
#[derive(Debug, Clone)]
pub struct Part {
    pub content: Content,
    /// The caller's, opaque here: the part's checksums.
    pub attributes: Vec<u8>,
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone)]
pub struct Stored {
    pub key: ObjectKey,
    pub version: VersionId,
    /// Larger for what was written later, over all buckets.
    pub sequence: u64,
    pub is_latest: bool,
    pub modified: Timestamp,
    pub body: StoredBody,
}

#[derive(Debug, Clone)]
pub enum StoredBody {
    DeleteMarker,
    Object(StoredObject),
}

#[derive(Debug, Clone)]
pub struct StoredObject {
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub attributes: Vec<u8>,
    /// How many parts it was uploaded in; 0 for a simple object.
    pub part_count: u32,
}

/// A version whose bytes cannot go while this lives.
#[derive(Debug, Clone)]
pub struct Found {
    pub stored: Stored,
    /// Empty for a delete marker; one for a simple object.
    pub parts: Vec<Part>,
}

/// What a write did.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The object or delete marker that is there now because of this.
    pub written: Option<Stored>,
    /// The version that is gone for good because of this.
    pub removed: Option<Stored>,
    pub sequence: u64,
}

/// Events that a write causes: accepted in the same transaction. They are made
/// on the writing thread, when version and sequence are known.
pub struct Announcement {
    /// How many events there can be; their places are reserved first.
    pub most: usize,
    /// How many events may be accepted and not yet done, these included.
    pub limit: u64,
    pub events: CausedEvents,
}

/// Which events a write causes.
pub type CausedEvents = Box<dyn Fn(&Committed) -> Vec<NewEvent> + Send>;

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// What to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    pub bucket: BucketId,
    pub prefix: String,
    /// Keys that share what is before it, after the prefix, are listed as one.
    pub delimiter: Option<String>,
    pub after: ListMark,
    /// Keys and common prefixes together.
    pub limit: usize,
}

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListMark {
    Start,
    /// After this key and all its versions; it need not exist.
    Key(String),
    /// After this version of this key.
    Version(String, VersionId),
    /// After everything that begins with this.
    Prefix(String),
}

#[derive(Debug, Clone)]
pub struct ListPage {
    pub entries: Vec<Stored>,
    pub prefixes: Vec<String>,
    /// `None` when there is no more.
    pub next: Option<ListMark>,
}

/// A multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub String);

#[derive(Debug, Clone)]
pub struct NewUpload {
    pub bucket: BucketId,
    pub key: ObjectKey,
    pub started: Timestamp,
    pub attributes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct UploadRow {
    pub id: UploadId,
    pub bucket: BucketId,
    pub key: ObjectKey,
    pub started: Timestamp,
    pub attributes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct NewPart {
    pub number: u32,
    pub content: Content,
    pub attributes: Vec<u8>,
    pub modified: Timestamp,
}

/// A part that was uploaded; its bytes stay while this lives.
#[derive(Debug, Clone)]
pub struct PartRow {
    pub number: u32,
    pub content: Content,
    pub attributes: Vec<u8>,
    pub modified: Timestamp,
}

/// Why an operation on objects was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("the bucket does not exist")]
    NoSuchBucket,
    #[error("a bucket of this name exists")]
    BucketExists,
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    #[error("there is no object of this key")]
    NoSuchKey,
    #[error("there is no such version of the object")]
    NoSuchVersion,
    #[error("there is no such upload")]
    NoSuchUpload,
    #[error("a precondition does not hold")]
    PreconditionFailed,
    #[error("the queue of accepted events is full")]
    QueueFull,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ObjectError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
