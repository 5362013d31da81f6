//! Doing what is to be done, several files at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, StreamExt};

use super::report::{Failed, Outcome};
use crate::place::Remote;
use crate::progress::Progress;
use crate::s3::{Headers, S3, S3Error};

/// One file to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub action: Action,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Upload { from: PathBuf, to: Remote },
    Download { from: Remote, to: PathBuf },
    Copy { from: Remote, to: Remote },
}

impl Action {
    /// What it is about, for people.
    pub fn source(&self) -> String {
        match self {
            Self::Upload { from, .. } => from.display().to_string(),
            Self::Download { from, .. } | Self::Copy { from, .. } => from.to_string(),
        }
    }

    /// As one line of a plan.
    pub fn line(&self) -> String {
        match self {
            Self::Upload { from, to } => format!("upload    {} -> {to}", from.display()),
            Self::Download { from, to } => format!("download  {from} -> {}", to.display()),
            Self::Copy { from, to } => format!("copy      {from} -> {to}"),
        }
    }
}

/// Moves all of them. What fails is listed, and the rest goes on, unless there is
/// no rest or all of it would fail the same way: that is the error.
pub async fn run(
    s3: &S3,
    jobs: Vec<Job>,
    headers: &Headers,
    progress: &Arc<Progress>,
) -> Result<Outcome, S3Error> {
    let started = Instant::now();
    let mut outcome = Outcome::default();
    let is_single = jobs.len() == 1;
    let works = jobs.into_iter().map(|job| async move {
        let moved = one(s3, &job, headers, progress).await;
        (job, moved)
    });
    let mut works = stream::iter(works).buffer_unordered(s3.parallel());
    let mut last_word = None;
    while let Some((job, moved)) = works.next().await {
        match moved {
            Ok(bytes) => {
                outcome.files += 1;
                outcome.bytes += bytes;
                progress.file_done();
            }
            Err(error) if is_single || error.is_final() => {
                // The others see that it is over, and clean up.
                s3.cancel.cancel();
                last_word.get_or_insert(error);
            }
            Err(error) => outcome.failed.push(Failed {
                what: job.action.source(),
                why: error.line(),
            }),
        }
    }
    progress.clear();
    outcome.took(started.elapsed());
    match last_word {
        Some(error) => Err(error),
        None => Ok(outcome),
    }
}

async fn one(
    s3: &S3,
    job: &Job,
    headers: &Headers,
    progress: &Arc<Progress>,
) -> Result<u64, S3Error> {
    match &job.action {
        Action::Upload { from, to } => {
            let headers = guessed(headers, &to.key);
            s3.upload_file(from, to.pair(), &headers, progress).await
        }
        Action::Download { from, to } => {
            s3.download_file(from.pair(), Some(job.size), to, progress)
                .await
        }
        Action::Copy { from, to } => {
            let copy = s3.copy(from.pair(), to.pair(), job.size, headers);
            copy.await?;
            progress.add(job.size);
            Ok(job.size)
        }
    }
}

/// With the type that the name suggests, if none was given.
pub fn guessed(headers: &Headers, name: &str) -> Headers {
    let guess = || mime_guess::from_path(name).first_raw().map(str::to_owned);
    Headers {
        content_type: headers.content_type.clone().or_else(guess),
        ..headers.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_guessed_from_names_unless_given() {
        let guess = |name: &str| guessed(&Headers::default(), name).content_type;
        assert_eq!(guess("site/index.html").as_deref(), Some("text/html"));
        assert_eq!(guess("raw/data.csv").as_deref(), Some("text/csv"));
        assert_eq!(guess("model.unknownkind"), None);
        let given = Headers {
            content_type: Some("x/y".to_owned()),
            ..Headers::default()
        };
        assert_eq!(guessed(&given, "a.html"), given);
    }
}
