//! One column of numbers.

use std::ops::Range;

use super::sorter::Sorter;
use super::walk::Take;
use crate::Problem;
use crate::csv::{self, Number};

#[derive(Debug)]
pub struct Value<'a> {
    pub field: usize,
    pub name: &'a str,
    /// It matters only whether values are missing: they need not be numbers.
    pub presence: bool,
}

impl Take for Value<'_> {
    fn wants(&self, field: usize) -> bool {
        field == self.field
    }

    fn begin(&mut self, sorter: &mut Sorter) {
        sorter.facts.floats = self.presence;
    }

    #[inline]
    fn row(
        &mut self,
        sorter: &mut Sorter,
        bytes: &[u8],
        cell: impl Fn(usize) -> Range<usize>,
    ) -> Result<(), Problem> {
        let cell = cell(self.field);
        let short = if self.presence {
            None
        } else {
            csv::short_number(bytes, cell.start, cell.end)
        };
        let number = match short {
            Some(number) => number,
            None => self.any(&bytes[cell])?,
        };
        sorter.push(number);
        Ok(())
    }
}

impl Value<'_> {
    fn any(&self, text: &[u8]) -> Result<Number, Problem> {
        if self.presence {
            return Ok(if csv::is_missing(text) {
                Number::Missing
            } else {
                Number::Float(0.0)
            });
        }
        match csv::number(text) {
            Number::Bad => Err(Problem::NotANumber {
                column: self.name.to_owned(),
                found: excerpt(text),
            }),
            number => Ok(number),
        }
    }
}

/// Long cells are shown by their beginning.
pub fn excerpt(text: &[u8]) -> String {
    const SHOWN: usize = 60;
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}
