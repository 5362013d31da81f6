//! `squall jobs show`: all that is known of a job.

use map::journal::Noted;
use serde_json::{Value, json};
use store::jobs::{ItemFailure, Job, JobState};
use types::Timestamp;

use super::words::{ago, took};
use super::{find, in_json, noted, refused, state};
use crate::args::Global;
use crate::commands::map::{self as maps, Recipe};
use crate::failure::Failure;
use crate::output::{self, Table};

/// Failures that are looked at; those of a larger job are told by their number.
const MOST: usize = 100_000;
/// Failures that programs get one by one.
const LISTED: usize = 1_000;
/// Ids that are named for one kind of failure.
const EXAMPLES: usize = 3;
/// What fits on a line of the table.
const SHORT: usize = 72;

pub fn run(global: &Global, job: &str) -> Result<(), Failure> {
    let (book, job) = find(global, job)?;
    let failures = book.failures(&job.id, 0, MOST).map_err(refused)?;
    let count = book.failure_count(&job.id).map_err(refused)?;
    if global.json {
        output::json(&everything(&job, &failures, count))?;
    } else {
        let now = Timestamp::now();
        let text = facts(&job, count, now) + &table(&failures);
        output::bytes(text.as_bytes())?;
        if let Some(hint) = what_next(&job, &failures) {
            output::note(&hint);
        }
    }
    Ok(())
}

fn everything(job: &Job, failures: &[ItemFailure], count: u64) -> Value {
    let mut told = in_json(job);
    told["recipe"] = serde_json::from_str(&job.recipe).unwrap_or_default();
    told["failures"] = failures
        .iter()
        .take(LISTED)
        .map(|failure| {
            json!({
                "rank": failure.rank,
                "id": failure.id,
                "errorType": failure.error_type,
                "errorMessage": failure.message,
                "stackTrace": failure.stack,
                "attempts": failure.attempts,
            })
        })
        .collect();
    told["failure_count"] = count.into();
    told
}

/// A line for each thing, with its name before it.
fn facts(job: &Job, failed: u64, now: Timestamp) -> String {
    let noted = noted(job);
    let mut lines = vec![
        ("job", job.id.to_string()),
        ("function", job.function.clone()),
        ("input", job.input.clone()),
    ];
    let recipe = Recipe::read(&job.recipe).ok();
    if let Some(output) = recipe.and_then(|recipe| recipe.output) {
        lines.push(("output", output));
    }
    let mut word = state(job).to_owned();
    if job.state == JobState::Running {
        word = format!("{word} in process {}", job.pid.unwrap_or(0));
    }
    if let Some(error) = &job.error {
        word = format!("{word}: {error}");
    }
    lines.push(("state", word));
    lines.push(("items", noted.items.to_string()));
    let mut done = noted.done.to_string();
    if noted.known > 0 {
        done = format!("{done}, of which {} were known already", noted.known);
    }
    lines.push(("done", done));
    lines.push(("failed", failed.max(noted.failed).to_string()));
    lines.extend(figures(&noted));
    lines.push(("started", ago(job.created, now)));
    lines.push(("took", took(noted.elapsed)));
    let lines = lines.into_iter().map(|(name, value)| {
        let value = value.replace(char::is_control, " ");
        format!("{name:<13}{value}\n")
    });
    lines.collect::<Vec<_>>().concat()
}

fn figures(noted: &Noted) -> Vec<(&'static str, String)> {
    if noted.invocations == 0 {
        return vec![];
    }
    let mut invocations = noted.invocations.to_string();
    for (count, what) in [
        (noted.retries, "retried"),
        (noted.backups, "sent twice"),
        (noted.splits, "cut in two"),
    ] {
        if count > 0 {
            invocations = format!("{invocations}, {count} {what}");
        }
    }
    let mut lines = vec![
        ("invocations", invocations),
        ("billed", took(noted.billed)),
        ("on AWS", format!("${:.6}", noted.cost)),
    ];
    if let Some(megabytes) = noted.peak_memory_mb {
        lines.push(("memory", format!("{megabytes} MB at most")));
    }
    lines
}

/// Failures by their type, the most frequent first.
fn table(failures: &[ItemFailure]) -> String {
    let mut kinds: Vec<(&str, Vec<&ItemFailure>)> = Vec::new();
    for failure in failures {
        match kinds
            .iter_mut()
            .find(|(kind, _)| *kind == failure.error_type)
        {
            Some((_, alike)) => alike.push(failure),
            None => kinds.push((&failure.error_type, vec![failure])),
        }
    }
    kinds.sort_by_key(|(_, alike)| std::cmp::Reverse(alike.len()));
    let mut table = Table::new(&[">FAILED", "ERROR", "IDS", "MESSAGE"]);
    for (kind, alike) in &kinds {
        let mut ids: Vec<&str> = alike.iter().take(EXAMPLES).map(|one| &*one.id).collect();
        if alike.len() > EXAMPLES {
            ids.push("...");
        }
        let message = alike[0].message.lines().next().unwrap_or_default();
        table.row([
            alike.len().to_string(),
            (*kind).to_owned(),
            short(&ids.join(", ")),
            short(message),
        ]);
    }
    if table.is_empty() {
        String::new()
    } else {
        format!("\n{}", table.render())
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= SHORT {
        return text.to_owned();
    }
    let cut: String = text.chars().take(SHORT - 3).collect();
    cut + "..."
}

fn what_next(job: &Job, failures: &[ItemFailure]) -> Option<String> {
    if job.maker != maps::MAKER || !job.state.is_over() {
        return None;
    }
    let id = &job.id;
    if !matches!(job.state, JobState::Complete) {
        return Some(format!("hint: squall map --resume {id} goes on with it"));
    }
    let first = failures.first()?;
    let item = maps::quoted(&first.id);
    Some(format!(
        "hint: squall replay {id} {item} runs one of them alone; squall jobs rerun-failed {id} runs them all again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(id: &str, kind: &str, message: &str) -> ItemFailure {
        ItemFailure {
            rank: 1,
            id: id.to_owned(),
            error_type: kind.to_owned(),
            message: message.to_owned(),
            stack: vec![],
            attempts: 2,
        }
    }

    #[test]
    fn failures_are_counted_by_type() {
        let failures = [
            failure("a", "KeyError", "'x'"),
            failure("b", "ValueError", "too short: 3\nof 4"),
            failure("c", "ValueError", "too short: 2"),
            failure("d", "ValueError", "m"),
            failure("e", "ValueError", "m"),
        ];
        assert_eq!(
            table(&failures),
            "
FAILED  ERROR       IDS           MESSAGE
     4  ValueError  b, c, d, ...  too short: 3
     1  KeyError    a             'x'
"
        );
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn what_is_known_is_told_line_by_line() {
        let noted = Noted {
            items: 10,
            done: 7,
            known: 2,
            failed: 1,
            invocations: 4,
            splits: 1,
            cost: 0.000_012,
            elapsed: 2.5,
            billed: 1.5,
            ..Noted::default()
        };
        let job = Job {
            id: "j-7f3k2m".parse().unwrap(),
            maker: "map".to_owned(),
            function: "fit".to_owned(),
            input: "/data.csv".to_owned(),
            recipe: "{}".to_owned(),
            identities: vec![],
            state: JobState::Failed,
            error: Some("no\nroom".to_owned()),
            items: 10,
            created: Timestamp(0),
            updated: Timestamp(0),
            pid: None,
            cancel: false,
            progress: Some(serde_json::to_string(&noted).unwrap()),
        };
        assert_eq!(
            facts(&job, 1, Timestamp(90_000)),
            "\
job          j-7f3k2m
function     fit
input        /data.csv
state        failed: no room
items        10
done         7, of which 2 were known already
failed       1
invocations  4, 1 cut in two
billed       1.5 s
on AWS       $0.000012
started      1 m 30 s ago
took         2.5 s
"
        );
        let hint = what_next(&job, &[]).unwrap();
        assert!(hint.contains("squall map --resume j-7f3k2m"), "{hint}");
        let complete = Job {
            state: JobState::Complete,
            ..job
        };
        assert_eq!(what_next(&complete, &[]), None);
        let hint = what_next(&complete, &[failure("a b", "E", "m")]).unwrap();
        assert!(hint.contains("squall replay j-7f3k2m 'a b'"), "{hint}");
    }
}
