//! What the writing thread alone counts: ids of events, sequence numbers of
//! objects, and which content has lost its last reference.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::database::{signed, unsigned};
use crate::error::StoreError;
use crate::objects::{ContentHash, Shelf};

/// How many deliveries are kept; past it the oldest go.
const DELIVERIES: i64 = 10_000;
/// So many deliveries are added before the oldest are looked for.
const PRUNE_STEP: u32 = 100;

/// Kept by the writing thread. What a failed transaction took of the counters is
/// left out, which does no harm.
pub(crate) struct Ledger {
    next_event: i64,
    sequence: u64,
    saved_sequence: u64,
    /// Content that lost a reference in this transaction, maybe its last one.
    released: Vec<ContentHash>,
    /// Files whose row went with this transaction.
    doomed: Vec<ContentHash>,
    deliveries: u32,
    shelf: Arc<Shelf>,
}

impl Ledger {
    pub(crate) fn load(connection: &Connection, shelf: Arc<Shelf>) -> Result<Self, StoreError> {
        let last: Option<i64> =
            connection.query_row("SELECT max(id) FROM events", [], |row| row.get(0))?;
        let sequence: Option<i64> = connection
            .query_row(
                "SELECT value FROM counters WHERE name = 'sequence'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let sequence = unsigned(sequence.unwrap_or(0));
        Ok(Self {
            next_event: last.unwrap_or(0) + 1,
            sequence,
            saved_sequence: sequence,
            released: Vec::new(),
            doomed: Vec::new(),
            deliveries: PRUNE_STEP,
            shelf,
        })
    }

    pub(crate) fn next_event(&mut self) -> i64 {
        let id = self.next_event;
        self.next_event += 1;
        id
    }

    /// Larger than all before it, those before a restart included.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// A delivery was added; the oldest go when there are too many.
    pub(crate) fn count_delivery(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.deliveries += 1;
        if self.deliveries < PRUNE_STEP {
            return Ok(());
        }
        self.deliveries = 0;
        connection
            .prepare_cached(
                "DELETE FROM deliveries WHERE id <= (SELECT max(id) FROM deliveries) - ?",
            )?
            .execute([DELIVERIES])?;
        Ok(())
    }

    /// Content lost a reference; whether it was the last one shows at the end.
    pub(crate) fn release(&mut self, hash: ContentHash) {
        self.released.push(hash);
    }

    pub(crate) fn begin(&mut self) {
        self.released.clear();
        self.doomed.clear();
    }

    /// Writes what was counted, and removes the rows of content that nothing
    /// refers to and nobody uses.
    pub(crate) fn finish(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        for hash in std::mem::take(&mut self.released) {
            if !self.shelf.pins().keep_if_pinned(&hash) && forget(transaction, &hash)? {
                self.doomed.push(hash);
            }
        }
        if self.sequence != self.saved_sequence {
            transaction
                .prepare_cached(
                    "INSERT INTO counters (name, value) VALUES ('sequence', ?)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )?
                .execute([signed(self.sequence)])?;
            self.saved_sequence = self.sequence;
        }
        Ok(())
    }

    /// To be called after a commit that succeeded, and only then.
    pub(crate) fn remove_released(&mut self) {
        for hash in std::mem::take(&mut self.doomed) {
            self.shelf.remove(&hash);
        }
    }

    /// Removes content whose last user has gone, where nothing refers to it.
    pub(crate) fn sweep(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        let unpinned = self.shelf.pins().take_unpinned();
        if unpinned.is_empty() {
            return Ok(());
        }
        let transaction = connection.transaction()?;
        let mut unneeded = Vec::new();
        for hash in unpinned {
            if forget(&transaction, &hash)? || !is_known(&transaction, &hash)? {
                unneeded.push(hash);
            }
        }
        transaction.commit()?;
        for hash in unneeded {
            self.shelf.remove(&hash);
        }
        Ok(())
    }
}

/// Removes the row of content without references; answers whether it was there
/// and stood for a file.
fn forget(connection: &Connection, hash: &ContentHash) -> rusqlite::Result<bool> {
    let was_file: Option<bool> = connection
        .prepare_cached("DELETE FROM contents WHERE hash = ? AND refs = 0 RETURNING bytes IS NULL")?
        .query_row(params![hash.0], |row| row.get(0))
        .optional()?;
    Ok(was_file == Some(true))
}

fn is_known(connection: &Connection, hash: &ContentHash) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM contents WHERE hash = ?")?
        .exists(params![hash.0])
}
