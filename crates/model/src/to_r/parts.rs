//! Vectors and matrices with names.

use std::sync::Arc;

use rdata::{Data, Value};

use crate::model::{Kept, Model};

pub fn number(number: f64) -> Value {
    numbers(vec![number])
}

pub fn numbers(numbers: Vec<f64>) -> Value {
    Data::Real(numbers).into()
}

fn small(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub fn integer(number: usize) -> Value {
    integers([number])
}

pub fn integers(numbers: impl IntoIterator<Item = usize>) -> Value {
    Data::Integer(numbers.into_iter().map(small).collect()).into()
}

/// Degrees of freedom are whole numbers, which R keeps as such.
pub fn count(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be the same")]
    let whole = number as i32;
    if f64::from(whole).to_bits() == number.to_bits() {
        Data::Integer(vec![whole]).into()
    } else {
        self::number(number)
    }
}

pub fn logical(value: bool) -> Value {
    Data::Logical(vec![i32::from(value)]).into()
}

pub fn texts(texts: &[Arc<str>]) -> Value {
    Value::strings(texts.iter().map(|text| &**text))
}

pub fn named(value: Value, names: &[Arc<str>]) -> Value {
    value.with("names", texts(names))
}

pub fn matrix(values: Vec<f64>, rows: &[Arc<str>], columns: &[Arc<str>]) -> Value {
    let names = Data::List(vec![texts(rows), texts(columns)]);
    numbers(values)
        .with("dim", integers([rows.len(), columns.len()]))
        .with("dimnames", Value::from(names))
}

/// Of rows and columns.
pub struct Names {
    pub rows: Vec<Arc<str>>,
    pub columns: Vec<Arc<str>>,
}

impl Names {
    pub fn new(model: &Model, kept: &Kept) -> Self {
        let rows = kept.places.iter().map(|place| (place + 1).to_string());
        Self {
            rows: rows.map(Into::into).collect(),
            columns: model.coefficients.names.clone(),
        }
    }

    pub fn pivoted(&self, pivot: &[usize]) -> Vec<Arc<str>> {
        pivot
            .iter()
            .map(|place| self.columns[*place].clone())
            .collect()
    }

    pub fn coefficients(&self, model: &Model) -> Value {
        let values = numbers(model.coefficients.values[0].clone());
        if self.columns.is_empty() {
            return values;
        }
        named(values, &self.columns)
    }
}

/// What `na.omit` has taken out.
pub fn omitted(model: &Model, kept: &Kept) -> Option<Value> {
    let all = kept.places.len() + model.fit.rows_dropped;
    if model.fit.rows_dropped == 0 {
        return None;
    }
    let mut places = kept.places.iter().copied().peekable();
    let gone: Vec<usize> = (0..all)
        .filter(|row| places.next_if_eq(row).is_none())
        .map(|row| row + 1)
        .collect();
    let names: Vec<Arc<str>> = gone.iter().map(|row| row.to_string().into()).collect();
    let omitted = named(integers(gone), &names);
    Some(omitted.with("class", Value::strings(["omit"])))
}
