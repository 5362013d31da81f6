//! Multipart uploads in the tables. A part refers to its content like an object
//! does; completing an upload moves no bytes.

use rusqlite::{Connection, OptionalExtension, Row, params};
use types::{ObjectKey, Timestamp};

use super::changes::{check_bucket, refer, unrefer};
use super::model::{
    BucketId, ContentHash, NewPart, NewUpload, ObjectError, Part, UploadId, UploadRow,
};
use super::rows::{RawPart, parsed};
use crate::database::{signed, unsigned};
use crate::error::StoreError;
use crate::ledger::Ledger;

const COLUMNS: &str = "id, bucket, key, started, attributes";

pub(crate) fn create(
    connection: &Connection,
    id: &UploadId,
    upload: &NewUpload,
) -> Result<(), ObjectError> {
    check_bucket(connection, upload.bucket)?;
    let insert = || {
        connection
            .prepare_cached(
                "INSERT INTO uploads (id, bucket, key, started, attributes)
                 VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![
                id.0,
                upload.bucket.0,
                upload.key.as_str().as_bytes(),
                upload.started.0,
                upload.attributes,
            ])
    };
    insert()?;
    Ok(())
}

pub(crate) fn find(
    connection: &Connection,
    id: &UploadId,
) -> Result<Option<UploadRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE id = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([&id.0])?;
    rows.next()?.map(from_row).transpose()
}

/// That there is such an upload, for this key.
pub(crate) fn check(
    connection: &Connection,
    id: &UploadId,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<(), ObjectError> {
    match find(connection, id)? {
        Some(upload) if upload.bucket == bucket && upload.key == *key => Ok(()),
        _ => Err(ObjectError::NoSuchUpload),
    }
}

pub(crate) fn list(
    connection: &Connection,
    bucket: BucketId,
) -> Result<Vec<UploadRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE bucket = ? ORDER BY key, started, id");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([bucket.0])?;
    let mut uploads = Vec::new();
    while let Some(row) = rows.next()? {
        uploads.push(from_row(row)?);
    }
    Ok(uploads)
}

fn from_row(row: &Row<'_>) -> Result<UploadRow, StoreError> {
    Ok(UploadRow {
        id: UploadId(row.get(0)?),
        bucket: BucketId(row.get(1)?),
        key: parsed(&row.get::<_, Vec<u8>>(2)?)?,
        started: Timestamp(row.get(3)?),
        attributes: row.get(4)?,
    })
}

pub(crate) fn put_part(
    connection: &Connection,
    ledger: &mut Ledger,
    id: &UploadId,
    new: &NewPart,
) -> Result<(), ObjectError> {
    if find(connection, id)?.is_none() {
        return Err(ObjectError::NoSuchUpload);
    }
    let part = Part {
        content: new.content.clone(),
        attributes: Vec::new(),
    };
    refer(connection, &part)?;
    let replaced = replace_part(connection, id, new)?;
    if let Some(hash) = replaced {
        unrefer(connection, ledger, ContentHash(hash))?;
    }
    Ok(())
}

fn replace_part(
    connection: &Connection,
    id: &UploadId,
    new: &NewPart,
) -> rusqlite::Result<Option<[u8; 32]>> {
    let replaced = connection
        .prepare_cached("DELETE FROM parts WHERE upload = ? AND number = ? RETURNING hash")?
        .query_row(params![id.0, new.number], |row| row.get(0))
        .optional()?;
    connection
        .prepare_cached(
            "INSERT INTO parts (upload, number, hash, size, md5, modified, attributes)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            id.0,
            new.number,
            new.content.hash.0,
            signed(new.content.size),
            new.content.md5,
            new.modified.0,
            new.attributes,
        ])?;
    Ok(replaced)
}

/// A part as its row has it.
pub(crate) struct UploadedPart {
    pub(crate) number: u32,
    pub(crate) modified: Timestamp,
    pub(crate) part: RawPart,
}

pub(crate) fn list_parts(
    connection: &Connection,
    id: &UploadId,
    after: u32,
    limit: usize,
) -> Result<Vec<UploadedPart>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, modified, hash, size, md5, attributes FROM parts
         WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![id.0, after, limit])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(UploadedPart {
            number: row.get(0)?,
            modified: Timestamp(row.get(1)?),
            part: RawPart {
                hash: ContentHash(row.get(2)?),
                size: unsigned(row.get(3)?),
                md5: row.get(4)?,
                attributes: row.get(5)?,
            },
        });
    }
    Ok(parts)
}

pub(crate) fn abort(
    connection: &Connection,
    ledger: &mut Ledger,
    id: &UploadId,
) -> Result<(), ObjectError> {
    if find(connection, id)?.is_none() {
        return Err(ObjectError::NoSuchUpload);
    }
    Ok(forget(connection, ledger, id)?)
}

/// Removes an upload, and the references of its parts.
pub(crate) fn forget(
    connection: &Connection,
    ledger: &mut Ledger,
    id: &UploadId,
) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("DELETE FROM parts WHERE upload = ? RETURNING hash")?;
    let hashes: Vec<[u8; 32]> = statement
        .query_map([&id.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for hash in hashes {
        unrefer(connection, ledger, ContentHash(hash))?;
    }
    connection
        .prepare_cached("DELETE FROM uploads WHERE id = ?")?
        .execute([&id.0])?;
    Ok(())
}
