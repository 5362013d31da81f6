//! What came of a transfer, for people and for programs.

use std::time::Duration;

use serde::Serialize;

use crate::output;

/// Failures that are listed one by one.
const SHOWN: usize = 10;

/// A file or an object that was not moved, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    #[serde(rename = "path")]
    pub what: String,
    #[serde(rename = "error")]
    pub why: String,
}

impl Failed {
    /// A key that no file below the target could have.
    pub fn unsafe_name(key: &impl std::fmt::Display) -> Self {
        Self {
            what: key.to_string(),
            why: "no file in the target folder can have this name".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Moved, folders and removals aside.
    pub files: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// Found to be the same on both sides.
    pub unchanged: u64,
    pub deleted: u64,
    pub failed: Vec<Failed>,
}

impl Outcome {
    pub fn took(&mut self, time: Duration) {
        self.seconds = (time.as_secs_f64() * 1000.0).round() / 1000.0;
    }

    /// `12 files, 34 MB, 0.8 s`
    pub fn summary(&self) -> String {
        let mut parts = vec![count(self.files, "file")];
        if self.files > 0 {
            parts.push(output::size(self.bytes));
        }
        if self.unchanged > 0 {
            parts.push(format!("{} unchanged", self.unchanged));
        }
        if self.deleted > 0 {
            parts.push(format!("{} deleted", self.deleted));
        }
        if !self.failed.is_empty() {
            parts.push(format!("{} failed", self.failed.len()));
        }
        parts.push(seconds(self.seconds));
        parts.join(", ")
    }

    /// The failures, as many as one can take in.
    pub fn failures(&self) -> Vec<String> {
        let shown = self.failed.iter().take(SHOWN);
        let mut lines: Vec<String> = shown
            .map(|failed| format!("failed: {}: {}", failed.what, failed.why))
            .collect();
        if self.failed.len() > SHOWN {
            let more = self.failed.len() - SHOWN;
            lines.push(format!("... and {more} more; --json lists all"));
        }
        lines
    }
}

/// `1 file`, `12 files`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 0.1 {
        format!("{:.0} ms", seconds * 1_000.0)
    } else if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_matters() {
        let mut outcome = Outcome {
            files: 12,
            bytes: 34 << 20,
            seconds: 0.84,
            ..Outcome::default()
        };
        assert_eq!(outcome.summary(), "12 files, 34.0 MB, 0.8 s");
        outcome.deleted = 2;
        outcome.unchanged = 3;
        outcome.seconds = 61.2;
        let failed = Failed {
            what: "x".to_owned(),
            why: "no".to_owned(),
        };
        outcome.failed = vec![failed; 12];
        assert_eq!(
            outcome.summary(),
            "12 files, 34.0 MB, 3 unchanged, 2 deleted, 12 failed, 61 s"
        );
        let lines = outcome.failures();
        assert_eq!((lines.len(), lines[0].as_str()), (11, "failed: x: no"));
        assert_eq!(lines[10], "... and 2 more; --json lists all");
        assert_eq!(Outcome::default().summary(), "0 files, 0 ms");
    }
}
