//! Buckets in the tables.

use rusqlite::{Connection, OptionalExtension, params};
use types::{BucketName, Timestamp};

use super::changes::check_bucket;
use super::model::{BucketId, BucketRow, BucketSize, ObjectError};
use super::rows::parsed;
use super::uploads;
use crate::database::unsigned;
use crate::error::StoreError;
use crate::ledger::Ledger;

pub(crate) fn all(connection: &Connection) -> Result<Vec<BucketRow>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id, name, created, settings FROM buckets ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut buckets = Vec::new();
    while let Some(row) = rows.next()? {
        buckets.push(BucketRow {
            id: BucketId(row.get(0)?),
            name: parsed(row.get::<_, String>(1)?.as_bytes())?,
            created: Timestamp(row.get(2)?),
            settings: row.get(3)?,
        });
    }
    Ok(buckets)
}

/// How much each bucket holds, older versions included.
pub(crate) fn sizes(connection: &Connection) -> Result<Vec<BucketSize>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT b.name, count(o.size), coalesce(sum(o.size), 0)
         FROM buckets b LEFT JOIN (
             SELECT bucket, size FROM objects UNION ALL SELECT bucket, size FROM versions
         ) o ON o.bucket = b.id
         GROUP BY b.id ORDER BY b.name",
    )?;
    let mut rows = statement.query([])?;
    let mut sizes = Vec::new();
    while let Some(row) = rows.next()? {
        sizes.push(BucketSize {
            name: parsed(row.get::<_, String>(0)?.as_bytes())?,
            objects: unsigned(row.get(1)?),
            bytes: unsigned(row.get(2)?),
        });
    }
    Ok(sizes)
}

pub(crate) fn create(
    connection: &Connection,
    name: &BucketName,
    created: Timestamp,
    settings: &[u8],
) -> Result<BucketRow, ObjectError> {
    let insert = || {
        connection
            .prepare_cached(
                "INSERT INTO buckets (name, created, settings) VALUES (?, ?, ?)
                 ON CONFLICT (name) DO NOTHING RETURNING id",
            )?
            .query_row(params![name.as_str(), created.0, settings], |row| {
                row.get(0)
            })
            .optional()
    };
    let id = insert()?;
    Ok(BucketRow {
        id: BucketId(id.ok_or(ObjectError::BucketExists)?),
        name: name.clone(),
        created,
        settings: settings.to_vec(),
    })
}

pub(crate) fn set(
    connection: &Connection,
    bucket: BucketId,
    settings: &[u8],
) -> Result<(), ObjectError> {
    let changed = connection
        .prepare_cached("UPDATE buckets SET settings = ? WHERE id = ?")
        .and_then(|mut update| update.execute(params![settings, bucket.0]))?;
    if changed == 0 {
        return Err(ObjectError::NoSuchBucket);
    }
    Ok(())
}

/// Only an empty one goes; its uploads go with it.
pub(crate) fn delete(
    connection: &Connection,
    ledger: &mut Ledger,
    bucket: BucketId,
) -> Result<(), ObjectError> {
    check_bucket(connection, bucket)?;
    // Where there is an older version of a key there is a current one.
    let holds = connection
        .prepare_cached("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1")
        .and_then(|mut statement| statement.exists([bucket.0]))?;
    if holds {
        return Err(ObjectError::BucketNotEmpty);
    }
    for upload in uploads::list(connection, bucket)? {
        uploads::forget(connection, ledger, &upload.id)?;
    }
    connection
        .prepare_cached("DELETE FROM buckets WHERE id = ?")
        .and_then(|mut statement| statement.execute([bucket.0]))?;
    Ok(())
}
