//! How long things take, and how large a chunk should be therefore.

use std::collections::VecDeque;
use std::time::Duration;

use crate::options::ChunkSize;
use crate::payload::Took;
use crate::stats::Figures;

use super::{Load, Settings};

/// A chunk is made so large that sending it takes at most this share of its time.
const OVERHEAD_SHARE: f64 = 0.03;
/// Chunks are not made shorter than this for the sake of the share alone: far below,
/// clocks and schedulers are what is measured. In seconds.
const LEAST_TIME: f64 = 0.025;
/// Nor longer than this, so that a job can be stopped, and a failure is not dear.
const MOST_TIME: f64 = 10.0;
/// A size grows at most by this factor beyond what was seen to work.
const GROWTH: f64 = 16.0;
/// What is left is cut into so many chunks for each slot, so that all end together.
const TAIL: f64 = 2.0;
/// A learned chunk has at most so many items and, encoded, so many bytes.
const MOST_ITEMS: u64 = 20_000;
const MOST_BYTES: f64 = 4e6;
/// All payloads under way, encoded: with many slots, chunks become smaller.
const MOST_UNDER_WAY: f64 = 256e6;
const LEAST_BYTES: f64 = 128e3;
/// Chunks are cut a little smaller than the limit, for the expansion is an estimate.
const MARGIN: f64 = 0.9;
/// Answers that are remembered for medians.
const REMEMBERED: usize = 31;
/// A second copy is sent only after this time, in seconds, however fast others were.
const LEAST_PATIENCE: f64 = 0.3;
/// And only when so many others were seen.
const LEAST_SEEN: usize = 3;
/// How fast the least overhead is forgotten.
const FORGET: f64 = 1.02;
/// What an answer that is one older counts less.
const DECAY: f64 = 0.7;

/// The largest chunk that may be cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    pub(super) items: u64,
    /// As expected.
    pub(super) bytes: u64,
    pub(super) weight: f64,
}

/// The last so many values of something.
#[derive(Debug, Default)]
struct Recent(VecDeque<f64>);

impl Recent {
    fn push(&mut self, value: f64) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    fn median(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.0.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }
}

#[derive(Debug)]
pub(super) struct Learned {
    chunk: ChunkSize,
    most_payload: f64,
    /// Bytes of a mean item, once one was seen.
    mean: Option<f64>,
    /// Seconds in the function, and the weight that they were spent for; older
    /// answers count less.
    recent_time: f64,
    recent_weight: f64,
    /// Seconds per weight, and seconds beside those in the function.
    rates: Recent,
    overheads: Recent,
    /// The least overhead, forgotten slowly. Starting an instance is not among what
    /// larger chunks could save.
    overhead: Option<f64>,
    all_overheads: f64,
    answers: u64,
    /// The heaviest chunk that came back.
    heaviest: f64,
    /// A chunk of more than this died.
    ceiling: f64,
    /// Bytes of payloads for one that was expected.
    expansion: f64,
    sum: Figures,
}

impl Learned {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            chunk: settings.chunk,
            most_payload: float(settings.most_payload),
            mean: None,
            recent_time: 0.0,
            recent_weight: 0.0,
            rates: Recent::default(),
            overheads: Recent::default(),
            overhead: None,
            all_overheads: 0.0,
            answers: 0,
            heaviest: 0.0,
            ceiling: f64::INFINITY,
            expansion: 1.0,
            sum: Figures::default(),
        }
    }

    /// What items weigh: a mean item one, and half of that comes from
    /// its bytes. Functions that take long for long items and functions that do not
    /// care are both served by that.
    pub(super) fn weight(&self, load: Load) -> f64 {
        0.5 * float(load.items) + 0.5 * float(load.bytes) / self.mean.unwrap_or(1.0)
    }

    /// A shelf came. What weighs one is decided by the first.
    pub(super) fn stocked(&mut self, load: Load) {
        if load.items > 0 && self.mean.is_none() {
            self.mean = Some((float(load.bytes) / float(load.items)).max(1.0));
        }
    }

    pub(super) fn encoded(&mut self, expected: u64, encoded: u64) {
        self.sum.largest_chunk = self.sum.largest_chunk.max(encoded);
        if expected > 0 {
            let seen = float(encoded) / float(expected);
            // Too large a chunk is worse than too small a one: forget highs slowly.
            self.expansion = if seen > self.expansion {
                seen
            } else {
                0.8 * self.expansion + 0.2 * seen
            };
        }
    }

    /// Takes in an answer, and says how many seconds it took beside the function.
    pub(super) fn answered(&mut self, load: Load, took: Took, round_trip: Duration) -> f64 {
        let weight = self.weight(load);
        let inside = (took.wall + took.codec).max(0.0);
        let overhead = (round_trip.as_secs_f64() - inside).max(1e-4);
        self.recent_time = DECAY * self.recent_time + inside;
        self.recent_weight = DECAY * self.recent_weight + weight;
        self.rates.push(inside / weight);
        self.overheads.push(overhead);
        self.overhead = Some(match self.overhead {
            Some(least) => overhead.min(least * FORGET),
            None => overhead,
        });
        self.all_overheads += overhead;
        self.answers += 1;
        self.heaviest = self.heaviest.max(weight);
        // What was feared may have been the fault of one item.
        if weight > 0.7 * self.ceiling {
            self.ceiling *= 1.5;
        }
        self.sum.items += load.items;
        self.sum.bytes += load.bytes;
        self.sum.wall += took.wall;
        self.sum.cpu += took.cpu;
        self.sum.codec += took.codec;
        overhead
    }

    /// A chunk was too much for an instance.
    pub(super) fn died(&mut self, load: Load) {
        self.ceiling = self.ceiling.min(self.weight(load) / 2.0);
    }

    /// The largest chunk that may be cut now, when so much weight is left.
    pub(super) fn limits(&self, left: f64, width: usize) -> Limits {
        let width = float(width as u64);
        match self.chunk {
            ChunkSize::Items(count) => Limits {
                items: u64::from(count.get()),
                bytes: self.expected(self.most_payload),
                weight: f64::INFINITY,
            },
            ChunkSize::Auto => {
                let most = (MOST_UNDER_WAY / width).clamp(LEAST_BYTES, MOST_BYTES);
                Limits {
                    items: MOST_ITEMS,
                    bytes: self.expected(most.min(self.most_payload)),
                    weight: self.best(left, width),
                }
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of bytes that fits into a payload"
    )]
    fn expected(&self, encoded: f64) -> u64 {
        (MARGIN * encoded / self.expansion.max(1e-3)) as u64
    }

    /// How much a chunk should weigh now.
    fn best(&self, left: f64, width: f64) -> f64 {
        let (Some(overhead), true) = (self.overhead, self.recent_weight > 0.0) else {
            // Nothing is known: a single item may take minutes.
            return 1.0;
        };
        let rate = self.rate();
        best_weight(overhead, rate, left, width)
            .min(GROWTH * self.heaviest.max(1.0))
            .min(self.ceiling)
    }

    /// Seconds inside the function for so much weight.
    pub(super) fn seconds(&self, weight: f64) -> f64 {
        self.rate() * weight
    }

    /// Seconds per weight. A first call that loads what it needs must not make all
    /// others look slow, which the median forgets sooner than the mean.
    fn rate(&self) -> f64 {
        let mean = self.recent_time / self.recent_weight;
        let middle = self.rates.median().unwrap_or(f64::INFINITY);
        mean.min(3.0 * middle).max(1e-9)
    }

    /// How long a chunk may take before a second copy is sent.
    pub(super) fn patience(&self, load: Load, factor: f64) -> Option<Duration> {
        if self.rates.0.len() < LEAST_SEEN {
            return None;
        }
        let expected = self.overheads.median()? + self.rates.median()? * self.weight(load);
        Duration::try_from_secs_f64((factor * expected).max(LEAST_PATIENCE)).ok()
    }

    /// Seconds that will be billed for so much, if so many were for all so far.
    pub(super) fn billed_for(&self, load: Load, so_far: f64) -> f64 {
        let done = self.weight(Load {
            items: self.sum.items,
            bytes: self.sum.bytes,
        });
        if done > 0.0 {
            so_far / done * self.weight(load)
        } else {
            0.0
        }
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            overhead: self.overhead.unwrap_or(0.0),
            start: self.all_overheads / float(self.answers.max(1)),
            encoded: self.expansion,
            ..self.sum
        }
    }
}

/// The weight of a chunk that keeps the overhead small and the tail even, if so much
/// is left. Seconds beside the function for each chunk, and inside for each weight.
pub(crate) fn best_weight(overhead: f64, rate: f64, left: f64, width: f64) -> f64 {
    let time = (overhead / OVERHEAD_SHARE).clamp(LEAST_TIME, MOST_TIME);
    // At the tail, sending may take as long as computing, but not longer.
    let even = (left / (TAIL * width)).max(overhead / rate);
    (time / rate).min(even).min(float(MOST_ITEMS))
}

/// Counts and bytes of a job are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}
