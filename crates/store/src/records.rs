//! Records: what is kept of each invocation. They are written in batches, off
//! the hot path, and the oldest go when there are too many.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension, Row, params};
use types::{FunctionName, RequestId, Timestamp, Version};

use crate::database::{Reader, signed, unsigned};
use crate::error::StoreError;
use crate::writer::{Write, Writer};

const KEEP_DEFAULT: u64 = 1_000_000;
/// How many records one transaction prunes, so that none takes long.
const PRUNE_MAX: i64 = 10_000;

/// What is kept of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub request_id: RequestId,
    pub function: FunctionName,
    pub version: Version,
    pub started: Timestamp,
    pub duration_us: u64,
    pub billed_ms: u64,
    /// Set where this invocation waited for its instance to be made.
    pub init_us: Option<u64>,
    pub memory_mb: u32,
    pub max_memory_mb: u32,
    /// `warm`, `fork` or `spawn`
    pub start: String,
    /// `ok`, or the word of a `FunctionErrorKind`
    pub status: String,
    pub log_stream: Arc<str>,
    pub log_position: u64,
    /// Of the payload that came back; 0 where it was streamed.
    pub answer_bytes: u64,
}

/// What the invocations of a function used on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub function: FunctionName,
    /// Days since 1970, in UTC.
    pub day: i64,
    pub memory_mb: u32,
    pub invocations: u64,
    pub failed: u64,
    pub billed_ms: u64,
    /// Of those invocations that waited for their instance.
    pub init_us: u64,
    pub answer_bytes: u64,
}

pub struct Records {
    reader: Reader,
    writer: Arc<Writer>,
    keep: Arc<AtomicU64>,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl Records {
    pub(crate) fn new(reader: Reader, writer: Arc<Writer>, keep: Arc<AtomicU64>) -> Self {
        Self {
            reader,
            writer,
            keep,
        }
    }

    /// Queues the record; a crash may lose what was queued in the last moment.
    pub async fn append(&self, record: Record) {
        // A closed store keeps no more records, and nobody can act on that.
        let _ = self.writer.tell(Write::Record(record)).await;
    }

    /// The newest first, those just appended included.
    pub async fn recent(
        &self,
        function: Option<&FunctionName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.writer.ask(|answer| Write::Barrier { answer }).await?;
        let function = function.cloned();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.reader
            .read_aside(move |connection| select(connection, function.as_ref(), limit))
            .await
    }

    /// What was used since a time, by function, day and memory: as it is paid for.
    pub async fn usage(&self, since: Timestamp) -> Result<Vec<Usage>, StoreError> {
        self.writer.ask(|answer| Write::Barrier { answer }).await?;
        self.reader
            .read_aside(move |connection| add_up(connection, since))
            .await
    }

    /// How many records are kept; past it the oldest go.
    pub fn set_keep(&self, count: u64) {
        self.keep.store(count, Ordering::Relaxed);
    }
}

const COLUMNS: &str = "request_id, function, version, started, duration_us, billed_ms, init_us, \
     memory_mb, max_memory_mb, start, status, log_stream, log_position, answer_bytes";

/// Answers with the id that the record got.
pub(crate) fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO records (request_id, function, version, started, duration_us, billed_ms,
             init_us, memory_mb, max_memory_mb, start, status, log_stream, log_position,
             answer_bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let version = match record.version {
        Version::Latest => 0,
        Version::Number(number) => signed(number),
    };
    statement.execute(params![
        record.request_id.to_string(),
        record.function.as_str(),
        version,
        record.started.0,
        signed(record.duration_us),
        signed(record.billed_ms),
        record.init_us.map(signed),
        record.memory_mb,
        record.max_memory_mb,
        record.start,
        record.status,
        record.log_stream,
        signed(record.log_position),
        signed(record.answer_bytes),
    ])?;
    Ok(connection.last_insert_rowid())
}

fn select(
    connection: &Connection,
    function: Option<&FunctionName>,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    let filter = function.map_or("", |_| "WHERE function = ?2");
    let sql = format!("SELECT {COLUMNS} FROM records {filter} ORDER BY id DESC LIMIT ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = match function {
        Some(function) => statement.query(params![limit, function.as_str()])?,
        None => statement.query(params![limit])?,
    };
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(from_row(row)?);
    }
    Ok(records)
}

fn add_up(connection: &Connection, since: Timestamp) -> Result<Vec<Usage>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT function, started / 86400000 AS day, memory_mb, count(*), sum(status <> 'ok'),
             sum(billed_ms), sum(coalesce(init_us, 0)), sum(answer_bytes)
         FROM records WHERE started >= ?
         GROUP BY day, function, memory_mb ORDER BY day, function, memory_mb",
    )?;
    let mut rows = statement.query([since.0])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |column| Ok::<_, rusqlite::Error>(unsigned(row.get(column)?));
        all.push(Usage {
            function: parsed(row, 0)?,
            day: row.get(1)?,
            memory_mb: row.get(2)?,
            invocations: number(3)?,
            failed: number(4)?,
            billed_ms: number(5)?,
            init_us: number(6)?,
            answer_bytes: number(7)?,
        });
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<Record, StoreError> {
    let version = match row.get(2)? {
        0 => Version::Latest,
        number => Version::Number(unsigned(number)),
    };
    Ok(Record {
        request_id: parsed(row, 0)?,
        function: parsed(row, 1)?,
        version,
        started: Timestamp(row.get(3)?),
        duration_us: unsigned(row.get(4)?),
        billed_ms: unsigned(row.get(5)?),
        init_us: row.get::<_, Option<i64>>(6)?.map(unsigned),
        memory_mb: row.get(7)?,
        max_memory_mb: row.get(8)?,
        start: row.get(9)?,
        status: row.get(10)?,
        log_stream: row.get::<_, String>(11)?.into(),
        log_position: unsigned(row.get(12)?),
        answer_bytes: unsigned(row.get(13)?),
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> Result<T, StoreError>
where
    T: FromStr<Err: fmt::Display>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| StoreError::Corrupt {
        what: "a record",
        detail: error.to_string(),
    })
}

/// Keeps the number of records down. Ids grow by one, so the number is known
/// without counting.
pub(crate) struct Pruner {
    keep: Arc<AtomicU64>,
    /// The oldest id that is still there, as far as is known.
    oldest: i64,
    since: u64,
}

impl Pruner {
    pub(crate) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let oldest: Option<Option<i64>> = connection
            .query_row("SELECT min(id) FROM records", [], |row| row.get(0))
            .optional()?;
        Ok(Self {
            keep: Arc::new(AtomicU64::new(KEEP_DEFAULT)),
            oldest: oldest.flatten().unwrap_or(1),
            since: u64::MAX / 2,
        })
    }

    pub(crate) fn keep(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.keep)
    }

    /// To be called after `added` records were inserted, up to the id `newest`,
    /// in their transaction.
    pub(crate) fn prune(
        &mut self,
        connection: &Connection,
        added: u64,
        newest: i64,
    ) -> rusqlite::Result<()> {
        let keep = self.keep.load(Ordering::Relaxed);
        self.since = self.since.saturating_add(added);
        if self.since < keep / 100 {
            return Ok(());
        }
        let floor = newest.saturating_sub(signed(keep)).saturating_add(1);
        let until = floor.min(self.oldest.saturating_add(PRUNE_MAX));
        if until > self.oldest {
            connection
                .prepare_cached("DELETE FROM records WHERE id < ?")?
                .execute([until])?;
            self.oldest = until;
        }
        if until == floor || floor <= self.oldest {
            self.since = 0;
        }
        Ok(())
    }
}
