//! `squall cp`: files and objects, one or many, in either direction.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::session;
use crate::args::{CpArgs, Global};
use crate::failure::Failure;
use crate::place::{Place, Remote};
use crate::progress::Progress;
use crate::s3::{Headers, S3};
use crate::transfer::{self, Action, Failed, Job, Outcome};

pub async fn run(global: &Global, args: CpArgs) -> Result<(), Failure> {
    let s3 = session::s3(global, args.transfer.parallel.get())?;
    let (source, target) = session::places(&s3, &args.source, &args.target).await?;
    if args.recursive && (source == Place::Stream || target == Place::Stream) {
        return Err(
            Failure::mistake("a folder is no stream").hint("leave -r out, or name a folder")
        );
    }
    let copy = Copy {
        quiet: args.transfer.quiet || global.json,
        headers: Headers::from(&args.object),
        s3,
    };
    let outcome = match (source, target) {
        (Place::Stream, Place::Remote(to)) => copy.upload_stdin(&to).await?,
        (Place::Remote(from), Place::Stream) if global.json => {
            return Err(Failure::mistake(format!(
                "stdout cannot hold both {from} and JSON"
            )));
        }
        (Place::Remote(from), Place::Stream) => return copy.download_stdout(&from).await,
        (source, target) => {
            let (jobs, failed) = copy.jobs(&args, source, target).await?;
            copy.run(jobs, failed).await?
        }
    };
    session::finish(global, args.transfer.quiet, &outcome)
}

struct Copy {
    s3: S3,
    headers: Headers,
    quiet: bool,
}

impl Copy {
    async fn upload_stdin(&self, to: &Remote) -> Result<Outcome, Failure> {
        if to.is_folder() {
            return Err(Failure::mistake(format!("{to} is a folder"))
                .hint("stdin has no name: write that of the object, too"));
        }
        let started = Instant::now();
        let progress = Progress::of(1, 0, to.name(), self.quiet);
        let headers = transfer::guessed(&self.headers, &to.key);
        let sent = self
            .s3
            .upload_stream(tokio::io::stdin(), to.pair(), &headers, &progress)
            .await;
        progress.clear();
        Ok(one_file(sent?, started))
    }

    async fn download_stdout(&self, from: &Remote) -> Result<(), Failure> {
        // A bar between the lines of a stream would spoil a terminal.
        let progress = Progress::silent();
        let mut stdout = std::io::stdout().lock();
        let sent = self
            .s3
            .download_stream(from.pair(), &progress, |piece| {
                match stdout.write_all(piece) {
                    // Whoever read has seen enough.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                        std::process::exit(0)
                    }
                    other => other,
                }
            })
            .await;
        let _ = stdout.flush();
        sent?;
        Ok(())
    }

    async fn jobs(
        &self,
        args: &CpArgs,
        source: Place,
        target: Place,
    ) -> Result<(Vec<Job>, Vec<Failed>), Failure> {
        match (source, target) {
            (Place::Local(from), Place::Remote(to)) if args.recursive && from.is_dir() => {
                Ok(folder_up(args, &from, &to))
            }
            (Place::Local(from), Place::Remote(to)) => Ok((vec![file_up(from, &to)?], vec![])),
            (Place::Remote(from), target) if args.recursive => {
                self.folder_down(args, &from, target).await
            }
            (Place::Remote(from), target) => {
                let job = self.object_down(from, target).await?;
                Ok((vec![job], vec![]))
            }
            _ => unreachable!("of two places one is in a bucket, and streams were dealt with"),
        }
    }

    async fn object_down(&self, from: Remote, target: Place) -> Result<Job, Failure> {
        if from.key.is_empty() {
            return Err(
                Failure::mistake(format!("{from} is a bucket")).hint("-r copies all that is in it")
            );
        }
        let head = match self.s3.head(from.bucket.as_str(), &from.key).await {
            Ok(head) => head,
            Err(error) if error.is_missing() => return Err(self.missing(&from).await?),
            Err(error) => return Err(error.into()),
        };
        let action = match target {
            Place::Local(path) => {
                let is_folder =
                    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
                let to = if is_folder {
                    transfer::safe_path(&path, from.name()).ok_or_else(|| {
                        Failure::mistake(format!("{from} has no name that a file could have"))
                            .hint("write the name of the file, too")
                    })?
                } else {
                    path
                };
                Action::Download { from, to }
            }
            Place::Remote(to) => {
                let to = if to.is_folder() {
                    to.join(from.name())
                } else {
                    to
                };
                Action::Copy { from, to }
            }
            Place::Stream => unreachable!("streams were dealt with"),
        };
        Ok(Job {
            action,
            size: head.size,
        })
    }

    /// Says that there is no object, and why not if that can be seen.
    async fn missing(&self, from: &Remote) -> Result<Failure, Failure> {
        let bucket = from.bucket.as_str();
        if !self.s3.has_bucket(bucket).await? {
            return Ok(Failure::mistake(format!("there is no bucket {bucket}"))
                .hint("squall ls lists the buckets"));
        }
        let below = from.as_folder();
        let page = self
            .s3
            .list_page(bucket, &below.key, Some("/"), None)
            .await?;
        let failure = Failure::mistake(format!("there is no object {from}"));
        if page.objects.is_empty() && page.prefixes.is_empty() {
            return Ok(failure.hint(format!("squall ls {bucket} lists what is there")));
        }
        Ok(failure.hint(format!("{below} is a folder: -r copies what is in it")))
    }

    async fn folder_down(
        &self,
        args: &CpArgs,
        from: &Remote,
        target: Place,
    ) -> Result<(Vec<Job>, Vec<Failed>), Failure> {
        let folder = from.as_folder();
        let listed = session::list(&self.s3, &folder, self.quiet).await?;
        if listed.is_empty() && !from.is_folder() {
            let missing = Failure::mistake(format!("there is nothing in {folder}"));
            return Err(missing.hint(format!("squall ls {} lists what is there", from.bucket)));
        }
        let tree = transfer::remote_tree(listed, &folder.key, &args.filter.filter());
        let mut jobs = Vec::new();
        let mut failed = Vec::new();
        for (name, item) in tree {
            let from = folder.join(&name);
            let action = match &target {
                Place::Remote(to) => Action::Copy {
                    from,
                    to: to.join(&name),
                },
                Place::Local(root) => {
                    // A folder by itself, as consoles make it.
                    if name.ends_with('/') && item.size == 0 {
                        continue;
                    }
                    let Some(to) = transfer::safe_path(root, &name) else {
                        failed.push(Failed::unsafe_name(&from));
                        continue;
                    };
                    Action::Download { from, to }
                }
                Place::Stream => unreachable!("streams were dealt with"),
            };
            jobs.push(Job {
                action,
                size: item.size,
            });
        }
        Ok((jobs, failed))
    }

    async fn run(&self, jobs: Vec<Job>, failed: Vec<Failed>) -> Result<Outcome, Failure> {
        let bytes = jobs.iter().map(|job| job.size).sum();
        let name = jobs
            .first()
            .map(|job| job.action.source())
            .unwrap_or_default();
        let progress = Progress::of(jobs.len() as u64, bytes, &name, self.quiet);
        let outcome = transfer::run(&self.s3, jobs, &self.headers, &progress).await;
        progress.clear();
        let mut outcome = outcome?;
        outcome.failed.splice(0..0, failed);
        Ok(outcome)
    }
}

fn file_up(from: PathBuf, to: &Remote) -> Result<Job, Failure> {
    let about = std::fs::metadata(&from)
        .map_err(|error| Failure::mistake(format!("cannot read {}: {error}", from.display())))?;
    if about.is_dir() {
        return Err(Failure::mistake(format!("{} is a folder", from.display()))
            .hint("-r copies what is in it"));
    }
    let to = if to.is_folder() {
        let name = from.file_name().and_then(|name| name.to_str());
        to.join(name.ok_or_else(|| {
            Failure::mistake(format!("{} has no name in UTF-8", from.display()))
                .hint("write the key of the object, too")
        })?)
    } else {
        to.clone()
    };
    Ok(Job {
        action: Action::Upload { from, to },
        size: about.len(),
    })
}

fn folder_up(args: &CpArgs, root: &Path, to: &Remote) -> (Vec<Job>, Vec<Failed>) {
    let (tree, failed) = transfer::local_tree(root, &args.filter.filter());
    let jobs = tree.into_iter().map(|(name, item)| Job {
        action: Action::Upload {
            from: root.join(&name),
            to: to.join(&name),
        },
        size: item.size,
    });
    (jobs.collect(), failed)
}

fn one_file(bytes: u64, started: Instant) -> Outcome {
    let mut outcome = Outcome {
        files: 1,
        bytes,
        ..Outcome::default()
    };
    outcome.took(started.elapsed());
    outcome
}
