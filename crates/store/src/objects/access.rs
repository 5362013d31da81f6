//! The ways to the tables: writes in transactions of the writing thread, with the
//! events that they cause; reads that make sure of the content they lead to.

use std::sync::Arc;

use rusqlite::{Connection, Transaction};

use super::Objects;
use super::content::{Hold, INLINE_MAX};
use super::model::{Announcement, Committed, ObjectError, Part};
use super::pins::Pins;
use super::rows::{self, RawPart};
use super::shelf::Shelf;
use crate::error::StoreError;
use crate::events::NewEvent;
use crate::files::blocking;
use crate::ledger::Ledger;
use crate::operation::{Outcome, carry_out};

/// Small parts whose bytes come along when an object is found, in bytes. An
/// object of S3 has one such part at most.
const ALONG_MAX: u64 = 1 << 20;

impl Objects {
    pub(super) async fn write<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Transaction<'_>, &mut Ledger) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let work = move |transaction: &Transaction<'_>, ledger: &mut Ledger| {
            settled(work(transaction, ledger).map(|value| (value, Vec::new())))
        };
        let (value, _) = carry_out(&self.writer, None, work).await?;
        Ok(value)
    }

    pub(super) async fn write_announced(
        &self,
        announcement: Option<Announcement>,
        mut work: impl FnMut(&Transaction<'_>, &mut Ledger) -> Result<Committed, ObjectError>
        + Send
        + 'static,
    ) -> Result<Committed, ObjectError> {
        let place = match &announcement {
            Some(Announcement { most, limit, .. }) if *most > 0 => Some(
                self.events
                    .reserve(*most, *limit)
                    .ok_or(ObjectError::QueueFull)?,
            ),
            _ => None,
        };
        let announce = move |committed: Committed| {
            let caused: Vec<NewEvent> = announcement
                .as_ref()
                .map_or_else(Vec::new, |announcement| (announcement.events)(&committed));
            (committed, caused)
        };
        let work = move |transaction: &Transaction<'_>, ledger: &mut Ledger| {
            settled(work(transaction, ledger).map(&announce))
        };
        let (committed, _) = carry_out(&self.writer, place, work).await?;
        Ok(committed)
    }

    /// Reads rows that refer to content, and makes sure of that content: it is
    /// there, and stays there.
    pub(super) async fn read_held<T: Send + 'static>(
        &self,
        query: impl Fn(&Connection) -> Result<(T, Vec<RawPart>), ObjectError> + Send + 'static,
    ) -> Result<(T, Vec<Part>), ObjectError> {
        let (reader, shelf) = (self.reader.clone(), Arc::clone(&self.shelf));
        blocking(move || {
            loop {
                let removals = shelf.pins().removals();
                let (value, parts) = reader.read_at_once(|connection| {
                    let (value, parts) = query(connection)?;
                    Ok::<_, ObjectError>((value, hold(connection, &shelf, parts)?))
                })?;
                // A file may have gone between the look into the database and
                // the pin on it; then the rows that led to it are gone as well.
                let unchanged = shelf.pins().removals() == removals;
                if unchanged || parts.iter().all(|part| shelf.has(&part.content)) {
                    return Ok((value, parts));
                }
                reader.root().check_open()?;
                if reader.read_at_once(|connection| all_known(connection, &parts))? {
                    // Known and not there: whoever reads it will be told.
                    return Ok((value, parts));
                }
            }
        })
        .await
    }
}

/// Content that is referred to, with what keeps it.
fn hold(
    connection: &Connection,
    shelf: &Shelf,
    parts: Vec<RawPart>,
) -> Result<Vec<Part>, StoreError> {
    let mut along = 0;
    let held = parts.into_iter().map(|part| {
        if part.size <= INLINE_MAX && along + part.size <= ALONG_MAX {
            along += part.size;
            if let Some(bytes) = rows::inline_bytes(connection, &part.hash)? {
                return Ok(part.with(Hold::Here(bytes)));
            }
        }
        let pin = Pins::pin(shelf.pins(), part.hash);
        Ok(part.with(Hold::There(pin)))
    });
    held.collect()
}

fn all_known(connection: &Connection, parts: &[Part]) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM contents WHERE hash = ?")?;
    for part in parts {
        if !statement.exists([part.content.hash.0])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Parts a refusal, which is a value, from a failure, which spoils the
/// transaction.
fn settled<T>(
    result: Result<(T, Vec<NewEvent>), ObjectError>,
) -> Result<Outcome<T, ObjectError>, StoreError> {
    match result {
        Err(ObjectError::Store(failure)) => Err(failure),
        outcome => Ok(outcome),
    }
}
