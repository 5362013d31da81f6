//! Meters: what was used, by whom and on which day. A use is written to a journal before
//! whoever used it gets the answer, so that the end of the process loses none; a loss of
//! power may take the last moments. The journal is folded into rows of the database from
//! time to time: a segment of it and the note that it was folded are one transaction, so
//! nothing counts twice.

mod journal;
mod rows;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::database::Reader;
use crate::error::StoreError;
use crate::files::{Root, blocking};
use crate::operation;
use crate::writer::Writer;

use journal::Journal;

/// A segment that has grown to this is folded.
const FOLD_BYTES: u64 = 4 << 20;
/// The longest name of a meter.
pub(crate) const NAME_BYTES: usize = 64;

/// What is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    pub requests: u64,
    /// Those of the requests that were answered with an error.
    pub errors: u64,
    /// Memory times time, in MB and milliseconds.
    pub memory_ms: u64,
    /// Invocations of functions, of which a map has many.
    pub invocations: u64,
    pub rows: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Amounts {
    fn add(&mut self, other: &Self) {
        let pairs = self.fields_mut().into_iter().zip(other.fields());
        for (own, more) in pairs {
            *own = own.saturating_add(more);
        }
    }

    fn fields(&self) -> [u64; 7] {
        [
            self.requests,
            self.errors,
            self.memory_ms,
            self.invocations,
            self.rows,
            self.bytes_in,
            self.bytes_out,
        ]
    }

    fn fields_mut(&mut self) -> [&mut u64; 7] {
        [
            &mut self.requests,
            &mut self.errors,
            &mut self.memory_ms,
            &mut self.invocations,
            &mut self.rows,
            &mut self.bytes_in,
            &mut self.bytes_out,
        ]
    }

    fn of_fields(fields: [u64; 7]) -> Self {
        let mut amounts = Self::default();
        for (own, field) in amounts.fields_mut().into_iter().zip(fields) {
            *own = field;
        }
        amounts
    }
}

/// What one meter shows for one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub meter: Arc<str>,
    /// Days since 1970, in UTC.
    pub day: i64,
    pub amounts: Amounts,
}

/// Sums by meter and day.
type Sums = BTreeMap<(Arc<str>, i64), Amounts>;

pub struct Meters {
    reader: Reader,
    writer: Arc<Writer>,
    desk: Arc<Mutex<Desk>>,
    /// Shared by who adds rows and sums up; alone for who moves from one to the other.
    folding: tokio::sync::RwLock<()>,
}

struct Desk {
    journal: Journal,
    /// Of the segment that is written to.
    sums: Sums,
    /// Of the segment that is being folded.
    leaving: Sums,
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Meters {
    /// Reads what earlier processes left unfolded.
    pub(crate) fn open(
        root: &Root,
        reader: Reader,
        writer: Arc<Writer>,
    ) -> Result<Self, StoreError> {
        let folded = reader.read(rows::folded)?;
        let (journal, sums) = Journal::open(&root.dir().join("meters"), folded)?;
        let desk = Desk {
            journal,
            sums,
            leaving: Sums::new(),
        };
        Ok(Self {
            reader,
            writer,
            desk: Arc::new(Mutex::new(desk)),
            folding: tokio::sync::RwLock::new(()),
        })
    }

    /// Counts a use. When this returns, the end of the process does not lose it.
    pub fn count(&self, meter: &str, day: i64, amounts: &Amounts) -> io::Result<()> {
        let mut desk = self.desk.lock();
        desk.journal.append(meter, day, amounts)?;
        desk.sums
            .entry((meter.into(), day))
            .or_default()
            .add(amounts);
        Ok(())
    }

    /// Whether it is time to [`fold`](Self::fold).
    pub fn is_long(&self) -> bool {
        self.desk.lock().journal.bytes() >= FOLD_BYTES
    }

    /// What was used on the days from `first` to `last`, by meter and day; of one meter,
    /// or of all.
    pub async fn readings(
        &self,
        meter: Option<&str>,
        first: i64,
        last: i64,
    ) -> Result<Vec<Reading>, StoreError> {
        let _still = self.folding.read().await;
        let wanted = meter.map(str::to_owned);
        let mut sums = self
            .reader
            .read_aside(move |connection| rows::select(connection, wanted.as_deref(), first, last))
            .await?;
        {
            let desk = self.desk.lock();
            for ((name, day), amounts) in desk.leaving.iter().chain(&desk.sums) {
                if meter.is_none_or(|meter| meter == &**name) && (first..=last).contains(day) {
                    sums.entry((Arc::clone(name), *day))
                        .or_default()
                        .add(amounts);
                }
            }
        }
        let readings = sums.into_iter().map(|((meter, day), amounts)| Reading {
            meter,
            day,
            amounts,
        });
        Ok(readings.collect())
    }

    /// Moves what the journal holds into rows. It must not be dropped before its end.
    pub async fn fold(&self) -> Result<(), StoreError> {
        let _alone = self.folding.write().await;
        let (ended, sums) = {
            let mut desk = self.desk.lock();
            // What an earlier attempt could not store goes along.
            if desk.sums.is_empty() && desk.leaving.is_empty() {
                return Ok(());
            }
            let ended = desk.journal.turn();
            let sums = std::mem::take(&mut desk.sums);
            for (key, amounts) in sums {
                desk.leaving.entry(key).or_default().add(&amounts);
            }
            (ended, desk.leaving.clone())
        };
        let segment = ended.segment;
        // Beside the lock: each call with a key takes it.
        blocking::<(), StoreError>(|| ended.sync()).await?;
        operation::carry_out::<(), StoreError, _>(&self.writer, None, move |transaction, _| {
            rows::add(transaction, segment, &sums)?;
            Ok(Ok(((), Vec::new())))
        })
        .await?;
        let mut desk = self.desk.lock();
        desk.leaving.clear();
        desk.journal.forget(segment);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
