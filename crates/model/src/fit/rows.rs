//! Passes over the rows of a fit: cut into segments, on all cores, with results that do
//! not depend on how many there are.
//!
//! A segment is a run of rows of one block; where it begins depends on the block alone.
//! Each has a state of its own, and the states are merged in the order of the rows.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::FitError;
use super::data::Data;

/// Rows that are worked on at once.
pub const BATCH_ROWS: usize = 512;
/// A segment has at least so many rows, so that threads are worth their start.
const SEGMENT_ROWS: usize = 4096;
/// Segments of a block; each has a triangle in memory.
const MOST_SEGMENTS: usize = 32;
const FEWER_SEGMENTS: usize = 8;
/// With more columns than this, fewer segments.
const MANY_COLUMNS: usize = 256;

/// Some rows, in numbers.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    pub count: usize,
    /// Of the model matrix.
    pub columns: Vec<&'a [f64]>,
    pub responses: Vec<&'a [f64]>,
    pub offset: Option<&'a [f64]>,
    pub weights: Option<&'a [f64]>,
    /// Which rows of the block these are.
    pub places: Places<'a>,
}

#[derive(Debug, Clone)]
pub enum Places<'a> {
    All(Range<usize>),
    Some(&'a [usize]),
}

/// What a pass does with rows; one for each segment.
pub trait Worker: Send {
    fn work(&mut self, batch: &Batch<'_>) -> Result<(), FitError>;
}

/// All rows of a fit.
#[derive(Debug)]
pub enum Rows<'a> {
    /// Evaluated once: what is small, or shall be kept.
    Matrix(Matrix),
    /// Evaluated in each pass.
    Data(Data<'a>),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: Vec<Vec<f64>>,
    pub responses: Vec<Vec<f64>>,
    pub offset: Option<Vec<f64>>,
    pub weights: Option<Vec<f64>>,
    /// Which rows of the data these are; the others were omitted.
    pub places: Vec<usize>,
}

impl Matrix {
    fn batch(&self, range: Range<usize>) -> Batch<'_> {
        Batch {
            count: range.len(),
            columns: self.columns.iter().map(|own| &own[range.clone()]).collect(),
            responses: self
                .responses
                .iter()
                .map(|own| &own[range.clone()])
                .collect(),
            offset: self.offset.as_ref().map(|own| &own[range.clone()]),
            weights: self.weights.as_ref().map(|own| &own[range.clone()]),
            places: Places::Some(&self.places[range]),
        }
    }
}

impl Rows<'_> {
    /// Columns of the model matrix.
    pub fn columns(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.columns.len(),
            Self::Data(data) => data.columns(),
        }
    }

    pub fn responses(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.responses.len(),
            Self::Data(data) => data.responses(),
        }
    }

    /// Whether they are so few that one worker gets all of them.
    pub fn few(&self) -> bool {
        matches!(self, Self::Matrix(matrix) if matrix.rows <= SEGMENT_ROWS)
    }

    /// Goes over all rows; `merge` gets the workers in the order of their rows.
    pub fn pass<W: Worker>(
        &self,
        make: &(impl Fn() -> W + Sync),
        merge: &mut impl FnMut(W),
    ) -> Result<(), FitError> {
        match self {
            Self::Matrix(matrix) => {
                let columns = matrix.columns.len();
                segments(
                    matrix.rows,
                    columns,
                    make,
                    merge,
                    &|worker: &mut W, range| {
                        for part in batches(range) {
                            worker.work(&matrix.batch(part))?;
                        }
                        Ok(())
                    },
                )
            }
            Self::Data(data) => data.pass(make, merge),
        }
    }
}

pub(super) fn batches(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    let starts = range.step_by(BATCH_ROWS);
    starts.map(move |start| start..(start + BATCH_ROWS).min(end))
}

/// Cuts the rows of a block into segments and has them worked on.
pub(super) fn segments<W: Worker>(
    rows: usize,
    columns: usize,
    make: &(impl Fn() -> W + Sync),
    merge: &mut impl FnMut(W),
    work: &(impl Fn(&mut W, Range<usize>) -> Result<(), FitError> + Sync),
) -> Result<(), FitError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    on_cores(cores, (rows, columns), make, merge, work)
}

fn on_cores<W: Worker>(
    cores: usize,
    (rows, columns): (usize, usize),
    make: &(impl Fn() -> W + Sync),
    merge: &mut impl FnMut(W),
    work: &(impl Fn(&mut W, Range<usize>) -> Result<(), FitError> + Sync),
) -> Result<(), FitError> {
    let most = if columns > MANY_COLUMNS {
        FEWER_SEGMENTS
    } else {
        MOST_SEGMENTS
    };
    let count = (rows / SEGMENT_ROWS).clamp(1, most);
    // Whole batches, as evenly as they go.
    let all = rows.div_ceil(BATCH_ROWS);
    let bound = |at: usize| (at * all / count * BATCH_ROWS).min(rows);
    let one = |at: usize| {
        let mut worker = make();
        work(&mut worker, bound(at)..bound(at + 1))?;
        Ok(worker)
    };
    if count == 1 || cores == 1 {
        for at in 0..count {
            merge(one(at)?);
        }
        return Ok(());
    }
    for done in on_threads(count, cores.min(count), &one)? {
        merge(done);
    }
    Ok(())
}

fn on_threads<W: Send>(
    count: usize,
    threads: usize,
    one: &(impl Fn(usize) -> Result<W, FitError> + Sync),
) -> Result<Vec<W>, FitError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let results: Vec<Mutex<Option<Result<W, FitError>>>> =
        (0..count).map(|_| Mutex::new(None)).collect();
    let run = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(place) = results.get(at) else {
                return;
            };
            let result = one(at);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            *place.lock().expect("no thread panics with it") = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    // An error may have kept later segments from being worked on; the first one counts.
    let mut done = Vec::with_capacity(count);
    for place in results {
        match place.into_inner().expect("no thread panics with it") {
            Some(Ok(worker)) => done.push(worker),
            Some(Err(error)) => return Err(error),
            None => {}
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes down what it gets.
    struct Notes(Vec<Range<usize>>);

    impl Worker for Notes {
        fn work(&mut self, _: &Batch<'_>) -> Result<(), FitError> {
            unreachable!("segments are given by range here")
        }
    }

    fn parts(rows: usize, columns: usize, cores: usize) -> Vec<Vec<Range<usize>>> {
        let mut all = vec![];
        on_cores(
            cores,
            (rows, columns),
            &|| Notes(vec![]),
            &mut |notes| all.push(notes.0),
            &|notes, range| {
                notes.0.extend(batches(range));
                Ok(())
            },
        )
        .unwrap();
        all
    }

    #[test]
    fn segments_are_the_same_on_any_number_of_cores() {
        for rows in [0, 1, 511, 512, 4096, 8191, 8192, 100_000, 1_000_003] {
            for columns in [1, MANY_COLUMNS + 1] {
                let one = parts(rows, columns, 1);
                assert_eq!(one, parts(rows, columns, 3));
                assert_eq!(one, parts(rows, columns, 64));
                let flat: Vec<usize> = one.iter().flatten().cloned().flatten().collect();
                assert_eq!(flat, (0..rows).collect::<Vec<_>>());
                assert!(one.iter().flatten().all(|batch| batch.len() <= BATCH_ROWS));
            }
        }
    }

    #[test]
    fn the_first_error_counts() {
        for cores in [1, 4] {
            let error = on_cores(
                cores,
                (100_000, 1),
                &|| Notes(vec![]),
                &mut |_| {},
                &|_, range| match range.start {
                    0..20_000 => Ok(()),
                    20_000..30_000 => Err(FitError::Read("early".into())),
                    _ => Err(FitError::Read("late".into())),
                },
            );
            assert_eq!(error.unwrap_err().to_string(), "early");
        }
    }
}
