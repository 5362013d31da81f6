//! From piles in any order to shelves in the order of the ids.
//!
//! If all rows are in memory, they are one shelf. Else it is known by now how large
//! each item is: the items are cut into shelves of a size that fits into memory, the
//! rows go through memory once more, and each to the place of its shelf in a second
//! scratch file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use types::table::{Column, Values};

use super::Shelf;
use super::pile::{Groups, Pile, Size};
use super::rows::{Rows, by_group, widen};
use super::scratch::{Extent, Scratch};
use crate::groups::ids::{self, Ids, Ordered};
use crate::groups::work::Whole;
use crate::parse::Kind;
use crate::{Error, Spelling};

/// The part of the memory that one shelf takes. Its user has two of them and makes
/// something of both, and loading one needs its rows twice.
const SHELF: u64 = 8;
/// The part of the memory that one item may take, if not all fits.
const ITEM: u64 = 4;
/// The part of the memory that rows take which wait for being written.
const WAITING: u64 = 8;
/// Less is not worth a place of its own in the file, if there is memory.
const LEAST: u64 = 64 * 1024;

/// What is known when all is read.
#[derive(Debug)]
pub struct Read {
    pub piles: Vec<Pile>,
    pub settle: Settle,
    /// Of the columns.
    pub names: Vec<String>,
    pub spelling: Spelling,
    pub float_ids: bool,
}

/// Of what types the columns are, now that all rows have been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    /// A column of numbers, as text says them: of integers, or else of floats.
    Integers,
    Floats {
        /// None was written as a float; some are missing.
        whole_numbers: bool,
    },
    /// Some columns that look like integers may be of floats.
    Kinds(Vec<Kind>),
}

impl Settle {
    pub fn numbers(whole: &Whole, name: &str) -> Result<Self, Error> {
        Ok(if whole.integers(name)? {
            Self::Integers
        } else {
            Self::Floats {
                whole_numbers: !whole.fractions,
            }
        })
    }

    fn apply(&self, rows: &mut Rows) {
        match self {
            Self::Integers => rows.integers(),
            Self::Floats { whole_numbers } => rows.floats(*whole_numbers),
            Self::Kinds(kinds) => {
                for (column, kind) in rows.columns.iter_mut().zip(kinds) {
                    if *kind == Kind::Floats {
                        widen(column);
                    }
                }
            }
        }
    }
}

#[derive(Debug)]
pub enum Shelves {
    One(Arc<Shelf>),
    Several(Box<Stored>),
}

#[derive(Debug)]
pub struct Stored {
    scratch: Scratch,
    names: Vec<String>,
    places: Vec<Place>,
}

/// Where a shelf is.
#[derive(Debug)]
struct Place {
    ranks: Range<u32>,
    extents: Vec<Extent>,
    bytes: u64,
}

/// Which rank each group has, if that is not its number anyway.
#[derive(Default)]
struct Ranks {
    ranks: Vec<u32>,
    /// Where those of each pile begin.
    firsts: Vec<usize>,
}

impl Ranks {
    fn rename(&self, pile: usize, rows: &mut Rows) {
        if let Some(first) = self.firsts.get(pile) {
            for stretch in &mut rows.stretches {
                stretch.group = self.ranks[first + stretch.group as usize];
            }
        }
    }
}

/// Finds the order of the items, how many rows each has, and their shelves.
pub fn arrange(
    mut read: Read,
    memory: u64,
    folder: &Path,
) -> Result<(Ids, Vec<u64>, Shelves), Error> {
    let (ids, sizes, ranks) = rank(&mut read)?;
    let lengths: Vec<u64> = sizes.iter().map(|size| size.rows).collect();
    let shelves = if read.piles.iter().any(|pile| pile.spilled.is_some()) {
        let places = cut(&sizes, &read, &ids, memory)?;
        drop(sizes);
        Shelves::Several(Box::new(distribute(read, &ranks, places, memory, folder)?))
    } else {
        drop(sizes);
        let mut parts = Vec::new();
        for (index, pile) in read.piles.into_iter().enumerate() {
            for mut rows in pile.full.into_iter().chain([pile.rows]) {
                ranks.rename(index, &mut rows);
                read.settle.apply(&mut rows);
                parts.push(rows);
            }
        }
        let ranks = 0..count(lengths.len());
        Shelves::One(Arc::new(shelf(parts, ranks, &lengths, &read.names)))
    };
    Ok((ids, lengths, shelves))
}

fn count(items: usize) -> u32 {
    u32::try_from(items).expect("memory ends before four thousand million items")
}

fn rank(read: &mut Read) -> Result<(Ids, Vec<Size>, Ranks), Error> {
    let mut groups = Vec::new();
    for pile in &mut read.piles {
        match &mut pile.groups {
            Groups::ById(register) => groups.push(std::mem::take(register).groups),
            Groups::Single(texts) => {
                let ids = Ids::Integers((0..).take(texts.len()).collect());
                let size = |text| Size {
                    rows: 1,
                    text: u64::from(text),
                };
                let sizes = std::mem::take(texts).into_iter().map(size).collect();
                return Ok((ids, sizes, Ranks::default()));
            }
        }
    }
    let all = groups.iter_mut().map(|groups| &mut **groups).collect();
    let Ordered { ids, order } = ids::order(all, read.spelling, read.float_ids)?;
    let mut ranks = Ranks {
        ranks: vec![0; order.len()],
        firsts: Vec::new(),
    };
    for (at, rank) in order.into_iter().zip(0..) {
        ranks.ranks[at as usize] = rank;
    }
    let mut sizes = vec![Size::default(); ranks.ranks.len()];
    let mut first = 0;
    for groups in groups {
        ranks.firsts.push(first);
        for (group, rank) in groups.iter().zip(&ranks.ranks[first..]) {
            sizes[*rank as usize] = group.state;
        }
        first += groups.len();
    }
    Ok((ids, sizes, ranks))
}

/// Puts together what is in memory.
fn shelf(parts: Vec<Rows>, ranks: Range<u32>, lengths: &[u64], names: &[String]) -> Shelf {
    let mut end = 0;
    let ends = lengths.iter().map(|length| {
        end += usize::try_from(*length).expect("rows are in memory");
        end
    });
    let starts: Vec<usize> = [0].into_iter().chain(ends).collect();
    let columns = by_group(parts, &starts).into_iter().zip(names);
    Shelf {
        ranks: ranks.collect(),
        columns: columns
            .map(|(values, name)| Column {
                name: name.clone(),
                values,
            })
            .collect(),
        starts: starts.into_iter().map(|start| start as u64).collect(),
    }
}

/// Decides which items are on a shelf together.
fn cut(sizes: &[Size], read: &Read, ids: &Ids, memory: u64) -> Result<Vec<Place>, Error> {
    let columns = read
        .piles
        .first()
        .map_or(&[][..], |pile| &pile.rows.columns);
    let width: u64 = columns.iter().map(width).sum();
    let mut places: Vec<Place> = Vec::new();
    for (rank, size) in sizes.iter().enumerate() {
        let bytes = size.rows * width + size.text;
        if bytes > memory / ITEM {
            return Err(Error::ItemTooLarge {
                id: ids.shown(rank),
                rows: size.rows,
                bytes,
                limit: memory / ITEM,
            });
        }
        let rank = count(rank);
        match places.last_mut() {
            Some(last) if last.bytes + bytes <= memory / SHELF => {
                last.ranks.end = rank + 1;
                last.bytes += bytes;
            }
            _ => places.push(Place {
                ranks: rank..rank + 1,
                extents: Vec::new(),
                bytes,
            }),
        }
    }
    Ok(places)
}

/// Bytes of each value of a column, beside its text.
fn width(column: &Values) -> u64 {
    match column {
        Values::Booleans(_) => 1,
        _ => 8,
    }
}

/// Sends every row to the place of its shelf.
fn distribute(
    read: Read,
    ranks: &Ranks,
    places: Vec<Place>,
    memory: u64,
    folder: &Path,
) -> Result<Stored, Error> {
    let each = memory / WAITING / places.len().max(1) as u64;
    let mut writer = Writer {
        stored: Stored {
            scratch: Scratch::new(folder)?,
            names: read.names,
            places,
        },
        waiting: Vec::new(),
        enough: each.max(LEAST.min(memory / WAITING)),
    };
    for (index, pile) in read.piles.into_iter().enumerate() {
        let spilled = pile
            .spilled
            .map(|spilled| (spilled.scratch, spilled.extents));
        let (scratch, extents) = spilled.unzip();
        let written = extents.into_iter().flatten().map(|extent| {
            let scratch = scratch.as_ref().expect("extents lie in a file");
            scratch.read(&extent)
        });
        let held = pile.full.into_iter().chain([pile.rows]).map(Ok);
        for rows in written.chain(held) {
            let mut rows = rows?;
            ranks.rename(index, &mut rows);
            read.settle.apply(&mut rows);
            writer.take(&rows)?;
        }
    }
    writer.finish()
}

struct Writer {
    stored: Stored,
    /// For each place, and about how many bytes.
    waiting: Vec<(Rows, u64)>,
    enough: u64,
}

impl Writer {
    fn take(&mut self, rows: &Rows) -> Result<(), Error> {
        let places = self.stored.places.len();
        self.waiting.resize_with(places, || (rows.none(), 0));
        let mut at = 0;
        for (rank, range) in rows.places() {
            let rank = count(rank);
            if !self.stored.places[at].ranks.contains(&rank) {
                let places = &self.stored.places;
                at = places.partition_point(|place| place.ranks.end <= rank);
            }
            let (waiting, bytes) = &mut self.waiting[at];
            let stretch = rank - self.stored.places[at].ranks.start;
            waiting.push(stretch, count(range.len()));
            *bytes += size_of::<u64>() as u64;
            for (all, more) in waiting.columns.iter_mut().zip(&rows.columns) {
                all.extend(more, range.clone());
                *bytes += range.len() as u64 * width(more);
                if let Values::Texts(texts) = more {
                    *bytes += texts.bytes(range.clone()) as u64;
                }
            }
            if *bytes >= self.enough {
                self.put(at)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, at: usize) -> Result<(), Error> {
        let (waiting, bytes) = &mut self.waiting[at];
        let extent = self.stored.scratch.write(waiting)?;
        self.stored.places[at].extents.push(extent);
        waiting.clear();
        *bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Stored, Error> {
        for at in 0..self.waiting.len() {
            if self.waiting[at].1 > 0 {
                self.put(at)?;
            }
        }
        Ok(self.stored)
    }
}

impl Shelves {
    pub fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(stored) => stored.places.len(),
        }
    }

    pub fn bytes(&self, index: usize) -> u64 {
        match self {
            Self::One(shelf) => shelf.columns.iter().map(|it| it.values.bytes()).sum(),
            Self::Several(stored) => stored.places[index].bytes,
        }
    }

    pub fn load(&self, index: usize, lengths: &[u64]) -> Result<Arc<Shelf>, Error> {
        let stored = match self {
            Self::One(shelf) => return Ok(shelf.clone()),
            Self::Several(stored) => stored,
        };
        let place = &stored.places[index];
        let extents = place.extents.iter();
        let parts = extents.map(|extent| stored.scratch.read(extent));
        let parts = parts.collect::<Result<_, _>>()?;
        let ranks = place.ranks.clone();
        let lengths = &lengths[ranks.start as usize..ranks.end as usize];
        Ok(Arc::new(shelf(parts, ranks, lengths, &stored.names)))
    }
}
