//! What is read from and written to the tables of the book.

use rusqlite::{Connection, OptionalExtension, Row, params};
use types::Timestamp;

use crate::database::{signed, unsigned};
use crate::error::StoreError;

use super::model::{Earlier, End, Identity, ItemFailure, Job, JobId, JobState, NewJob};
use super::owner::Owner;
use super::running::Slot;
use super::sheaf::{self, Sheaf, Wanted};

/// Characters of a message and of a stack that are kept.
const MESSAGE: usize = 4_000;
const STACK: usize = 16_000;
/// Identities of a job. Of one whose function changes more often, the first are
/// forgotten.
const IDENTITIES: usize = 16;

/// A job with what only the book needs of it.
pub(super) struct JobRow {
    pub number: i64,
    pub round: i64,
    pub job: Job,
}

const COLUMNS: &str = "number, round, id, maker, function, input, recipe, identities, state, error, \
     items, created, updated, owner, cancel, progress";

pub(super) fn insert_job(
    connection: &Connection,
    id: &JobId,
    job: &NewJob,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    connection.execute(
        "INSERT INTO jobs (id, maker, function, input, recipe, identities, state, items, created,
             updated, round, cancel)
         VALUES (?1, ?2, ?3, ?4, ?5, x'', ?6, ?7, ?8, ?8, 0, 0)",
        params![
            id.as_str(),
            job.maker,
            job.function,
            job.input,
            job.recipe,
            JobState::Waiting.as_str(),
            signed(job.items),
            now.0,
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

/// Takes a job for this process.
pub(super) fn start_job(
    connection: &Connection,
    number: i64,
    identities: &[Identity],
    items: u64,
    owner: &Owner,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE jobs SET state = ?2, identities = ?3, items = ?4, owner = ?5, updated = ?6,
             round = round + 1, cancel = 0, error = NULL
         WHERE number = ?1",
        params![
            number,
            JobState::Running.as_str(),
            identities.concat(),
            signed(items),
            owner.to_text(),
            now.0,
        ],
    )?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    id: &JobId,
    here: &Owner,
    now: Timestamp,
) -> Result<Option<JobRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(|row| read_job(row, here, now)).transpose()
}

/// The newest first.
pub(super) fn list(
    connection: &Connection,
    limit: usize,
    here: &Owner,
    now: Timestamp,
) -> Result<Vec<JobRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM jobs ORDER BY number DESC LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(read_job(row, here, now)?);
    }
    Ok(jobs)
}

fn read_job(row: &Row<'_>, here: &Owner, now: Timestamp) -> Result<JobRow, StoreError> {
    let corrupt = |detail: String| StoreError::Corrupt {
        what: "a job",
        detail,
    };
    let id: String = row.get(2)?;
    let identities: Vec<u8> = row.get(7)?;
    let owner: Option<String> = row.get(13)?;
    let owner = owner.as_deref().and_then(Owner::parse);
    let updated = Timestamp(row.get(12)?);
    let written = JobState::parse(&row.get::<_, String>(8)?)?;
    let lives = owner
        .as_ref()
        .is_some_and(|owner| owner.lives(here, updated, now));
    let state = match written {
        JobState::Running if !lives => JobState::Interrupted,
        other => other,
    };
    Ok(JobRow {
        number: row.get(0)?,
        round: row.get(1)?,
        job: Job {
            id: id.parse().map_err(|error| corrupt(format!("{error}")))?,
            maker: row.get(3)?,
            function: row.get(4)?,
            input: row.get(5)?,
            recipe: row.get(6)?,
            identities: identities.as_chunks().0.to_vec(),
            state,
            error: row.get(9)?,
            items: unsigned(row.get(10)?),
            created: Timestamp(row.get(11)?),
            updated,
            pid: owner.map(|owner| owner.pid),
            cancel: row.get(14)?,
            progress: row.get(15)?,
        },
    })
}

pub(super) fn set_state(
    connection: &Connection,
    number: i64,
    end: &End,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = ?2, error = ?3, updated = ?4, progress = coalesce(?5, progress)
             WHERE number = ?1",
        )?
        .execute(params![
            number,
            end.state.as_str(),
            end.error,
            now.0,
            end.progress
        ])?;
    Ok(())
}

/// The identities of a job in its next round, the latest last.
pub(super) fn next_identities(
    before: &[Identity],
    identity: &Identity,
    earlier: Earlier,
) -> Vec<Identity> {
    let mut identities = match earlier {
        Earlier::Drop => vec![],
        Earlier::Take => before.to_vec(),
    };
    identities.retain(|other| other != identity);
    identities.push(*identity);
    let surplus = identities.len().saturating_sub(IDENTITIES);
    identities.drain(..surplus);
    identities
}

/// The end of a job that was this process's, unless it has been begun again.
pub(super) fn set_failed(
    connection: &Connection,
    slot: &Slot,
    end: &End,
    here: &Owner,
) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE jobs SET state = ?2, error = ?3
         WHERE number = ?1 AND state = ?4 AND owner = ?5 AND round = ?6",
        params![
            slot.number,
            end.state.as_str(),
            end.error,
            JobState::Running.as_str(),
            here.to_text(),
            slot.round,
        ],
    )?;
    Ok(())
}

/// Lets others see that the job lives, and how far it is.
pub(super) fn beat(
    connection: &Connection,
    number: i64,
    progress: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET updated = ?2, progress = coalesce(?3, progress) WHERE number = ?1",
        )?
        .execute(params![number, now.0, progress])?;
    Ok(())
}

pub(super) fn ask_to_cancel(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE jobs SET cancel = 1 WHERE number = ?", [number])?;
    Ok(())
}

pub(super) fn is_cancelled(connection: &Connection, number: i64) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT cancel FROM jobs WHERE number = ?")?;
    let flag: Option<bool> = statement.query_row([number], |row| row.get(0)).optional()?;
    // A job that somebody took out of the book is not wanted.
    Ok(flag.unwrap_or(true))
}

/// The short number of an identity, which is in use from now on.
pub(super) fn identity_number(
    connection: &Connection,
    identity: &Identity,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO identities (hash, used) VALUES (?1, ?2)
             ON CONFLICT (hash) DO UPDATE SET used = excluded.used RETURNING number",
        )?
        .query_row(params![identity, now.0], |row| row.get(0))
}

pub(super) fn has_results(connection: &Connection, identity: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM results WHERE identity = ?)")?
        .query_row([identity], |row| row.get(0))
}

/// Writes a sheaf: over its row, if it has one. Answers with the row.
pub(super) fn put_sheaf(
    connection: &Connection,
    row: Option<i64>,
    identity: i64,
    sheaf: &Sheaf,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    let bytes = signed(sheaf.bytes() as u64);
    if let Some(row) = row {
        let updated = connection
            .prepare_cached(
                "UPDATE results SET written = ?2, bytes = ?3, keys = ?4, ends = ?5, bodies = ?6
                 WHERE id = ?1",
            )?
            .execute(params![
                row,
                now.0,
                bytes,
                sheaf.keys,
                sheaf.ends,
                sheaf.bodies
            ])?;
        // It may have been pruned, by a user in a hurry.
        if updated > 0 {
            return Ok(row);
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO results (identity, written, bytes, keys, ends, bodies)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            identity,
            now.0,
            bytes,
            sheaf.keys,
            sheaf.ends,
            sheaf.bodies
        ])?;
    Ok(connection.last_insert_rowid())
}

/// Looks for results; those that were kept later replace earlier ones of the same key.
pub(super) fn known(
    connection: &Connection,
    identity: i64,
    wanted: &Wanted,
    found: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), StoreError> {
    let mut keys =
        connection.prepare_cached("SELECT id, keys FROM results WHERE identity = ? ORDER BY id")?;
    let mut bodies = connection.prepare_cached("SELECT ends, bodies FROM results WHERE id = ?")?;
    let mut rows = keys.query([identity])?;
    let mut hits = Vec::new();
    while let Some(row) = rows.next()? {
        hits.clear();
        let column = row.get_ref(1)?.as_blob().map_err(|_| no_blob())?;
        for (index, key) in sheaf::keys(column).iter().enumerate() {
            if let Some(place) = wanted.get(key) {
                hits.push((index, *place));
            }
        }
        if hits.is_empty() {
            continue;
        }
        let mut sheaf = bodies.query([row.get::<_, i64>(0)?])?;
        if let Some(sheaf) = sheaf.next()? {
            let ends = sheaf.get_ref(0)?.as_blob().map_err(|_| no_blob())?;
            let texts = sheaf.get_ref(1)?.as_blob().map_err(|_| no_blob())?;
            for (index, place) in &hits {
                found(*place, sheaf::body(ends, texts, *index)?);
            }
        }
    }
    Ok(())
}

fn no_blob() -> StoreError {
    StoreError::Corrupt {
        what: "a result of a job",
        detail: "its row has no bytes".to_owned(),
    }
}

pub(super) fn put_failure(
    connection: &Connection,
    number: i64,
    round: i64,
    failure: &ItemFailure,
) -> rusqlite::Result<()> {
    let stack = failure.stack.join("\n");
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO failures
                 (job, rank, round, id, type, message, stack, attempts)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            number,
            failure.rank,
            round,
            failure.id,
            failure.error_type,
            cut(&failure.message, MESSAGE),
            cut(&stack, STACK),
            failure.attempts,
        ])?;
    Ok(())
}

/// The beginning of a text, of so many bytes at most.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// What failed in earlier rounds has run again.
pub(super) fn forget_failures(
    connection: &Connection,
    number: i64,
    round: i64,
) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM failures WHERE job = ? AND round < ?",
        [number, round],
    )?;
    Ok(())
}

pub(super) fn failures(
    connection: &Connection,
    number: i64,
    from: u32,
    limit: usize,
) -> rusqlite::Result<Vec<ItemFailure>> {
    let mut statement = connection.prepare_cached(
        "SELECT rank, id, type, message, stack, attempts FROM failures
         WHERE job = ? AND rank >= ? ORDER BY rank LIMIT ?",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([number, i64::from(from), limit], |row| {
        let stack: String = row.get(4)?;
        Ok(ItemFailure {
            rank: row.get(0)?,
            id: row.get(1)?,
            error_type: row.get(2)?,
            message: row.get(3)?,
            stack: stack.lines().map(str::to_owned).collect(),
            attempts: row.get(5)?,
        })
    })?;
    rows.collect()
}

pub(super) fn failure_count(connection: &Connection, number: i64) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM failures WHERE job = ?";
    let count = connection.query_row(sql, [number], |row| row.get(0))?;
    Ok(unsigned(count))
}
