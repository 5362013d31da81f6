//! The rows of one partition, as they come. What is too much for its share of the
//! memory goes to a scratch file.

use std::ops::Range;
use std::path::PathBuf;

use types::table::Values;

use super::rows::Rows;
use super::scratch::{Extent, Scratch};
use crate::Error;
use crate::groups::register::Register;
use crate::groups::work::Partition;
use crate::parse::{Batch, Key, to_float};

/// Bytes of rows that are in memory, or in a file, in one piece.
const PIECE: u64 = 4 * 1024 * 1024;
/// How much of its share the ids of a partition may take; the rest is for rows.
const IDS: (u64, u64) = (3, 4);

#[derive(Debug)]
pub struct Pile {
    pub groups: Groups,
    /// Rows in memory: pieces that are full, and the last one.
    pub full: Vec<Rows>,
    pub rows: Rows,
    pub spilled: Option<Spilled>,
    room: Room,
}

/// What the rows of a pile belong to.
#[derive(Debug)]
pub enum Groups {
    ById(Register<Size>),
    /// Each row is an item by itself. How much text each has.
    Single(Vec<u32>),
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Size {
    pub rows: u64,
    /// Bytes of text.
    pub text: u64,
}

/// Rows that are on disk, before those that are in memory.
#[derive(Debug)]
pub struct Spilled {
    pub scratch: Scratch,
    pub extents: Vec<Extent>,
}

/// How much memory a pile may take, and where the rest goes.
#[derive(Debug, Clone)]
pub struct Room {
    pub share: u64,
    /// That of all piles together.
    pub limit: u64,
    pub scratch: PathBuf,
}

impl Pile {
    /// `columns` are empty, and say of what types they are.
    pub fn new(columns: Vec<Values>, by_id: bool, room: Room) -> Self {
        Self {
            groups: if by_id {
                Groups::ById(Register::default())
            } else {
                Groups::Single(Vec::new())
            },
            rows: Rows {
                stretches: Vec::new(),
                columns,
            },
            full: Vec::new(),
            spilled: None,
            room,
        }
    }

    /// Takes up a column of numbers, which are integers until a float comes.
    fn append(&mut self, values: &[u64], floats: bool) {
        if floats {
            self.rows.floats(false);
        }
        match &mut self.rows.columns[0] {
            Values::Floats(all) if floats => {
                all.extend(values.iter().map(|bits| f64::from_bits(*bits)));
            }
            Values::Floats(all) => {
                all.extend(values.iter().map(|value| to_float(value.cast_signed())));
            }
            Values::Integers(all) => all.extend(values.iter().map(|value| value.cast_signed())),
            _ => unreachable!("a column of numbers"),
        }
    }

    fn spill(&mut self) -> Result<(), Error> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled {
                scratch: Scratch::new(&self.room.scratch)?,
                extents: Vec::new(),
            }),
        };
        for rows in self.full.drain(..).chain([self.rows.take()]) {
            let extent = spilled.scratch.write(&rows)?;
            spilled.extents.push(extent);
        }
        Ok(())
    }
}

impl Partition for Pile {
    fn apply(&mut self, block: u64, batch: &Batch) -> Result<(), Error> {
        for (run, key, rows) in batch.stretches() {
            let text = text(&batch.columns, &rows);
            let first = block << 32 | u64::from(run.ordinal);
            let group = self.groups.add(key, first, rows.len() as u64, text);
            self.rows.push(group, run.rows);
        }
        if batch.columns.is_empty() {
            self.append(&batch.values, batch.facts.floats);
        } else {
            self.rows.join(&batch.columns);
        }
        let ids = self.groups.memory();
        if ids > self.room.share / IDS.1 * IDS.0 {
            let limit = self.room.limit;
            return Err(Error::TooMuch { limit });
        }
        let bytes = self.rows.bytes();
        let full = self.full.iter().map(Rows::bytes).sum::<u64>();
        if ids + full + bytes > self.room.share {
            self.spill()?;
        } else if bytes > PIECE.min(self.room.share / 4) {
            self.full.push(self.rows.take());
        }
        Ok(())
    }
}

impl Groups {
    fn add(&mut self, key: Key, first: u64, rows: u64, text: usize) -> u32 {
        match self {
            Self::ById(register) => {
                let group = register.find(key, first);
                let size = &mut register.groups[group as usize].state;
                size.rows += rows;
                size.text += text as u64;
                group
            }
            Self::Single(texts) => {
                let row = u32::try_from(texts.len());
                texts.push(u32::try_from(text).expect("records are bounded"));
                row.expect("memory ends before four thousand million items")
            }
        }
    }

    fn memory(&self) -> u64 {
        match self {
            Self::ById(register) => register.memory(),
            Self::Single(texts) => size_of_val(&**texts) as u64,
        }
    }
}

/// Bytes of text that some rows have.
fn text(columns: &[Values], rows: &Range<usize>) -> usize {
    let text = |column: &Values| match column {
        Values::Texts(texts) => texts.bytes(rows.clone()),
        _ => 0,
    };
    columns.iter().map(text).sum()
}
