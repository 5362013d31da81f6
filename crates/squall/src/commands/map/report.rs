//! What came of a map, for people and for programs.

use std::time::Duration;

use anyhow::anyhow;
use map::failures;
use map::run::{Broken, End, Finished};
use science::items::Collected;
use serde::Serialize;
use store::jobs::JobId;

use super::figures::{dollars, rate, time};
use crate::failure::{Failure, Kind};
use crate::output::{self, Table};
use crate::transfer::count;

/// Kinds of failures that are shown.
const KINDS: usize = 8;
/// What fits on a line of the table.
const MESSAGE: usize = 72;

/// A job at its end.
pub struct Told<'a> {
    pub job: Option<JobId>,
    pub function: &'a str,
    pub data: &'a Collected,
    pub finished: &'a Finished,
    /// With reading and writing.
    pub elapsed: Duration,
    /// Whether the failed items were written to a file.
    pub lists_failed: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    job: Option<&'a str>,
    end: &'static str,
    rows: u64,
    dropped_rows: u64,
    items: u64,
    /// With those that were known.
    done: u64,
    known: u64,
    failed: u64,
    invocations: u64,
    retries: u64,
    backups: u64,
    splits: u64,
    seconds: f64,
    billed_seconds: f64,
    aws_dollars: f64,
    peak_memory_mb: Option<u32>,
    failures: Vec<FailureKind>,
}

/// Failures that have an error in common.
#[derive(Debug, Serialize)]
pub struct FailureKind {
    error: String,
    message: String,
    count: u64,
    examples: Vec<String>,
}

/// Says what came of it, and gives it an exit code.
pub fn finish(json: bool, quiet: bool, told: &Told<'_>) -> Result<(), Failure> {
    let kinds = kinds(told);
    if json {
        output::json(&report(told, kinds))?;
    } else {
        if !kinds.is_empty() {
            output::note(table(&kinds).trim_end());
        }
        if !quiet {
            output::note(&summary(told));
        }
    }
    verdict(told)
}

fn kinds(told: &Told<'_>) -> Vec<FailureKind> {
    shown(failures::table(told.data, &told.finished.failures))
}

/// Kinds of failures as they are shown.
pub fn shown(kinds: Vec<failures::Kind>) -> Vec<FailureKind> {
    let kinds = kinds.into_iter();
    kinds
        .map(|kind| FailureKind {
            error: kind.error_type,
            message: without_request(&kind.message).to_owned(),
            count: kind.count,
            examples: kind.examples,
        })
        .collect()
}

fn report<'a>(told: &'a Told<'_>, failures: Vec<FailureKind>) -> Report<'a> {
    let progress = &told.finished.progress;
    let summary = told.data.summary;
    Report {
        job: told.job.as_ref().map(JobId::as_str),
        end: word(&told.finished.end),
        rows: summary.rows,
        dropped_rows: summary.dropped,
        items: progress.items,
        done: progress.done,
        known: progress.known,
        failed: progress.failed,
        invocations: progress.invocations,
        retries: progress.retries,
        backups: progress.backups,
        splits: progress.splits,
        seconds: told.elapsed.as_secs_f64(),
        billed_seconds: progress.billed.as_secs_f64(),
        aws_dollars: progress.cost,
        peak_memory_mb: progress.peak_memory_mb,
        failures,
    }
}

fn word(end: &End) -> &'static str {
    match end {
        End::Complete => "complete",
        End::Stopped => "stopped",
        End::Cancelled => "cancelled",
        End::OutOfTime => "out-of-time",
        End::OutOfMoney => "out-of-money",
        End::Broken(_) => "failed",
    }
}

/// Failures by what they have in common.
pub fn table(kinds: &[FailureKind]) -> String {
    let mut table = Table::new(&[">FAILED", "ERROR", "IDS", "MESSAGE"]);
    for kind in kinds.iter().take(KINDS) {
        let more = kind.count > kind.examples.len() as u64;
        let mut ids = kind.examples.join(", ");
        if more {
            ids.push_str(", ...");
        }
        table.row([
            kind.count.to_string(),
            kind.error.clone(),
            short(&ids),
            short(&kind.message),
        ]);
    }
    let mut text = table.render();
    if let Some(more) = kinds.len().checked_sub(KINDS).filter(|more| *more > 0) {
        append(
            &mut text,
            format_args!("... and {}\n", count(more as u64, "other error")),
        );
    }
    text
}

/// Of many invocations that failed alike, the id of one says nothing.
fn without_request(message: &str) -> &str {
    let behind = message.strip_prefix("RequestId: ");
    let behind = behind.and_then(|text| text.split_once(" Error: "));
    behind.map_or(message, |(_, error)| error)
}

/// As `push_str` of `format!` does, without the text between.
fn append(text: &mut String, more: std::fmt::Arguments<'_>) {
    use std::fmt::Write;
    text.write_fmt(more).expect("a String takes all");
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= MESSAGE {
        return line.to_owned();
    }
    let cut: String = line.chars().take(MESSAGE - 3).collect();
    cut + "..."
}

/// `30 rows in 10 items, 2 known; 4 invocations in 0.2 s, 50 items/s; AWS: $0.000012`
fn summary(told: &Told<'_>) -> String {
    let progress = &told.finished.progress;
    let rows = told.data.summary;
    let mut text = format!(
        "{} in {}",
        count(rows.rows, "row"),
        count(progress.items, "item")
    );
    if rows.dropped > 0 {
        append(
            &mut text,
            format_args!(", {} without an id dropped", count(rows.dropped, "row")),
        );
    }
    if progress.known > 0 {
        append(
            &mut text,
            format_args!(", {} known already", progress.known),
        );
    }
    if progress.failed > 0 {
        append(&mut text, format_args!(", {} failed", progress.failed));
    }
    append(
        &mut text,
        format_args!(
            "; {} in {}",
            count(progress.invocations, "invocation"),
            time(told.elapsed)
        ),
    );
    let done = (progress.done + progress.failed).saturating_sub(progress.known);
    if done > 0 {
        append(&mut text, format_args!(", {}", rate(done, told.elapsed)));
    }
    if progress.invocations > 0 {
        append(&mut text, format_args!("; AWS: {}", dollars(progress.cost)));
    }
    text
}

fn verdict(told: &Told<'_>) -> Result<(), Failure> {
    let progress = &told.finished.progress;
    let done = progress.done;
    let early = |why: &str| {
        let error = anyhow!(
            "{why}: {done} of {} are done",
            count(progress.items, "item")
        );
        Failure::new(Kind::Stopped, error)
    };
    let failure = match &told.finished.end {
        End::Complete if progress.failed == 0 => return Ok(()),
        End::Complete => {
            let error = anyhow!(
                "{} of {} failed",
                progress.failed,
                count(progress.items, "item")
            );
            return Err(hinted(
                Failure::new(Kind::ItemsFailed, error),
                after_failures(told),
            ));
        }
        End::Stopped => {
            let failure = early("stopped at the first item that failed");
            return Err(hinted(failure, after_stop(told)));
        }
        End::Cancelled => Failure::new(
            Kind::Interrupted,
            anyhow!(
                "stopped: {done} of {} are done",
                count(progress.items, "item")
            ),
        ),
        End::OutOfTime => early("the time of --max-time is over"),
        End::OutOfMoney => early("the dollars of --max-cost are spent"),
        End::Broken(error) => broken(error, told.function),
    };
    // What a function says of itself is hint enough.
    if matches!(told.finished.end, End::Broken(_)) && done == 0 {
        return Err(failure);
    }
    Err(hinted(failure, resume(told)))
}

/// What was asked for is done, but that is not the whole job.
pub fn not_whole(without: u64, job: &JobId) -> Failure {
    let error = anyhow!(
        "{} were never run, so nothing is written",
        count(without, "item")
    );
    Failure::new(Kind::Stopped, error).hint(format!("run them: squall map --resume {job}"))
}

/// Why a function cannot be run, as the end of a command.
pub fn broken(broken: &Broken, function: &str) -> Failure {
    let kind = match broken {
        Broken::Init(_) => Kind::Function,
        Broken::NotFound { .. } | Broken::Refused { .. } | Broken::ItemKind { .. } => Kind::Mistake,
        Broken::Throttled | Broken::Unreachable { .. } => Kind::Refused,
    };
    let failure = Failure::new(kind, anyhow!("{broken}"));
    match broken {
        Broken::Init(_) => failure.hint(format!("squall logs {function} shows its log")),
        Broken::NotFound { .. } => failure.hint("squall functions lists what is there"),
        Broken::Throttled => failure.hint("squall ps shows what is running; try again later"),
        Broken::Refused { .. } | Broken::ItemKind { .. } | Broken::Unreachable { .. } => failure,
    }
}

fn hinted(failure: Failure, hint: Option<String>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn resume(told: &Told<'_>) -> Option<String> {
    let job = told.job.as_ref()?;
    Some(format!("go on with: squall map --resume {job}"))
}

fn example(told: &Told<'_>) -> Option<String> {
    let (rank, _) = told.finished.failures.first_key_value()?;
    let place = usize::try_from(*rank).ok()?;
    Some(quoted(&told.data.ids.shown(place)))
}

/// One item that failed, run alone.
fn replay(told: &Told<'_>) -> Option<String> {
    let job = told.job.as_ref()?;
    Some(format!(
        "squall replay {job} {} runs one of them alone",
        example(told)?
    ))
}

fn after_failures(told: &Told<'_>) -> Option<String> {
    let job = told.job.as_ref()?;
    let mut hint = replay(told)?;
    append(
        &mut hint,
        format_args!("; squall jobs rerun-failed {job} runs them all again"),
    );
    if !told.lists_failed {
        hint.push_str("; --failed FILE lists them");
    }
    Some(hint)
}

fn after_stop(told: &Told<'_>) -> Option<String> {
    let mut hint = replay(told)?;
    hint.push_str("; --on-error collect goes on with the others; ");
    hint.push_str(&resume(told)?);
    Some(hint)
}

/// As a shell takes it for one word.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_quoted_for_the_shell() {
        assert_eq!(quoted("a-1"), "a-1");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("-x"), "'-x'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn request_ids_are_left_out() {
        let message = "RequestId: 7906f3e5 Error: Task timed out after 1.00 seconds";
        assert_eq!(
            without_request(message),
            "Task timed out after 1.00 seconds"
        );
        assert_eq!(without_request("RequestId: odd"), "RequestId: odd");
    }

    #[test]
    fn failures_are_a_table() {
        let kind = |error: &str, count| FailureKind {
            error: error.to_owned(),
            message: "bad\nworse".to_owned(),
            count,
            examples: vec!["a".to_owned(), "b".to_owned()],
        };
        let text = table(&[kind("ValueError", 3), kind("KeyError", 2)]);
        assert_eq!(
            text,
            "FAILED  ERROR       IDS        MESSAGE\n\
             \x20    3  ValueError  a, b, ...  bad\n\
             \x20    2  KeyError    a, b       bad\n"
        );
        let many: Vec<_> = (0..10).map(|n| kind(&n.to_string(), 1)).collect();
        assert!(table(&many).ends_with("... and 2 other errors\n"));
    }
}
