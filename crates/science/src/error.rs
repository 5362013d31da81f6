//! What can be wrong with a data set, said so that it can be found and mended.

use std::io;

use crate::groups::Spelling;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("cannot read the input")]
    Read(#[source] io::Error),
    #[error("the input is empty: there is not even a header")]
    Empty,
    #[error("the header is not UTF-8 text")]
    HeaderNotUtf8,
    #[error("there is no column {name:?}; there are {}", list(there))]
    NoColumn { name: String, there: Vec<String> },
    /// Rows are counted from 1, without the header (row 0) and empty lines.
    #[error("{}: {problem}", place(*row))]
    Row { row: u64, problem: Problem },
    #[error("after {} comes a record of more than {limit} bytes; is a quote not closed?", place(*row))]
    TooLong { row: u64, limit: usize },
    #[error("groups and their values need more than {limit} bytes of memory")]
    TooMuch { limit: u64 },
    /// Not the input's fault: ids that look different are equal, and which they are
    /// is known only at the end. Aggregate anew with this spelling in the plan.
    #[error("some ids are written in several ways, so the input must be read twice")]
    Respelled(Spelling),
}

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    #[error("expected {expected} fields, found {found}")]
    TooManyFields { expected: usize, found: usize },
    #[error("a quote is opened and never closed")]
    OpenQuote,
    #[error("column {column:?}: expected a number, found {found:?}")]
    NotANumber { column: String, found: String },
    #[error(
        "column {column:?}: the integer does not fit into 64 bits, \
         and the column has no fractions that would make it one of floats"
    )]
    WideInteger { column: String },
    #[error("column {column:?}: not UTF-8 text")]
    NotUtf8 { column: String },
}

/// Names that are listed before the rest is counted.
const LISTED: usize = 20;

fn place(row: u64) -> String {
    match row {
        0 => "the header".to_owned(),
        row => format!("row {row}"),
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(LISTED)
        .map(|n| format!("{n:?}"))
        .collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
