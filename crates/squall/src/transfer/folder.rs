//! A local folder into a bucket, as a deployment does it: what is new or changed is
//! sent, and nothing is removed, because functions may have put something beside it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::stream::{self, StreamExt};
use types::glob::Filter;

use super::content::has_tag;
use super::plan::{Direction, compare_trees};
use super::report::{Failed, Outcome};
use super::run::{Action, Job, run};
use super::tree::{Tree, local_tree_within, remote_tree};
use crate::place::Remote;
use crate::progress::Progress;
use crate::s3::{Headers, S3, S3Error};

/// Files that are read at once to compare them.
const READERS: usize = 4;
/// What no bucket wants to have; the data directory of an engine has its keys. What is
/// a secret by its name goes into a bucket as little as into a package.
const LEFT_OUT: [&str; 10] = [
    ".git",
    ".gitignore",
    ".hg",
    ".svn",
    "__pycache__",
    ".DS_Store",
    ".venv",
    "node_modules",
    ".squall",
    "squall.toml",
];

/// What there is to send.
#[derive(Debug)]
pub struct FolderPlan {
    pub jobs: Vec<Job>,
    pub unchanged: u64,
    /// Files that cannot be read.
    pub failed: Vec<Failed>,
}

impl FolderPlan {
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.failed.is_empty()
    }

    pub fn bytes(&self) -> u64 {
        self.jobs.iter().map(|job| job.size).sum()
    }
}

/// Compares a folder with what is in the bucket, which need not be there yet. Nothing
/// outside of `border` is sent, whatever links there are.
pub async fn plan_folder(
    s3: &S3,
    folder: &Path,
    to: &Remote,
    border: &Path,
) -> Result<FolderPlan, S3Error> {
    let to = to.as_folder();
    let (root, border) = (folder.to_owned(), border.to_owned());
    let left_out: Vec<String> = LEFT_OUT
        .iter()
        .chain(package::SECRETS)
        .map(|name| (*name).to_owned())
        .collect();
    let walk = move || local_tree_within(&root, &Filter::new(&left_out, &[]), &border);
    let walk = tokio::task::spawn_blocking(walk);
    let (local, failed) = walk.await.unwrap_or_default();
    let there = match s3.list_all(to.bucket.as_str(), &to.key, |_| ()).await {
        Ok(listed) => remote_tree(listed, &to.key, &Filter::default()),
        Err(error) if error.has_code("NoSuchBucket") => Tree::new(),
        Err(error) => return Err(error),
    };
    let plan = compare_trees(&local, &there, Direction::Up);
    let looks = plan.unsure.into_iter().map(|name| {
        let etag = there.get(&name).and_then(|item| item.etag.clone());
        let path = folder.join(&name);
        async move { (is_same(path, etag.unwrap_or_default()).await, name) }
    });
    let looks: Vec<_> = stream::iter(looks)
        .buffer_unordered(READERS)
        .collect()
        .await;
    let differ = looks.iter().filter(|(is_same, _)| !is_same);
    let mut names = plan.send;
    names.extend(differ.map(|(_, name)| name.clone()));
    names.sort_unstable();
    let unchanged = local.len() - names.len();
    let jobs = names.into_iter().map(|name| Job {
        size: local[&name].size,
        action: Action::Upload {
            from: folder.join(&name),
            to: to.join(&name),
        },
    });
    Ok(FolderPlan {
        jobs: jobs.collect(),
        unchanged: unchanged as u64,
        failed,
    })
}

/// A file that cannot be read is not the same; sending it will say why.
async fn is_same(path: PathBuf, etag: String) -> bool {
    let look = move || has_tag(&path, &etag);
    matches!(tokio::task::spawn_blocking(look).await, Ok(Ok(true)))
}

/// Sends what was found. `quiet` shows no progress.
pub async fn send_folder(s3: &S3, plan: FolderPlan, quiet: bool) -> Result<Outcome, S3Error> {
    let started = Instant::now();
    let first = plan.jobs.first().map(|job| job.action.source());
    let progress = Progress::of(
        plan.jobs.len() as u64,
        plan.bytes(),
        &first.unwrap_or_default(),
        quiet || plan.jobs.is_empty(),
    );
    let mut outcome = run(s3, plan.jobs, &Headers::default(), &progress).await?;
    outcome.unchanged = plan.unchanged;
    outcome.failed.extend(plan.failed);
    outcome.took(started.elapsed());
    Ok(outcome)
}
