//! What can go wrong with the data directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data directory {} is in use by {}", dir.display(), holder(*pid))]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error(
        "the data directory {} has schema version {found}, and this program knows versions up to {known}: use a newer squall",
        dir.display()
    )]
    TooNew {
        dir: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// Why something could not be kept or found again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store is closed")]
    Closed,
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    #[error("could not {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{name:?} is not the name of a blob")]
    BadDigest { name: String },
    #[error("the store holds no blob {sha}")]
    NoSuchBlob { sha: String },
    #[error("{what} in the store cannot be read: {detail}")]
    Corrupt { what: &'static str, detail: String },
    #[error(
        "the book of jobs has schema version {found}, and this program knows versions up to {known}: use a newer squall"
    )]
    JobsTooNew { found: i64, known: i64 },
    /// Of the job that hears it, nothing more is written; what was, stays.
    #[error("results can no longer be kept")]
    JobsUnwritable(#[source] Arc<StoreError>),
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
