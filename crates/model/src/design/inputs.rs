//! Columns of the data, as the variables of a model want them: checked as R checks
//! them, or made to fit where the caller asked for that.

use std::borrow::Cow;
use std::sync::Arc;

use rdata::value::{NA_INTEGER, NA_REAL};

use super::plan::class_of;
use crate::error::{DataError, Problem};
use crate::eval::convert::{parse_number, truth};
use crate::eval::{Labels, Need, Vector, Wanted};
use crate::frame::Codes;
use crate::input::{Field, FieldKind};
use crate::terms::Class;

/// A column that a model uses.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub field: Field,
    pub expect: Expect,
    /// R's name of the class, where it is a variable itself.
    fitted: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A variable of the formula itself, which was a number, ...
    Number,
    Logical,
    /// ... or had levels.
    Levels,
    /// Used inside of a call.
    Inside(Need),
}

impl Input {
    /// Of a column that is a variable of this class itself, or is only used in others.
    /// `levels` are those of the variable that it is (or is the only part of).
    pub fn new(wanted: &Wanted, class: Option<&Class>, levels: Vec<Arc<str>>) -> Self {
        let expect = match class {
            Some(Class::Numeric) => Expect::Number,
            Some(Class::Logical) => Expect::Logical,
            Some(Class::Factor | Class::Ordered | Class::Character) => Expect::Levels,
            Some(Class::Matrix(_) | Class::Other(_)) | None => Expect::Inside(wanted.need),
        };
        let kind = match expect {
            Expect::Number | Expect::Inside(Need::Mathematical | Need::Binary) => FieldKind::Number,
            Expect::Logical => FieldKind::Logical,
            Expect::Levels | Expect::Inside(Need::Text) => FieldKind::Text,
            Expect::Inside(Need::Any) => FieldKind::Any,
        };
        let field = Field {
            name: wanted.name.clone(),
            kind,
            levels,
        };
        let fitted = match class {
            Some(Class::Logical) => "logical",
            Some(Class::Character) => "character",
            Some(Class::Factor | Class::Ordered) => "factor",
            _ => "numeric",
        };
        Self {
            field,
            expect,
            fitted,
        }
    }

    pub fn bind<'a>(&self, column: Vector<'a>, coerce: bool) -> Result<Vector<'a>, DataError> {
        let fits = match (&self.expect, &column) {
            (Expect::Number, Vector::Number(_))
            | (Expect::Logical, Vector::Logical(_))
            | (Expect::Levels | Expect::Inside(Need::Text), Vector::Text(_) | Vector::Factor(..))
            | (Expect::Inside(Need::Any), _)
            | (
                Expect::Inside(Need::Mathematical | Need::Binary),
                Vector::Number(_) | Vector::Logical(_),
            ) => true,
            (Expect::Inside(Need::Text), _) => !coerce,
            _ => false,
        };
        if fits {
            return Ok(column);
        }
        let rows = column.len();
        if (0..rows).all(|row| column.is_missing(row)) {
            return Ok(self.all_missing(rows));
        }
        if !coerce {
            return Err(self.refused(&column));
        }
        match self.expect {
            Expect::Number | Expect::Inside(Need::Mathematical | Need::Binary) => {
                self.to_numbers(column)
            }
            Expect::Logical => self.to_logicals(&column),
            Expect::Levels | Expect::Inside(_) => Ok(self.to_labels(column)),
        }
    }

    fn all_missing(&self, rows: usize) -> Vector<'static> {
        match self.field.kind {
            FieldKind::Logical => Vector::logicals(vec![NA_INTEGER; rows]),
            FieldKind::Text => Vector::Text(Labels {
                values: Cow::Owned(vec![]),
                of_rows: Cow::Owned(vec![Codes::NA; rows]),
            }),
            FieldKind::Number | FieldKind::Any => Vector::numbers(vec![NA_REAL; rows]),
        }
    }

    fn refused(&self, column: &Vector<'_>) -> DataError {
        let row = (0..column.len()).find(|row| !column.is_missing(*row));
        let example = row.map(|row| example(column, row));
        let row = row.filter(|_| column.len() > 1).map(|row| row + 1);
        let problem = match self.expect {
            Expect::Inside(need) => Problem::NotNumeric {
                in_r: match need {
                    Need::Mathematical => "non-numeric argument to mathematical function",
                    _ => "non-numeric argument to binary operator",
                },
                example,
            },
            _ => Problem::Class {
                fitted: self.fitted,
                supplied: class_of(column),
                example,
            },
        };
        DataError::at(row, &self.field.name, problem)
    }

    fn to_numbers<'a>(&self, column: Vector<'a>) -> Result<Vector<'a>, DataError> {
        let (Vector::Text(labels) | Vector::Factor(labels, _)) = &column else {
            let numbers = column.into_numbers();
            return Ok(Vector::Number(numbers.unwrap_or_default()));
        };
        // Texts that none of the rows has do not count.
        let parsed: Vec<Option<f64>> = labels.values.iter().map(|own| number_of(own)).collect();
        let mut numbers = Vec::with_capacity(labels.of_rows.len());
        for (row, own) in labels.of_rows.iter().enumerate() {
            numbers.push(match parsed.get(*own as usize) {
                None => NA_REAL,
                Some(Some(number)) => *number,
                Some(None) => return Err(self.not_converted(&column, row, "a number")),
            });
        }
        Ok(Vector::numbers(numbers))
    }

    fn to_logicals(&self, column: &Vector<'_>) -> Result<Vector<'static>, DataError> {
        let mut values = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            let value = match column {
                _ if column.is_missing(row) => Some(NA_INTEGER),
                Vector::Number(numbers) if numbers[row] == 0.0 => Some(0),
                #[expect(clippy::float_cmp, reason = "only 1 itself stands for TRUE")]
                Vector::Number(numbers) if numbers[row] == 1.0 => Some(1),
                Vector::Text(labels) | Vector::Factor(labels, _) => {
                    labels.get(row).and_then(|own| truth_of(own))
                }
                _ => None,
            };
            match value {
                Some(value) => values.push(value),
                None => return Err(self.not_converted(column, row, "a truth value")),
            }
        }
        Ok(Vector::logicals(values))
    }

    fn to_labels<'a>(&self, column: Vector<'a>) -> Vector<'a> {
        let small = self
            .field
            .levels
            .iter()
            .any(|own| &**own == "true" || &**own == "false");
        let logical = matches!(column, Vector::Logical(_));
        match column.labels(false) {
            Some(mut labels) => {
                if logical && small {
                    labels.values = Cow::Owned(vec!["false".into(), "true".into()]);
                }
                Vector::Text(labels)
            }
            None => self.all_missing(0),
        }
    }

    fn not_converted(&self, column: &Vector<'_>, row: usize, into: &'static str) -> DataError {
        let problem = Problem::NotConverted {
            text: example(column, row),
            into,
        };
        let row = (column.len() > 1).then_some(row + 1);
        DataError::at(row, &self.field.name, problem)
    }
}

fn number_of(text: &str) -> Option<f64> {
    match text.trim() {
        "" | "NA" => Some(NA_REAL),
        text => parse_number(text),
    }
}

fn truth_of(text: &str) -> Option<i32> {
    match text.trim() {
        "" | "NA" => Some(NA_INTEGER),
        "1" => Some(1),
        "0" => Some(0),
        text => Some(truth(text)).filter(|value| *value != NA_INTEGER),
    }
}

/// What a row has, for people.
fn example(column: &Vector<'_>, row: usize) -> String {
    match column {
        Vector::Number(numbers) => crate::expr::number_text(numbers[row]),
        Vector::Logical(values) => if values[row] == 0 { "false" } else { "true" }.into(),
        Vector::Text(labels) | Vector::Factor(labels, _) => {
            labels.get(row).map(ToString::to_string).unwrap_or_default()
        }
        Vector::Matrix(_) => String::new(),
    }
}
