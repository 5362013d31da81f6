//! The SQLite database: its settings, its schema, and the connection for reads.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::error::{OpenError, StoreError};
use crate::files::{Root, blocking};

const SCHEMA_VERSION: i64 = 1;
/// In KiB, for each of the two connections.
const PAGE_CACHE: i64 = 2048;
const STATEMENTS: usize = 16;

const SCHEMA: &str = "
    CREATE TABLE documents (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    );
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL,
        function TEXT NOT NULL,
        qualifier TEXT,
        payload BLOB NOT NULL,
        client_context TEXT,
        trace_id TEXT,
        accepted INTEGER NOT NULL,
        due INTEGER NOT NULL,
        attempts INTEGER NOT NULL
    );
    CREATE TABLE records (
        id INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL,
        function TEXT NOT NULL,
        version INTEGER NOT NULL,
        started INTEGER NOT NULL,
        duration_us INTEGER NOT NULL,
        billed_ms INTEGER NOT NULL,
        init_us INTEGER,
        memory_mb INTEGER NOT NULL,
        max_memory_mb INTEGER NOT NULL,
        start TEXT NOT NULL,
        status TEXT NOT NULL,
        log_stream TEXT NOT NULL,
        log_position INTEGER NOT NULL
    );
    CREATE INDEX records_by_function ON records (function);
";

/// Opens the connection that writes, and brings the schema up to date.
pub(crate) fn open_writer(dir: &Path) -> Result<Connection, OpenError> {
    let mut connection = Connection::open(dir.join("squall.db")).map_err(StoreError::from)?;
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(StoreError::from)?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::TooNew {
            dir: dir.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    set_up(&connection).map_err(StoreError::from)?;
    migrate(&mut connection, found).map_err(StoreError::from)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -PAGE_CACHE)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    Ok(())
}

fn migrate(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// The connection for reads, which never waits for the one that writes.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    root: Arc<Root>,
    connection: Arc<Mutex<Connection>>,
}

impl Reader {
    pub(crate) fn open(root: Arc<Root>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(root.dir().join("squall.db"), flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "cache_size", -PAGE_CACHE)?;
        Ok(Self {
            root,
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.root.check_open()?;
        query(&self.connection.lock())
    }

    /// As `read`, from a task that must not block.
    pub(crate) async fn read_aside<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = self.clone();
        blocking(move || reader.read(query)).await
    }
}

/// SQLite's integers are signed; what does not fit is as good as the largest.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Back from `signed`; nothing negative was ever written.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
