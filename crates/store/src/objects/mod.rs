//! Objects: bytes in files named by their content, and what is known of them in
//! SQLite. What a bucket's settings mean is not known here.
//!
//! Reading order: [`model`] what is kept; [`content`] and [`reader`] how bytes
//! come in and go out, [`shelf`] and [`pins`] where they are meanwhile;
//! [`changes`], [`uploads`], [`buckets`] and [`listing`] the tables; [`check`]
//! whether all of it agrees. The operations are in this file; writes go to the
//! writing thread, reads do not ([`access`]).

mod access;
mod buckets;
mod changes;
mod check;
mod content;
mod listing;
mod model;
mod pins;
mod reader;
mod rows;
mod shelf;
mod uploads;
mod usage;

pub use check::{CheckProgress, CheckReport, Damage, Orphan, check};
pub use content::{Content, ContentWriter};
pub use model::{
    Announcement, BucketId, BucketRow, BucketSize, CausedEvents, Committed, ContentHash, Found,
    ListMark, ListPage, ListQuery, MatchRule, NewPart, NewUpload, ObjectError, Part, PartRow,
    Precondition, PutObject, Stored, StoredBody, StoredObject, UploadId, UploadRow, Versioning,
};
pub use reader::ContentReader;
pub(crate) use shelf::Shelf;

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;
use types::{BucketName, ObjectKey, RequestId, Timestamp, VersionId};

use crate::database::Reader;
use crate::error::StoreError;
use crate::events::Events;
use crate::files::blocking;
use crate::writer::{Write, Writer};

use changes::Deletion;
use listing::Shown;

/// Buckets and objects on disk.
pub struct Objects {
    reader: Reader,
    writer: Arc<Writer>,
    shelf: Arc<Shelf>,
    events: Events,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}

impl Objects {
    pub(crate) fn new(
        reader: Reader,
        writer: Arc<Writer>,
        shelf: Arc<Shelf>,
        events: Events,
    ) -> Self {
        shelf.pins().report_to(&writer);
        Self {
            reader,
            writer,
            shelf,
            events,
        }
    }

    // --- buckets -----------------------------------------------------------

    /// All buckets with their settings. It blocks: call it at the start.
    pub fn buckets(&self) -> Result<Vec<BucketRow>, StoreError> {
        self.reader.read(buckets::all)
    }

    /// `settings` is the caller's and opaque here.
    /// What each bucket holds: all its rows are read for that.
    pub async fn bucket_sizes(&self) -> Result<Vec<BucketSize>, StoreError> {
        self.reader.read_aside(buckets::sizes).await
    }

    pub async fn create_bucket(
        &self,
        name: BucketName,
        created: Timestamp,
        settings: Vec<u8>,
    ) -> Result<BucketRow, ObjectError> {
        self.write(move |connection, _| buckets::create(connection, &name, created, &settings))
            .await
    }

    pub async fn set_bucket(&self, bucket: BucketId, settings: Vec<u8>) -> Result<(), ObjectError> {
        self.write(move |connection, _| buckets::set(connection, bucket, &settings))
            .await
    }

    /// Only an empty bucket goes: no object, version or delete marker. Uploads
    /// that were not completed go with it.
    pub async fn delete_bucket(&self, bucket: BucketId) -> Result<(), ObjectError> {
        self.write(move |connection, ledger| buckets::delete(connection, ledger, bucket))
            .await
    }

    /// Another number after each change of buckets and objects, before it is answered:
    /// what was read under one number is as it was while that is the number.
    pub fn changes(&self) -> u64 {
        self.writer.jobs()
    }

    // --- bytes -------------------------------------------------------------

    /// Takes in new content; `expected` is its size where it is known.
    pub fn writer(&self, expected: Option<u64>) -> ContentWriter {
        ContentWriter::new(Arc::clone(&self.shelf), expected)
    }

    /// Reads `range` of an object that was found.
    pub fn read(&self, found: &Found, range: Range<u64>) -> ContentReader {
        let (shelf, reader) = (Arc::clone(&self.shelf), self.reader.clone());
        ContentReader::new(shelf, reader, &found.parts, range)
    }

    // --- objects -----------------------------------------------------------

    /// Publishes content as an object, in one transaction with the events that
    /// it causes. Returns when all of it is durable.
    pub async fn put(
        &self,
        object: PutObject,
        announcement: Option<Announcement>,
    ) -> Result<Committed, ObjectError> {
        self.write_announced(announcement, move |connection, ledger| {
            changes::put(connection, ledger, &object)
        })
        .await
    }

    /// The current version, or the one that is named. A delete marker is found
    /// as such.
    pub async fn get(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Found, ObjectError> {
        let (key, version) = (key.clone(), version.cloned());
        self.read_held(move |connection| {
            let current = rows::current(connection, bucket, &key)?;
            let found = match &version {
                None => current,
                Some(id) => match current.filter(|current| current.stored.version == *id) {
                    Some(current) => Some(current),
                    None => rows::older(connection, bucket, &key, id)?,
                },
            };
            let Some(found) = found else {
                changes::check_bucket(connection, bucket)?;
                return Err(match version {
                    None => ObjectError::NoSuchKey,
                    Some(_) => ObjectError::NoSuchVersion,
                });
            };
            Ok((found.stored, found.parts))
        })
        .await
        .map(|(stored, parts)| Found { stored, parts })
    }

    /// Without a version: removes the object, or puts a delete marker, as
    /// `versioning` has it. With one: removes that version for good; the newest
    /// of the others becomes current. Deleting what is not there succeeds, and
    /// `Committed::removed` is `None`.
    pub async fn delete(
        &self,
        bucket: BucketId,
        key: ObjectKey,
        version: Option<VersionId>,
        versioning: Versioning,
        precondition: Precondition,
        announcement: Option<Announcement>,
    ) -> Result<Committed, ObjectError> {
        let deletion = Deletion {
            bucket,
            key,
            version,
            versioning,
            precondition,
            now: Timestamp::now(),
        };
        self.write_announced(announcement, move |connection, ledger| {
            changes::delete(connection, ledger, &deletion)
        })
        .await
    }

    /// Replaces what the caller keeps with a version, such as its tags. The
    /// sequence is that of the version as it was read: where another of the
    /// same id has taken its place it is `NoSuchVersion`.
    pub async fn set_attributes(
        &self,
        bucket: BucketId,
        key: ObjectKey,
        version: VersionId,
        sequence: u64,
        attributes: Vec<u8>,
        announcement: Option<Announcement>,
    ) -> Result<(), ObjectError> {
        self.write_announced(announcement, move |connection, ledger| {
            let named = (bucket, &key, &version, sequence);
            changes::set_attributes(connection, ledger, named, &attributes)
        })
        .await?;
        Ok(())
    }

    /// Current objects in the order of their keys; delete markers are passed over.
    pub async fn list(&self, query: ListQuery) -> Result<ListPage, ObjectError> {
        self.list_aside(query, Shown::Objects).await
    }

    /// All versions, by key and then newest first; delete markers included.
    pub async fn list_versions(&self, query: ListQuery) -> Result<ListPage, ObjectError> {
        self.list_aside(query, Shown::Versions).await
    }

    async fn list_aside(&self, query: ListQuery, shown: Shown) -> Result<ListPage, ObjectError> {
        let reader = self.reader.clone();
        blocking(move || reader.read_at_once(|connection| listing::list(connection, &query, shown)))
            .await
    }

    // --- multipart uploads -------------------------------------------------

    pub async fn create_upload(&self, upload: NewUpload) -> Result<UploadId, ObjectError> {
        let id = UploadId(RequestId::random().to_string().replace('-', ""));
        self.write(move |connection, _| {
            uploads::create(connection, &id, &upload)?;
            Ok(id.clone())
        })
        .await
    }

    pub async fn upload(&self, id: &UploadId) -> Result<UploadRow, ObjectError> {
        let id = id.clone();
        let found = self
            .reader
            .read_aside(move |connection| uploads::find(connection, &id))
            .await?;
        found.ok_or(ObjectError::NoSuchUpload)
    }

    /// Uploads under way, by key and then by their start.
    pub async fn list_uploads(&self, bucket: BucketId) -> Result<Vec<UploadRow>, ObjectError> {
        let list = move |connection: &Connection| uploads::list(connection, bucket);
        Ok(self.reader.read_aside(list).await?)
    }

    /// Takes the place of an earlier part of the same number.
    pub async fn put_part(&self, upload: &UploadId, part: NewPart) -> Result<PartRow, ObjectError> {
        let upload = upload.clone();
        let row = PartRow {
            number: part.number,
            content: part.content.clone(),
            attributes: part.attributes.clone(),
            modified: part.modified,
        };
        self.write(move |connection, ledger| uploads::put_part(connection, ledger, &upload, &part))
            .await?;
        Ok(row)
    }

    /// Parts in the order of their numbers, from the one after `after`.
    pub async fn list_parts(
        &self,
        upload: &UploadId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<PartRow>, ObjectError> {
        let upload = upload.clone();
        let (rows, parts) = self
            .read_held(move |connection| {
                if uploads::find(connection, &upload)?.is_none() {
                    return Err(ObjectError::NoSuchUpload);
                }
                let found = uploads::list_parts(connection, &upload, after, limit)?;
                Ok(found
                    .into_iter()
                    .map(|row| ((row.number, row.modified), row.part))
                    .unzip::<_, _, Vec<_>, Vec<_>>())
            })
            .await?;
        let rows = rows.into_iter().zip(parts);
        Ok(rows
            .map(|((number, modified), part)| PartRow {
                number,
                content: part.content,
                attributes: part.attributes,
                modified,
            })
            .collect())
    }

    /// Forgets an upload and its parts.
    pub async fn abort_upload(&self, upload: &UploadId) -> Result<(), ObjectError> {
        let upload = upload.clone();
        self.write(move |connection, ledger| uploads::abort(connection, ledger, &upload))
            .await
    }

    // --- checking ----------------------------------------------------------

    /// Checks every content against its hash and its counts. It blocks, and
    /// reads everything. `progress` can end it.
    pub fn check(
        &self,
        progress: impl FnMut(CheckProgress) -> ControlFlow<()>,
    ) -> Result<CheckReport, StoreError> {
        self.shelf.root().check_open()?;
        check::check_open(&self.shelf, progress, || {
            let (answer, answered) = oneshot::channel();
            self.writer.nudge(Write::Barrier { answer });
            // Where there is no room, a finding may be one of a moment.
            let _ = answered.blocking_recv();
        })
    }
}

#[cfg(test)]
mod tests;
