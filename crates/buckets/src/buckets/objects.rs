//! Objects: writing, reading, copying, tagging, deleting.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use store::{
    Committed, Content, ContentReader, ContentWriter, Found, ObjectError, Part, Precondition,
    PutObject, Stored, StoredBody, StoredObject, UploadId,
};
use types::{BucketName, ObjectKey, Timestamp, VersionId};

use super::announce::Change;
use super::{Buckets, Origin, WriteKind};
use crate::attributes::{Attributes, Checksums};
use crate::bucket::Bucket;
use crate::error::BucketError;

/// How often tags are tried to be set on an object that others keep replacing.
const MOST_TRIES: usize = 8;

/// An object to write, its bytes already in the store.
#[derive(Debug)]
pub struct Write {
    pub key: ObjectKey,
    pub content: Content,
    pub attributes: Attributes,
    pub precondition: Precondition,
    pub kind: WriteKind,
    pub origin: Origin,
}

/// An object to write that has the bytes of another. None are copied: both name
/// the same content, and the copy has the entity tag of its source.
#[derive(Debug)]
pub struct Copy<'a> {
    pub source: &'a GetObject,
    pub key: ObjectKey,
    /// All of them: what of the source's is kept is for the caller to say.
    pub attributes: Attributes,
    pub precondition: Precondition,
    pub origin: Origin,
}

/// An object that was found, with its attributes read. Its bytes cannot go while
/// this lives.
#[derive(Debug, Clone)]
pub struct GetObject {
    pub found: Found,
    pub object: StoredObject,
    pub attributes: Attributes,
}

/// A range as a header asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=FIRST-`
    From(u64),
    /// `bytes=FIRST-LAST`, both included.
    Between(u64, u64),
    /// `bytes=-LENGTH`
    Last(u64),
}

impl ByteRange {
    /// What it is of `size` bytes; `InvalidRange` where it lies beyond them.
    pub fn of(self, size: u64) -> Result<Range<u64>, BucketError> {
        let range = match self {
            Self::From(first) => first..size,
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::Last(length) => size.saturating_sub(length)..size,
        };
        if range.is_empty() {
            return Err(BucketError::InvalidRange { size });
        }
        Ok(range)
    }
}

impl GetObject {
    /// Without quotes.
    pub fn etag(&self) -> &str {
        &self.object.etag
    }

    pub fn stored(&self) -> &Stored {
        &self.found.stored
    }

    /// Where part `number` lies, from 1 on, and its checksums. A simple object
    /// is one part.
    pub fn part(&self, number: u32) -> Option<(Range<u64>, Checksums)> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let part = self.found.parts.get(index)?;
        let before = &self.found.parts[..index];
        let start = before.iter().map(|part| part.content.size).sum();
        let checksums = serde_json::from_slice(&part.attributes).unwrap_or_default();
        Some((start..start + part.content.size, checksums))
    }
}

impl Buckets {
    /// Takes in new content; `expected` is its size where it is known.
    pub fn writer(&self, expected: Option<u64>) -> ContentWriter {
        self.inner.store.objects().writer(expected)
    }

    pub async fn put(&self, bucket: &Bucket, write: Write) -> Result<Committed, BucketError> {
        let etag = hex::encode(write.content.md5);
        let part = Part {
            content: write.content,
            attributes: json(&write.attributes.checksums),
        };
        let publish = Publish {
            key: write.key,
            etag,
            attributes: write.attributes,
            parts: vec![part],
            completes: None,
            precondition: write.precondition,
            kind: write.kind,
            origin: write.origin,
        };
        self.publish(bucket, publish).await
    }

    pub async fn copy(&self, bucket: &Bucket, copy: Copy<'_>) -> Result<Committed, BucketError> {
        let publish = Publish {
            key: copy.key,
            etag: copy.source.object.etag.clone(),
            attributes: copy.attributes,
            parts: copy.source.found.parts.clone(),
            completes: None,
            precondition: copy.precondition,
            kind: WriteKind::Copy,
            origin: copy.origin,
        };
        self.publish(bucket, publish).await
    }

    pub(super) async fn publish(
        &self,
        bucket: &Bucket,
        publish: Publish,
    ) -> Result<Committed, BucketError> {
        let change = Change::Write(publish.kind);
        let announcement = self.announcement(bucket, &publish.key, change, publish.origin);
        let condition = condition_of(&publish.precondition);
        let key = publish.key.clone();
        let object = PutObject {
            bucket: bucket.id,
            key: publish.key,
            versioning: bucket.settings.versioning(),
            precondition: publish.precondition,
            etag: publish.etag,
            attributes: json(&publish.attributes),
            modified: Timestamp::now(),
            parts: publish.parts,
            completes: publish.completes,
        };
        let put = self.inner.store.objects().put(object, announcement).await;
        put.map_err(|error| match error {
            ObjectError::PreconditionFailed => BucketError::PreconditionFailed { condition },
            error => BucketError::of_object(error, &bucket.name, &key, None),
        })
    }

    /// A delete marker is an error: `Deleted`, or `IsDeleteMarker` where its
    /// version was named.
    pub async fn get(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<GetObject, BucketError> {
        let got = self.inner.store.objects().get(bucket.id, key, version);
        let refused = |error| BucketError::of_object(error, &bucket.name, key, version);
        let found = got.await.map_err(refused)?;
        let StoredBody::Object(object) = &found.stored.body else {
            let (key, marker) = (key.clone(), found.stored.version.clone());
            return Err(match version {
                None => BucketError::Deleted {
                    key,
                    version: marker,
                },
                Some(_) => BucketError::IsDeleteMarker {
                    key,
                    version: marker,
                    modified: found.stored.modified,
                },
            });
        };
        Ok(GetObject {
            object: object.clone(),
            attributes: attributes_of(&found.stored),
            found,
        })
    }

    /// Another number after each change of any object, before that is answered: what was
    /// read under one number is as it was while that is the number.
    pub fn changes(&self) -> u64 {
        self.inner.store.objects().changes()
    }

    pub fn read(&self, found: &Found, range: Range<u64>) -> ContentReader {
        self.inner.store.objects().read(found, range)
    }

    /// A whole object of at most `limit` bytes, by names alone: for the engine
    /// and other callers that want code, a model or a page.
    pub async fn fetch(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
        limit: u64,
    ) -> Result<Bytes, BucketError> {
        let bucket = self.bucket(bucket)?;
        let got = self.get(&bucket, key, version).await?;
        let size = got.object.size;
        if size > limit {
            return Err(BucketError::EntityTooLarge { size, limit });
        }
        let mut reader = self.read(&got.found, 0..size);
        let mut bytes = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// Replaces the tags of an object; without tags they are deleted. Answers
    /// the version that it is done to.
    pub async fn set_tags(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<&VersionId>,
        tags: BTreeMap<String, String>,
        origin: Origin,
    ) -> Result<VersionId, BucketError> {
        for _ in 0..MOST_TRIES {
            let got = self.get(bucket, key, version).await?;
            let change = Change::Tag {
                put: !tags.is_empty(),
            };
            let announcement = self.announcement(bucket, key, change, origin.clone());
            let mut attributes = got.attributes.clone();
            attributes.tags.clone_from(&tags);
            let stored = got.found.stored;
            let objects = self.inner.store.objects();
            let set = objects.set_attributes(
                bucket.id,
                key.clone(),
                stored.version.clone(),
                stored.sequence,
                json(&attributes),
                announcement,
            );
            match set.await {
                Ok(()) => return Ok(stored.version),
                // It was replaced since it was read: the tags are for what is there now.
                Err(ObjectError::NoSuchKey | ObjectError::NoSuchVersion) => {}
                Err(error) => {
                    return Err(BucketError::of_object(error, &bucket.name, key, version));
                }
            }
        }
        Err(BucketError::Conflict)
    }

    pub async fn delete_object(
        &self,
        bucket: &Bucket,
        key: ObjectKey,
        version: Option<VersionId>,
        precondition: Precondition,
        origin: Origin,
    ) -> Result<Committed, BucketError> {
        let removal = Removal {
            key,
            version,
            precondition,
            expired: false,
        };
        self.remove(bucket, removal, origin).await
    }

    pub(super) async fn remove(
        &self,
        bucket: &Bucket,
        removal: Removal,
        origin: Origin,
    ) -> Result<Committed, BucketError> {
        let Removal {
            key,
            version,
            precondition,
            expired,
        } = removal;
        let change = Change::Delete {
            version: version.clone(),
            expired,
        };
        let announcement = self.announcement(bucket, &key, change, origin);
        let condition = condition_of(&precondition);
        let deleted = self.inner.store.objects().delete(
            bucket.id,
            key.clone(),
            version.clone(),
            bucket.settings.versioning(),
            precondition,
            announcement,
        );
        deleted.await.map_err(|error| match error {
            ObjectError::PreconditionFailed => BucketError::PreconditionFailed { condition },
            error => BucketError::of_object(error, &bucket.name, &key, version.as_ref()),
        })
    }
}

/// A write in its general form: of one content or many, new or not.
pub(super) struct Publish {
    pub key: ObjectKey,
    pub etag: String,
    pub attributes: Attributes,
    pub parts: Vec<Part>,
    pub completes: Option<UploadId>,
    pub precondition: Precondition,
    pub kind: WriteKind,
    pub origin: Origin,
}

pub(super) struct Removal {
    pub key: ObjectKey,
    pub version: Option<VersionId>,
    pub precondition: Precondition,
    pub expired: bool,
}

/// The header to name when it does not hold.
fn condition_of(precondition: &Precondition) -> &'static str {
    if precondition.if_match.is_some() {
        "If-Match"
    } else {
        "If-None-Match"
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is kept with objects has text keys only")
}

/// Attributes that cannot be read are logged and taken for none: the object is
/// still there for its bytes.
pub(super) fn attributes_of(stored: &Stored) -> Attributes {
    let StoredBody::Object(object) = &stored.body else {
        return Attributes::default();
    };
    serde_json::from_slice(&object.attributes).unwrap_or_else(|error| {
        tracing::error!(key = %stored.key, %error, "the attributes of an object are not readable");
        Attributes::default()
    })
}
