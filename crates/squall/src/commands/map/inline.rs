//! A map by built-in functions in this process, without an engine and without items:
//! groups are reduced while they are read.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use map::format::FileFormat;
use map::input::{Input, InputError};
use map::results::Table;
use science::{Aggregate, Error, Groups, Plan, Spelling};
use serde::Serialize;

use super::sink;
use super::source::{self, STREAM};
use crate::args::{Choices, Global, MapArgs};
use crate::client;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::progress::Progress;
use crate::transfer::count;

const MEMORY: u64 = 2 << 30;
const ONCE: &str = "equal ids are written in several ways, so the input must be read twice, \
                    and stdin cannot be";

pub fn run(global: &Global, args: &MapArgs) -> Result<(), Failure> {
    let choices = &args.choices;
    let (Some(function), Some(input)) = (&args.function, &args.input) else {
        return Err(Failure::mistake(
            "what runs in this process leaves no job to go on with",
        ));
    };
    let built_in = built_in(function)?;
    let (by, value) = columns(choices)?;
    let output = args.output.as_deref().filter(|path| *path != STREAM);
    sink::one_use_of_stdout(output, global.json)?;
    sink::places(input, output, None)?;
    let threads = match choices.parallel {
        Some(threads) => threads,
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let plan = Plan {
        by,
        value,
        aggregate: built_in,
        spelling: Spelling::Unknown,
        threads,
        memory: choices.memory.unwrap_or(MEMORY),
        scratch: source::scratch(global),
    };
    let started = Instant::now();
    let quiet = args.quiet || global.json;
    let (groups, bytes) = if input.starts_with("s3://") {
        let mut read = None;
        client::block_on_threads(async {
            read = Some(from_bucket(global, input, choices, plan, quiet).await?);
            Ok(())
        })?;
        read.expect("it is there where there is no error")
    } else {
        let (data, size) = open(input)?;
        aggregate(input, &formatted(data, choices), size, &plan, quiet)?
    };
    let said = Report {
        rows: groups.summary.rows,
        groups: groups.len(),
        dropped_rows: groups.summary.dropped,
        bytes,
        seconds: 0.0,
    };
    match sink::format(choices, output) {
        FileFormat::Csv => sink::put(output, |mut out| groups.write(&mut out))?,
        format => sink::table(output, &Table::of_groups(groups), format)?,
    }
    let seconds = started.elapsed().as_secs_f64();
    finish(global, args, &Report { seconds, ..said })
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

fn formatted(data: Input, choices: &Choices) -> Input {
    match choices.input_format {
        Some(format) => data.format(format.into()),
        None => data,
    }
}

/// Groups, and how many bytes were read.
fn aggregate(
    name: &str,
    data: &Input,
    size: u64,
    plan: &Plan,
    quiet: bool,
) -> Result<(Groups, u64), Failure> {
    let progress = Progress::of(1, size, source::shown(name), quiet);
    let read = AtomicU64::new(0);
    let result = data.aggregate(plan, &|bytes| {
        read.fetch_add(bytes, Ordering::Relaxed);
        progress.add(bytes);
    });
    progress.clear();
    let groups = result.map_err(|error| failure(name, error))?;
    Ok((groups, read.into_inner()))
}

async fn from_bucket(
    global: &Global,
    input: &str,
    choices: &Choices,
    plan: Plan,
    quiet: bool,
) -> Result<(Groups, u64), Failure> {
    let client = || client::find(global);
    let format = choices.input_format.map(FileFormat::from);
    let silent = Progress::silent();
    let found = source::open(input, format, &plan.scratch, client, &silent).await?;
    let name = input.to_owned();
    let size = found.size.unwrap_or(0);
    let work = move || aggregate(&name, &found.input, size, &plan, quiet);
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::from(anyhow::anyhow!(error)))?
}

/// What is on this machine, and its size where that is known.
fn open(input: &str) -> Result<(Input, u64), Failure> {
    if input == STREAM {
        let taken = AtomicBool::new(false);
        let data = Input::reader(move || {
            if taken.swap(true, Ordering::Relaxed) {
                return Err(io::Error::new(io::ErrorKind::NotSeekable, ONCE));
            }
            Ok(Box::new(io::stdin()))
        });
        return Ok((data, 0));
    }
    let path = Path::new(input);
    let meta = path
        .metadata()
        .and_then(|meta| File::open(path).map(|_| meta));
    let meta = meta.map_err(|error| source::cannot_read(input, error))?;
    if meta.is_dir() {
        return Err(Failure::mistake(format!("{input} is a folder")));
    }
    Ok((Input::file(path), meta.len()))
}

fn failure(input: &str, error: InputError) -> Failure {
    let is_second = |error: &io::Error| error.kind() == io::ErrorKind::NotSeekable;
    match error {
        InputError::Data(Error::Read(error)) | InputError::Read(error)
            if input == STREAM && is_second(&error) =>
        {
            Failure::mistake(ONCE).hint("put it into a file first")
        }
        InputError::Data(error @ Error::TooMuch { .. }) => Failure::new(Kind::Refused, error)
            .hint("give it more: --memory SIZE; the ids must fit there, with a state for each"),
        error => source::bad_input(source::shown(input), error),
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

fn finish(global: &Global, args: &MapArgs, report: &Report) -> Result<(), Failure> {
    if global.json {
        output::json(report)?;
    } else if !args.quiet {
        output::note(&said(report));
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
