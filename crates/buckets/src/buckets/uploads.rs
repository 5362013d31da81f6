//! Multipart uploads.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use store::{Committed, Content, NewPart, ObjectError, PartRow, Precondition, UploadId, UploadRow};
use types::{ObjectKey, Timestamp};

use super::assembly::assemble;
use super::objects::{Publish, json};
use super::{Buckets, GetObject, Origin, UploadPage, UploadQuery, WriteKind};
use crate::attributes::{Attributes, ChecksumAlgorithm, ChecksumKind, Checksums};
use crate::bucket::Bucket;
use crate::checksum::Hasher;
use crate::error::BucketError;

/// Parts have numbers from 1 to this.
pub const MOST_PARTS: u32 = 10_000;
/// All parts but the last have at least so many bytes.
pub const SMALLEST_PART: u64 = 5 << 20;

/// An upload to begin, and what its object will have.
#[derive(Debug, Clone)]
pub struct NewUpload {
    pub key: ObjectKey,
    pub attributes: Attributes,
    /// `x-amz-checksum-algorithm`
    pub checksum: Option<ChecksumAlgorithm>,
    /// `x-amz-checksum-type`; `None` is the algorithm's own.
    pub checksum_kind: Option<ChecksumKind>,
}

/// An upload under way.
#[derive(Debug, Clone)]
pub struct Upload {
    pub row: UploadRow,
    pub attributes: Attributes,
    pub checksum: Option<ChecksumAlgorithm>,
    /// Set where `checksum` is.
    pub checksum_kind: Option<ChecksumKind>,
}

/// A part that was uploaded.
#[derive(Debug, Clone)]
pub struct PartInfo {
    pub number: u32,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub modified: Timestamp,
    pub checksums: Checksums,
}

#[derive(Debug, Clone)]
pub struct PartPage {
    pub parts: Vec<PartInfo>,
    pub truncated: bool,
}

/// A part as CompleteMultipartUpload names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPart {
    pub number: u32,
    /// With or without quotes.
    pub etag: String,
    pub checksums: Checksums,
}

/// CompleteMultipartUpload.
#[derive(Debug)]
pub struct Complete {
    pub parts: Vec<UploadedPart>,
    /// Those of the whole object, where the client gave any.
    pub checksums: Checksums,
    /// `x-amz-mp-object-size`
    pub size: Option<u64>,
    pub precondition: Precondition,
    pub origin: Origin,
}

/// What is kept with an upload.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    attributes: Attributes,
    checksum: Option<ChecksumAlgorithm>,
    checksum_kind: Option<ChecksumKind>,
}

impl Upload {
    fn read(row: UploadRow) -> Self {
        let kept: Kept = serde_json::from_slice(&row.attributes).unwrap_or_else(|error| {
            tracing::error!(key = %row.key, %error, "the attributes of an upload are not readable");
            Kept::default()
        });
        Self {
            row,
            attributes: kept.attributes,
            checksum: kept.checksum,
            checksum_kind: kept.checksum_kind,
        }
    }
}

impl PartInfo {
    fn read(row: &PartRow) -> Self {
        Self {
            number: row.number,
            size: row.content.size,
            etag: hex::encode(row.content.md5),
            modified: row.modified,
            checksums: serde_json::from_slice(&row.attributes).unwrap_or_default(),
        }
    }
}

impl Buckets {
    pub async fn create_upload(
        &self,
        bucket: &Bucket,
        upload: NewUpload,
    ) -> Result<Upload, BucketError> {
        let kind = match (upload.checksum, upload.checksum_kind) {
            (None, None) => None,
            (Some(algorithm), None) => Some(algorithm.default_kind()),
            (Some(algorithm), Some(kind)) if algorithm.allows(kind) => Some(kind),
            (Some(algorithm), Some(kind)) => {
                let (kind, algorithm) = (kind.name(), algorithm.name().to_ascii_lowercase());
                return Err(BucketError::request(format!(
                    "The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
                )));
            }
            (None, Some(_)) => {
                return Err(BucketError::request(
                    "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
                ));
            }
        };
        let kept = Kept {
            attributes: upload.attributes,
            checksum: upload.checksum,
            checksum_kind: kind,
        };
        let started = Timestamp::now();
        let row = store::NewUpload {
            bucket: bucket.id,
            key: upload.key.clone(),
            started,
            attributes: json(&kept),
        };
        let attributes = row.attributes.clone();
        let created = self.inner.store.objects().create_upload(row).await;
        let id = created.map_err(|error| BucketError::of_bucket(error, &bucket.name))?;
        Ok(Upload::read(UploadRow {
            id,
            bucket: bucket.id,
            key: upload.key,
            started,
            attributes,
        }))
    }

    /// `NoSuchUpload` also when it is one of another key.
    pub async fn upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: &UploadId,
    ) -> Result<Upload, BucketError> {
        let found = self.inner.store.objects().upload(id).await;
        let row =
            found.map_err(|error| BucketError::of_upload(error, Some(&bucket.name), &id.0))?;
        if row.bucket != bucket.id || row.key != *key {
            return Err(BucketError::NoSuchUpload { id: id.0.clone() });
        }
        Ok(Upload::read(row))
    }

    pub async fn list_uploads(
        &self,
        bucket: &Bucket,
        query: UploadQuery,
    ) -> Result<UploadPage, BucketError> {
        let listed = self.inner.store.objects().list_uploads(bucket.id).await;
        let rows = listed.map_err(|error| BucketError::of_bucket(error, &bucket.name))?;
        Ok(UploadPage::of(rows.into_iter().map(Upload::read), &query))
    }

    /// Takes the place of an earlier part of the same number. `checksums` are
    /// those that the bytes have, the upload's algorithm among them.
    pub async fn put_part(
        &self,
        upload: &Upload,
        number: u32,
        content: Content,
        checksums: Checksums,
    ) -> Result<PartInfo, BucketError> {
        if !(1..=MOST_PARTS).contains(&number) {
            return Err(BucketError::BadPartNumber);
        }
        if let Some(algorithm) = upload.checksum
            && checksums.get(algorithm).is_none()
        {
            let actual = checksums
                .iter()
                .next()
                .map_or("null", |(other, _)| other.name());
            return Err(BucketError::request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                algorithm.name().to_ascii_lowercase(),
                actual.to_ascii_lowercase(),
            )));
        }
        let part = NewPart {
            number,
            content,
            attributes: json(&checksums),
            modified: Timestamp::now(),
        };
        let id = &upload.row.id;
        let put = self.inner.store.objects().put_part(id, part).await;
        let row = put.map_err(|error| upload.refusal(error))?;
        Ok(PartInfo::read(&row))
    }

    /// UploadPartCopy: a stretch of an object becomes a part. Where it is the
    /// whole of one content no bytes are copied.
    pub async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        source: &GetObject,
        range: Option<Range<u64>>,
    ) -> Result<PartInfo, BucketError> {
        let size = source.object.size;
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(BucketError::InvalidRange { size });
        }
        let same = source.content_at(&range);
        let known = same.as_ref().map(|(_, checksums)| checksums.clone());
        let mut checksums = known.unwrap_or_default();
        let missing = upload
            .checksum
            .filter(|&wanted| checksums.get(wanted).is_none());
        let content = match (same, missing) {
            (Some((content, _)), None) => content,
            (same, missing) => {
                let mut hasher = missing.map(Hasher::new);
                // Boxed, as it holds the buffers of a reader and a writer.
                let read = self.read_through(source, range, same, &mut hasher);
                let content = Box::pin(read).await?;
                if let (Some(algorithm), Some(hasher)) = (missing, hasher) {
                    checksums.set(algorithm, hasher.finish());
                }
                content
            }
        };
        self.put_part(upload, number, content, checksums).await
    }

    /// Reads for the checksum's sake, and writes unless the content is there.
    async fn read_through(
        &self,
        source: &GetObject,
        range: Range<u64>,
        same: Option<(Content, Checksums)>,
        hasher: &mut Option<Hasher>,
    ) -> Result<Content, BucketError> {
        let mut writer = match same {
            None => Some(self.writer(Some(range.end - range.start))),
            Some(_) => None,
        };
        let mut reader = self.read(&source.found, range);
        while let Some(piece) = reader.next().await? {
            if let Some(hasher) = hasher {
                hasher.update(&piece);
            }
            if let Some(writer) = &mut writer {
                writer.write(piece).await?;
            }
        }
        match (writer, same) {
            (Some(writer), _) => Ok(Box::pin(writer.finish()).await?),
            (None, Some((content, _))) => Ok(content),
            (None, None) => unreachable!("without the content there is a writer"),
        }
    }

    /// Parts in the order of their numbers, from the one after `after`.
    pub async fn list_parts(
        &self,
        upload: &Upload,
        after: u32,
        limit: usize,
    ) -> Result<PartPage, BucketError> {
        let objects = self.inner.store.objects();
        let listed = objects.list_parts(&upload.row.id, after, limit.saturating_add(1));
        let rows = listed.await.map_err(|error| upload.refusal(error))?;
        Ok(PartPage {
            truncated: rows.len() > limit,
            parts: rows.iter().take(limit).map(PartInfo::read).collect(),
        })
    }

    /// Publishes the parts as one object. Asked again for an upload that ended
    /// well a short while ago, it answers the same.
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: &UploadId,
        complete: Complete,
    ) -> Result<Committed, BucketError> {
        let asked = complete.parts.clone();
        let result = self.try_complete(bucket, key, id, complete).await;
        let mut completed = self.inner.completed.lock();
        match result {
            Ok(committed) => {
                completed.add(id.clone(), key.clone(), asked, committed.clone());
                Ok(committed)
            }
            Err(error @ BucketError::NoSuchUpload { .. }) => {
                completed.find(id, key, &asked).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn try_complete(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: &UploadId,
        complete: Complete,
    ) -> Result<Committed, BucketError> {
        let upload = self.upload(bucket, key, id).await?;
        let objects = self.inner.store.objects();
        let listed = objects.list_parts(id, 0, MOST_PARTS as usize).await;
        let rows = listed.map_err(|error| upload.refusal(error))?;
        let whole = assemble(&upload, &rows, &complete)?;
        let mut attributes = upload.attributes;
        attributes.checksums = whole.checksums;
        let publish = Publish {
            key: key.clone(),
            etag: whole.etag,
            attributes,
            parts: whole.parts,
            completes: Some(id.clone()),
            precondition: complete.precondition,
            kind: WriteKind::CompleteMultipartUpload,
            origin: complete.origin,
        };
        self.publish(bucket, publish)
            .await
            .map_err(|error| match error {
                BucketError::NoSuchUpload { .. } => BucketError::NoSuchUpload { id: id.0.clone() },
                error => error,
            })
    }

    pub async fn abort_upload(&self, upload: &Upload) -> Result<(), BucketError> {
        let aborted = self
            .inner
            .store
            .objects()
            .abort_upload(&upload.row.id)
            .await;
        aborted.map_err(|error| upload.refusal(error))
    }
}

impl Upload {
    fn refusal(&self, error: ObjectError) -> BucketError {
        BucketError::of_upload(error, None, &self.row.id.0)
    }
}

impl GetObject {
    /// The content whose whole is this stretch, if there is one.
    fn content_at(&self, range: &Range<u64>) -> Option<(Content, Checksums)> {
        let mut start = 0;
        for part in &self.found.parts {
            let end = start + part.content.size;
            if start == range.start && end == range.end {
                let checksums = serde_json::from_slice(&part.attributes).unwrap_or_default();
                return Some((part.content.clone(), checksums));
            }
            start = end;
        }
        None
    }
}
