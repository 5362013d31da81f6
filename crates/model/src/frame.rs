//! Data in columns, as `data.frame` has them.

use std::sync::Arc;

/// Columns of the same length, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    rows: usize,
    columns: Vec<(Arc<str>, Column)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// NA is [`rdata::value::NA_REAL`].
    Number(Vec<f64>),
    /// 0, 1 or [`rdata::value::NA_INTEGER`].
    Logical(Vec<i32>),
    /// Texts, each kept once: in the order in which they were first seen, unlike the
    /// levels of a factor.
    Text(Codes),
    /// Levels in the order that a factor has.
    Factor { codes: Codes, ordered: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    pub values: Vec<Arc<str>>,
    /// For each row the place in `values`; [`Codes::NA`] where there is none.
    pub of_rows: Vec<u32>,
}

impl Codes {
    pub const NA: u32 = u32::MAX;
}

impl Column {
    pub fn rows(&self) -> usize {
        match self {
            Self::Number(numbers) => numbers.len(),
            Self::Logical(values) => values.len(),
            Self::Text(codes) | Self::Factor { codes, .. } => codes.of_rows.len(),
        }
    }
}

impl Frame {
    /// # Panics
    /// If a column is not as long as the others.
    pub fn new(columns: Vec<(Arc<str>, Column)>) -> Self {
        let rows = columns.first().map_or(0, |(_, column)| column.rows());
        assert!(columns.iter().all(|(_, column)| column.rows() == rows));
        Self { rows, columns }
    }

    /// Rows without columns: enough for a model that has only an intercept.
    pub fn empty(rows: usize) -> Self {
        Self {
            rows,
            columns: vec![],
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> &[(Arc<str>, Column)] {
        &self.columns
    }

    pub fn get(&self, name: &str) -> Option<&Column> {
        let found = self.columns.iter().find(|(own, _)| &**own == name);
        found.map(|(_, column)| column)
    }
}
