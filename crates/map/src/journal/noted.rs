//! How far a job is, as the book has it: read by whoever shows jobs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::stats::Progress;

/// Times are in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Noted {
    pub items: u64,
    pub done: u64,
    /// Of `done`: taken from earlier jobs.
    pub known: u64,
    pub failed: u64,
    pub in_flight: u64,
    pub invocations: u64,
    pub retries: u64,
    pub backups: u64,
    pub splits: u64,
    pub elapsed: f64,
    pub left: Option<f64>,
    /// In dollars.
    pub cost: f64,
    pub peak_memory_mb: Option<u32>,
    pub billed: f64,
}

impl Noted {
    pub fn of(progress: &Progress) -> Self {
        Self {
            items: progress.items,
            done: progress.done,
            known: progress.known,
            failed: progress.failed,
            in_flight: progress.in_flight,
            invocations: progress.invocations,
            retries: progress.retries,
            backups: progress.backups,
            splits: progress.splits,
            elapsed: progress.elapsed.as_secs_f64(),
            left: progress.left.as_ref().map(Duration::as_secs_f64),
            cost: progress.cost,
            peak_memory_mb: progress.peak_memory_mb,
            billed: progress.billed.as_secs_f64(),
        }
    }

    /// What a book has, also one that another version wrote.
    pub fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers are written")
    }
}
