//! Listings: keys in the order of their bytes, with what shares a prefix rolled
//! up. A common prefix costs one seek however many keys lie below it.

use rusqlite::{Connection, params};
use types::{ObjectKey, VersionId};

use super::changes::check_bucket;
use super::model::{BucketId, ListMark, ListPage, ListQuery, ObjectError, Stored};
use super::rows::{self, sequence_of};
use crate::database::signed;
use crate::error::StoreError;

/// No key begins with this byte, as it is not in UTF-8.
const BEYOND_ALL: &[u8] = &[0xff];

/// What a listing shows of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Its current version, unless that is a delete marker.
    Objects,
    /// All versions and delete markers.
    Versions,
}

pub(crate) fn list(
    connection: &Connection,
    query: &ListQuery,
    shown: Shown,
) -> Result<ListPage, ObjectError> {
    check_bucket(connection, query.bucket)?;
    let mut page = Page {
        limit: query.limit,
        entries: Vec::new(),
        prefixes: Vec::new(),
        last: None,
    };
    let is_truncated = query.limit > 0 && fill(connection, query, shown, &mut page)?;
    Ok(ListPage {
        entries: page.entries,
        prefixes: page.prefixes,
        next: page.last.filter(|_| is_truncated),
    })
}

/// A page that fills up.
struct Page {
    limit: usize,
    entries: Vec<Stored>,
    prefixes: Vec<String>,
    last: Option<ListMark>,
}

impl Page {
    fn is_full(&self) -> bool {
        self.entries.len() + self.prefixes.len() >= self.limit
    }
}

/// How a walk over keys goes on.
enum Step {
    /// With the next key.
    On,
    /// With the first key that is not less than this one.
    Seek(Vec<u8>),
    /// Not at all: there is more than fits.
    Full,
}

/// Answers whether there is more than fits.
fn fill(
    connection: &Connection,
    query: &ListQuery,
    shown: Shown,
    page: &mut Page,
) -> Result<bool, StoreError> {
    let prefix = query.prefix.as_bytes();
    let end = after_prefix(prefix);
    let mut from = match &query.after {
        ListMark::Start => prefix.to_vec(),
        ListMark::Key(key) => after_key(key.as_bytes()),
        ListMark::Version(key, version) => {
            if shown == Shown::Versions && key.starts_with(&query.prefix) {
                let rest = rest_of_key(connection, query, key, version)?;
                if !add_versions(rest, page) {
                    return Ok(true);
                }
            }
            after_key(key.as_bytes())
        }
        ListMark::Prefix(prefix) => after_prefix(prefix.as_bytes()),
    };
    if from.as_slice() < prefix {
        from = prefix.to_vec();
    }
    let sql = format!(
        "SELECT {} FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key",
        rows::STORED
    );
    let mut statement = connection.prepare_cached(&sql)?;
    loop {
        let mut rows = statement.query(params![query.bucket.0, from, end])?;
        let seek = loop {
            let Some(row) = rows.next()? else {
                return Ok(false);
            };
            match visit(connection, query, shown, row, page)? {
                Step::On => {}
                Step::Seek(next) => break next,
                Step::Full => return Ok(true),
            }
        };
        from = seek;
    }
}

fn visit(
    connection: &Connection,
    query: &ListQuery,
    shown: Shown,
    row: &rusqlite::Row<'_>,
    page: &mut Page,
) -> Result<Step, StoreError> {
    let is_marker = row.get_ref(4)? == rusqlite::types::ValueRef::Null;
    if shown == Shown::Objects && is_marker {
        return Ok(Step::On);
    }
    let stored = rows::stored(row, true)?;
    if let Some(common) = common_prefix(stored.key.as_str(), query) {
        if page.is_full() {
            return Ok(Step::Full);
        }
        page.prefixes.push(common.to_owned());
        page.last = Some(ListMark::Prefix(common.to_owned()));
        return Ok(Step::Seek(after_prefix(common.as_bytes())));
    }
    if shown == Shown::Objects {
        if page.is_full() {
            return Ok(Step::Full);
        }
        page.last = Some(ListMark::Key(stored.key.as_str().to_owned()));
        page.entries.push(stored);
        return Ok(Step::On);
    }
    let key = stored.key.clone();
    let room = page.limit - page.entries.len() - page.prefixes.len();
    let older = older_versions(connection, query.bucket, &key, u64::MAX, room + 1)?;
    let all = std::iter::once(stored).chain(older).collect();
    Ok(if add_versions(all, page) {
        Step::On
    } else {
        Step::Full
    })
}

/// Answers whether all of them fit.
fn add_versions(versions: Vec<Stored>, page: &mut Page) -> bool {
    for stored in versions {
        if page.is_full() {
            return false;
        }
        let (key, version) = (stored.key.as_str().to_owned(), stored.version.clone());
        page.last = Some(ListMark::Version(key, version));
        page.entries.push(stored);
    }
    true
}

/// The versions of a key behind one of them. When that one is gone meanwhile its
/// id tells where it was; a version `null` that is gone cannot tell, and then
/// the key is listed from its beginning.
fn rest_of_key(
    connection: &Connection,
    query: &ListQuery,
    key: &str,
    after: &VersionId,
) -> Result<Vec<Stored>, StoreError> {
    let Ok(key) = key.parse::<ObjectKey>() else {
        return Ok(Vec::new());
    };
    let bucket = query.bucket;
    let Some(current) = rows::current(connection, bucket, &key)? else {
        return Ok(Vec::new());
    };
    let current = current.stored;
    let before = if current.version == *after {
        current.sequence
    } else {
        match rows::older(connection, bucket, &key, after)? {
            Some(version) => version.stored.sequence,
            None => sequence_of(after).unwrap_or(u64::MAX),
        }
    };
    let mut versions = Vec::new();
    if current.sequence < before {
        versions.push(current);
    }
    versions.extend(older_versions(
        connection,
        bucket,
        &key,
        before,
        query.limit + 1,
    )?);
    Ok(versions)
}

/// Older versions from before a sequence number, newest first.
fn older_versions(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    before: u64,
    limit: usize,
) -> Result<Vec<Stored>, StoreError> {
    let sql = format!(
        "SELECT {} FROM versions WHERE bucket = ? AND key = ? AND sequence < ?
         ORDER BY sequence DESC LIMIT ?",
        rows::STORED
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let key = key.as_str().as_bytes();
    let mut rows = statement.query(params![bucket.0, key, signed(before), limit])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        versions.push(rows::stored(row, false)?);
    }
    Ok(versions)
}

/// What a key is rolled up to, if it is.
fn common_prefix<'a>(key: &'a str, query: &ListQuery) -> Option<&'a str> {
    let delimiter = query.delimiter.as_deref().filter(|text| !text.is_empty())?;
    let start = query.prefix.len();
    let at = key.get(start..)?.find(delimiter)?;
    key.get(..start + at + delimiter.len())
}

/// The least key behind this one.
fn after_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The least that is behind everything with this prefix.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    match prefix.iter().rposition(|byte| *byte < 0xff) {
        Some(last) => {
            let mut end = prefix.get(..=last).unwrap_or_default().to_vec();
            if let Some(byte) = end.last_mut() {
                *byte += 1;
            }
            end
        }
        None => BEYOND_ALL.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_tight() {
        assert_eq!(after_prefix(b"a/"), b"a0");
        assert_eq!(after_prefix(b"a\xff\xff"), b"b");
        assert_eq!(after_prefix(b""), BEYOND_ALL);
        assert_eq!(after_key(b"a"), b"a\0");
    }
}
