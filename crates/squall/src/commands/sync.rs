//! `squall sync`: makes a folder like another, moving only what differs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::stream::{self, StreamExt};
use serde::Serialize;

use super::session;
use crate::args::{Global, SyncArgs};
use crate::failure::Failure;
use crate::output;
use crate::place::{Place, Remote};
use crate::progress::{Progress, Spinner};
use crate::s3::{Doomed, Headers, S3};
use crate::transfer::{
    self, Action, Direction, Failed, Item, Job, Outcome, Plan, Tree, compare_trees, count,
};

/// Files that are read at once to compare them.
const READERS: usize = 4;

pub async fn run(global: &Global, args: SyncArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let s3 = session::s3(global, args.transfer.parallel.get())?;
    let (source, target) = session::places(&s3, &args.source, &args.target).await?;
    let sync = Sync {
        source: Side::new(source)?,
        target: Side::new(target)?,
        quiet: args.transfer.quiet || global.json,
        s3,
        args,
    };
    sync.run(global, started).await
}

/// A folder, here or in a bucket.
#[derive(Debug)]
enum Side {
    Local(PathBuf),
    Remote(Remote),
}

struct Sync {
    s3: S3,
    source: Side,
    target: Side,
    quiet: bool,
    args: SyncArgs,
}

/// What was, or would be, done; one JSON object.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    dry_run: bool,
}

impl Side {
    fn new(place: Place) -> Result<Self, Failure> {
        match place {
            Place::Stream => Err(Failure::mistake("a stream is no folder")
                .hint("squall cp reads stdin and writes stdout")),
            Place::Local(path) => Ok(Self::Local(path)),
            Place::Remote(remote) => Ok(Self::Remote(remote.as_folder())),
        }
    }
}

impl Sync {
    async fn run(&self, global: &Global, started: Instant) -> Result<(), Failure> {
        let (source, mut failed) = self.tree(&self.source, true).await?;
        let (target, unread) = self.tree(&self.target, false).await?;
        failed.extend(unread);
        let direction = match (&self.source, &self.target) {
            (Side::Local(_), _) => Direction::Up,
            (_, Side::Local(_)) => Direction::Down,
            _ => Direction::Across,
        };
        let mut plan = compare_trees(&source, &target, direction);
        // What could not be read may be there: nothing is deleted for want of it.
        let is_blind = !failed.is_empty();
        self.settle(&mut plan, &source, &target).await?;
        let mut outcome = Outcome {
            failed,
            unchanged: plan.same.len() as u64,
            ..Outcome::default()
        };
        let jobs = self.jobs(&plan, &source, &mut outcome.failed);
        let removed = if self.args.delete && !is_blind {
            plan.remove
        } else {
            vec![]
        };
        if self.args.dry_run {
            self.preview(global, &jobs, &removed, &mut outcome)?;
        } else {
            self.perform(jobs, removed, &mut outcome).await?;
            if self.args.delete && is_blind {
                output::note("nothing was deleted, because not all of the source could be read");
            }
        }
        outcome.took(started.elapsed());
        let document = Document {
            outcome: &outcome,
            dry_run: self.args.dry_run,
        };
        let quiet = self.args.transfer.quiet || self.args.dry_run;
        session::finish_as(global, quiet, &outcome, &document)
    }

    async fn tree(&self, side: &Side, is_source: bool) -> Result<(Tree, Vec<Failed>), Failure> {
        let filter = self.args.filter.filter();
        match side {
            Side::Remote(folder) => {
                let listed = session::list(&self.s3, folder, self.quiet).await?;
                Ok((transfer::remote_tree(listed, &folder.key, &filter), vec![]))
            }
            Side::Local(path) if path.is_dir() => {
                let root = path.clone();
                let walk = move || transfer::local_tree(&root, &filter);
                let walk = tokio::task::spawn_blocking(walk).await;
                walk.map_err(|error| Failure::from(anyhow::Error::from(error)))
            }
            Side::Local(path) if path.exists() => Err(Failure::mistake(format!(
                "{} is not a folder",
                path.display()
            ))
            .hint("squall cp copies single files")),
            Side::Local(path) if is_source => Err(Failure::mistake(format!(
                "there is no folder {}",
                path.display()
            ))),
            Side::Local(_) => Ok((Tree::new(), vec![])),
        }
    }

    /// Reads the files whose names, sizes and times do not decide.
    async fn settle(&self, plan: &mut Plan, source: &Tree, target: &Tree) -> Result<(), Failure> {
        let unsure = std::mem::take(&mut plan.unsure);
        if unsure.is_empty() {
            return Ok(());
        }
        let all = unsure.len() as u64;
        let spinner = Spinner::new(&format!("comparing {}", count(all, "file")), self.quiet);
        let looks = unsure.into_iter().map(|name| {
            let object = |tree: &Tree| tree.get(&name).and_then(|item: &Item| item.etag.clone());
            let etag = object(source)
                .or_else(|| object(target))
                .unwrap_or_default();
            let path = match (&self.source, &self.target) {
                (Side::Local(root), _) | (_, Side::Local(root)) => root.join(&name),
                _ => unreachable!("only files are read"),
            };
            async move { (has_tag(path, etag).await, name) }
        });
        let mut looks = stream::iter(looks).buffer_unordered(READERS);
        let mut done = 0;
        while let Some((is_same, name)) = looks.next().await {
            if self.s3.cancel.is_cancelled() {
                return Err(crate::s3::S3Error::Cancelled.into());
            }
            done += 1;
            spinner.set(format!("comparing files: {done} of {all}"));
            if is_same {
                plan.same.push(name);
            } else {
                plan.send.push(name);
            }
        }
        plan.send.sort_unstable();
        Ok(())
    }

    fn jobs(&self, plan: &Plan, source: &Tree, failed: &mut Vec<Failed>) -> Vec<Job> {
        let mut jobs = Vec::new();
        for name in &plan.send {
            let action = match (&self.source, &self.target) {
                (Side::Local(root), Side::Remote(to)) => Action::Upload {
                    from: root.join(name),
                    to: to.join(name),
                },
                (Side::Remote(from), Side::Remote(to)) => Action::Copy {
                    from: from.join(name),
                    to: to.join(name),
                },
                (Side::Remote(from), Side::Local(root)) => {
                    if name.ends_with('/') && source[name].size == 0 {
                        continue;
                    }
                    let from = from.join(name);
                    let Some(to) = transfer::safe_path(root, name) else {
                        failed.push(Failed::unsafe_name(&from));
                        continue;
                    };
                    Action::Download { from, to }
                }
                (Side::Local(_), Side::Local(_)) => {
                    unreachable!("of two places one is in a bucket")
                }
            };
            jobs.push(Job {
                action,
                size: source[name].size,
            });
        }
        jobs
    }

    fn preview(
        &self,
        global: &Global,
        jobs: &[Job],
        removed: &[String],
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        outcome.files = jobs.len() as u64;
        outcome.bytes = jobs.iter().map(|job| job.size).sum();
        outcome.deleted = removed.len() as u64;
        if global.json {
            return Ok(());
        }
        for job in jobs {
            output::line(&job.action.line())?;
        }
        for name in removed {
            let what = match &self.target {
                Side::Remote(folder) => folder.join(name).to_string(),
                Side::Local(root) => root.join(name).display().to_string(),
            };
            output::line(&format!("delete    {what}"))?;
        }
        output::note(&format!(
            "would move {} ({}), delete {}, leave {} as they are",
            count(outcome.files, "file"),
            output::size(outcome.bytes),
            outcome.deleted,
            outcome.unchanged
        ));
        Ok(())
    }

    async fn perform(
        &self,
        jobs: Vec<Job>,
        removed: Vec<String>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let bytes = jobs.iter().map(|job| job.size).sum();
        let first = jobs.first().map(|job| job.action.source());
        let progress = Progress::of(
            jobs.len() as u64,
            bytes,
            &first.unwrap_or_default(),
            self.quiet || jobs.is_empty(),
        );
        let headers = Headers::from(&self.args.object);
        let moved = transfer::run(&self.s3, jobs, &headers, &progress).await;
        progress.clear();
        let moved = moved?;
        outcome.files = moved.files;
        outcome.bytes = moved.bytes;
        outcome.failed.extend(moved.failed);
        match &self.target {
            Side::Local(root) => remove_files(root, &removed, outcome),
            Side::Remote(folder) => {
                let doomed: Vec<Doomed> = removed
                    .iter()
                    .map(|name| Doomed::newest(folder.join(name).key))
                    .collect();
                let removed = super::rm::remove(&self.s3, &folder.bucket, &doomed, self.quiet);
                let (deleted, failed) = removed.await?;
                outcome.deleted = deleted;
                outcome.failed.extend(failed);
            }
        }
        Ok(())
    }
}

/// A file that cannot be read is not the same; sending it will say why.
async fn has_tag(path: PathBuf, etag: String) -> bool {
    let look = move || transfer::has_tag(&path, &etag);
    matches!(tokio::task::spawn_blocking(look).await, Ok(Ok(true)))
}

/// Files, and the folders that become empty by it.
fn remove_files(root: &Path, removed: &[String], outcome: &mut Outcome) {
    for name in removed {
        let path = root.join(name);
        if let Err(error) = std::fs::remove_file(&path) {
            outcome.failed.push(Failed {
                what: path.display().to_string(),
                why: error.to_string(),
            });
            continue;
        }
        outcome.deleted += 1;
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(|folder| *folder != root) {
            // One that is not empty stays, and so do all above it.
            if std::fs::remove_dir(empty).is_err() {
                break;
            }
            folder = empty.parent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_become_empty_go_with_their_files() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::create_dir_all(at("keep")).unwrap();
        std::fs::write(at("a/b/x"), "").unwrap();
        std::fs::write(at("keep/y"), "").unwrap();
        let mut outcome = Outcome::default();
        let removed = ["a/b/x".to_owned(), "gone".to_owned()];
        remove_files(root.path(), &removed, &mut outcome);
        assert_eq!((outcome.deleted, outcome.failed.len()), (1, 1));
        assert!(!at("a").exists() && at("keep/y").exists() && root.path().exists());
    }
}
