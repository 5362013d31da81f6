//! What a job did so far, for people who watch it.

use std::collections::VecDeque;
use std::time::Duration;

/// A look at a job under way, or at its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
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
    pub elapsed: Duration,
    pub left: Option<Duration>,
    /// What AWS would ask for, in dollars.
    pub cost: f64,
    /// The most that an instance took, in MB, as far as was reported.
    pub peak_memory_mb: Option<u32>,
    pub billed: Duration,
}

/// What was learned of a function while it ran: for a forecast.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Items that were answered for, and the bytes that were expected of them.
    pub items: u64,
    pub bytes: u64,
    /// Seconds inside the function: by the clock, on a processor, and for codes.
    pub wall: f64,
    pub cpu: f64,
    pub codec: f64,
    /// Seconds that a chunk takes beside that, at best, and in the mean: some had to
    /// wait for an instance to start.
    pub overhead: f64,
    pub start: f64,
    /// What AWS would bill, in seconds.
    pub billed: f64,
    /// Bytes of payloads for one that was expected.
    pub encoded: f64,
    /// The largest payload, in bytes.
    pub largest_chunk: u64,
    pub width: u32,
}

/// How fast the work goes: over the last seconds, since functions warm up and
/// widths grow.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// What was done in all at some times, the latest last.
    marks: VecDeque<(Duration, f64)>,
    done: f64,
}

/// What is older is forgotten.
const LOOKED_BACK: Duration = Duration::from_secs(15);
/// Marks lie at least so far apart.
const APART: Duration = Duration::from_millis(100);

impl Pace {
    pub(crate) fn add(&mut self, now: Duration, weight: f64) {
        if self.marks.is_empty() {
            self.marks.push_back((Duration::ZERO, 0.0));
        }
        self.done += weight;
        match self.marks.back_mut() {
            Some((at, done)) if now < *at + APART && *at > Duration::ZERO => *done = self.done,
            _ => self.marks.push_back((now, self.done)),
        }
        while self.marks.len() > 2 && self.marks[1].0 + LOOKED_BACK < now {
            self.marks.pop_front();
        }
    }

    /// How long so much more will take. Nobody knows before something was done.
    pub(crate) fn left(&self, now: Duration, weight: f64) -> Option<Duration> {
        let (from, before) = *self.marks.front()?;
        let seconds = now.saturating_sub(from).as_secs_f64();
        let done = self.done - before;
        if done <= 0.0 || seconds <= 0.0 {
            return None;
        }
        Duration::try_from_secs_f64(weight * seconds / done).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_knows_before_something_was_done() {
        assert_eq!(Pace::default().left(Duration::from_secs(1), 5.0), None);
    }

    #[test]
    fn what_is_left_follows_the_pace_of_the_last_seconds() {
        let mut pace = Pace::default();
        let second = Duration::from_secs(1);
        pace.add(second, 10.0);
        assert_eq!(pace.left(second, 20.0), Some(second * 2));
        // It becomes ten times as fast, and stays so.
        for tenth in 11..=400 {
            pace.add(second * tenth / 10, 10.0);
        }
        let left = pace.left(second * 40, 1000.0).unwrap();
        assert!((9.9..=10.1).contains(&left.as_secs_f64()), "{left:?}");
    }
}
