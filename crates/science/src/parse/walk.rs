//! From the text of a block of CSV to its rows.
//!
//! Rows that look as nearly all do are found by the marks of their commas and
//! newlines; the others are read field by field. Whoever takes cells does not notice.

use std::ops::Range;

use super::batch::{BadRow, Batch};
use super::sorter::Sorter;
use crate::Problem;
use crate::csv::{self, Block, End};
use crate::groups::Spelling;

/// Bytes behind a record that may be looked at; see [`csv::short_number`].
const PAD: usize = 64;

/// What is taken of a row beside its id.
pub trait Take {
    /// Of a field of a row.
    fn wants(&self, field: usize) -> bool;
    fn begin(&mut self, sorter: &mut Sorter);
    /// A row whose run has been started. `cell` tells where in `bytes` a field is,
    /// and there are [`PAD`] bytes behind it.
    fn row(
        &mut self,
        sorter: &mut Sorter,
        bytes: &[u8],
        cell: impl Fn(usize) -> Range<usize>,
    ) -> Result<(), Problem>;
}

/// Takes blocks apart. One for each thread.
#[derive(Debug)]
pub struct Walker<'a, T> {
    /// The most fields that a row may have.
    fields: usize,
    /// The field of ids. None: each row is a run.
    id: Option<usize>,
    take: T,
    sorter: Sorter<'a>,
    marks: Vec<u32>,
    /// The text of the present run's id, if there is a run.
    present: Option<Present>,
    /// The id that is kept, if one is.
    kept: Vec<u8>,
    record: Record,
}

#[derive(Debug, Clone, Copy)]
enum Present {
    /// A range of the block.
    At { start: usize, length: usize },
    /// In `Walker::kept`.
    Kept,
}

/// The fields of one record, without quotes.
#[derive(Debug, Default)]
struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    fn cell(&self, field: usize) -> Range<usize> {
        let start = match field {
            0 => 0,
            _ => self.ends[field - 1],
        };
        start..self.ends[field]
    }
}

impl<'a, T: Take> Walker<'a, T> {
    pub fn new(fields: usize, id: Option<usize>, by: &'a str, spelling: Spelling, take: T) -> Self {
        Self {
            fields,
            id,
            take,
            sorter: Sorter::new(by, spelling),
            marks: Vec::new(),
            present: None,
            kept: Vec::new(),
            record: Record::default(),
        }
    }

    pub fn taker(&mut self) -> &mut T {
        &mut self.take
    }

    /// Sorts the rows of a block into as many partitions as there are empty batches.
    pub fn parse(&mut self, block: &Block, batches: Vec<Batch>) -> Result<Vec<Batch>, BadRow> {
        self.sorter.begin(batches);
        self.take.begin(&mut self.sorter);
        self.present = None;
        let text = &block.bytes[..block.end];
        let returns = Returns::of(&text[block.start..]);
        let read = if block.quotes || returns == Returns::Alone || self.fields < 2 {
            self.records(text, block.start, text.len()).map(|_| ())
        } else {
            self.plain(block, returns == Returns::BeforeNewlines)
        };
        // `rows` counts rows that are done.
        read.map_err(|problem| BadRow {
            row: self.sorter.facts.rows + 1,
            problem,
        })?;
        Ok(self.sorter.finish())
    }

    /// A block without quotes: all commas and newlines end a field.
    fn plain(&mut self, block: &Block, returns: bool) -> Result<(), Problem> {
        let bytes = &block.bytes;
        let mut marks = std::mem::take(&mut self.marks);
        csv::mark(bytes, block.start, block.end, &mut marks);
        let fields = self.fields;
        let mut at = 0;
        let mut start = block.start;
        while at < marks.len() {
            let regular = marks
                .get(at..at + fields)
                .filter(|ends| is_regular(bytes, ends));
            let Some(ends) = regular else {
                // Too short, too long or empty.
                start = self.records(&bytes[..block.end], start, start + 1)?;
                while marks.get(at).is_some_and(|mark| (*mark as usize) < start) {
                    at += 1;
                }
                continue;
            };
            let cell = |field: usize| {
                let from = match field {
                    0 => start,
                    _ => ends[field - 1] as usize + 1,
                };
                let mut to = ends[field] as usize;
                if returns && field + 1 == fields && to > from && bytes[to - 1] == b'\r' {
                    to -= 1;
                }
                from..to
            };
            match self.id {
                Some(id) => {
                    let id = cell(id);
                    if !self.is_present(bytes, &id) {
                        self.present = Some(Present::At {
                            start: id.start,
                            length: id.len(),
                        });
                        self.sorter.start_run(&bytes[id])?;
                    }
                }
                None => self.sorter.start_row(),
            }
            self.take.row(&mut self.sorter, bytes, cell)?;
            start = ends[fields - 1] as usize + 1;
            at += fields;
        }
        self.marks = marks;
        Ok(())
    }

    /// Records of any kind, from `at` until one ends at `until` or behind it.
    fn records(&mut self, text: &[u8], mut at: usize, until: usize) -> Result<usize, Problem> {
        while at < until {
            at = csv::skip_blank(text, at);
            if at >= text.len() {
                break;
            }
            at = self.read(text, at)?;
            match self.id {
                Some(id) => {
                    let id = &self.record.bytes[self.record.cell(id)];
                    let same = match self.present {
                        Some(Present::Kept) => self.kept == id,
                        Some(Present::At { start, length }) => text[start..start + length] == *id,
                        None => false,
                    };
                    if !same {
                        self.kept.clear();
                        self.kept.extend_from_slice(id);
                        self.present = Some(Present::Kept);
                        self.sorter.start_run(id)?;
                    }
                }
                None => self.sorter.start_row(),
            }
            let record = &self.record;
            let cell = |field| record.cell(field);
            self.take.row(&mut self.sorter, &record.bytes, cell)?;
        }
        Ok(at)
    }

    /// Reads a record. Fields that it lacks are empty.
    fn read(&mut self, text: &[u8], mut at: usize) -> Result<usize, Problem> {
        let Record { bytes, ends } = &mut self.record;
        bytes.clear();
        ends.clear();
        loop {
            let field = ends.len();
            let wanted = self.id == Some(field) || self.take.wants(field);
            let (next, end) = csv::field(text, at, wanted.then_some(&mut *bytes))?;
            at = next;
            ends.push(bytes.len());
            if end == End::Line {
                break;
            }
        }
        if ends.len() > self.fields {
            return Err(Problem::TooManyFields {
                expected: self.fields,
                found: ends.len(),
            });
        }
        ends.resize(self.fields, bytes.len());
        bytes.resize(bytes.len() + PAD, 0);
        Ok(at)
    }

    #[inline]
    fn is_present(&self, bytes: &[u8], id: &Range<usize>) -> bool {
        let length = id.len();
        match self.present {
            Some(Present::At {
                start: from,
                length: of,
            }) if of == length => {
                if length <= 8 {
                    let differ = csv::load(bytes, id.start) ^ csv::load(bytes, from);
                    // Shifted in two steps, because a shift by 64 would be none.
                    length == 0 || differ << (63 - (length * 8 - 1)) == 0
                } else {
                    bytes[id.clone()] == bytes[from..from + of]
                }
            }
            Some(Present::Kept) => bytes[id.clone()] == self.kept,
            _ => false,
        }
    }
}

fn is_regular(bytes: &[u8], ends: &[u32]) -> bool {
    let Some((last, inner)) = ends.split_last() else {
        return false;
    };
    bytes[*last as usize] == b'\n' && inner.iter().all(|end| bytes[*end as usize] == b',')
}

/// Which carriage returns a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returns {
    None,
    BeforeNewlines,
    /// They end lines by themselves.
    Alone,
}

impl Returns {
    fn of(text: &[u8]) -> Self {
        let mut found = Self::None;
        for at in memchr::memchr_iter(b'\r', text) {
            if text.get(at + 1) != Some(&b'\n') {
                return Self::Alone;
            }
            found = Self::BeforeNewlines;
        }
        found
    }
}
