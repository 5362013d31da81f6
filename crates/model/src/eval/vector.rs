//! What an expression is for each row of the data.

use std::borrow::Cow;
use std::sync::Arc;

use rdata::value::{NA_INTEGER, NA_REAL};

use crate::expr::number_text;
use crate::frame::{Codes, Column};

/// As long as there are rows, or one value for all of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Vector<'a> {
    Number(Cow<'a, [f64]>),
    Logical(Cow<'a, [i32]>),
    Text(Labels<'a>),
    Factor(Labels<'a>, Levels),
    Matrix(Matrix),
}

/// How the levels of a factor came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels {
    pub ordered: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Labels<'a> {
    pub values: Cow<'a, [Arc<str>]>,
    /// [`Codes::NA`] where there is none.
    pub of_rows: Cow<'a, [u32]>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matrix {
    pub columns: Vec<Vec<f64>>,
    /// Put behind the name of the variable. None: counted from 1.
    pub names: Option<Vec<Arc<str>>>,
}

impl<'a> Labels<'a> {
    pub fn of(codes: &'a Codes, rows: std::ops::Range<usize>) -> Self {
        Self {
            values: Cow::Borrowed(&codes.values),
            of_rows: Cow::Borrowed(&codes.of_rows[rows]),
        }
    }

    pub fn get(&self, row: usize) -> Option<&Arc<str>> {
        let code = self.of_rows[if self.of_rows.len() == 1 { 0 } else { row }];
        self.values.get(code as usize)
    }

    /// Texts of numbers, each distinct one once. With `sorted`, in the order of the
    /// numbers.
    pub fn of_numbers(numbers: &[f64], sorted: bool) -> Labels<'static> {
        let mut distinct: Vec<f64> = vec![];
        let mut places = std::collections::HashMap::new();
        let mut of_rows = Vec::with_capacity(numbers.len());
        for number in numbers {
            if number.is_nan() {
                of_rows.push(Codes::NA);
                continue;
            }
            // 0 and -0 are the same number.
            let key = (*number + 0.0).to_bits();
            let next = code(distinct.len());
            let place = *places.entry(key).or_insert_with(|| {
                distinct.push(*number);
                next
            });
            of_rows.push(place);
        }
        let mut order: Vec<u32> = (0..code(distinct.len())).collect();
        if sorted {
            let at = |place: u32| distinct[place as usize];
            order.sort_by(|one, other| at(*one).total_cmp(&at(*other)));
        }
        // Numbers that are equal to 15 digits are one level.
        let mut values: Vec<Arc<str>> = vec![];
        let mut renumbered = vec![0; distinct.len()];
        for place in order {
            let text = number_text(distinct[place as usize]);
            let known = values.last().is_some_and(|last| **last == *text);
            let known = known || (!sorted && values.iter().any(|own| **own == *text));
            if !known {
                values.push(text.as_str().into());
            }
            let at = values.iter().rposition(|own| **own == *text);
            renumbered[place as usize] = code(at.expect("it was pushed"));
        }
        for own in of_rows.iter_mut().filter(|own| **own != Codes::NA) {
            *own = renumbered[*own as usize];
        }
        Labels {
            values: Cow::Owned(values),
            of_rows: Cow::Owned(of_rows),
        }
    }

    pub fn of_logicals(values: &[i32]) -> Labels<'static> {
        let of_rows = values.iter().map(|value| match *value {
            NA_INTEGER => Codes::NA,
            value => u32::from(value != 0),
        });
        Labels {
            values: Cow::Owned(vec!["FALSE".into(), "TRUE".into()]),
            of_rows: Cow::Owned(of_rows.collect()),
        }
    }
}

/// A place as it is kept in codes.
pub(crate) fn code(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(Codes::NA)
}

impl<'a> Vector<'a> {
    pub fn of(column: &'a Column, rows: std::ops::Range<usize>) -> Self {
        match column {
            Column::Number(numbers) => Self::Number(Cow::Borrowed(&numbers[rows])),
            Column::Logical(values) => Self::Logical(Cow::Borrowed(&values[rows])),
            Column::Text(codes) => Self::Text(Labels::of(codes, rows)),
            Column::Factor { codes, ordered } => {
                let ordered = *ordered;
                Self::Factor(Labels::of(codes, rows), Levels { ordered })
            }
        }
    }

    pub fn numbers(numbers: Vec<f64>) -> Self {
        Self::Number(Cow::Owned(numbers))
    }

    pub fn logicals(values: Vec<i32>) -> Self {
        Self::Logical(Cow::Owned(values))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Number(numbers) => numbers.len(),
            Self::Logical(values) => values.len(),
            Self::Text(labels) | Self::Factor(labels, _) => labels.of_rows.len(),
            Self::Matrix(matrix) => matrix.columns.first().map_or(0, Vec::len),
        }
    }

    /// A borrowed look at the same.
    pub fn view(&self) -> Vector<'_> {
        self.slice(0..self.len())
    }

    /// As long as there are rows.
    pub fn stretched(self, rows: usize) -> Self {
        if self.len() == rows {
            return self;
        }
        match self {
            Self::Number(numbers) => Self::numbers(vec![numbers[0]; rows]),
            Self::Logical(values) => Self::logicals(vec![values[0]; rows]),
            Self::Text(labels) => Self::Text(stretch(labels, rows)),
            Self::Factor(labels, levels) => Self::Factor(stretch(labels, rows), levels),
            Self::Matrix(matrix) => Self::Matrix(matrix),
        }
    }

    /// Whether the value of a row is missing (NaN is).
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number(numbers) => numbers[row].is_nan(),
            Self::Logical(values) => values[row] == NA_INTEGER,
            Self::Text(labels) | Self::Factor(labels, _) => labels.of_rows[row] == Codes::NA,
            Self::Matrix(matrix) => matrix.columns.iter().any(|column| column[row].is_nan()),
        }
    }

    /// What R's `as.factor` labels it with.
    pub fn labels(self, sorted: bool) -> Option<Labels<'a>> {
        match self {
            Self::Number(numbers) => Some(Labels::of_numbers(&numbers, sorted)),
            Self::Logical(values) => Some(Labels::of_logicals(&values)),
            Self::Text(labels) | Self::Factor(labels, _) => Some(labels),
            Self::Matrix(_) => None,
        }
    }

    /// As R's arithmetic takes it.
    pub fn into_numbers(self) -> Option<Cow<'a, [f64]>> {
        match self {
            Self::Number(numbers) => Some(numbers),
            Self::Logical(values) => Some(Cow::Owned(values.iter().copied().map(number).collect())),
            Self::Text(_) | Self::Factor(..) | Self::Matrix(_) => None,
        }
    }

    /// As R's logic takes it.
    pub fn into_logicals(self) -> Option<Cow<'a, [i32]>> {
        match self {
            Self::Logical(values) => Some(values),
            Self::Number(numbers) => Some(Cow::Owned(numbers.iter().copied().map(truth).collect())),
            Self::Text(_) | Self::Factor(..) | Self::Matrix(_) => None,
        }
    }
}

fn stretch(labels: Labels<'_>, rows: usize) -> Labels<'_> {
    Labels {
        of_rows: Cow::Owned(vec![labels.of_rows[0]; rows]),
        values: labels.values,
    }
}

pub(crate) fn number(value: i32) -> f64 {
    match value {
        NA_INTEGER => NA_REAL,
        value => f64::from(value),
    }
}

pub(crate) fn truth(number: f64) -> i32 {
    if number.is_nan() {
        NA_INTEGER
    } else {
        i32::from(number != 0.0)
    }
}

impl Vector<'_> {
    /// Some of the rows.
    pub fn slice(&self, rows: std::ops::Range<usize>) -> Vector<'_> {
        match self {
            Self::Number(numbers) => Vector::Number(Cow::Borrowed(&numbers[rows])),
            Self::Logical(values) => Vector::Logical(Cow::Borrowed(&values[rows])),
            Self::Text(labels) => Vector::Text(labels.part(rows)),
            Self::Factor(labels, levels) => Vector::Factor(labels.part(rows), *levels),
            Self::Matrix(matrix) => Vector::Matrix(Matrix {
                columns: matrix
                    .columns
                    .iter()
                    .map(|own| own[rows.clone()].to_vec())
                    .collect(),
                names: matrix.names.clone(),
            }),
        }
    }
}

impl Labels<'_> {
    fn part(&self, rows: std::ops::Range<usize>) -> Labels<'_> {
        Labels {
            values: Cow::Borrowed(&self.values),
            of_rows: Cow::Borrowed(&self.of_rows[rows]),
        }
    }
}
