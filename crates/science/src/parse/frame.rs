//! All columns, each of the type that pandas gives it.
//!
//! The types are guessed from the first block. If a later row does not go with the
//! guess, all rows are surveyed, and read again.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use types::table::{Texts, Values};

use super::batch::to_float;
use super::sorter::Sorter;
use super::walk::Take;
use crate::Problem;
use crate::csv::{self, Number};

/// A column of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// Where it is in a row.
    pub at: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Integers,
    Floats,
    Booleans,
    Texts,
}

impl Kind {
    pub fn of(values: &Values) -> Self {
        match values {
            Values::Integers(_) => Self::Integers,
            Values::Floats(_) => Self::Floats,
            Values::Booleans(_) => Self::Booleans,
            Values::Texts(_) => Self::Texts,
        }
    }

    pub fn empty(self) -> Values {
        match self {
            Self::Integers => Values::Integers(Vec::new()),
            Self::Floats => Values::Floats(Vec::new()),
            Self::Booleans => Values::Booleans(Vec::new()),
            Self::Texts => Values::Texts(Texts::default()),
        }
    }
}

/// What cells a column has, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen(u8);

impl Seen {
    const INTEGER: u8 = 1;
    const FRACTION: u8 = 2;
    const WIDE: u8 = 4;
    const MISSING: u8 = 8;
    const FLAG: u8 = 16;
    const TEXT: u8 = 32;

    pub fn of(text: &[u8]) -> Self {
        Self(match csv::number(text) {
            Number::Integer(_) => Self::INTEGER,
            Number::Float(_) => Self::FRACTION,
            Number::Wide(_) => Self::WIDE,
            Number::Missing => Self::MISSING,
            Number::Bad if csv::flag(text).is_some() => Self::FLAG,
            Number::Bad => Self::TEXT,
        })
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The type that pandas gives the column. Integers that are too wide stay text, so
    /// that they keep all their digits.
    pub fn kind(self) -> Kind {
        const WHOLE: u8 = Seen::INTEGER | Seen::MISSING;
        const NUMBERS: u8 = WHOLE | Seen::FRACTION | Seen::WIDE;
        match self.0 {
            0 => Kind::Texts,
            Self::INTEGER => Kind::Integers,
            Self::FLAG => Kind::Booleans,
            seen if seen & !WHOLE == 0 => Kind::Floats,
            seen if seen & !NUMBERS == 0 && seen & Self::FRACTION != 0 => Kind::Floats,
            _ => Kind::Texts,
        }
    }
}

/// Looks at all columns, and takes nothing.
#[derive(Debug)]
pub struct Survey<'a> {
    /// Where the columns are in a row.
    pub fields: Range<usize>,
    /// What was seen here, and by all threads.
    own: Vec<u8>,
    all: &'a [AtomicU8],
}

impl<'a> Survey<'a> {
    pub fn new(fields: Range<usize>, all: &'a [AtomicU8]) -> Self {
        Self {
            own: vec![0; fields.len()],
            fields,
            all,
        }
    }

    pub fn seen(all: &[AtomicU8]) -> impl Iterator<Item = Seen> {
        all.iter().map(|seen| Seen(seen.load(Ordering::Relaxed)))
    }
}

impl Take for Survey<'_> {
    fn wants(&self, field: usize) -> bool {
        self.fields.contains(&field)
    }

    fn begin(&mut self, _sorter: &mut Sorter) {}

    fn row(
        &mut self,
        sorter: &mut Sorter,
        bytes: &[u8],
        cell: impl Fn(usize) -> Range<usize>,
    ) -> Result<(), Problem> {
        sorter.row();
        for ((field, own), all) in self.fields.clone().zip(&mut self.own).zip(self.all) {
            if *own & Seen::TEXT != 0 {
                continue;
            }
            let cell = cell(field);
            let Seen(new) = match csv::short_number(bytes, cell.start, cell.end) {
                Some(Number::Integer(_)) => Seen(Seen::INTEGER),
                Some(_) => Seen(Seen::FRACTION),
                None => Seen::of(&bytes[cell]),
            };
            if *own & new == 0 {
                *own |= new;
                all.fetch_or(new, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
pub struct Frame<'a> {
    fields: &'a [Field],
    /// For rows without an id.
    nowhere: Vec<Values>,
}

impl<'a> Frame<'a> {
    pub fn new(fields: &'a [Field]) -> Self {
        Self {
            fields,
            nowhere: empty(fields),
        }
    }
}

fn empty(fields: &[Field]) -> Vec<Values> {
    fields.iter().map(|field| field.kind.empty()).collect()
}

impl Take for Frame<'_> {
    fn wants(&self, field: usize) -> bool {
        self.fields.iter().any(|it| it.at == field)
    }

    fn begin(&mut self, sorter: &mut Sorter) {
        for batch in sorter.batches() {
            if batch.columns.is_empty() {
                batch.columns = empty(self.fields);
            }
        }
        self.nowhere.iter_mut().for_each(Values::clear);
    }

    fn row(
        &mut self,
        sorter: &mut Sorter,
        bytes: &[u8],
        cell: impl Fn(usize) -> Range<usize>,
    ) -> Result<(), Problem> {
        // The row counts when it is done, so that errors come with the right number.
        let columns = match sorter.target() {
            Some(batch) => &mut batch.columns,
            None => &mut self.nowhere,
        };
        for (field, column) in self.fields.iter().zip(columns) {
            push(column, bytes, cell(field.at), &field.name)?;
        }
        sorter.row();
        Ok(())
    }
}

fn push(column: &mut Values, bytes: &[u8], cell: Range<usize>, name: &str) -> Result<(), Problem> {
    let unlike = || Problem::Unlike {
        column: name.to_owned(),
    };
    match column {
        Values::Integers(integers) => match number(bytes, cell) {
            Number::Integer(i64::MIN) => integers.push(0),
            Number::Integer(integer) => integers.push(integer),
            _ => return Err(unlike()),
        },
        Values::Floats(floats) => floats.push(match number(bytes, cell) {
            Number::Integer(integer) => to_float(integer),
            Number::Float(float) | Number::Wide(float) => float,
            Number::Missing => f64::NAN,
            Number::Bad => return Err(unlike()),
        }),
        Values::Booleans(flags) => flags.push(csv::flag(&bytes[cell]).ok_or_else(unlike)?),
        Values::Texts(texts) => {
            let text = &bytes[cell];
            if csv::is_missing(text) {
                texts.push(None);
            } else {
                let column = || name.to_owned();
                let text = std::str::from_utf8(text);
                texts.push(Some(
                    text.map_err(|_| Problem::NotUtf8 { column: column() })?,
                ));
            }
        }
    }
    Ok(())
}

fn number(bytes: &[u8], cell: Range<usize>) -> Number {
    match csv::short_number(bytes, cell.start, cell.end) {
        Some(number) => number,
        None => csv::number(&bytes[cell]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_types_of_pandas() {
        for (cells, kind) in [
            (&["1", "-0", "007"][..], Kind::Integers),
            (&["1", ""], Kind::Floats),
            (&["", "NA"], Kind::Floats),
            (&["1", "2.5", "99999999999999999999"], Kind::Floats),
            (&["1", "99999999999999999999"], Kind::Texts),
            (&["inf", "1"], Kind::Floats),
            (&["true", "False"], Kind::Booleans),
            (&["true", ""], Kind::Texts),
            (&["true", "1"], Kind::Texts),
            (&["1", "x"], Kind::Texts),
            (&["1", "2020-01-01"], Kind::Texts),
            (&[], Kind::Texts),
        ] {
            let seen = cells
                .iter()
                .fold(0, |seen, cell| seen | Seen::of(cell.as_bytes()).0);
            assert_eq!(Seen(seen).kind(), kind, "{cells:?}");
        }
    }
}
