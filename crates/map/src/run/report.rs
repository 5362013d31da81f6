//! What an invocation took, as its REPORT line says.

use std::time::Duration;

/// Figures of one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Report {
    pub(super) billed: Duration,
    pub(super) peak_memory_mb: Option<u32>,
}

impl Report {
    /// Reads the last REPORT line of a log. Where there is none, the time that was
    /// waited is billed in whole milliseconds, as AWS does.
    pub(super) fn read(log: &[u8], waited: Duration) -> Self {
        let mut report = Self {
            billed: Duration::from_millis(millis(waited)),
            peak_memory_mb: None,
        };
        let log = String::from_utf8_lossy(log);
        let Some(line) = log.lines().rfind(|line| line.starts_with("REPORT ")) else {
            return report;
        };
        for field in line.split('\t') {
            if let Some(value) = field.strip_prefix("Billed Duration: ")
                && let Some(value) = value.strip_suffix(" ms").and_then(|ms| ms.parse().ok())
            {
                report.billed = Duration::from_millis(value);
            } else if let Some(value) = field.strip_prefix("Max Memory Used: ") {
                report.peak_memory_mb = value.strip_suffix(" MB").and_then(|mb| mb.parse().ok());
            }
        }
        report
    }
}

fn millis(waited: Duration) -> u64 {
    u64::try_from(waited.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_counts() {
        let log = b"START RequestId: a Version: $LATEST\nREPORT of mine\n\
            REPORT RequestId: a\tDuration: 1.23 ms\tBilled Duration: 2 ms\t\
            Memory Size: 128 MB\tMax Memory Used: 45 MB\tInit Duration: 101.50 ms\t\n";
        let report = Report {
            billed: Duration::from_millis(2),
            peak_memory_mb: Some(45),
        };
        assert_eq!(Report::read(log, Duration::from_secs(9)), report);
    }

    #[test]
    fn without_a_report_the_wait_is_billed() {
        let report = Report {
            billed: Duration::from_millis(2),
            peak_memory_mb: None,
        };
        assert_eq!(Report::read(b"", Duration::from_micros(1100)), report);
        assert_eq!(
            Report::read(b"\xff\nREPORT ", Duration::from_micros(1100)),
            report
        );
    }
}
