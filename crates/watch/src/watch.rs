//! The handle that all who have something to tell hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

use parking_lot::Mutex;

use crate::line::Line;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::span::Tracer;

/// Lines that wait to be written: a second's at full speed.
const WAITING: usize = 32_768;

/// Counts, and takes lines and spans. A clone is another handle. Without who writes and
/// sends, which is the default, it only counts.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    metrics: Metrics,
    lines: Option<Lines>,
    tracer: Option<Tracer>,
}

/// Lines on their way to who writes them.
#[derive(Debug)]
pub struct Lines {
    waiting: Queue<Line>,
    /// Who writes sleeps, and must be woken.
    asleep: AtomicBool,
    writer: Mutex<Option<Thread>>,
}

impl Watch {
    /// With lines, if someone will write them; and with traces, of which a ratio is
    /// recorded.
    pub fn new(has_lines: bool, trace_ratio: Option<f64>) -> Self {
        let inner = Inner {
            metrics: Metrics::default(),
            lines: has_lines.then(Lines::default),
            tracer: trace_ratio.map(Tracer::new),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    #[cfg(test)]
    pub(crate) fn recording(ratio: f64) -> Self {
        Self::new(false, Some(ratio))
    }

    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub fn lines(&self) -> Option<&Lines> {
        self.inner.lines.as_ref()
    }

    pub fn tracer(&self) -> Option<&Tracer> {
        self.inner.tracer.as_ref()
    }

    pub fn tell(&self, line: Line) {
        if let Some(lines) = self.lines() {
            lines.push(line);
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            waiting: Queue::new(WAITING),
            asleep: AtomicBool::new(false),
            writer: Mutex::new(None),
        }
    }
}

impl Lines {
    fn push(&self, line: Line) {
        self.waiting.push(line);
        // Waking costs more than all the rest, so it is done once for many lines.
        if self.asleep.load(Ordering::Acquire) && self.asleep.swap(false, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Wakes who writes, be there lines or not.
    pub fn wake(&self) {
        if let Some(writer) = &*self.writer.lock() {
            writer.unpark();
        }
    }

    /// This thread writes from now on.
    pub fn be_writer(&self) {
        *self.writer.lock() = Some(std::thread::current());
    }

    /// Takes what waits. Where there is nothing, sleeps until there may be something.
    pub fn take(&self, lines: &mut Vec<Line>) {
        self.waiting.swap(lines);
        if lines.is_empty() {
            self.asleep.store(true, Ordering::Release);
            // A line that came before this was said must not wait for the next one.
            if self.waiting.is_empty() {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::Release);
            self.waiting.swap(lines);
        }
    }

    /// Takes what waits, be it nothing.
    pub fn take_now(&self, lines: &mut Vec<Line>) {
        self.waiting.swap(lines);
    }

    /// Counts lines that could not be written.
    pub fn drop_more(&self, lines: u64) {
        self.waiting.drop_more(lines);
    }

    pub fn dropped(&self) -> u64 {
        self.waiting.dropped()
    }
}
