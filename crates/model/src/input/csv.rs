//! CSV for the fields of a model: cells have no types, so each is read as its field
//! wants it.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use science::Problem;
use science::table::{Block, Number, Row, Rows, Table, TakeRow};

use super::blocks::{InOrder, Parse, Reader};
use super::error::InputError;
use super::field::{Field, FieldKind};
use super::sink::{Sink, Texts, Unfit};
use crate::frame::{Column, Frame};

/// Rows of a CSV, block by block, as frames with one column for each field. There is at
/// least one; it has no rows if there are none.
pub struct Frames {
    blocks: Source,
    /// Rows of the blocks before.
    rows: u64,
    failed: bool,
    /// What there is if there are no rows.
    none: Option<Frame>,
}

enum Source {
    /// In this thread, one after the other.
    Here(Box<(Table<Reader>, Parser)>),
    Threads(InOrder<Frame>),
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

/// Reads the header. With more than one thread, blocks are taken apart beside the caller.
pub fn frames(
    input: Box<dyn Read + Send>,
    fields: &[Field],
    threads: usize,
) -> Result<Frames, InputError> {
    let table = Table::open(input)?;
    let places = places(&table, fields)?;
    let parser = || Parser {
        rows: table.rows(Filler::new(fields, &places)),
    };
    let none = Some(Filler::new(fields, &places).take());
    let blocks = if threads < 2 {
        let parser = parser();
        Source::Here(Box::new((table, parser)))
    } else {
        let parsers = (0..threads).map(|_| parser()).collect();
        Source::Threads(InOrder::new(table, parsers))
    };
    Ok(Frames {
        blocks,
        rows: 0,
        failed: false,
        none,
    })
}

/// Where in a row the fields are. All that are missing are named at once.
fn places(table: &Table<Reader>, fields: &[Field]) -> Result<Vec<usize>, InputError> {
    if let Some(places) = in_order(table, fields) {
        return Ok(places);
    }
    let places: Vec<_> = fields
        .iter()
        .map(|field| place(table, &field.name))
        .collect();
    let missing = fields.iter().zip(&places);
    let missing: Vec<_> = missing
        .filter(|(_, place)| place.is_none())
        .map(|(field, _)| Arc::clone(&field.name))
        .collect();
    if !missing.is_empty() {
        let there = table.names().iter().map(|name| name.as_str().into());
        let there = there.collect();
        return Err(InputError::Missing { missing, there });
    }
    Ok(places.into_iter().flatten().collect())
}

/// A model that was made of a matrix calls its fields f0, f1, ...: then the columns are
/// taken as they come, if there are as many.
fn in_order(table: &Table<Reader>, fields: &[Field]) -> Option<Vec<usize>> {
    let mut numbered = fields.iter().enumerate();
    let nameless = numbered.all(|(at, field)| *field.name == *format!("f{at}"));
    let names = table.names();
    let is_named = fields
        .iter()
        .any(|field| names.contains(&field.name.to_string()));
    if !nameless || is_named || names.len() != fields.len() {
        return None;
    }
    names.iter().map(|name| table.place(name)).collect()
}

/// R's `read.csv` has made names of what is none, `a b` into `a.b`: a model that was
/// fitted to such data knows only these.
fn place(table: &Table<Reader>, name: &str) -> Option<usize> {
    let made = || {
        let names = table.names().iter();
        let mut made = names.filter(|there| made_name(there) == name);
        let only = made.next().filter(|_| made.next().is_none());
        table.place(only?)
    };
    table.place(name).or_else(made)
}

/// What R's `make.names` makes of it.
fn made_name(name: &str) -> String {
    let made = name.chars().map(|letter| {
        let fits = letter.is_alphanumeric() || letter == '.' || letter == '_';
        if fits { letter } else { '.' }
    });
    let made: String = made.collect();
    let mut letters = made.chars();
    let begins_well = match letters.next() {
        Some('.') => !letters.next().is_some_and(|next| next.is_ascii_digit()),
        Some(first) => first.is_alphabetic(),
        None => false,
    };
    if begins_well {
        made
    } else {
        format!("X{made}")
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = match &mut self.blocks {
            Source::Here(here) => {
                let (table, parser) = &mut **here;
                let mut block = Block::default();
                match table.next(&mut block) {
                    Ok(true) => Some(parser.parse(&block)),
                    Ok(false) => None,
                    Err(error) => Some(Err(error.into())),
                }
            }
            Source::Threads(blocks) => blocks.next(),
        };
        let Some(next) = next else {
            return self.none.take().map(Ok);
        };
        Some(match next {
            Ok(frame) => {
                self.none = None;
                self.rows += frame.rows() as u64;
                Ok(frame)
            }
            Err(error) => {
                self.failed = true;
                Err(error.behind(self.rows))
            }
        })
    }
}

/// Takes blocks apart for fields.
struct Parser {
    rows: Rows<Filler>,
}

impl Parse<Frame> for Parser {
    fn parse(&mut self, block: &Block) -> Result<Frame, InputError> {
        let parsed = self.rows.parse(block);
        let filler = self.rows.taker();
        match parsed {
            Ok(()) => Ok(filler.take()),
            Err(bad) => Err(filler.error(bad.row, bad.problem)),
        }
    }
}

#[derive(Debug)]
struct Filler {
    wells: Vec<Well>,
    rows: usize,
    /// Field and text of a cell that did not fit.
    bad: Option<(usize, Unfit, String)>,
}

/// Where the cells of a field go.
#[derive(Debug)]
struct Well {
    name: Arc<str>,
    place: usize,
    levels: Vec<Arc<str>>,
    sink: Sink,
    /// Beside a sink of text, as long as all of them are numbers.
    numbers: Option<Vec<f64>>,
    is_any: bool,
}

impl Filler {
    fn new(fields: &[Field], places: &[usize]) -> Self {
        let well = |(field, place): (&Field, &usize)| {
            let is_any = field.kind == FieldKind::Any;
            let texts = || Sink::Text(Texts::beginning_with(&field.levels));
            Well {
                name: Arc::clone(&field.name),
                place: *place,
                levels: field.levels.clone(),
                sink: match field.kind {
                    FieldKind::Number => Sink::Number(Vec::new()),
                    FieldKind::Logical => Sink::Logical(Vec::new()),
                    FieldKind::Text | FieldKind::Any => texts(),
                },
                numbers: is_any.then(Vec::new),
                is_any,
            }
        };
        Self {
            wells: fields.iter().zip(places).map(well).collect(),
            rows: 0,
            bad: None,
        }
    }

    fn take(&mut self) -> Frame {
        let rows = std::mem::take(&mut self.rows);
        if self.wells.is_empty() {
            return Frame::empty(rows);
        }
        let columns = self.wells.iter_mut().map(Well::take);
        Frame::new(columns.collect())
    }

    fn error(&mut self, row: u64, problem: Problem) -> InputError {
        let Some((field, unfit, found)) = self.bad.take() else {
            return InputError::Table(science::Error::Row { row, problem });
        };
        let wanted = match unfit {
            Unfit::NotNumber => "number",
            Unfit::NotLogical => "logical, TRUE or FALSE",
            Unfit::NotUtf8 | Unfit::Unknown => "text in UTF-8",
        };
        InputError::Cell {
            row,
            field: Arc::clone(&self.wells[field].name),
            found: format!("{found:?}"),
            wanted,
            hint: None,
        }
    }
}

impl TakeRow for Filler {
    fn wants(&self, place: usize) -> bool {
        self.wells.iter().any(|well| well.place == place)
    }

    fn row<C: Fn(usize) -> Range<usize>>(&mut self, row: &Row<'_, C>) -> Result<(), Problem> {
        for (at, well) in self.wells.iter_mut().enumerate() {
            let cell = row.cell(well.place);
            if let Some(numbers) = &mut well.numbers {
                match cell.number() {
                    Number::Missing => numbers.push(rdata::value::NA_REAL),
                    number => match number.as_float() {
                        Some(float) => numbers.push(float),
                        None => well.numbers = None,
                    },
                }
            }
            if let Sink::Text(texts) = &mut well.sink {
                texts.meet(&cell, &well.levels);
            }
            if let Err(unfit) = well.sink.push(&cell) {
                self.bad = Some((at, unfit, cell.excerpt()));
                return Err(Problem::Unlike {
                    column: String::new(),
                });
            }
        }
        self.rows += 1;
        Ok(())
    }
}

impl Well {
    fn take(&mut self) -> (Arc<str>, Column) {
        let texts = self.sink.take();
        let column = match self.numbers.take() {
            Some(numbers) => Column::Number(numbers),
            None => texts,
        };
        self.numbers = self.is_any.then(Vec::new);
        // What was met in one block is not carried through all.
        if let Sink::Text(texts) = &mut self.sink {
            *texts = Texts::beginning_with(&self.levels);
        }
        (Arc::clone(&self.name), column)
    }
}
