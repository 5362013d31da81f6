//! `squall map`: a data set in, one result for each id out. By now only by built-in
//! functions in this process.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use science::{Aggregate, Error, Groups, Plan, Spelling};
use serde::Serialize;

use crate::args::{Global, MapArgs, MapTarget};
use crate::failure::{Failure, Kind};
use crate::output;
use crate::progress::Progress;
use crate::transfer::count;

const STREAM: &str = "-";
const OUT_BUFFER: usize = 256 * 1024;

pub fn run(global: &Global, args: &MapArgs) -> Result<(), Failure> {
    let aggregate = built_in(args)?;
    let to_stdout = args.output.as_deref().is_none_or(|path| path == STREAM);
    if to_stdout && global.json {
        return Err(
            Failure::mistake("stdout cannot hold both the result and JSON")
                .hint("name a file for the result: -o FILE"),
        );
    }
    let threads = match args.parallel {
        Some(threads) => threads,
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let plan = Plan {
        by: args.by.clone(),
        value: args.value.clone(),
        aggregate,
        spelling: Spelling::Unknown,
        threads,
        memory: args.memory,
    };
    let started = Instant::now();
    let groups = compute(&args.input, plan, args.quiet || global.json)?;
    if to_stdout {
        to_standard(&groups)?;
    } else {
        let path = PathBuf::from(args.output.as_deref().unwrap_or_default());
        to_file(&groups, &path)
            .with_context(|| format!("cannot write {}", path.display()))
            .map_err(|error| Failure::new(Kind::Mistake, error))?;
    }
    finish(global, args, &groups, started.elapsed())
}

/// The function that is asked for, or why it cannot be had.
fn built_in(args: &MapArgs) -> Result<Aggregate, Failure> {
    if args.to != Some(MapTarget::Inline) {
        return Err(Failure::mistake(
            "a map over functions of an engine is not built yet; there are the built-in ones",
        )
        .hint("compute a built-in function in this process: --to inline"));
    }
    Ok(match args.function.as_str() {
        "sum" => Aggregate::Sum,
        "mean" => Aggregate::Mean,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "std" => Aggregate::Std,
        "count" => Aggregate::Count,
        "median" => Aggregate::Median,
        other => {
            let quantile = other.strip_prefix('q').and_then(|text| text.parse().ok());
            let quantile = quantile.filter(|quantile| (0.0..=1.0).contains(quantile));
            let quantile = quantile.ok_or_else(|| {
                Failure::mistake(format!("there is no built-in function {other:?}")).hint(
                    "there are sum, mean, min, max, std, count, median, and q0 to q1 for \
                     quantiles, such as q0.9",
                )
            });
            Aggregate::Quantile(quantile?)
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

/// Most of what can go wrong is in the data, and its owner can mend it.
fn failure(input: &str, error: Error) -> Failure {
    let name = if input == STREAM { "stdin" } else { input };
    match error {
        Error::Respelled(_) => Failure::mistake(
            "equal ids are written in several ways, so the input must be read twice, \
             and stdin cannot be",
        )
        .hint("put it into a file first"),
        Error::TooMuch { .. } => Failure::new(Kind::Refused, error).hint(
            "give it more: --memory SIZE; median and quantiles keep every value, the \
             others one state for each id",
        ),
        Error::NoColumn { .. } => Failure::mistake(format!("{name}: {error}"))
            .hint("name the columns of ids and values: --by COLUMN --value COLUMN"),
        Error::Read(_) => {
            let error = anyhow::Error::new(error).context(name.to_owned());
            Failure::new(Kind::Mistake, error)
        }
        error => Failure::mistake(format!("{name}: {error}")),
    }
}

fn to_standard(groups: &Groups) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(OUT_BUFFER, io::stdout().lock());
    match groups.write(&mut out).and_then(|()| out.flush()) {
        // Whoever read has seen enough: end as quietly as `cat` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other.context("cannot write to stdout")?),
    }
}

/// Beside it first, so that there is either the whole result or what was before. What
/// is no plain file, such as a pipe or /dev/null, is written to as it is.
fn to_file(groups: &Groups, path: &Path) -> io::Result<()> {
    let write = |file: &File| {
        let mut out = BufWriter::with_capacity(OUT_BUFFER, file);
        groups.write(&mut out)?;
        out.flush()
    };
    if path.metadata().is_ok_and(|meta| !meta.is_file()) {
        return write(&File::create(path)?);
    }
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let beside = tempfile::Builder::new()
        .prefix(".squall-map-")
        .permissions(permissions(&target))
        .tempfile_in(folder)?;
    write(beside.as_file())?;
    beside.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

/// Those of the file that is replaced, else those that a new file has.
fn permissions(target: &Path) -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    let before = target.metadata().map(|meta| meta.permissions());
    before.unwrap_or_else(|_| std::fs::Permissions::from_mode(0o666))
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
