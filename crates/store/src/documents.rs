//! Documents: small JSON values by kind and key. A set of changes is committed
//! whole or not at all.

use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::database::Reader;
use crate::error::StoreError;
use crate::writer::{Write, Writer};

/// One document put or deleted.
#[derive(Debug, Clone)]
pub struct Change {
    pub kind: &'static str,
    pub key: String,
    /// `None` deletes.
    pub body: Option<Vec<u8>>,
}

pub struct Documents {
    reader: Reader,
    writer: Arc<Writer>,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

impl Documents {
    pub(crate) fn new(reader: Reader, writer: Arc<Writer>) -> Self {
        Self { reader, writer }
    }

    /// All documents of a kind, sorted by key. It blocks: call it at the start.
    pub fn load(&self, kind: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.reader.read(|connection| {
            let sql = "SELECT key, body FROM documents WHERE kind = ? ORDER BY key";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns when all of the changes are durable; on an error none is made.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.writer
            .ask(|answer| Write::Documents { changes, answer })
            .await
    }
}

pub(crate) fn apply(connection: &Connection, changes: &[Change]) -> rusqlite::Result<()> {
    for Change { kind, key, body } in changes {
        match body {
            Some(body) => connection
                .prepare_cached(
                    "INSERT INTO documents (kind, key, body) VALUES (?, ?, ?)
                     ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                )?
                .execute(params![kind, key, body])?,
            None => connection
                .prepare_cached("DELETE FROM documents WHERE kind = ? AND key = ?")?
                .execute(params![kind, key])?,
        };
    }
    Ok(())
}
