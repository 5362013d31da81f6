//! How long things take, counted by steps. The steps are close enough for percentiles
//! that people look at; the coarser ones of them are told to Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of each power of ten. Steps at 1, 2 and 5 are told to others.
const STEPS: [u64; 6] = [10, 15, 20, 30, 50, 70];
const DECADES: usize = 8;
/// From 10 microseconds to 1,000 seconds, and one for what takes longer.
pub const BUCKETS: usize = STEPS.len() * DECADES + 2;

/// The upper ends, in microseconds; the last bucket has none.
const ENDS: [u64; BUCKETS - 1] = ends();

const fn ends() -> [u64; BUCKETS - 1] {
    let mut ends = [0; BUCKETS - 1];
    let (mut index, mut unit) = (0, 1);
    while index < ends.len() {
        ends[index] = STEPS[index % STEPS.len()] * unit;
        index += 1;
        if index.is_multiple_of(STEPS.len()) {
            unit *= 10;
        }
    }
    ends
}

#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            micros: AtomicU64::new(0),
        }
    }
}

/// What a histogram shows at one moment, or between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    pub counts: [u64; BUCKETS],
    pub micros: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            micros: 0,
        }
    }
}

impl Histogram {
    pub fn add(&self, micros: u64) {
        let bucket = ENDS.partition_point(|end| *end < micros);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn read(&self) -> Counts {
        Counts {
            counts: std::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed)),
            micros: self.micros.load(Ordering::Relaxed),
        }
    }
}

impl Counts {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What came between an earlier reading and this one.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|index| {
                self.counts[index].saturating_sub(before.counts[index])
            }),
            micros: self.micros.saturating_sub(before.micros),
        }
    }

    /// In milliseconds, within the width of a step; None where nothing was counted.
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let wanted = percent / 100.0 * self.count() as f64;
        let mut below = 0.0;
        for (index, count) in self.counts.iter().enumerate() {
            let count = *count as f64;
            if count > 0.0 && below + count >= wanted {
                let begin = index.checked_sub(1).map_or(0, |before| ENDS[before]) as f64;
                let end = ENDS.get(index).map_or(begin, |end| *end as f64);
                let part = ((wanted - below) / count).clamp(0.0, 1.0);
                return Some((begin + (end - begin) * part) / 1000.0);
            }
            below += count;
        }
        None
    }

    /// Upper ends in seconds, with how many took no longer: what Prometheus is told.
    pub fn told(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut total = 0;
        self.counts
            .iter()
            .zip(ENDS)
            .filter_map(move |(count, end)| {
                total += count;
                let digit = end / 10_u64.pow(end.ilog10());
                let round = end == digit * 10_u64.pow(end.ilog10());
                #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
                let seconds = end as f64 / 1e6;
                (round && matches!(digit, 1 | 2 | 5)).then_some((seconds, total))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_and_reach_far() {
        assert!(ENDS.is_sorted());
        assert_eq!(ENDS[0], 10);
        assert_eq!(ENDS[ENDS.len() - 1], 1_000_000_000);
        let told: Vec<f64> = Counts::default().told().map(|(end, _)| end).collect();
        assert_eq!(told.len(), 25);
        assert_eq!(&told[..4], [0.00001, 0.00002, 0.00005, 0.0001]);
        assert!((told[24] - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_within_a_step() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().percentile(50.0), None);
        for n in 1..=1000 {
            histogram.add(n * 100);
        }
        let counts = histogram.read();
        for (percent, millis) in [(50.0, 50.0), (90.0, 90.0), (99.0, 99.0)] {
            let found = counts.percentile(percent).unwrap();
            assert!((found - millis).abs() / millis < 0.2, "{percent}: {found}");
        }
        assert_eq!(counts.count(), 1000);
        assert_eq!(counts.micros, 50_050_000);
        let more = Histogram::default();
        more.add(u64::MAX);
        assert!(more.read().percentile(50.0).unwrap() >= 1e6);
    }

    #[test]
    fn what_is_told_counts_up() {
        let histogram = Histogram::default();
        for micros in [0, 10, 11, 5_000_000_000] {
            histogram.add(micros);
        }
        let told: Vec<u64> = histogram.read().told().map(|(_, count)| count).collect();
        assert_eq!((told[0], told[1], told[24]), (2, 3, 3));
    }

    #[test]
    fn a_difference_is_what_came_between() {
        let histogram = Histogram::default();
        histogram.add(5);
        let before = histogram.read();
        histogram.add(7);
        let between = histogram.read().since(&before);
        assert_eq!((between.count(), between.micros), (1, 7));
    }
}
