//! Rows of one id brought together and kept: the items of a job. What does not fit
//! into memory waits on disk.

mod csv;
mod lines;
mod pile;
mod rows;
mod scratch;
mod shelves;
mod tables;

#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use types::table::{Column, Values};

use crate::csv_text::FloatText;
use crate::groups::work::{self, Done};
use crate::{Error, Ids, Spelling, Summary};
pub use csv::csv;
pub(crate) use csv::value;
pub use lines::json_lines;
use pile::{Pile, Room};
use shelves::{Settle, Shelves};
pub use tables::tables;

/// The part of the memory that rows take while they are read. What is made of them
/// then needs as much.
const ROWS: u64 = 2;

/// What is wanted of a data set.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The column of ids. None: every row is an item, and its id is its number.
    pub by: Option<String>,
    pub columns: Columns,
    pub threads: NonZeroUsize,
    /// Bytes that may be held in memory; more goes to a scratch file.
    pub memory: u64,
    /// A folder for scratch files.
    pub scratch: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// One column of numbers.
    Value(String),
    /// All but that of the ids, each of the type that pandas would give it: integers,
    /// floats, booleans or text.
    All,
    /// Of JSON lines: the lines as they are, in a column of text named `json`.
    Lines,
}

/// All items of a data set, in the order of their ids. An item's rank is its place
/// in this order.
#[derive(Debug)]
pub struct Collected {
    pub by: String,
    pub ids: Ids,
    /// Rows of each item.
    pub lengths: Vec<u64>,
    pub summary: Summary,
    shelves: Shelves,
}

/// Some items that are in memory together.
#[derive(Debug)]
pub struct Shelf {
    /// Whose rows these are. Ascending.
    pub ranks: Vec<u32>,
    /// Where the rows of each begin in the columns, and, last, where all end.
    pub starts: Vec<u64>,
    pub columns: Vec<Column>,
}

/// Something that can be read again from its beginning.
pub type Open<'a> = dyn Fn() -> io::Result<Box<dyn Read + Send>> + 'a;

impl Wanted {
    /// One for each partition. The columns are empty, and say of what types they are.
    fn piles(&self, columns: &[Values]) -> Vec<Pile> {
        let partitions = match self.by {
            Some(_) => work::partitions(self.threads),
            None => 1,
        };
        let room = Room {
            share: self.memory / ROWS / partitions as u64,
            limit: self.memory,
            scratch: self.scratch.clone(),
        };
        let pile = |_| Pile::new(columns.to_vec(), self.by.is_some(), room.clone());
        (0..partitions).map(pile).collect()
    }

    /// What is there when all is read.
    fn collected(
        &self,
        done: Done<Pile>,
        spelling: Spelling,
        settle: Settle,
        names: Vec<String>,
    ) -> Result<Collected, Error> {
        let read = shelves::Read {
            piles: done.partitions,
            settle,
            names,
            spelling,
            float_ids: done.whole.float_ids,
        };
        let (ids, lengths, shelves) = shelves::arrange(read, self.memory, &self.scratch)?;
        Ok(Collected {
            by: self.by.clone().unwrap_or_default(),
            ids,
            lengths,
            summary: done.whole.summary,
            shelves,
        })
    }
}

impl Collected {
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// How many shelves there are. One, if everything fits into memory.
    pub fn shelves(&self) -> usize {
        self.shelves.len()
    }

    /// Bytes that a shelf takes in memory, known without loading it.
    pub fn shelf_bytes(&self, index: usize) -> u64 {
        self.shelves.bytes(index)
    }

    /// Brings a shelf into memory. May read a file. Ranks on a shelf follow each other,
    /// and those of the next shelf follow them.
    pub fn shelf(&self, index: usize) -> Result<Arc<Shelf>, Error> {
        self.shelves.load(index, &self.lengths)
    }
}

impl Ids {
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(ids) => ids.len(),
            Self::Floats(ids) => ids.len(),
            Self::Booleans(ids) => ids.len(),
            Self::Text(ids) => ids.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One id as CSV shows it, without quotes.
    pub fn shown(&self, rank: usize) -> String {
        match self {
            Self::Integers(ids) => ids[rank].to_string(),
            Self::Booleans(ids) => if ids[rank] { "True" } else { "False" }.to_owned(),
            Self::Floats(ids) => lossy(FloatText::default().of(ids[rank])),
            Self::Text(ids) => lossy(&ids[rank]),
        }
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
