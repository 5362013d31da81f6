//! What the commands about objects share: the client, Ctrl-C, questions, the end.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;

use crate::args::Global;
use crate::client;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::place::{self, Place, Remote};
use crate::progress::Spinner;
use crate::s3::{Listed, S3};
use crate::transfer::{Outcome, count};

/// A listing says how far it is every so many keys.
const SAY_EVERY: usize = 1_000;

/// A client whose work Ctrl-C ends in order; pressed twice, at once.
pub fn s3(global: &Global, parallel: usize) -> Result<S3, Failure> {
    let s3 = S3::new(client::find(global)?, parallel);
    let cancel = s3.cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(Kind::Interrupted.code().into());
        }
    });
    Ok(s3)
}

/// What two paths mean; a bucket is asked for only if that decides.
pub async fn places(s3: &S3, source: &str, target: &str) -> Result<(Place, Place), Failure> {
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    let is_bucket = match place::bucket_in_question(source, target, exists) {
        Some(bucket) => s3.has_bucket(bucket).await?,
        None => false,
    };
    place::places(source, target, exists, is_bucket)
}

/// All objects in a folder, with a word on how many there are.
pub async fn list(s3: &S3, folder: &Remote, quiet: bool) -> Result<Vec<Listed>, Failure> {
    let spinner = Spinner::new(&format!("listing {folder}"), quiet);
    let listed = s3
        .list_all(folder.bucket.as_str(), &folder.key, |found| {
            if found % SAY_EVERY == 0 {
                spinner.set(format!(
                    "listing {folder}: {}",
                    count(found as u64, "object")
                ));
            }
        })
        .await?;
    Ok(listed)
}

/// Yes, or no. Where nobody can answer, what was asked for is done.
pub fn confirmed(question: &str) -> bool {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return true;
    }
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

pub fn declined() -> Failure {
    Failure::mistake("nothing was removed, as you said")
}

/// A last line for people, or an object for programs; what failed is an error.
pub fn finish(global: &Global, quiet: bool, outcome: &Outcome) -> Result<(), Failure> {
    finish_as(global, quiet, outcome, outcome)
}

pub fn finish_as(
    global: &Global,
    quiet: bool,
    outcome: &Outcome,
    document: &impl Serialize,
) -> Result<(), Failure> {
    if global.json {
        output::json(document)?;
    } else {
        for line in outcome.failures() {
            output::note(&line);
        }
        if !quiet {
            output::note(&outcome.summary());
        }
    }
    let failed = outcome.failed.len() as u64;
    if failed == 0 {
        return Ok(());
    }
    let all = outcome.files + outcome.deleted + failed;
    let error = anyhow!("{failed} of {} failed", count(all, "file"));
    Err(Failure::new(Kind::Mistake, error))
}
