//! What can be wrong with data, said so that it can be found and mended.

use std::io;
use std::sync::Arc;

/// Names that are listed before the rest is counted.
const LISTED: usize = 20;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    #[error("cannot read the data")]
    Read(#[source] io::Error),
    #[error("{0}")]
    Table(#[source] science::Error),
    /// A file of another format that is broken; its own words.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
    #[error("there is no column {}; there are {}", list(missing), list(there))]
    Missing {
        missing: Vec<Arc<str>>,
        there: Vec<Arc<str>>,
    },
    /// Rows count from 1, without the header. What came is not what the field takes.
    #[error("row {row}: field {field}: {found} is no {wanted}{}", hint.as_deref().unwrap_or_default())]
    Cell {
        row: u64,
        field: Arc<str>,
        found: String,
        wanted: &'static str,
        hint: Option<String>,
    },
    #[error(
        "row {row}: there is no field {}; the model needs {}",
        list(missing),
        list(needed)
    )]
    Fields {
        row: u64,
        missing: Vec<Arc<str>>,
        needed: Vec<Arc<str>>,
    },
    #[error("column {column:?} has more than {limit} different texts: too many for levels")]
    TooManyLevels { column: Arc<str>, limit: usize },
    #[error("there are more than {limit} rows")]
    TooManyRows { limit: u64 },
    #[error("{message}")]
    Json { message: String },
    /// It was read a second time and was not the same.
    #[error("the data changed while it was read")]
    Changed,
}

impl InputError {
    /// The same with so many rows before those in which it was found.
    pub(crate) fn behind(mut self, rows: u64) -> Self {
        match &mut self {
            Self::Table(science::Error::Row { row, .. } | science::Error::TooLong { row, .. })
            | Self::Cell { row, .. }
            | Self::Fields { row, .. } => *row += rows,
            _ => {}
        }
        self
    }
}

impl From<science::Error> for InputError {
    fn from(error: science::Error) -> Self {
        match error {
            science::Error::Read(error) => Self::Read(error),
            error => Self::Table(error),
        }
    }
}

pub(crate) fn list(names: &[Arc<str>]) -> String {
    let shown = names.iter().take(LISTED).map(|name| format!("{name:?}"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 if names.is_empty() => "none".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
