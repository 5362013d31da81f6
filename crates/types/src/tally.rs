//! What one request used, added up by all that worked for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by a request and the invocations that it causes.
#[derive(Default)]
pub struct Tally {
    memory_ms: AtomicU64,
    invocations: AtomicU64,
    rows: AtomicU64,
    bytes_in: AtomicU64,
    late: Option<Late>,
}

/// Who takes what comes together after the last [`Tally::take`].
type Late = Box<dyn Fn(Tallied) + Send + Sync>;

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").finish_non_exhaustive()
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let left = self.take();
        if let Some(late) = &self.late
            && left != Tallied::default()
        {
            late(left);
        }
    }
}

/// What a tally shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Memory in MB times billed milliseconds.
    pub memory_ms: u64,
    pub invocations: u64,
    pub rows: u64,
    /// Of the request's body, as it came.
    pub bytes_in: u64,
}

impl Tally {
    /// One whose rest goes to `late` when the last who works for the request has ended:
    /// functions run on when nobody waits for them any more.
    pub fn with_late(late: impl Fn(Tallied) + Send + Sync + 'static) -> Self {
        Self {
            memory_ms: AtomicU64::new(0),
            invocations: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            late: Some(Box::new(late)),
        }
    }

    pub fn add_invocation(&self, memory_mb: u32, billed_ms: u64) {
        let used = billed_ms.saturating_mul(memory_mb.into());
        self.memory_ms.fetch_add(used, Ordering::Relaxed);
        self.invocations.fetch_add(1, Ordering::Relaxed);
    }

    /// Rows or items that were worked on.
    pub fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// What was read of the body, whatever its head says of its length.
    pub fn add_bytes_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What has come together since the last time that this was asked.
    pub fn take(&self) -> Tallied {
        Tallied {
            memory_ms: self.memory_ms.swap(0, Ordering::Relaxed),
            invocations: self.invocations.swap(0, Ordering::Relaxed),
            rows: self.rows.swap(0, Ordering::Relaxed),
            bytes_in: self.bytes_in.swap(0, Ordering::Relaxed),
        }
    }
}
