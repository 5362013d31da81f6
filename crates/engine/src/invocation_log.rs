//! The log of one invocation: what its instance writes, between AWS's START,
//! END and REPORT lines.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use store::{LogLine, Logs};
use types::{RequestId, Timestamp, Version};

/// AWS returns this much with `LogType=Tail`.
const TAIL_BYTES: usize = 4096;
/// A line longer than this is cut in two, as CloudWatch does.
const LINE_BYTES: usize = 256 * 1024;
/// How long a line may wait while the invocation runs.
const FLUSH_AFTER: Duration = Duration::from_millis(100);

/// What is kept of a log written while a function is loaded.
const INIT_LOG_BYTES: usize = 1024 * 1024;

/// Adds to the log of a function that is being loaded; past its bound the rest
/// is dropped.
pub(crate) fn keep_init_log(log: &mut Vec<u8>, bytes: &[u8]) {
    let room = INIT_LOG_BYTES.saturating_sub(log.len());
    log.extend_from_slice(&bytes[..room.min(bytes.len())]);
}

/// Where an instance's log goes.
#[derive(Debug, Clone)]
pub(crate) struct LogTarget {
    pub(crate) group: Arc<str>,
    pub(crate) stream: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct InvocationLog {
    target: LogTarget,
    lines: Vec<LogLine>,
    /// The beginning of a line whose end has not come yet.
    partial: BytesMut,
    /// The last lines, up to what a tail shows.
    tail: BytesMut,
    /// Bytes that the function may still write.
    left: u64,
    flushed: Instant,
    position: Option<u64>,
}

/// The numbers of a REPORT line.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) duration: Duration,
    pub(crate) billed_ms: u64,
    pub(crate) memory_mb: u32,
    pub(crate) max_memory_mb: u32,
    pub(crate) init: Option<Duration>,
    /// For invocations that AWS reports with a status: `timeout`, or `error` and its type.
    pub(crate) status: Option<String>,
}

impl InvocationLog {
    pub(crate) fn new(target: LogTarget, limit: u64) -> Self {
        Self {
            target,
            lines: Vec::with_capacity(4),
            partial: BytesMut::new(),
            tail: BytesMut::new(),
            left: limit,
            flushed: Instant::now(),
            position: None,
        }
    }

    pub(crate) fn start(&mut self, request_id: RequestId, version: Version) {
        self.line(format!("START RequestId: {request_id} Version: {version}\n").into());
    }

    /// Takes what came out of the instance's pipe.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let allowed = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if allowed == 0 {
            return;
        }
        self.left -= allowed as u64;
        // Only \n ends a record: AWS's runtimes write \r inside of one.
        let mut rest = &bytes[..allowed];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            self.partial.extend_from_slice(line);
            let line = self.partial.split().freeze();
            self.line(line);
            rest = after;
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() >= LINE_BYTES {
            self.end_partial();
        }
        if self.left == 0 {
            self.end_partial();
            self.line(Bytes::from_static(
                b"[squall] the log limit of this invocation is reached; the rest is dropped\n",
            ));
        }
    }

    pub(crate) fn text(&mut self, text: String) {
        self.end_partial();
        let mut line = text;
        line.push('\n');
        self.line(line.into());
    }

    pub(crate) fn end(&mut self, request_id: RequestId, report: &Report) {
        self.end_partial();
        self.line(format!("END RequestId: {request_id}\n").into());
        let mut text = format!(
            "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\t\
             Memory Size: {} MB\tMax Memory Used: {} MB\t",
            report.duration.as_secs_f64() * 1000.0,
            report.billed_ms,
            report.memory_mb,
            report.max_memory_mb,
        );
        if let Some(init) = report.init {
            let init = init.as_secs_f64() * 1000.0;
            // Writing to a string does not fail.
            let _ = write!(text, "Init Duration: {init:.2} ms\t");
        }
        if let Some(status) = &report.status {
            text.push_str(status);
        }
        text.push('\n');
        self.line(text.into());
    }

    /// Sends on what has waited for a while.
    pub(crate) async fn flush_if_due(&mut self, logs: &Logs) {
        if !self.lines.is_empty() && self.flushed.elapsed() >= FLUSH_AFTER {
            self.flush(logs).await;
        }
    }

    /// Sends on everything; returns where the invocation's log begins.
    pub(crate) async fn flush(&mut self, logs: &Logs) -> u64 {
        self.flushed = Instant::now();
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            let position = logs
                .append(&self.target.group, &self.target.stream, lines)
                .await;
            self.position.get_or_insert(position);
        }
        self.position.unwrap_or(0)
    }

    pub(crate) fn tail(&mut self) -> Bytes {
        self.tail.split().freeze()
    }

    fn end_partial(&mut self) {
        if !self.partial.is_empty() {
            let line = self.partial.split().freeze();
            self.line(line);
        }
    }

    fn line(&mut self, text: Bytes) {
        if text.len() >= TAIL_BYTES {
            self.tail.clear();
            self.tail
                .extend_from_slice(&text[text.len() - TAIL_BYTES..]);
        } else {
            let over = (self.tail.len() + text.len()).saturating_sub(TAIL_BYTES);
            let _ = self.tail.split_to(over.min(self.tail.len()));
            self.tail.extend_from_slice(&text);
        }
        self.lines.push(LogLine {
            time: Timestamp::now(),
            text,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(limit: u64) -> InvocationLog {
        let target = LogTarget {
            group: "g".into(),
            stream: "s".into(),
        };
        InvocationLog::new(target, limit)
    }

    fn lines(log: &InvocationLog) -> Vec<String> {
        log.lines
            .iter()
            .map(|line| String::from_utf8_lossy(&line.text).into_owned())
            .collect()
    }

    #[test]
    fn lines_are_cut_at_newlines_only() {
        let mut log = log(1000);
        log.write(b"one\ntw");
        log.write(b"o\rstill two\nthr");
        log.text("four".to_owned());
        assert_eq!(lines(&log), ["one\n", "two\rstill two\n", "thr", "four\n"]);
    }

    #[test]
    fn the_tail_is_the_end_of_the_log() {
        let mut log = log(1_000_000);
        for index in 0..2000 {
            log.write(format!("line {index}\n").as_bytes());
        }
        let tail = log.tail();
        assert_eq!(tail.len(), TAIL_BYTES);
        assert!(tail.ends_with(b"line 1999\n"));
    }

    #[test]
    fn a_flood_is_cut_and_said_so() {
        let mut log = log(10);
        log.write(b"12345\n");
        log.write(b"1234567890\n");
        log.write(b"more\n");
        let lines = lines(&log);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[1], "1234");
        assert!(lines[2].contains("limit"));
    }

    #[test]
    fn a_flood_while_loading_is_bounded() {
        let mut log = Vec::new();
        for _ in 0..3 {
            keep_init_log(&mut log, &vec![b'x'; INIT_LOG_BYTES / 2 + 1]);
        }
        assert_eq!(log.len(), INIT_LOG_BYTES);
    }

    #[test]
    fn the_report_is_in_the_form_of_aws() {
        let mut log = log(10);
        let id = "11111111-2222-4333-8444-555555555555".parse().unwrap();
        log.end(
            id,
            &Report {
                duration: Duration::from_micros(1234),
                billed_ms: 2,
                memory_mb: 128,
                max_memory_mb: 36,
                init: Some(Duration::from_millis(9)),
                status: None,
            },
        );
        assert_eq!(
            lines(&log)[1],
            "REPORT RequestId: 11111111-2222-4333-8444-555555555555\tDuration: 1.23 ms\t\
             Billed Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\
             Init Duration: 9.00 ms\t\n"
        );
    }
}
