//! A map by built-in functions in this process, without an engine and without items:
//! groups are reduced while they are read.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use science::{Aggregate, Error, Groups, Plan, Spelling};
use serde::Serialize;

use super::sink;
use super::source::{self, STREAM};
use crate::args::{Choices, Global, MapArgs};
use crate::failure::{Failure, Kind};
use crate::output;
use crate::progress::Progress;
use crate::transfer::count;

const MEMORY: u64 = 2 << 30;

pub fn run(global: &Global, args: &MapArgs) -> Result<(), Failure> {
    let choices = &args.choices;
    let (Some(function), Some(input)) = (&args.function, &args.input) else {
        return Err(Failure::mistake("what runs in this process leaves no job to go on with"));
    };
    let aggregate = built_in(function)?;
    let (by, value) = columns(choices)?;
    let output = args.output.as_deref().filter(|path| *path != STREAM);
    sink::one_use_of_stdout(output, global.json)?;
    let threads = match args.parallel {
        Some(threads) => threads,
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let plan = Plan {
        by,
        value,
        aggregate,
        spelling: Spelling::Unknown,
        threads,
        memory: choices.memory.unwrap_or(MEMORY),
        scratch: source::scratch(global),
    };
    let started = Instant::now();
    let groups = compute(input, plan, args.quiet || global.json)?;
    sink::put(output, |mut out| groups.write(&mut out))?;
    finish(global, args, &groups, started.elapsed())
}

/// The columns of ids and values.
fn columns(choices: &Choices) -> Result<(String, String), Failure> {
    match (&choices.by, &choices.value) {
        (Some(by), Some(value)) => Ok((by.clone(), value.clone())),
        _ => Err(Failure::mistake("a built-in function needs two columns")
            .hint("name those of ids and values: --by COLUMN --value COLUMN")),
    }
}

/// The function that is asked for, or why it cannot be had.
fn built_in(name: &str) -> Result<Aggregate, Failure> {
    named(name).ok_or_else(|| {
        Failure::mistake(format!("there is no built-in function {name:?}")).hint(
            "there are sum, mean, min, max, std, count, median, and q0 to q1 for quantiles, \
             such as q0.9",
        )
    })
}

/// Built-in functions by their names.
pub fn named(name: &str) -> Option<Aggregate> {
    Some(match name {
        "sum" => Aggregate::Sum,
        "mean" => Aggregate::Mean,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "std" => Aggregate::Std,
        "count" => Aggregate::Count,
        "median" => Aggregate::Median,
        other => {
            let quantile = other.strip_prefix('q')?.parse().ok()?;
            let is_one = (0.0..=1.0).contains(&quantile);
            return is_one.then_some(Aggregate::Quantile(quantile));
        }
    })
}

fn compute(input: &str, mut plan: Plan, quiet: bool) -> Result<Groups, Failure> {
    if input == STREAM {
        let progress = Progress::of(1, 0, "stdin", quiet);
        let result = science::aggregate(io::stdin(), &plan, &|bytes| progress.add(bytes));
        progress.clear();
        return result.map_err(|error| failure(input, error));
    }
    loop {
        let (file, size) = open(Path::new(input))?;
        let progress = Progress::of(1, size, input, quiet);
        let result = science::aggregate(file, &plan, &|bytes| progress.add(bytes));
        progress.clear();
        match result {
            Err(Error::Respelled(spelling)) if plan.spelling == Spelling::Unknown => {
                plan.spelling = spelling;
            }
            Err(error) => return Err(failure(input, error)),
            Ok(groups) => return Ok(groups),
        }
    }
}

fn open(path: &Path) -> Result<(impl Read + Send + use<>, u64), Failure> {
    let cannot = |error: io::Error| {
        let text = format!("cannot read {}", path.display());
        Failure::new(Kind::Mistake, anyhow::Error::new(error).context(text))
    };
    let file = File::open(path).map_err(cannot)?;
    let meta = file.metadata().map_err(cannot)?;
    if meta.is_dir() {
        return Err(Failure::mistake(format!("{} is a folder", path.display())));
    }
    Ok((file, meta.len()))
}

fn failure(input: &str, error: Error) -> Failure {
    let name = if input == STREAM { "stdin" } else { input };
    match error {
        Error::Respelled(_) => Failure::mistake(
            "equal ids are written in several ways, so the input must be read twice, \
             and stdin cannot be",
        )
        .hint("put it into a file first"),
        Error::TooMuch { .. } => Failure::new(Kind::Refused, error)
            .hint("give it more: --memory SIZE; the ids must fit there, with a state for each"),
        error => source::bad_data(name, error),
    }
}

#[derive(Debug, Serialize)]
struct Report {
    rows: u64,
    groups: usize,
    dropped_rows: u64,
    bytes: u64,
    seconds: f64,
}

fn finish(
    global: &Global,
    args: &MapArgs,
    groups: &Groups,
    elapsed: Duration,
) -> Result<(), Failure> {
    let summary = groups.summary;
    let report = Report {
        rows: summary.rows,
        groups: groups.len(),
        dropped_rows: summary.dropped,
        bytes: summary.bytes,
        seconds: elapsed.as_secs_f64(),
    };
    if global.json {
        output::json(&report)?;
    } else if !args.quiet {
        output::note(&said(&report));
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate in a few digits"
)]
fn said(report: &Report) -> String {
    let rate = report.bytes as f64 / report.seconds.max(1e-6);
    let dropped = match report.dropped_rows {
        0 => String::new(),
        rows => format!(", {} without an id dropped", count(rows, "row")),
    };
    format!(
        "{} in {}{dropped}; {} in {:.2} s, {}/s",
        count(report.rows, "row"),
        count(report.groups as u64, "group"),
        output::size(report.bytes),
        report.seconds,
        output::size(rate as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_said_in_one_line() {
        let mut report = Report {
            rows: 10,
            groups: 1,
            dropped_rows: 0,
            bytes: 3 << 20,
            seconds: 0.5,
        };
        assert_eq!(
            said(&report),
            "10 rows in 1 group; 3.0 MB in 0.50 s, 6.0 MB/s"
        );
        report.dropped_rows = 1;
        assert!(said(&report).contains(", 1 row without an id dropped;"));
    }
}
