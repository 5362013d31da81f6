//! Tables for those who know what they want of each cell: a CSV is cut into blocks of
//! rows, which several threads may take apart, and each row is handed out cell by cell.

use std::io::Read;
use std::ops::Range;

use crate::csv::{self, Header};
use crate::groups::source::Csv;
use crate::groups::work::Source;
use crate::parse::{self, Batch, Sorter, Walker};
use crate::{Error, Problem, Spelling};

pub use crate::csv::{Block, Number, flag, is_missing, number};

/// A CSV whose header was read.
#[derive(Debug)]
pub struct Table<R> {
    text: Csv<R>,
    header: Header,
}

impl<R: Read + Send> Table<R> {
    pub fn open(input: R) -> Result<Self, Error> {
        let (text, header) = Csv::open(input)?;
        Ok(Self { text, header })
    }

    pub fn names(&self) -> &[String] {
        &self.header.names
    }

    /// Which cell of a row belongs to the column, if it is there.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.header.field(name).ok()
    }

    /// What takes the blocks apart; one for each thread.
    pub fn rows<T: TakeRow>(&self, take: T) -> Rows<T> {
        let adapter = Adapter { take };
        let fields = self.header.fields();
        Rows(Walker::new(fields, None, "", Spelling::Texts, adapter))
    }

    /// Fills the block. False at the end.
    pub fn next(&mut self, block: &mut Block) -> Result<bool, Error> {
        self.text.next(block)
    }
}

/// What is done with each row.
pub trait TakeRow {
    /// Whether the cell at this place will be looked at.
    fn wants(&self, place: usize) -> bool;
    fn row<C: Fn(usize) -> Range<usize>>(&mut self, row: &Row<'_, C>) -> Result<(), Problem>;
}

/// One row.
#[derive(Debug)]
pub struct Row<'a, C> {
    bytes: &'a [u8],
    cell: C,
}

/// One cell, without quotes.
#[derive(Debug, Clone)]
pub struct Cell<'a> {
    bytes: &'a [u8],
    range: Range<usize>,
}

impl<'a, C: Fn(usize) -> Range<usize>> Row<'a, C> {
    #[inline]
    pub fn cell(&self, place: usize) -> Cell<'a> {
        Cell {
            bytes: self.bytes,
            range: (self.cell)(place),
        }
    }
}

impl<'a> Cell<'a> {
    /// As a number, if it is one.
    #[inline]
    pub fn number(&self) -> Number {
        match csv::short_number(self.bytes, self.range.start, self.range.end) {
            Some(number) => number,
            None => csv::number(self.text()),
        }
    }

    #[inline]
    pub fn text(&self) -> &'a [u8] {
        &self.bytes[self.range.clone()]
    }

    /// For a message: long ones by their beginning.
    pub fn excerpt(&self) -> String {
        parse::excerpt(self.text())
    }
}

impl Number {
    /// As a double, NaN where it is missing; None if it is no number.
    #[inline]
    pub fn as_float(self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(parse::to_float(integer)),
            Self::Float(float) | Self::Wide(float) => Some(float),
            Self::Missing => Some(f64::NAN),
            Self::Bad => None,
        }
    }
}

/// Takes blocks apart.
#[derive(Debug)]
pub struct Rows<T>(Walker<'static, Adapter<T>>);

/// Something wrong with a row, counted from 1 within the block.
#[derive(Debug)]
pub struct BadRow {
    pub row: u64,
    pub problem: Problem,
}

impl From<BadRow> for Error {
    fn from(bad: BadRow) -> Self {
        Self::Row {
            row: bad.row,
            problem: bad.problem,
        }
    }
}

impl<T: TakeRow> Rows<T> {
    pub fn parse(&mut self, block: &Block) -> Result<(), BadRow> {
        let parsed = self.0.parse(block, vec![Batch::default()]);
        parsed.map(|_| ()).map_err(|bad| BadRow {
            row: bad.row,
            problem: bad.problem,
        })
    }

    pub fn taker(&mut self) -> &mut T {
        &mut self.0.taker().take
    }
}

/// Hands rows on; what they are sorted by elsewhere does not matter here.
#[derive(Debug)]
struct Adapter<T> {
    take: T,
}

impl<T: TakeRow> parse::Take for Adapter<T> {
    fn wants(&self, field: usize) -> bool {
        self.take.wants(field)
    }

    fn begin(&mut self, _sorter: &mut Sorter) {}

    #[inline]
    fn row(
        &mut self,
        sorter: &mut Sorter,
        bytes: &[u8],
        cell: impl Fn(usize) -> Range<usize>,
    ) -> Result<(), Problem> {
        self.take.row(&Row { bytes, cell })?;
        sorter.row();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second column, as numbers.
    #[derive(Default)]
    struct Second(Vec<f64>);

    impl TakeRow for Second {
        fn wants(&self, place: usize) -> bool {
            place == 1
        }

        fn row<C: Fn(usize) -> Range<usize>>(&mut self, row: &Row<'_, C>) -> Result<(), Problem> {
            let cell = row.cell(1);
            let number = cell.number().as_float().ok_or(Problem::NotANumber {
                column: "b".to_owned(),
                found: cell.excerpt(),
            })?;
            self.0.push(number);
            Ok(())
        }
    }

    #[test]
    fn rows_are_handed_out_cell_by_cell() {
        let text = "a,b\n1,2.5\n\"x\n,\",\"3\"\n\n4\n5,NA\n";
        let mut table = Table::open(text.as_bytes()).unwrap();
        assert_eq!((table.names().len(), table.place("b")), (2, Some(1)));
        assert_eq!(table.place("c"), None);
        let mut rows = table.rows(Second::default());
        let mut block = Block::default();
        while table.next(&mut block).unwrap() {
            rows.parse(&block).unwrap();
        }
        let numbers = std::mem::take(&mut rows.taker().0);
        let shown: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2.5", "3", "NaN", "NaN"]);
    }

    #[test]
    fn a_bad_row_is_told_by_its_number() {
        let mut table = Table::open(&b"a,b\n1,2\n\n3,x\n"[..]).unwrap();
        let mut rows = table.rows(Second::default());
        let mut block = Block::default();
        assert!(table.next(&mut block).unwrap());
        let bad = rows.parse(&block).unwrap_err();
        assert_eq!(bad.row, 2);
        assert_eq!(
            bad.problem.to_string(),
            "column \"b\": expected a number, found \"x\""
        );
    }
}
