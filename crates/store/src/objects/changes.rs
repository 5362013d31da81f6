//! What a write does to the tables, on the writing thread. Each function judges
//! everything first and changes rows only then, so that a refusal has changed
//! nothing.

use rusqlite::{Connection, OptionalExtension, params};
use types::{ObjectKey, Timestamp, VersionId};

use super::content::Hold;
use super::model::{
    BucketId, Committed, ContentHash, MatchRule, ObjectError, Part, Precondition, PutObject,
    Stored, StoredBody, StoredObject, Versioning,
};
use super::rows::{self, Place, RawPart, RawVersion};
use super::uploads;
use crate::database::signed;
use crate::error::StoreError;
use crate::ledger::Ledger;

/// What is to be deleted.
#[derive(Debug)]
pub(crate) struct Deletion {
    pub(crate) bucket: BucketId,
    pub(crate) key: ObjectKey,
    pub(crate) version: Option<VersionId>,
    pub(crate) versioning: Versioning,
    pub(crate) precondition: Precondition,
    pub(crate) now: Timestamp,
}

pub(crate) fn put(
    connection: &Connection,
    ledger: &mut Ledger,
    object: &PutObject,
) -> Result<Committed, ObjectError> {
    check_bucket(connection, object.bucket)?;
    let current = rows::current(connection, object.bucket, &object.key)?;
    object.precondition.judge(current.as_ref())?;
    if let Some(upload) = &object.completes {
        uploads::check(connection, upload, object.bucket, &object.key)?;
    }

    let sequence = ledger.next_sequence();
    let part_count = match &object.completes {
        Some(_) => u32::try_from(object.parts.len()).unwrap_or(u32::MAX),
        None => 0,
    };
    let written = Stored {
        key: object.key.clone(),
        version: new_version(object.versioning, sequence),
        sequence,
        is_latest: true,
        modified: object.modified,
        body: StoredBody::Object(StoredObject {
            size: object.parts.iter().map(|part| part.content.size).sum(),
            etag: object.etag.clone(),
            attributes: object.attributes.clone(),
            part_count,
        }),
    };
    let parts = object.parts.iter().map(RawPart::of).collect();
    for part in &object.parts {
        refer(connection, part)?;
    }
    let removed = make_room(
        connection,
        ledger,
        object.bucket,
        object.versioning,
        current,
    )?;
    let version = RawVersion {
        stored: written.clone(),
        parts,
    };
    rows::insert(connection, Place::Current, object.bucket, &version)?;
    if let Some(upload) = &object.completes {
        uploads::forget(connection, ledger, upload)?;
    }
    Ok(Committed {
        written: Some(written),
        removed,
        sequence,
    })
}

pub(crate) fn delete(
    connection: &Connection,
    ledger: &mut Ledger,
    deletion: &Deletion,
) -> Result<Committed, ObjectError> {
    let Deletion { bucket, key, .. } = deletion;
    check_bucket(connection, *bucket)?;
    let current = rows::current(connection, *bucket, key)?;
    if let Some(version) = &deletion.version {
        return delete_version(connection, ledger, deletion, version, current);
    }
    deletion.precondition.judge(current.as_ref())?;
    let sequence = ledger.next_sequence();
    if deletion.versioning == Versioning::Off {
        let removed = match current {
            Some(version) => Some(take_current(connection, ledger, *bucket, version)?),
            None => None,
        };
        return Ok(Committed {
            written: None,
            removed,
            sequence,
        });
    }
    let marker = Stored {
        key: key.clone(),
        version: new_version(deletion.versioning, sequence),
        sequence,
        is_latest: true,
        modified: deletion.now,
        body: StoredBody::DeleteMarker,
    };
    let removed = make_room(connection, ledger, *bucket, deletion.versioning, current)?;
    let version = RawVersion {
        stored: marker.clone(),
        parts: Vec::new(),
    };
    rows::insert(connection, Place::Current, *bucket, &version)?;
    Ok(Committed {
        written: Some(marker),
        removed,
        sequence,
    })
}

fn delete_version(
    connection: &Connection,
    ledger: &mut Ledger,
    deletion: &Deletion,
    id: &VersionId,
    current: Option<RawVersion>,
) -> Result<Committed, ObjectError> {
    let Deletion { bucket, key, .. } = deletion;
    let is_current = current
        .as_ref()
        .is_some_and(|current| current.stored.version == *id);
    let named = if is_current {
        current
    } else {
        rows::older(connection, *bucket, key, id)?
    };
    deletion.precondition.judge(named.as_ref())?;
    let removed = match named {
        None => None,
        Some(version) if is_current => Some(take_current(connection, ledger, *bucket, version)?),
        Some(version) => {
            rows::delete(connection, Place::Older, *bucket, &version.stored)?;
            Some(release(connection, ledger, version)?)
        }
    };
    Ok(Committed {
        written: None,
        removed,
        sequence: ledger.next_sequence(),
    })
}

/// Replaces what the caller keeps with a version.
pub(crate) fn set_attributes(
    connection: &Connection,
    ledger: &mut Ledger,
    (bucket, key, id, sequence): (BucketId, &ObjectKey, &VersionId, u64),
    attributes: &[u8],
) -> Result<Committed, ObjectError> {
    check_bucket(connection, bucket)?;
    let current = rows::current(connection, bucket, key)?;
    let current = current.filter(|current| current.stored.version == *id);
    let (place, version) = match current {
        Some(version) => (Place::Current, Some(version)),
        None => (Place::Older, rows::older(connection, bucket, key, id)?),
    };
    let version = version.filter(|version| version.stored.sequence == sequence);
    let mut stored = version.ok_or(ObjectError::NoSuchVersion)?.stored;
    let StoredBody::Object(object) = &mut stored.body else {
        return Err(ObjectError::NoSuchVersion);
    };
    object.attributes = attributes.to_vec();
    let key = key.as_str().as_bytes();
    let changed = match place {
        Place::Current => connection
            .prepare_cached("UPDATE objects SET attributes = ? WHERE bucket = ? AND key = ?")
            .and_then(|mut update| update.execute(params![attributes, bucket.0, key])),
        Place::Older => connection
            .prepare_cached(
                "UPDATE versions SET attributes = ? WHERE bucket = ? AND key = ? AND sequence = ?",
            )
            .and_then(|mut update| {
                update.execute(params![attributes, bucket.0, key, signed(stored.sequence)])
            }),
    };
    changed?;
    Ok(Committed {
        written: Some(stored),
        removed: None,
        sequence: ledger.next_sequence(),
    })
}

pub(crate) fn check_bucket(connection: &Connection, bucket: BucketId) -> Result<(), ObjectError> {
    let there = connection
        .prepare_cached("SELECT 1 FROM buckets WHERE id = ?")
        .and_then(|mut statement| statement.exists([bucket.0]));
    if there? {
        Ok(())
    } else {
        Err(ObjectError::NoSuchBucket)
    }
}

impl Precondition {
    /// Judges it for the version that is there. A delete marker is no object.
    fn judge(&self, version: Option<&RawVersion>) -> Result<(), ObjectError> {
        let stored = version.map(|version| &version.stored);
        let object = stored.and_then(|stored| match &stored.body {
            StoredBody::DeleteMarker => None,
            StoredBody::Object(object) => Some((stored.sequence, object)),
        });
        let holds = |rule: &MatchRule, (sequence, object): (u64, &StoredObject)| match rule {
            MatchRule::Any => true,
            MatchRule::Etag(wanted) => *wanted == object.etag,
            MatchRule::Sequence(wanted) => *wanted == sequence,
        };
        if let Some(rule) = &self.if_match {
            match object {
                None => return Err(ObjectError::NoSuchKey),
                Some(object) if !holds(rule, object) => {
                    return Err(ObjectError::PreconditionFailed);
                }
                Some(_) => {}
            }
        }
        match (&self.if_none_match, object) {
            (Some(rule), Some(object)) if holds(rule, object) => {
                Err(ObjectError::PreconditionFailed)
            }
            _ => Ok(()),
        }
    }
}

fn new_version(versioning: Versioning, sequence: u64) -> VersionId {
    match versioning {
        Versioning::Off | Versioning::Suspended => VersionId::null(),
        Versioning::Enabled => rows::new_version(sequence),
    }
}

/// Makes way for a new current version; answers what went for good.
fn make_room(
    connection: &Connection,
    ledger: &mut Ledger,
    bucket: BucketId,
    versioning: Versioning,
    current: Option<RawVersion>,
) -> Result<Option<Stored>, StoreError> {
    let Some(mut current) = current else {
        return Ok(None);
    };
    rows::delete(connection, Place::Current, bucket, &current.stored)?;
    let keeps_null = versioning == Versioning::Enabled;
    if current.stored.version.is_null() && !keeps_null {
        return release(connection, ledger, current).map(Some);
    }
    let key = current.stored.key.clone();
    current.stored.is_latest = false;
    rows::insert(connection, Place::Older, bucket, &current)?;
    if keeps_null {
        return Ok(None);
    }
    // The new version is the version `null`, and there is only one.
    let Some(null) = rows::older(connection, bucket, &key, &VersionId::null())? else {
        return Ok(None);
    };
    rows::delete(connection, Place::Older, bucket, &null.stored)?;
    release(connection, ledger, null).map(Some)
}

/// Removes the current version; the newest of the older ones becomes current.
fn take_current(
    connection: &Connection,
    ledger: &mut Ledger,
    bucket: BucketId,
    current: RawVersion,
) -> Result<Stored, StoreError> {
    rows::delete(connection, Place::Current, bucket, &current.stored)?;
    if let Some(mut next) = rows::newest_older(connection, bucket, &current.stored.key)? {
        rows::delete(connection, Place::Older, bucket, &next.stored)?;
        next.stored.is_latest = true;
        rows::insert(connection, Place::Current, bucket, &next)?;
    }
    release(connection, ledger, current)
}

/// Counts a new reference to content.
pub(crate) fn refer(connection: &Connection, part: &Part) -> Result<(), StoreError> {
    let content = &part.content;
    let known = connection
        .prepare_cached("UPDATE contents SET refs = refs + 1 WHERE hash = ?")?
        .execute([content.hash.0])?;
    if known > 0 {
        return Ok(());
    }
    let bytes = match &content.hold {
        Hold::Here(bytes) => Some(bytes.as_ref()),
        Hold::There(_) if content.is_small() => {
            return Err(rows::corrupt("the bytes of a part are gone"));
        }
        Hold::There(_) => None,
    };
    connection
        .prepare_cached("INSERT INTO contents (hash, size, refs, bytes) VALUES (?, ?, 1, ?)")?
        .execute(params![content.hash.0, signed(content.size), bytes])?;
    Ok(())
}

fn release(
    connection: &Connection,
    ledger: &mut Ledger,
    version: RawVersion,
) -> Result<Stored, StoreError> {
    for part in &version.parts {
        unrefer(connection, ledger, part.hash)?;
    }
    let mut stored = version.stored;
    stored.is_latest = false;
    Ok(stored)
}

/// Takes back a reference to content.
pub(crate) fn unrefer(
    connection: &Connection,
    ledger: &mut Ledger,
    hash: ContentHash,
) -> Result<(), StoreError> {
    let refs: Option<i64> = connection
        .prepare_cached("UPDATE contents SET refs = refs - 1 WHERE hash = ? RETURNING refs")?
        .query_row([hash.0], |row| row.get(0))
        .optional()?;
    if refs.is_some_and(|refs| refs <= 0) {
        ledger.release(hash);
    }
    Ok(())
}
