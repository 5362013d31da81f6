//! What is taken out of the book, so that it does not grow for ever.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params_from_iter};
use types::Timestamp;

use crate::database::{signed, unsigned};
use crate::error::StoreError;

use super::book::immediate;
use super::desk::Desk;
use super::model::{Identity, JobState};
use super::{rows, schema};

/// Rows that one transaction takes away, so that nobody waits long for it.
const STEP: usize = 64;
/// Of 16 parts of the limit so many are left, so that not every job has to look for
/// what may go.
const LEFT: u64 = 15;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Jobs that are listed.
    pub jobs: usize,
    /// Bytes of results.
    pub bytes: u64,
    /// Jobs that ended longer ago go, and results that no job asked for since.
    pub age: Option<Duration>,
    /// Whether jobs that may be gone on with keep their results whatever the size.
    pub unfinished: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            jobs: 1_000,
            bytes: 2 << 30,
            age: None,
            unfinished: true,
        }
    }
}

/// What was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    pub jobs: u64,
    /// Bytes of results.
    pub bytes: u64,
}

/// Takes away all that is too much, and gives the room back to the file system.
pub(super) fn all(desk: &Desk, keep: &Keep) -> Result<Pruned, StoreError> {
    let mut total = Pruned::default();
    loop {
        let pruned = step(desk, keep)?;
        if pruned == Pruned::default() {
            break;
        }
        total.jobs += pruned.jobs;
        total.bytes += pruned.bytes;
    }
    let connection = desk.connection.lock();
    // A page with each step, though none of them answers anything.
    connection.pragma_query(None, "incremental_vacuum", |_| Ok(()))?;
    let folded = connection.pragma_update_and_check(None, "wal_checkpoint", "truncate", |_| Ok(()));
    match folded {
        // The room comes back when the others are done.
        Err(error) if schema::is_busy(&error) => {}
        other => other?,
    }
    Ok(total)
}

/// Takes away some of what is too much; nothing, if nothing is.
pub(super) fn step(desk: &Desk, keep: &Keep) -> Result<Pruned, StoreError> {
    let mut connection = desk.connection.lock();
    let count: i64 = connection.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))?;
    let too_many = unsigned(count) > keep.jobs as u64;
    if !too_many && keep.age.is_none() && used(&connection)? <= keep.bytes {
        return Ok(Pruned::default());
    }
    let now = Timestamp::now();
    let transaction = immediate(&mut connection)?;
    let before = keep.age.map(|age| {
        let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        now.0.saturating_sub(millis)
    });
    let book = rows::list(&transaction, usize::MAX, &desk.here, now)?;
    let mut pruned = Pruned::default();
    let mut gone = Vec::new();
    let mut held = BTreeSet::new();
    for (index, row) in book.iter().enumerate() {
        let over = row.job.state.is_over();
        let old = before.is_some_and(|before| row.job.updated.0 < before);
        if over && (index >= keep.jobs || old) {
            if gone.len() < STEP {
                transaction.execute("DELETE FROM failures WHERE job = ?", [row.number])?;
                transaction.execute("DELETE FROM jobs WHERE number = ?", [row.number])?;
                gone.push(&row.job.id);
            }
            continue;
        }
        let goes_on = !matches!(row.job.state, JobState::Complete | JobState::Cancelled);
        if !over || (keep.unfinished && goes_on) {
            held.extend(&row.job.identities);
        }
    }
    pruned.bytes = results(&transaction, keep, before, &held)?;
    pruned.jobs = gone.len() as u64;
    transaction.commit()?;
    for id in gone {
        remove_folder(&folder(&desk.path, id.as_str()));
    }
    Ok(pruned)
}

/// Where files of a job are kept, beside the book.
pub(super) fn folder(book: &Path, id: &str) -> PathBuf {
    book.with_file_name("jobs").join(id)
}

fn remove_folder(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "files of a job were not removed");
        }
        _ => {}
    }
}

/// Bytes of the file that are in use.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let figure = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = figure("page_count")? - figure("freelist_count")?;
    Ok(unsigned(pages.saturating_mul(figure("page_size")?)))
}

/// Those that nobody asked for the longest go first, and of one identity the oldest.
fn results(
    connection: &Connection,
    keep: &Keep,
    before: Option<i64>,
    held: &BTreeSet<Identity>,
) -> Result<u64, StoreError> {
    let sum = "SELECT coalesce(sum(bytes), 0) FROM results";
    let total = unsigned(connection.query_row(sum, [], |row| row.get(0))?);
    let mut excess = 0;
    if total > keep.bytes {
        excess = total - keep.bytes / 16 * LEFT;
    }
    let mut statement = connection.prepare(
        "SELECT results.id, results.bytes, identities.hash,
             results.written < ?1 AND identities.used < ?1
         FROM results LEFT JOIN identities ON identities.number = results.identity
         ORDER BY identities.used, results.id",
    )?;
    let mut rows = statement.query([before.unwrap_or(i64::MIN)])?;
    let (mut ids, mut freed) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let hash: Option<Identity> = row.get(2)?;
        let old: Option<bool> = row.get(3)?;
        if hash.is_some_and(|hash| held.contains(&hash)) {
            continue;
        }
        if old == Some(true) || freed < excess {
            ids.push(row.get::<_, i64>(0)?);
            freed += unsigned(row.get(1)?);
        }
        if ids.len() >= STEP {
            break;
        }
    }
    drop(rows);
    let marks = vec!["?"; ids.len()].join(",");
    let sql = format!("DELETE FROM results WHERE id IN ({marks})");
    connection.execute(&sql, params_from_iter(ids))?;
    forget_identities(connection, before, held)?;
    Ok(freed)
}

/// Identities without results and without use are no more than a few bytes each, but
/// those add up too.
fn forget_identities(
    connection: &Connection,
    before: Option<i64>,
    held: &BTreeSet<Identity>,
) -> rusqlite::Result<()> {
    let newest: Option<i64> = connection
        .query_row(
            "SELECT used FROM identities ORDER BY used DESC LIMIT 1 OFFSET ?",
            [signed(IDENTITIES)],
            |row| row.get(0),
        )
        .optional()?;
    let Some(limit) = newest.max(before) else {
        return Ok(());
    };
    let mut statement = connection.prepare(
        "SELECT number, hash FROM identities
         WHERE used < ? AND number NOT IN (SELECT identity FROM results)",
    )?;
    let mut rows = statement.query([limit])?;
    while let Some(row) = rows.next()? {
        // A job that runs may have no results yet.
        if !held.contains(&row.get::<_, Identity>(1)?) {
            let number: i64 = row.get(0)?;
            connection.execute("DELETE FROM identities WHERE number = ?", [number])?;
        }
    }
    Ok(())
}

const IDENTITIES: u64 = 10_000;
