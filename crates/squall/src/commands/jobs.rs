//! `squall jobs`: what jobs there are, and what is to become of them. They are in the
//! book of the data directory, so no engine need run.
//!
//! [`show`] tells all of one job, [`replay`] runs one item of it alone, [`words`] says
//! how figures are written.

mod item;
pub mod replay;
mod show;
mod words;

use std::sync::Arc;
use std::time::Duration;

use map::journal::Noted;
use serde_json::{Value, json};
use store::jobs::{Cancelled, Job, JobBook, JobError, JobId, JobState, Keep};
use types::Timestamp;

use crate::args::{Choices, Global, JobsAction, JobsArgs, OnErrorArg, PruneArgs, RerunArgs};
use crate::client;
use crate::commands::map::{self as maps, Again, Only, Recipe};
use crate::failure::{Failure, Kind};
use crate::output::{self, Table};
use crate::transfer::count;

use words::{ago, took};

pub fn run(global: &Global, args: JobsArgs) -> Result<(), Failure> {
    match args.action {
        None => list(global, args.number),
        Some(JobsAction::Show { job }) => show::run(global, &job),
        Some(JobsAction::Cancel { job }) => cancel(global, &job),
        Some(JobsAction::RerunFailed(args)) => rerun(global, args),
        Some(JobsAction::Prune(args)) => prune(global, &args),
    }
}

/// The book, and one of its jobs.
fn find(global: &Global, job: &str) -> Result<(Arc<JobBook>, Job), Failure> {
    let id: JobId = job.parse().map_err(unknown)?;
    let book = existing(global)?.ok_or_else(|| unknown(JobError::NoSuchJob(id.clone())))?;
    let job = book.find(&id).map_err(refused)?;
    Ok((book, job))
}

fn unknown(error: impl std::fmt::Display) -> Failure {
    Failure::mistake(error).hint("squall jobs lists them; --data DIR looks elsewhere")
}

fn refused(error: JobError) -> Failure {
    match error {
        JobError::NoSuchJob(_) => unknown(error),
        JobError::Running { .. } | JobError::Store(_) => Failure::new(Kind::Mistake, error),
    }
}

/// None where there never was a job: looking shall not make a book.
fn existing(global: &Global) -> Result<Option<Arc<JobBook>>, Failure> {
    if JobBook::exists(&global.data) {
        maps::book(global).map(Some)
    } else {
        Ok(None)
    }
}

fn list(global: &Global, number: usize) -> Result<(), Failure> {
    let jobs = match existing(global)? {
        Some(book) => book.list(number).map_err(|error| refused(error.into()))?,
        None => vec![],
    };
    if global.json {
        let jobs: Vec<Value> = jobs.iter().map(in_json).collect();
        output::json(&jobs)?;
    } else if jobs.is_empty() {
        output::note("no jobs yet; squall map --help says how to run one");
    } else {
        output::bytes(table(&jobs, Timestamp::now()).render().as_bytes())?;
    }
    Ok(())
}

fn noted(job: &Job) -> Noted {
    let mut noted = job.progress.as_deref().map(Noted::read).unwrap_or_default();
    if noted.items == 0 {
        noted.items = job.items;
    }
    noted
}

fn table(jobs: &[Job], now: Timestamp) -> Table {
    let titles = [
        "JOB", "FUNCTION", "INPUT", "STATE", ">DONE", ">FAILED", "STARTED", ">TOOK",
    ];
    let mut table = Table::new(&titles);
    for job in jobs {
        let noted = noted(job);
        table.row([
            job.id.to_string(),
            job.function.clone(),
            words::input(&job.input),
            state(job).to_owned(),
            format!("{}/{}", noted.done, noted.items),
            noted.failed.to_string(),
            ago(job.created, now),
            took(noted.elapsed),
        ]);
    }
    table
}

/// Between the wish and the end there is a moment.
fn state(job: &Job) -> &'static str {
    if job.state == JobState::Running && job.cancel {
        return "cancelling";
    }
    job.state.as_str()
}

/// A job for programs. What was noted of it lies beside what the book knows itself.
fn in_json(job: &Job) -> Value {
    let noted = noted(job);
    json!({
        "id": job.id.as_str(),
        "function": job.function,
        "input": job.input,
        "maker": job.maker,
        "state": job.state.as_str(),
        "cancel_asked": job.cancel,
        "error": job.error,
        "pid": job.pid,
        "created": job.created.rfc3339(),
        "updated": job.updated.rfc3339(),
        "progress": noted,
    })
}

fn cancel(global: &Global, job: &str) -> Result<(), Failure> {
    let (book, job) = find(global, job)?;
    let outcome = book.cancel(&job.id).map_err(refused)?;
    let id = &job.id;
    let (word, text) = match outcome {
        Cancelled::Asked => ("asked", format!("{id} is told to stop")),
        Cancelled::Done => ("cancelled", format!("{id} is cancelled")),
        Cancelled::Over(JobState::Cancelled) => ("cancelled", format!("{id} was cancelled before")),
        Cancelled::Over(state) => {
            return Err(Failure::mistake(format!(
                "{id} does not run: it is {state}"
            )));
        }
    };
    if global.json {
        output::json(&json!({ "job": id.as_str(), "outcome": word }))?;
    } else {
        output::note(&format!(
            "{text}; what is finished is kept: squall map --resume {id} goes on"
        ));
    }
    Ok(())
}

/// Runs what failed once more, and goes on to the end whatever happens.
fn rerun(global: &Global, args: RerunArgs) -> Result<(), Failure> {
    let (book, job) = find(global, &args.job)?;
    let recipe = recipe_of(&job)?;
    let failures = book.failures(&job.id, 0, usize::MAX).map_err(refused)?;
    if failures.is_empty() {
        let failure = Failure::mistake(format!("nothing failed in {}", job.id));
        let left = !matches!(job.state, JobState::Complete | JobState::Running);
        return Err(if left {
            failure.hint(format!("squall map --resume {} does what is left", job.id))
        } else {
            failure
        });
    }
    drop(book);
    let collect = Choices {
        on_error: Some(OnErrorArg::Collect),
        ..Choices::default()
    };
    let recipe = Recipe {
        choices: collect.or(recipe.choices),
        ..recipe
    };
    let again = Again {
        job: job.id,
        only: Only::Failed(failures.into_iter().map(|failure| failure.id).collect()),
        output: args.output,
        failed: args.failed,
        fresh: false,
        quiet: args.quiet,
    };
    client::block_on_threads(maps::run_again(global, recipe, again))
}

/// Only the command line's own jobs can be begun anew from here.
fn recipe_of(job: &Job) -> Result<Recipe, Failure> {
    if job.maker == maps::MAKER {
        return Recipe::read(&job.recipe);
    }
    Err(Failure::mistake(format!(
        "{} came over the gateway, which has its data: it cannot be run from here",
        job.id
    )))
}

fn prune(global: &Global, args: &PruneArgs) -> Result<(), Failure> {
    let keep = Keep {
        jobs: args.keep.unwrap_or(usize::MAX),
        bytes: args.size.unwrap_or(u64::MAX),
        age: args.older_than.map(Duration::from_secs),
        unfinished: !args.unfinished,
    };
    let pruned = match existing(global)? {
        Some(book) => book.prune(&keep).map_err(|error| refused(error.into()))?,
        None => store::jobs::Pruned::default(),
    };
    if global.json {
        output::json(&json!({ "jobs": pruned.jobs, "bytes": pruned.bytes }))?;
    } else {
        output::note(&format!(
            "{} and {} of results are gone",
            count(pruned.jobs, "job"),
            output::size(pruned.bytes)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, state: JobState, progress: Option<Noted>) -> Job {
        Job {
            id: id.parse().unwrap(),
            maker: "map".to_owned(),
            function: "fit".to_owned(),
            input: "/data/raw/data.csv".to_owned(),
            recipe: "{}".to_owned(),
            identities: vec![],
            state,
            error: None,
            items: 10,
            created: Timestamp(0),
            updated: Timestamp(60_000),
            pid: None,
            cancel: false,
            progress: progress.map(|noted| serde_json::to_string(&noted).unwrap()),
        }
    }

    #[test]
    fn a_job_is_a_row() {
        let noted = Noted {
            items: 10_000,
            done: 9_998,
            failed: 2,
            elapsed: 75.0,
            ..Noted::default()
        };
        let mut running = job("j-00000a", JobState::Running, None);
        running.cancel = true;
        let jobs = [job("j-7f3k2m", JobState::Complete, Some(noted)), running];
        assert_eq!(
            table(&jobs, Timestamp(3_600_000)).render(),
            "\
JOB       FUNCTION  INPUT     STATE             DONE  FAILED  STARTED      TOOK
j-7f3k2m  fit       data.csv  complete    9998/10000       2  1 h ago  1 m 15 s
j-00000a  fit       data.csv  cancelling        0/10       0  1 h ago         -
"
        );
    }

    #[test]
    fn programs_get_everything() {
        let told = in_json(&job("j-7f3k2m", JobState::OutOfTime, None));
        assert_eq!(told["state"], "out-of-time");
        assert_eq!(told["progress"]["items"], 10);
        assert_eq!(told["created"], "1970-01-01T00:00:00.000Z");
    }
}
