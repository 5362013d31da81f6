//! The database of the book: its settings, its schema and its connections.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::StoreError;

pub(super) const FILE: &str = "jobs.db";

/// How long one process waits for another to end its transaction.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long opening is tried while another process makes the file.
const OPENING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// Connections for reads that are kept open for the next.
const READERS: usize = 4;

/// What brings a book from each version of the schema to the next.
const STEPS: [&str; 1] = [FIRST];

/// `results` has many results in a row, see `sheaf`. `identity` there is the short
/// number of an identity. `round` counts how often a job was begun: failures of
/// earlier rounds stay until a round is complete.
const FIRST: &str = "
    CREATE TABLE identities (
        number INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        used INTEGER NOT NULL
    );
    CREATE TABLE results (
        id INTEGER PRIMARY KEY,
        identity INTEGER NOT NULL,
        written INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        keys BLOB NOT NULL,
        ends BLOB NOT NULL,
        bodies BLOB NOT NULL
    );
    CREATE INDEX results_by_identity ON results (identity);
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        maker TEXT NOT NULL,
        function TEXT NOT NULL,
        input TEXT NOT NULL,
        recipe TEXT NOT NULL,
        identities BLOB NOT NULL,
        state TEXT NOT NULL,
        error TEXT,
        items INTEGER NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        owner TEXT,
        round INTEGER NOT NULL,
        cancel INTEGER NOT NULL,
        progress TEXT
    );
    CREATE TABLE failures (
        job INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        round INTEGER NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        message TEXT NOT NULL,
        stack TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        PRIMARY KEY (job, rank)
    ) WITHOUT ROWID;
";

const VERSION: i64 = 1;

/// Opens the connection that writes, and brings the schema up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let deadline = Instant::now() + OPENING;
    loop {
        match try_open(path) {
            // SQLite does not wait by itself while the log is made or put away.
            Err(StoreError::Database(error)) if is_busy(&error) && Instant::now() < deadline => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

fn try_open(path: &Path) -> Result<Connection, StoreError> {
    // Results are for the owner's eyes. SQLite gives its other files the same mode.
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::io("open", path))?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    if version_of(&connection)? == 0 {
        // What was taken away can be given back to the file system. Only in a file that
        // is empty yet: in any other this would be written anew, and waited for.
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    // What is committed survives the end of the process, but maybe not a loss of
    // power: then some results are computed again.
    connection.pragma_update(None, "synchronous", "normal")?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if version_of(connection)? == VERSION {
        return Ok(());
    }
    // Another process may be doing the same; who comes second finds it done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version_of(&transaction)?;
    if found > VERSION {
        return Err(StoreError::JobsTooNew {
            found,
            known: VERSION,
        });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

/// 0 in a file that is empty.
fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether another process was in the way, and trying again may help.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Connections that only read, made as they are needed: reads of several jobs do not
/// wait for each other.
#[derive(Debug)]
pub(super) struct Readers {
    path: std::path::PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
        }
    }

    pub fn read<T, E: From<StoreError>>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().map_err(StoreError::from)?,
        };
        let answer = query(&connection);
        let mut idle = self.idle.lock();
        if idle.len() < READERS {
            idle.push(connection);
        }
        answer
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(connection)
    }
}
