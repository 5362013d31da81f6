//! Runs a job: what is needed for it, what comes of it, and the loop that performs
//! what the core decides.

mod attempt;
mod describe;
mod driver;
#[cfg(test)]
mod executor;
mod report;
mod shelves;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use science::items::Collected;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use types::Invoke;

use crate::journal::Journal;
use crate::options::Options;
use crate::payload::ItemError;
use crate::stats::{Figures, Progress};

use driver::Driver;

pub use describe::{DescribeError, describe};

/// What a job needs to run.
#[derive(Debug)]
pub struct Job {
    pub options: Options,
    pub data: Arc<Collected>,
    /// What the function's memory is set to, for the cost.
    pub memory_mb: u32,
    pub arm: bool,
    /// The largest payload that may be sent, in bytes.
    pub most_payload: u64,
    /// Items that are to be run; all if None. By rank.
    pub only: Option<Vec<u32>>,
}

/// What came of a job. Results and failures are by rank: the item's place among the
/// sorted ids.
#[derive(Debug)]
pub struct Finished {
    pub results: Vec<Option<Box<RawValue>>>,
    pub failures: BTreeMap<u32, Failure>,
    pub end: End,
    pub progress: Progress,
    pub figures: Figures,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub error: ItemError,
    /// How often it was tried.
    pub attempts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Complete,
    /// `OnError::Stop` and an item failed.
    Stopped,
    Cancelled,
    OutOfTime,
    OutOfMoney,
    /// The function cannot be run, or not any more.
    Broken(Broken),
}

/// Why a function cannot be run. What was finished before is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It cannot be loaded: AWS's error, as its runtime reported it.
    #[error("the function does not start: {}: {}", .0.error_type, .0.error_message)]
    Init(ItemError),
    #[error("function not found: {arn}")]
    NotFound { arn: String },
    #[error("{detail}")]
    Refused { detail: String },
    /// It cannot have items of the kind that is asked for.
    #[error("{detail}")]
    ItemKind { detail: String },
    /// For minutes on end.
    #[error("rate exceeded, again and again")]
    Throttled,
    #[error("{detail}")]
    Unreachable { detail: String },
}

/// The job could not go on for reasons of its own.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Data(#[from] science::Error),
    #[error("the journal cannot be written")]
    Journal(#[source] store::StoreError),
}

/// For payloads that are too large to be sent as they are.
pub trait Exchange: Send + Sync {
    /// Puts a payload down, and names where the guest gets it and where it may put
    /// an answer that is too large.
    fn lend(&self, payload: Bytes) -> impl Future<Output = Result<Loan, String>> + Send;
    /// Fetches the answer that the guest put down.
    fn collect(&self, loan: &Loan) -> impl Future<Output = Result<Bytes, String>> + Send;
    /// Takes both away.
    fn settle(&self, loan: Loan) -> impl Future<Output = ()> + Send;
}

/// Presigned addresses of one chunk.
#[derive(Debug, Clone)]
pub struct Loan {
    pub get: String,
    pub put: String,
    pub key: String,
}

/// Where there is nothing to put large payloads into: items that need it fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExchange;

impl Exchange for NoExchange {
    async fn lend(&self, _payload: Bytes) -> Result<Loan, String> {
        Err("there is no bucket to hand it over by".to_owned())
    }

    async fn collect(&self, _loan: &Loan) -> Result<Bytes, String> {
        Err("nothing was lent".to_owned())
    }

    async fn settle(&self, _loan: Loan) {}
}

/// Runs a job to its end, or to where it must stop. `watch` hears of progress, a few
/// times a second.
pub async fn run<I: Invoke + 'static, X: Exchange + 'static>(
    invoke: Arc<I>,
    exchange: Arc<X>,
    job: Job,
    journal: Journal,
    cancel: CancellationToken,
    watch: impl Fn(&Progress) + Send + Sync,
) -> Result<Finished, RunError> {
    Driver::new(invoke, exchange, job, journal)
        .run(cancel, watch)
        .await
}
