//! Reads a file batch by batch: [`plan`] finds what each wanted column becomes,
//! [`parquet`] and [`arrow`] know the two formats, [`values`] turns the arrays of the
//! library into plain values.

mod arrow;
mod pages;
mod parquet;
mod plan;
mod times;
mod values;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use types::table::Column;

use crate::{Error, Format, Source};
use plan::Plan;

/// Rows that are handed out together, at most.
const ROWS: usize = 16 * 1024;

/// What is wanted of a file.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The column that tells rows apart. Numbers in it that do not fit into 64 bits
    /// become text: as floats, different ones could be equal.
    pub by: Option<&'a str>,
    pub columns: Names<'a>,
    /// Bytes that a block of the file may take, which must be in memory in one piece.
    pub limit: u64,
}

#[derive(Debug, Clone, Copy)]
pub enum Names<'a> {
    /// All but the index that pandas wrote as a column of its own.
    All,
    /// In this order.
    These(&'a [&'a str]),
}

/// The rows of a file, some at a time, in columns that have the same types in all
/// batches. There is at least one batch; it has no rows if the file has none.
///
/// Integers with missing values are floats, as pandas has them; truth values with
/// missing ones are text. Dates and times are text by ISO 8601, those of a time zone
/// in UTC.
pub struct Batches {
    format: Format,
    plans: Vec<Plan>,
    records: Records,
    current: Option<RecordBatch>,
    state: State,
}

type Records = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was handed out.
    New,
    Going,
    /// At the end, or behind an error.
    Done,
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("plans", &self.plans)
            .finish_non_exhaustive()
    }
}

impl Batches {
    pub fn parquet(source: &Source, wanted: &Wanted) -> Result<Self, Error> {
        let format = Format::Parquet;
        caught(format, || {
            let file = parquet::Opened::new(source, wanted)?;
            let mut plans = plan::choose(file.schema(), wanted)?;
            file.settle(&mut plans)?;
            let roots: Vec<_> = plans.iter().map(|plan| plan.index).collect();
            Ok(Self::new(format, plans, file.records(&roots)?))
        })
    }

    /// A file or a stream of Arrow IPC.
    pub fn arrow(source: &Source, wanted: &Wanted) -> Result<Self, Error> {
        let format = Format::Arrow;
        caught(format, || {
            let file = arrow::Opened::new(source, wanted)?;
            let mut plans = plan::choose(file.schema(), wanted)?;
            let doubtful = plan::doubtful(&plans);
            if !doubtful.is_empty() {
                plan::settle(&mut plans, &doubtful, file.records(&doubtful))?;
            }
            let indices: Vec<_> = plans.iter().map(|plan| plan.index).collect();
            Ok(Self::new(format, plans, file.records(&indices)))
        })
    }

    fn new(format: Format, plans: Vec<Plan>, records: Records) -> Self {
        Self {
            format,
            plans,
            records,
            current: None,
            state: State::New,
        }
    }

    fn step(&mut self) -> Result<Option<Vec<Column>>, Error> {
        let batch = loop {
            match self.current.take() {
                Some(batch) if batch.num_rows() > 0 => break batch,
                _ => match self.records.next() {
                    Some(batch) => self.current = Some(batch?),
                    None if self.state == State::New => return self.columns(None).map(Some),
                    None => return Ok(None),
                },
            }
        };
        let rows = batch.num_rows().min(ROWS);
        let columns = self.columns(Some(&batch.slice(0, rows)))?;
        self.current = Some(batch.slice(rows, batch.num_rows() - rows));
        Ok(Some(columns))
    }

    fn columns(&self, batch: Option<&RecordBatch>) -> Result<Vec<Column>, Error> {
        let column = |(at, plan): (usize, &Plan)| {
            let mut values = values::none(plan.kind);
            if let Some(batch) = batch {
                values::append(batch.column(at).as_ref(), &mut values)
                    .map_err(|kind| plan.unsupported(kind))?;
            }
            let name = plan.name.clone();
            Ok(Column { name, values })
        };
        self.plans.iter().enumerate().map(column).collect()
    }
}

impl Iterator for Batches {
    type Item = Result<Vec<Column>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let next = caught(self.format, || self.step()).transpose();
        self.state = match next {
            Some(Ok(_)) => State::Going,
            Some(Err(_)) | None => State::Done,
        };
        next
    }
}

/// Runs the library, which asserts some things that a damaged file breaks: what can be
/// looked at before it runs was looked at, but not each number within the pages of a
/// file. What it was about to do is never taken up again.
fn caught<T>(format: Format, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let detail = "it breaks off where there should be values";
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(Error::Damaged { format, detail }))
}
