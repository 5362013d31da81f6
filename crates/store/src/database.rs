//! The SQLite database: its settings, its schema, and the connections for reads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::error::{OpenError, StoreError};
use crate::files::{Root, blocking};

/// In KiB, for each of the connections.
const PAGE_CACHE: i64 = 2048;
/// More than there are, so that each is compiled once for a connection.
const STATEMENTS: usize = 64;
/// So many reads run at the same time.
const READERS: usize = 4;

/// What brings a database from each version of the schema to the next one. A
/// new database goes through all of them, so that there is one way only.
const STEPS: [&str; 4] = [INVOCATIONS, OBJECTS, ANSWERS, METERS];

/// Version 1: the control plane's documents, events and records.
const INVOCATIONS: &str = "
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

/// Version 2: buckets and objects, and what caused an event.
///
/// `objects` has the current version of each key, or its delete marker;
/// `versions` has the older ones. In both, `size`, `etag` and `parts` are NULL
/// in a delete marker, and what a listing needs comes before what it does not.
/// `contents` counts in `refs` how often parts of objects and of uploads name
/// each content; `bytes` is NULL where the content is a file.
const OBJECTS: &str = "
    ALTER TABLE events ADD COLUMN line TEXT;
    ALTER TABLE events ADD COLUMN source TEXT;
    ALTER TABLE events ADD COLUMN retry TEXT;
    CREATE INDEX records_by_request ON records (request_id);
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY,
        request_id TEXT,
        time INTEGER NOT NULL,
        service TEXT NOT NULL,
        arn TEXT NOT NULL,
        subject TEXT NOT NULL,
        function TEXT,
        verdict TEXT
    );
    CREATE INDEX deliveries_by_request ON deliveries (request_id);
    CREATE TABLE counters (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE buckets (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL,
        settings BLOB NOT NULL
    );
    CREATE TABLE contents (
        hash BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        refs INTEGER NOT NULL,
        bytes BLOB
    );
    CREATE INDEX contents_unreferenced ON contents (hash) WHERE refs = 0;
    CREATE TABLE objects (
        bucket INTEGER NOT NULL,
        key BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        version TEXT NOT NULL,
        modified INTEGER NOT NULL,
        size INTEGER,
        etag TEXT,
        part_count INTEGER NOT NULL,
        attributes BLOB NOT NULL,
        parts BLOB,
        PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID;
    CREATE TABLE versions (
        bucket INTEGER NOT NULL,
        key BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        version TEXT NOT NULL,
        modified INTEGER NOT NULL,
        size INTEGER,
        etag TEXT,
        part_count INTEGER NOT NULL,
        attributes BLOB NOT NULL,
        parts BLOB,
        PRIMARY KEY (bucket, key, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX versions_null ON versions (bucket, key) WHERE version = 'null';
    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        bucket INTEGER NOT NULL,
        key BLOB NOT NULL,
        started INTEGER NOT NULL,
        attributes BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX uploads_by_key ON uploads (bucket, key, started, id);
    CREATE TABLE parts (
        upload TEXT NOT NULL,
        number INTEGER NOT NULL,
        hash BLOB NOT NULL,
        size INTEGER NOT NULL,
        md5 BLOB NOT NULL,
        modified INTEGER NOT NULL,
        attributes BLOB NOT NULL,
        PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;
";

/// Version 3: how large answers were, which is what a provider asks money for.
const ANSWERS: &str = "
    ALTER TABLE records ADD COLUMN answer_bytes INTEGER NOT NULL DEFAULT 0;
";

/// Version 4: what was used, by whom and on which day.
const METERS: &str = "
    CREATE TABLE meters (
        meter TEXT NOT NULL,
        day INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        memory_ms INTEGER NOT NULL,
        invocations INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        bytes_in INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        PRIMARY KEY (meter, day)
    ) WITHOUT ROWID;
";

/// The version of the schema that this program knows.
pub(crate) const SCHEMA_VERSION: i64 = 4;

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
    let known = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(known) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(dir: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.join("squall.db"), flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -PAGE_CACHE)?;
    Ok(connection)
}

/// The connections for reads, which never wait for the one that writes.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    root: Arc<Root>,
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    connections: [Mutex<Connection>; READERS],
    turn: AtomicUsize,
}

impl Reader {
    pub(crate) fn open(root: Arc<Root>) -> Result<Self, StoreError> {
        let open = || open_reader(root.dir()).map(Mutex::new);
        let connections = [open()?, open()?, open()?, open()?];
        let turn = AtomicUsize::new(0);
        Ok(Self {
            root,
            pool: Arc::new(Pool { connections, turn }),
        })
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.root.check_open()?;
        let free = self.pool.connections.iter().find_map(Mutex::try_lock);
        let connection = free.unwrap_or_else(|| {
            let turn = self.pool.turn.fetch_add(1, Ordering::Relaxed);
            self.pool.connections[turn % READERS].lock()
        });
        query(&connection)
    }

    /// As `read`, with everything that is read from one moment.
    pub(crate) fn read_at_once<T, E: From<StoreError>>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.read(|connection| {
            // Rolled back when it is dropped, which is all a read needs.
            let moment = connection
                .unchecked_transaction()
                .map_err(StoreError::from)?;
            query(&moment)
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, Store};

    #[tokio::test]
    async fn a_database_of_the_first_version_opens_and_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let old = Connection::open(dir.path().join("squall.db")).unwrap();
        old.execute_batch(INVOCATIONS).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute_batch(
            "INSERT INTO documents VALUES ('function', 'f', x'7b7d');
             INSERT INTO events (id, request_id, function, payload, accepted, due, attempts)
             VALUES (7, '8a1b6b1e-5c39-4f0e-9d8e-000000000001', 'f', x'31', 5, 6, 2);
             INSERT INTO records VALUES (1, '8a1b6b1e-5c39-4f0e-9d8e-000000000002', 'f', 0, 1, 2,
                 3, NULL, 128, 64, 'fork', 'ok', 's', 9);",
        )
        .unwrap();
        drop(old);

        let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
        assert_eq!(store.documents().load("function").unwrap().len(), 1);
        assert_eq!(store.records().recent(None, 10).await.unwrap().len(), 1);
        let due = store.events().due(types::Timestamp(6), 10).await;
        assert_eq!((due.len(), due[0].id, due[0].attempts), (1, 7, 2));
        assert_eq!((&due[0].event.order, &due[0].event.source), (&None, &None));
        // And what is new works.
        let name = "bucket".parse().unwrap();
        let bucket = store
            .objects()
            .create_bucket(name, types::Timestamp(1), Vec::new());
        bucket.await.unwrap();
        assert!(store.deliveries().recent(10).await.unwrap().is_empty());
        store.close().await;
        let version: i64 = open_reader(dir.path())
            .unwrap()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, SCHEMA_VERSION);
    }
}
