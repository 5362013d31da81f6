//! One cell as a field takes it: of text that has no types, such as a query, and of JSON,
//! which has.

use std::borrow::Cow;
use std::sync::Arc;

use rdata::value::{NA_INTEGER, NA_REAL};
use science::table::Number;

use super::error::{InputError, list};
use super::field::{Cell, Field, FieldKind};
use super::sink::{logical, number_text};
use crate::frame::{Codes, Column};

/// Cells are shown in messages up to here.
const SHOWN: usize = 60;

/// A cell that may have had to be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Missing,
    Number(f64),
    Logical(bool),
    Text(Cow<'a, str>),
}

impl Value<'_> {
    pub fn as_cell(&self) -> Cell<'_> {
        match self {
            Self::Missing => Cell::Missing,
            Self::Number(number) => Cell::Number(*number),
            Self::Logical(value) => Cell::Logical(*value),
            Self::Text(text) => Cell::Text(text),
        }
    }
}

impl Field {
    /// What text means here, as in a query: `800`, `4`, `TRUE`, `NA`. `row` is for the
    /// error.
    pub fn read<'a>(&self, text: &'a str, row: u64) -> Result<Value<'a>, InputError> {
        let is_level = || self.levels.iter().any(|level| **level == *text);
        match self.kind {
            FieldKind::Text | FieldKind::Any if is_level() => Ok(Value::Text(text.into())),
            _ if text == "NA" => Ok(Value::Missing),
            FieldKind::Number => number(text).ok_or_else(|| self.unfit(row, shown(text))),
            FieldKind::Logical => {
                let value = logical(text.as_bytes());
                value
                    .map(Value::Logical)
                    .ok_or_else(|| self.unfit(row, shown(text)))
            }
            FieldKind::Text => Ok(Value::Text(self.meant(text))),
            FieldKind::Any => Ok(number(text).unwrap_or_else(|| Value::Text(text.into()))),
        }
    }

    /// What a number means here. Without `coerce` a number is none of the levels.
    pub fn number<'a>(&self, number: f64, coerce: bool, row: u64) -> Result<Value<'a>, InputError> {
        match self.kind {
            FieldKind::Number | FieldKind::Any => Ok(Value::Number(number)),
            FieldKind::Text if coerce => Ok(Value::Text(number_text(number).into())),
            FieldKind::Text | FieldKind::Logical => Err(self.unfit(row, number_text(number))),
        }
    }

    pub fn logical<'a>(
        &self,
        value: bool,
        coerce: bool,
        row: u64,
    ) -> Result<Value<'a>, InputError> {
        let text = if value { "TRUE" } else { "FALSE" };
        match self.kind {
            FieldKind::Logical | FieldKind::Any => Ok(Value::Logical(value)),
            FieldKind::Text if coerce => Ok(Value::Text(text.into())),
            FieldKind::Number if coerce => Ok(Value::Number(if value { 1.0 } else { 0.0 })),
            FieldKind::Number | FieldKind::Text => Err(self.unfit(row, text.to_owned())),
        }
    }

    /// What a text means here that is known to be one.
    pub fn text<'a>(
        &self,
        text: Cow<'a, str>,
        coerce: bool,
        row: u64,
    ) -> Result<Value<'a>, InputError> {
        match self.kind {
            FieldKind::Text | FieldKind::Any => Ok(Value::Text(text)),
            FieldKind::Number | FieldKind::Logical if !coerce => Err(self.unfit(row, shown(&text))),
            FieldKind::Number | FieldKind::Logical => match self.read(&text, row)? {
                Value::Number(number) => Ok(Value::Number(number)),
                Value::Logical(value) => Ok(Value::Logical(value)),
                Value::Missing | Value::Text(_) => Ok(Value::Missing),
            },
        }
    }

    /// A level that is written otherwise: `1.0` for `1`, `true` for `TRUE`.
    fn meant<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let other = match (number(text), logical(text.as_bytes())) {
            (Some(Value::Number(number)), _) => number_text(number),
            (_, Some(value)) => if value { "TRUE" } else { "FALSE" }.to_owned(),
            _ => return text.into(),
        };
        if self.levels.iter().any(|level| **level == *other) {
            other.into()
        } else {
            text.into()
        }
    }

    /// The error of something that cannot be here.
    pub(super) fn unfit(&self, row: u64, found: String) -> InputError {
        let (wanted, hint) = match self.kind {
            FieldKind::Number => ("number", None),
            FieldKind::Logical => ("logical, true or false", None),
            FieldKind::Text | FieldKind::Any if self.levels.is_empty() => ("text", None),
            FieldKind::Text | FieldKind::Any => {
                let levels = list(&self.levels);
                ("text", Some(format!("; allowed: {levels}")))
            }
        };
        InputError::Cell {
            row,
            field: Arc::clone(&self.name),
            found,
            wanted,
            hint,
        }
    }
}

fn number<'a>(text: &str) -> Option<Value<'a>> {
    Some(match science::table::number(text.as_bytes()) {
        // Nothing at all is a mistake where it stands alone.
        Number::Missing if text.is_empty() => return None,
        Number::Missing => Value::Missing,
        number => Value::Number(number.as_float()?),
    })
}

/// In quotes, by its beginning.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}", format!("{}...", &text[..end])),
        None => format!("{text:?}"),
    }
}

/// Cells become a column that is as the field wants it.
#[derive(Debug)]
pub(super) struct Growing {
    numbers: Vec<f64>,
    texts: Vec<Option<String>>,
    logicals: Vec<i32>,
    is: Option<FieldKind>,
    rows: usize,
}

impl Growing {
    pub fn new() -> Self {
        Self {
            numbers: Vec::new(),
            texts: Vec::new(),
            logicals: Vec::new(),
            is: None,
            rows: 0,
        }
    }

    /// None if a field that takes anything got things of several kinds.
    pub fn push(&mut self, value: Value<'_>) -> Option<()> {
        let is = match &value {
            Value::Missing => None,
            Value::Number(_) => Some(FieldKind::Number),
            Value::Logical(_) => Some(FieldKind::Logical),
            Value::Text(_) => Some(FieldKind::Text),
        };
        match (self.is, is) {
            (Some(before), Some(now)) if before != now => return None,
            (None, Some(now)) => {
                self.is = Some(now);
                let rows = self.rows;
                match now {
                    FieldKind::Logical => self.logicals.resize(rows, NA_INTEGER),
                    FieldKind::Text | FieldKind::Any => self.texts.resize(rows, None),
                    FieldKind::Number => self.numbers.resize(rows, NA_REAL),
                }
            }
            _ => {}
        }
        self.rows += 1;
        match (value, self.is) {
            (Value::Number(number), _) => self.numbers.push(number),
            (Value::Logical(value), _) => self.logicals.push(value.into()),
            (Value::Text(text), _) => self.texts.push(Some(text.into_owned())),
            (Value::Missing, Some(FieldKind::Logical)) => self.logicals.push(NA_INTEGER),
            (Value::Missing, Some(FieldKind::Text | FieldKind::Any)) => self.texts.push(None),
            (Value::Missing, Some(FieldKind::Number)) => self.numbers.push(NA_REAL),
            (Value::Missing, None) => {}
        }
        Some(())
    }

    pub fn finish(self, field: &Field) -> Column {
        // Nothing but missing ones are of the kind that is wanted.
        match self.is.unwrap_or(field.kind) {
            FieldKind::Number | FieldKind::Any => {
                let mut numbers = self.numbers;
                numbers.resize(self.rows, NA_REAL);
                Column::Number(numbers)
            }
            FieldKind::Logical => {
                let mut logicals = self.logicals;
                logicals.resize(self.rows, NA_INTEGER);
                Column::Logical(logicals)
            }
            FieldKind::Text => {
                let mut texts = self.texts;
                texts.resize(self.rows, None);
                Column::Text(Codes::of(&field.levels, &texts))
            }
        }
    }
}

impl Codes {
    /// Of texts, of which some may be known before.
    fn of(known: &[Arc<str>], texts: &[Option<String>]) -> Self {
        let mut places = std::collections::HashMap::new();
        let mut values: Vec<Arc<str>> = Vec::new();
        for text in known {
            places.entry(&**text).or_insert(values.len());
            values.push(Arc::clone(text));
        }
        let of_rows = texts.iter().map(|text| {
            let Some(text) = text else {
                return Self::NA;
            };
            let place = *places.entry(text.as_str()).or_insert_with(|| {
                values.push(text.as_str().into());
                values.len() - 1
            });
            u32::try_from(place).expect("rows of a request fit into 32 bits")
        });
        let of_rows = of_rows.collect();
        Self { values, of_rows }
    }
}
