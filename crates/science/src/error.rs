//! What can be wrong with a data set, said so that it can be found and mended.

use std::io;
use std::path::PathBuf;

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
    #[error("the header has more than {limit} columns")]
    TooManyColumns { limit: usize },
    #[error("there is no column {name:?}; there are {}", list(there))]
    NoColumn { name: String, there: Vec<String> },
    #[error("there is no column beside {by:?}, that of the ids")]
    OnlyIds { by: String },
    #[error("column {column:?} is one of text, and numbers are wanted")]
    NotNumbers { column: String },
    #[error("only JSON lines have lines that are values")]
    NotLines,
    /// Rows are counted from 1, without the header (row 0) and empty lines.
    #[error("{}: {problem}", place(*row))]
    Row { row: u64, problem: Problem },
    /// Lines are counted from 1.
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: Problem },
    #[error("line {line} has more than {limit} bytes")]
    LongLine { line: u64, limit: usize },
    #[error("after {} comes a record of more than {limit} bytes; is a quote not closed?", place(*row))]
    TooLong { row: u64, limit: usize },
    #[error("ids alone need more than {limit} bytes of memory")]
    TooMuch { limit: u64 },
    #[error(
        "the {rows} rows of id {id:?} need {bytes} bytes of memory, \
         and an item may take at most {limit}"
    )]
    ItemTooLarge {
        id: String,
        rows: u64,
        bytes: u64,
        limit: u64,
    },
    #[error("cannot keep rows in a scratch file in {}", folder.display())]
    Scratch {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
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
    /// Not the input's fault: types are known only when all rows have been seen.
    #[error("column {column:?}: not of the type that the rows before it have")]
    Unlike { column: String },
    #[error("column {column:?}: not UTF-8 text")]
    NotUtf8 { column: String },
    #[error("not UTF-8 text")]
    LineNotUtf8,
    /// Counted from 1.
    #[error("not JSON: {detail} at character {at}")]
    NotJson { at: usize, detail: String },
    #[error("not an object")]
    NotAnObject,
    #[error("field {column:?}: {found} cannot be an id")]
    NotAnId { column: String, found: String },
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
