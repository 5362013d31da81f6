//! Columns while they are filled, cell by cell.

use std::collections::HashMap;
use std::sync::Arc;

use rdata::value::{NA_INTEGER, NA_REAL};
use science::table::{Cell, Number};

use crate::frame::{Codes, Column};

/// A column that grows. Texts are looked up, so that each is kept once.
#[derive(Debug)]
pub(crate) enum Sink {
    Number(Vec<f64>),
    Logical(Vec<i32>),
    Text(Texts),
}

#[derive(Debug, Default)]
pub(crate) struct Texts {
    places: HashMap<Arc<str>, u32>,
    values: Vec<Arc<str>>,
    of_rows: Vec<u32>,
    /// Texts that are not among the first are none: all were seen before.
    closed: bool,
}

/// A cell that cannot be in the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    NotNumber,
    NotLogical,
    NotUtf8,
    /// In data that was read before it was not there.
    Unknown,
}

/// What R takes for missing in text, and what a CSV of pandas has there.
pub(crate) fn is_missing_text(text: &[u8]) -> bool {
    text.is_empty() || text == b"NA"
}

/// As R's `read.csv` has them, and as others write them.
pub(crate) fn logical(text: &[u8]) -> Option<bool> {
    match text {
        b"T" | b"TRUE" | b"True" | b"true" => Some(true),
        b"F" | b"FALSE" | b"False" | b"false" => Some(false),
        _ => None,
    }
}

/// A whole number without a point, as R makes text of it; all else as it is shortest.
pub(crate) fn number_text(number: f64) -> String {
    // Adding zero takes the sign from a negative one.
    format!("{}", number + 0.0)
}

impl Sink {
    #[inline]
    pub fn push(&mut self, cell: &Cell<'_>) -> Result<(), Unfit> {
        match self {
            Self::Number(numbers) => numbers.push(match cell.number() {
                Number::Missing => NA_REAL,
                number => number.as_float().ok_or(Unfit::NotNumber)?,
            }),
            Self::Logical(values) => {
                let text = cell.text();
                values.push(match logical(text) {
                    Some(value) => value.into(),
                    None if science::table::is_missing(text) => NA_INTEGER,
                    None => return Err(Unfit::NotLogical),
                });
            }
            Self::Text(texts) => texts.push(cell.text())?,
        }
        Ok(())
    }

    /// What was collected; nothing of it is left but the texts that are known.
    pub fn take(&mut self) -> Column {
        match self {
            Self::Number(numbers) => Column::Number(std::mem::take(numbers)),
            Self::Logical(values) => Column::Logical(std::mem::take(values)),
            Self::Text(texts) => Column::Text(Codes {
                values: texts.values.clone(),
                of_rows: std::mem::take(&mut texts.of_rows),
            }),
        }
    }
}

impl Texts {
    /// Of which all texts are known.
    pub fn closed(values: &[Arc<str>]) -> Self {
        let mut texts = Self::default();
        for value in values {
            texts.place_of(value);
        }
        texts.closed = true;
        texts
    }

    /// Of which some texts are known, such as the levels of a field.
    pub fn beginning_with(values: &[Arc<str>]) -> Self {
        Self {
            closed: false,
            ..Self::closed(values)
        }
    }

    fn push(&mut self, text: &[u8]) -> Result<(), Unfit> {
        let text = std::str::from_utf8(text).map_err(|_| Unfit::NotUtf8)?;
        if let Some(place) = self.places.get(text) {
            self.of_rows.push(*place);
        } else if is_missing_text(text.as_bytes()) {
            self.of_rows.push(Codes::NA);
        } else if self.closed {
            return Err(Unfit::Unknown);
        } else {
            let place = self.place_of(&Arc::from(text));
            self.of_rows.push(place);
        }
        Ok(())
    }

    /// A text that is none of the levels, but stands for one: CSV has `1.0` for the level
    /// `1` where the column was one of numbers, and `True` for `TRUE`.
    pub fn meet(&mut self, cell: &Cell<'_>, levels: &[Arc<str>]) {
        let Ok(text) = std::str::from_utf8(cell.text()) else {
            return;
        };
        if levels.is_empty() || self.places.contains_key(text) || is_missing_text(text.as_bytes()) {
            return;
        }
        let meant = match (cell.number(), logical(text.as_bytes())) {
            (_, Some(value)) => if value { "TRUE" } else { "FALSE" }.to_owned(),
            (Number::Missing | Number::Bad, None) => return,
            (number, None) => {
                let Some(float) = number.as_float() else {
                    return;
                };
                number_text(float)
            }
        };
        if levels.iter().any(|level| **level == *meant) {
            let place = self.places[meant.as_str()];
            self.places.insert(Arc::from(text), place);
        }
    }

    /// A text that was seen before.
    pub fn push_known(&mut self, text: Option<&str>) -> Result<(), Unfit> {
        let place = match text {
            None => Codes::NA,
            Some(text) => *self.places.get(text).ok_or(Unfit::Unknown)?,
        };
        self.of_rows.push(place);
        Ok(())
    }

    fn place_of(&mut self, text: &Arc<str>) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = u32::try_from(self.values.len()).expect("rows of a block fit into 32 bits");
        self.values.push(Arc::clone(text));
        self.places.insert(Arc::clone(text), place);
        place
    }
}
