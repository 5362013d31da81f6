//! How versions and their parts are written to rows and read back.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use types::{ObjectKey, Timestamp, VersionId};

use super::content::{Content, Hold};
use super::model::{BucketId, ContentHash, Part, Stored, StoredBody, StoredObject};
use crate::database::{signed, unsigned};
use crate::error::StoreError;

/// The columns that [`stored`] reads, in its order.
pub(crate) const STORED: &str =
    "key, sequence, version, modified, size, etag, part_count, attributes";

/// A part as a row has it: without what keeps its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawPart {
    pub(crate) hash: ContentHash,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) attributes: Vec<u8>,
}

/// A version as a row has it.
#[derive(Debug, Clone)]
pub(crate) struct RawVersion {
    pub(crate) stored: Stored,
    pub(crate) parts: Vec<RawPart>,
}

impl RawPart {
    pub(crate) fn of(part: &Part) -> Self {
        Self {
            hash: part.content.hash,
            size: part.content.size,
            md5: part.content.md5,
            attributes: part.attributes.clone(),
        }
    }

    pub(crate) fn with(self, hold: Hold) -> Part {
        Part {
            content: Content {
                hash: self.hash,
                size: self.size,
                md5: self.md5,
                hold,
            },
            attributes: self.attributes,
        }
    }
}

/// All parts one after the other: hash, MD5, size, and the attributes behind
/// their length; figures in little endian.
pub(crate) fn encode_parts(parts: &[RawPart]) -> Vec<u8> {
    let mut row = Vec::new();
    for part in parts {
        let length = u32::try_from(part.attributes.len()).unwrap_or(u32::MAX);
        row.extend_from_slice(&part.hash.0);
        row.extend_from_slice(&part.md5);
        row.extend_from_slice(&part.size.to_le_bytes());
        row.extend_from_slice(&length.to_le_bytes());
        row.extend_from_slice(&part.attributes);
    }
    row
}

pub(crate) fn decode_parts(mut row: &[u8]) -> Result<Vec<RawPart>, StoreError> {
    let mut parts = Vec::new();
    while !row.is_empty() {
        parts.push(decode_part(&mut row).ok_or_else(|| corrupt("its parts are cut short"))?);
    }
    Ok(parts)
}

fn decode_part(row: &mut &[u8]) -> Option<RawPart> {
    fn take<const N: usize>(row: &mut &[u8]) -> Option<[u8; N]> {
        let (head, rest) = row.split_first_chunk::<N>()?;
        *row = rest;
        Some(*head)
    }
    let hash = ContentHash(take(row)?);
    let md5 = take(row)?;
    let size = u64::from_le_bytes(take(row)?);
    let length = usize::try_from(u32::from_le_bytes(take(row)?)).ok()?;
    let (attributes, rest) = row.split_at_checked(length)?;
    *row = rest;
    Some(RawPart {
        hash,
        size,
        md5,
        attributes: attributes.to_vec(),
    })
}

/// Reads the columns of [`STORED`].
pub(crate) fn stored(row: &Row<'_>, is_latest: bool) -> Result<Stored, StoreError> {
    let key: ObjectKey = parsed(row.get_ref(0)?.as_bytes().map_err(from_sql)?)?;
    let version: VersionId = parsed(row.get_ref(2)?.as_bytes().map_err(from_sql)?)?;
    let body = match row.get::<_, Option<i64>>(4)? {
        None => StoredBody::DeleteMarker,
        Some(size) => StoredBody::Object(StoredObject {
            size: unsigned(size),
            etag: row.get(5)?,
            attributes: row.get(7)?,
            part_count: row.get(6)?,
        }),
    };
    Ok(Stored {
        key,
        version,
        sequence: unsigned(row.get(1)?),
        is_latest,
        modified: Timestamp(row.get(3)?),
        body,
    })
}

fn from_sql(error: rusqlite::types::FromSqlError) -> StoreError {
    rusqlite::Error::from(error).into()
}

/// Reads [`STORED`] and, behind them, the parts.
pub(crate) fn version(row: &Row<'_>, is_latest: bool) -> Result<RawVersion, StoreError> {
    let parts = row.get_ref(8)?.as_blob_or_null().map_err(from_sql)?;
    Ok(RawVersion {
        stored: stored(row, is_latest)?,
        parts: decode_parts(parts.unwrap_or_default())?,
    })
}

/// The current version of a key, a delete marker included.
pub(crate) fn current(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<RawVersion>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key, sequence, version, modified, size, etag, part_count, attributes, parts
         FROM objects WHERE bucket = ? AND key = ?",
    )?;
    let mut rows = statement.query(params![bucket.0, key.as_str().as_bytes()])?;
    rows.next()?.map(|row| version(row, true)).transpose()
}

/// An older version by its id, which tells where to look: the version `null` has
/// an index, and the others carry their sequence.
pub(crate) fn older(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    id: &VersionId,
) -> Result<Option<RawVersion>, StoreError> {
    let key = key.as_str().as_bytes();
    if id.is_null() {
        let mut statement = connection.prepare_cached(
            "SELECT key, sequence, version, modified, size, etag, part_count, attributes, parts
             FROM versions WHERE bucket = ? AND key = ? AND version = 'null'",
        )?;
        let mut rows = statement.query(params![bucket.0, key])?;
        return rows.next()?.map(|row| version(row, false)).transpose();
    }
    let Some(sequence) = sequence_of(id) else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(
        "SELECT key, sequence, version, modified, size, etag, part_count, attributes, parts
         FROM versions WHERE bucket = ? AND key = ? AND sequence = ? AND version = ?",
    )?;
    let mut rows = statement.query(params![bucket.0, key, signed(sequence), id.as_str()])?;
    rows.next()?.map(|row| version(row, false)).transpose()
}

/// A new id. It tells the place of its version among the others, so that it is
/// found at once, and a listing goes on where it stopped although the version
/// it stopped at is gone.
pub(crate) fn new_version(sequence: u64) -> VersionId {
    let random = VersionId::random();
    let random = random.as_str().get(..16).unwrap_or_default();
    let id = format!("{sequence:016x}{random}");
    id.parse().expect("32 digits are a version id")
}

/// The sequence in an id that `new_version` made.
pub(crate) fn sequence_of(version: &VersionId) -> Option<u64> {
    u64::from_str_radix(version.as_str().get(..16)?, 16).ok()
}

/// The newest of the older versions.
pub(crate) fn newest_older(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<RawVersion>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key, sequence, version, modified, size, etag, part_count, attributes, parts
         FROM versions WHERE bucket = ? AND key = ? ORDER BY sequence DESC LIMIT 1",
    )?;
    let mut rows = statement.query(params![bucket.0, key.as_str().as_bytes()])?;
    rows.next()?.map(|row| version(row, false)).transpose()
}

/// Where a version is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Current,
    Older,
}

pub(crate) fn insert(
    connection: &Connection,
    place: Place,
    bucket: BucketId,
    version: &RawVersion,
) -> rusqlite::Result<()> {
    let sql = match place {
        Place::Current => {
            "INSERT INTO objects (bucket, key, sequence, version, modified, size, etag,
                 part_count, attributes, parts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        }
        Place::Older => {
            "INSERT INTO versions (bucket, key, sequence, version, modified, size, etag,
                 part_count, attributes, parts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        }
    };
    let stored = &version.stored;
    let object = match &stored.body {
        StoredBody::DeleteMarker => None,
        StoredBody::Object(object) => Some(object),
    };
    connection.prepare_cached(sql)?.execute(params![
        bucket.0,
        stored.key.as_str().as_bytes(),
        signed(stored.sequence),
        stored.version.as_str(),
        stored.modified.0,
        object.map(|object| signed(object.size)),
        object.map(|object| &object.etag),
        object.map_or(0, |object| object.part_count),
        object.map_or(&[][..], |object| &object.attributes),
        object.map(|_| encode_parts(&version.parts)),
    ])?;
    Ok(())
}

pub(crate) fn delete(
    connection: &Connection,
    place: Place,
    bucket: BucketId,
    stored: &Stored,
) -> rusqlite::Result<()> {
    let key = stored.key.as_str().as_bytes();
    match place {
        Place::Current => connection
            .prepare_cached("DELETE FROM objects WHERE bucket = ? AND key = ?")?
            .execute(params![bucket.0, key])?,
        Place::Older => connection
            .prepare_cached("DELETE FROM versions WHERE bucket = ? AND key = ? AND sequence = ?")?
            .execute(params![bucket.0, key, signed(stored.sequence)])?,
    };
    Ok(())
}

/// The bytes of content that lies in the database; `None` for a file.
pub(crate) fn inline_bytes(
    connection: &Connection,
    hash: &ContentHash,
) -> Result<Option<Bytes>, StoreError> {
    let bytes: Option<Option<Vec<u8>>> = connection
        .prepare_cached("SELECT bytes FROM contents WHERE hash = ?")?
        .query_row([hash.0], |row| row.get(0))
        .optional()?;
    Ok(bytes.flatten().map(Bytes::from))
}

pub(crate) fn parsed<T>(text: &[u8]) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = std::str::from_utf8(text).map_err(|error| corrupt(&error.to_string()))?;
    text.parse()
        .map_err(|error: T::Err| corrupt(&error.to_string()))
}

pub(crate) fn corrupt(detail: &str) -> StoreError {
    StoreError::Corrupt {
        what: "an object",
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written() {
        let part = |byte: u8, attributes: &str| RawPart {
            hash: ContentHash([byte; 32]),
            size: u64::from(byte) << 40,
            md5: [byte + 1; 16],
            attributes: attributes.into(),
        };
        let parts = vec![part(1, ""), part(2, "{\"a\":1}"), part(3, "x")];
        let row = encode_parts(&parts);
        assert_eq!(decode_parts(&row).unwrap(), parts);
        assert_eq!(decode_parts(&[]).unwrap(), []);
        assert!(decode_parts(&row[..row.len() - 1]).is_err());
        assert!(decode_parts(&row[..70]).is_err());
    }
}
