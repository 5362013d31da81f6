//! From results to a table, and from a table to CSV, JSON lines, Parquet or Arrow.
//!
//! [`collect`] takes results apart into columns of JSON, [`cells`] finds the type of
//! each column; [`text`] and [`files`] write them, [`failed`] writes those items that
//! have no result.

mod cells;
mod collect;
mod failed;
mod files;
mod text;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write};

use columnar::{Batches, Names, Source, Wanted};
use science::items::Collected;
use science::{Groups, Ids, Results};
use serde_json::value::RawValue;
use types::table::{self, Values};

use crate::format::FileFormat;
use cells::Cells;

pub use failed::write_failures;

/// The name of the column of ids, where rows have none but their numbers.
const ROW: &str = "row";

/// Results as pandas would have them in a table: the ids, and beside them one column
/// for numbers and text, or one for each key that functions answered, in the order in
/// which they first came. Items without a result are left out.
///
/// Integers stay integers unless some are missing, or floats are among them. What is
/// nested is text, as JSON. A key with the name of the column of ids is left out if it
/// says the same; else it is renamed, as pandas renames the second column of a name.
#[derive(Debug)]
pub struct Table {
    rows: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    cells: Cells,
}

/// Results that make no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{rows} results have {columns} different keys, and only one in {sparse} cells of a table \
     of them would have a value"
)]
pub struct TooWide {
    pub rows: usize,
    pub columns: usize,
    pub sparse: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot write the results")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Columnar(columnar::Error),
}

impl Table {
    /// `value` names the column of results that have no keys. `results` are by rank.
    pub fn new(
        data: &Collected,
        value: &str,
        results: &[Option<Box<RawValue>>],
    ) -> Result<Self, TooWide> {
        Self::of(&data.by, &data.ids, value, results)
    }

    fn of(
        by: &str,
        ids: &Ids,
        value: &str,
        results: &[Option<Box<RawValue>>],
    ) -> Result<Self, TooWide> {
        let by = if by.is_empty() { ROW } else { by };
        let ranks: Vec<usize> = (0..results.len())
            .filter(|rank| results[*rank].is_some())
            .collect();
        let present = results.iter().flatten().map(|result| result.get());
        let collected = collect::columns(present, value)?;
        let ids = Cells::of_ids(ids, &ranks);
        let mut columns = vec![Column {
            name: by.to_owned(),
            cells: ids,
        }];
        let names: Vec<String> = collected.iter().map(|(name, _)| name.to_string()).collect();
        for (name, cells) in collected {
            let cells = cells.typed(ranks.len());
            if name != by {
                let name = name.into_owned();
                columns.push(Column { name, cells });
            } else if !cells.looks_like(&columns[0].cells) {
                let name = renamed(by, &names);
                columns.push(Column { name, cells });
            }
        }
        let rows = ranks.len();
        Ok(Self { rows, columns })
    }

    /// A table that was kept as columns. All have the same length.
    pub fn from_columns(columns: Vec<table::Column>) -> Self {
        let rows = columns.first().map_or(0, |column| column.values.len());
        let column = |column: table::Column| Column {
            name: column.name,
            cells: Cells::Plain(column.values),
        };
        let columns = columns.into_iter().map(column).collect();
        Self { rows, columns }
    }

    /// Results of functions that are built in.
    pub fn of_groups(groups: Groups) -> Self {
        let ranks: Vec<usize> = (0..groups.len()).collect();
        let ids = Cells::of_ids(&groups.ids, &ranks);
        let values = match groups.results {
            Results::Integers(results) => Values::Integers(results),
            Results::Floats(results) => Values::Floats(results),
        };
        let column = |name, cells| Column { name, cells };
        Self {
            rows: ranks.len(),
            columns: vec![
                column(groups.by, ids),
                column(groups.value, Cells::Plain(values)),
            ],
        }
    }

    /// Reads what was written as Arrow. A column that had no one type is one of text.
    pub fn read_arrow(file: File) -> Result<Self, columnar::Error> {
        let source = Source::file(file).map_err(columnar::Error::Read)?;
        let wanted = Wanted {
            by: None,
            columns: Names::All,
            // It was in memory when it was made.
            limit: u64::MAX,
        };
        let mut batches = Batches::arrow(&source, &wanted)?;
        let mut columns = batches.next().transpose()?.unwrap_or_default();
        for batch in batches {
            for (column, more) in columns.iter_mut().zip(batch?) {
                column.values.extend(&more.values, 0..more.values.len());
            }
        }
        Ok(Self::from_columns(columns))
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Writes it whole, in large pieces.
    pub fn write(
        &self,
        format: FileFormat,
        out: &mut (impl Write + Send),
    ) -> Result<(), WriteError> {
        match format {
            FileFormat::Csv => text::csv(self, out).map_err(WriteError::Write),
            FileFormat::JsonLines => text::json_lines(self, out).map_err(WriteError::Write),
            FileFormat::Parquet | FileFormat::Arrow => files::write(self, format, out),
        }
    }
}

/// As pandas names a second column, if there is none of that name either.
fn renamed(name: &str, taken: &[String]) -> String {
    let names = (1..).map(|number| format!("{name}.{number}"));
    let mut free = names.filter(|name| !taken.contains(name));
    free.next().expect("some number is not taken")
}
