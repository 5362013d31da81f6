//! From a block of JSON lines to batches.

use std::collections::HashMap;

use parking_lot::Mutex;
use types::table::{Texts, Values};

use super::batch::{BadRow, Batch, to_float};
use super::frame::{Field, Seen};
use super::object::{Said, check, fields, unquoted};
use super::sorter::Sorter;
use super::value::excerpt;
use crate::Problem;
use crate::csv::{self, Block, Number};
use crate::groups::Spelling;

/// What is taken of each line beside its id.
#[derive(Debug, Clone, Copy)]
pub enum OfLine<'a> {
    /// All of it, as it is.
    Whole,
    /// The field with this name, a number.
    Number(&'a str),
    Fields(&'a [Field]),
}

/// Takes blocks apart. One for each thread.
#[derive(Debug)]
pub struct Liner<'a> {
    by: Option<&'a str>,
    wish: OfLine<'a>,
    /// Of the fields that are wanted, the id last.
    names: Vec<String>,
    sorter: Sorter<'a>,
}

impl<'a> Liner<'a> {
    pub fn new(by: Option<&'a str>, spelling: Spelling, wish: OfLine<'a>) -> Self {
        let mut names = match wish {
            OfLine::Whole => vec![],
            OfLine::Number(name) => vec![name.to_owned()],
            OfLine::Fields(fields) => fields.iter().map(|field| field.name.clone()).collect(),
        };
        names.extend(by.map(str::to_owned));
        Self {
            by,
            wish,
            names,
            sorter: Sorter::new(by.unwrap_or_default(), spelling),
        }
    }

    pub fn parse(&mut self, block: &Block, batches: Vec<Batch>) -> Result<Vec<Batch>, BadRow> {
        self.sorter.begin(batches);
        let columns = self.columns();
        for batch in self.sorter.batches() {
            if batch.columns.is_empty() {
                batch.columns.clone_from(&columns);
            }
        }
        match self.lines(block) {
            Ok(()) => Ok(self.sorter.finish()),
            Err(problem) => {
                let facts = self.sorter.facts;
                let row = facts.rows + facts.blank + 1;
                Err(BadRow { row, problem })
            }
        }
    }

    /// None if it is one of numbers, for which there is another place.
    fn columns(&self) -> Vec<Values> {
        match self.wish {
            OfLine::Whole => vec![Values::Texts(Texts::default())],
            OfLine::Number(_) => vec![],
            OfLine::Fields(fields) => fields.iter().map(|field| field.kind.empty()).collect(),
        }
    }

    fn lines(&mut self, block: &Block) -> Result<(), Problem> {
        let mut cells = vec![None; self.names.len()];
        let mut nowhere = self.columns();
        let mut present = None;
        for line in lines(block) {
            let line = text(line)?;
            if line.is_empty() {
                self.sorter.facts.blank += 1;
                continue;
            }
            self.read(line, &mut cells)?;
            match self.by {
                Some(by) => {
                    let id = cells.last().copied().flatten();
                    self.sorter.facts.has_id |= id.is_some();
                    let id = id.unwrap_or(Said::Null);
                    if present != Some(id) {
                        self.start(by, id)?;
                        present = Some(id);
                    }
                }
                None => self.sorter.start_row(),
            }
            let columns = match self.sorter.target() {
                Some(batch) => &mut batch.columns,
                None => &mut nowhere,
            };
            match self.wish {
                OfLine::Whole => match &mut columns[0] {
                    Values::Texts(texts) => texts.push(Some(line)),
                    _ => unreachable!("it was made for text"),
                },
                OfLine::Number(name) => {
                    self.sorter.facts.has_value |= cells[0].is_some();
                    self.sorter.push(number(name, cells[0])?);
                    continue;
                }
                OfLine::Fields(fields) => {
                    for ((field, cell), column) in fields.iter().zip(&cells).zip(columns) {
                        let cell = cell.unwrap_or(Said::Null);
                        let unlike = || Problem::Unlike {
                            column: field.name.clone(),
                        };
                        push(column, cell).ok_or_else(unlike)?;
                    }
                }
            }
            self.sorter.row();
        }
        Ok(())
    }

    /// Finds the fields that are wanted.
    fn read<'t>(&self, line: &'t str, cells: &mut [Option<Said<'t>>]) -> Result<(), Problem> {
        if self.names.is_empty() {
            return check(line);
        }
        cells.fill(None);
        let mut unknown = None;
        let all = matches!(self.wish, OfLine::Fields(_));
        fields(line, &self.names, &mut |at, name, said| match at {
            Some(at) => cells[at] = Some(said),
            None if all && unknown.is_none() => unknown = Some(name.to_owned()),
            None => {}
        })?;
        match unknown {
            Some(column) => Err(Problem::Unlike { column }),
            None => Ok(()),
        }
    }

    /// The lines that come now have this id.
    fn start(&mut self, by: &str, id: Said) -> Result<(), Problem> {
        match id {
            Said::Null => self.sorter.start_nothing(),
            Said::Number(id) | Said::Flag(id) => self.sorter.start_run(id.as_bytes())?,
            Said::Text(id) => {
                self.sorter.facts.text_ids = true;
                self.sorter.start_text(unquoted(id).as_bytes());
            }
            Said::Nested(found) => {
                return Err(Problem::NotAnId {
                    column: by.to_owned(),
                    found: excerpt(found.as_bytes()),
                });
            }
        }
        Ok(())
    }
}

fn lines(block: &Block) -> impl Iterator<Item = &[u8]> {
    let bytes = &block.bytes[block.start..block.end];
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.split(|byte| *byte == b'\n')
}

fn text(line: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(line.trim_ascii()).map_err(|_| Problem::LineNotUtf8)
}

fn number(name: &str, cell: Option<Said>) -> Result<Number, Problem> {
    let found = match cell.unwrap_or(Said::Null) {
        Said::Null => return Ok(Number::Missing),
        Said::Number(text) => match csv::number(text.as_bytes()) {
            Number::Bad => text,
            number => return Ok(number),
        },
        Said::Flag(text) | Said::Text(text) | Said::Nested(text) => text,
    };
    Err(Problem::NotANumber {
        column: name.to_owned(),
        found: excerpt(found.as_bytes()),
    })
}

/// None if the cell is not of the column's type.
fn push(column: &mut Values, cell: Said) -> Option<()> {
    match (column, cell) {
        (Values::Integers(integers), Said::Number(text)) => {
            match csv::integer(text.as_bytes())?.ok()? {
                i64::MIN => integers.push(0),
                integer => integers.push(integer),
            }
        }
        (Values::Floats(floats), Said::Null) => floats.push(f64::NAN),
        (Values::Floats(floats), Said::Number(text)) => match csv::number(text.as_bytes()) {
            Number::Integer(integer) => floats.push(to_float(integer)),
            Number::Float(float) | Number::Wide(float) => floats.push(float),
            Number::Missing | Number::Bad => return None,
        },
        (Values::Booleans(flags), Said::Flag(text)) => flags.push(text == "true"),
        (Values::Texts(texts), cell) => match cell {
            Said::Null => texts.push(None),
            Said::Text(text) => texts.push(Some(&unquoted(text))),
            Said::Flag(text) | Said::Number(text) | Said::Nested(text) => texts.push(Some(text)),
        },
        _ => return None,
    }
    Some(())
}

/// What fields there are.
#[derive(Debug, Default)]
pub struct Fields {
    fields: HashMap<String, Shape>,
    rows: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Shape {
    seen: Seen,
    /// Lines that have it.
    rows: u64,
    /// Where it came first.
    first: (usize, usize),
}

impl Fields {
    /// Looks at all fields of a block.
    pub fn look(&mut self, block: &Block) -> Result<(), BadRow> {
        for (at, line) in lines(block).enumerate() {
            let bad = |problem| BadRow {
                row: at as u64 + 1,
                problem,
            };
            let line = text(line).map_err(bad)?;
            if line.is_empty() {
                continue;
            }
            self.rows += 1;
            let mut order = 0;
            let mut take = |_, name: &str, said: Said| {
                let seen = match said {
                    Said::Null => Seen::of(b""),
                    Said::Number(text) | Said::Flag(text) => Seen::of(text.as_bytes()),
                    Said::Text(_) | Said::Nested(_) => Seen::of(b"x"),
                };
                order += 1;
                if let Some(shape) = self.fields.get_mut(name) {
                    shape.add(seen, 1);
                } else {
                    let first = (block.index, at << 16 | order);
                    let rows = 1;
                    let shape = Shape { seen, rows, first };
                    self.fields.insert(name.to_owned(), shape);
                }
            };
            fields(line, &[], &mut take).map_err(bad)?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        for (name, more) in other.fields {
            let shape = self.fields.entry(name).or_insert(Shape {
                first: more.first,
                ..Shape::default()
            });
            shape.first = shape.first.min(more.first);
            shape.add(more.seen, more.rows);
        }
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.fields.iter().collect();
        names.sort_unstable_by_key(|(_, shape)| shape.first);
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// All but that of the ids, in the order in which they came first.
    pub fn columns(&self, by: &str) -> Vec<Field> {
        let names = self.names().into_iter().filter(|name| name != by);
        let field = |name: String| {
            let shape = self.fields[&name];
            let missing = if shape.rows < self.rows {
                Seen::of(b"")
            } else {
                Seen::default()
            };
            Field {
                kind: shape.seen.and(missing).kind(),
                name,
                at: 0,
            }
        };
        names.map(field).collect()
    }
}

impl Shape {
    fn add(&mut self, seen: Seen, rows: u64) {
        self.seen = self.seen.and(seen);
        self.rows += rows;
    }
}

/// Looks at all lines, and takes nothing. One for each thread.
#[derive(Debug)]
pub struct Looker<'a> {
    pub all: &'a Mutex<Fields>,
}

impl Looker<'_> {
    pub fn parse(&mut self, block: &Block, mut batches: Vec<Batch>) -> Result<Vec<Batch>, BadRow> {
        let mut own = Fields::default();
        own.look(block)?;
        for batch in &mut batches {
            batch.facts.rows = own.rows;
            batch.facts.blank = lines(block).count() as u64 - own.rows;
        }
        self.all.lock().merge(own);
        Ok(batches)
    }
}
