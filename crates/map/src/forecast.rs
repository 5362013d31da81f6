//! What a job will take, said before it starts: a small part of it is run, and the
//! whole reckoned from that.

use std::sync::Arc;
use std::time::Duration;

use science::items::Collected;
use tokio_util::sync::CancellationToken;
use types::Invoke;

use crate::core::{best_weight, wider, worth_starting};
use crate::failures::{self, Kind};
use crate::journal::Journal;
use crate::options::{ChunkSize, OnError, Options, Width};
use crate::prices::Prices;
use crate::run::{self, Broken, End, Exchange, Finished, Job, RunError};
use crate::stats::{Figures, Progress};

/// What a whole job will take.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    pub time: Duration,
    /// The most that one instance will need, if instances report it.
    pub peak_memory_mb: Option<u32>,
    /// Instances at work at once.
    pub width: u32,
    /// Items of a chunk, but for the last ones.
    pub chunk_items: u32,
    pub invocations: u64,
    /// In dollars.
    pub cost_x86: f64,
    pub cost_arm: f64,
    /// Items that were run to find this out, and kinds of failures among them.
    pub sampled: u64,
    pub failures: Vec<Kind>,
}

/// Why nothing can be foretold.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("it was cancelled")]
    Cancelled,
    #[error("every one of the {} items that were tried has failed", count(.0))]
    AllFailed(Vec<Kind>),
}

fn count(kinds: &[Kind]) -> u64 {
    kinds.iter().map(|kind| kind.count).sum()
}

/// One item in so many is tried, but at least and at most so many.
const ONE_IN: usize = 100;
const LEAST: usize = 20;
const MOST: usize = 1000;
/// Functions that wait less than so many times longer than they compute may do so only
/// because the machine is busy just now: nothing is promised on that.
const WAITING: f64 = 4.0;
/// What an instance needs beside, in bytes, for each byte of its payload: the text,
/// what it is read into, and the result.
const MEMORY_PER_BYTE: u64 = 4;

/// The items to try, by rank: of all sizes, in the shares in which they come, and the
/// largest in any case.
pub fn sample(data: &Collected) -> Vec<u32> {
    spread(&data.lengths)
}

fn spread(lengths: &[u64]) -> Vec<u32> {
    let wanted = (lengths.len() / ONE_IN)
        .clamp(LEAST, MOST)
        .min(lengths.len());
    let mut ranks: Vec<u32> = (0..).take(lengths.len()).collect();
    ranks.sort_by_key(|rank| lengths[*rank as usize]);
    // The last of each stretch, so the last of all too.
    let mut chosen: Vec<u32> = (1..=wanted)
        .map(|stretch| ranks[stretch * lengths.len() / wanted - 1])
        .collect();
    chosen.sort_unstable();
    chosen
}

/// Runs a sample of a job, and says what the whole will take. Nothing is kept.
pub async fn probe<I: Invoke + 'static, X: Exchange + 'static>(
    invoke: Arc<I>,
    exchange: Arc<X>,
    job: &Job,
    cancel: CancellationToken,
    watch: impl Fn(&Progress) + Send + Sync,
) -> Result<Forecast, ProbeError> {
    let only = sample(&job.data);
    let weight = weights(&job.data.lengths, &only);
    let part = Job {
        options: Options {
            retries: 0,
            backup_after: None,
            on_error: OnError::Collect,
            max_time: None,
            max_cost: None,
            ..job.options.clone()
        },
        data: Arc::clone(&job.data),
        only: Some(only),
        ..*job
    };
    let finished = run::run(invoke, exchange, part, Journal::none(), cancel, watch).await?;
    let Finished {
        failures,
        end,
        progress,
        figures,
        ..
    } = finished;
    let failures = failures::table(&job.data, &failures);
    match end {
        End::Broken(broken) => return Err(broken.into()),
        End::Cancelled => return Err(ProbeError::Cancelled),
        End::Complete | End::Stopped | End::OutOfTime | End::OutOfMoney => {}
    }
    if progress.done == 0 && progress.failed > 0 {
        return Err(ProbeError::AllFailed(failures));
    }
    let seen = Seen {
        figures,
        weight,
        invocations: progress.invocations,
        peak_memory_mb: progress.peak_memory_mb,
    };
    let forecast = foretell(&seen, job.data.len(), &job.options, job.memory_mb);
    Ok(Forecast {
        sampled: progress.done + progress.failed,
        failures,
        ..forecast
    })
}

/// What the sample showed.
#[derive(Debug, Clone, Copy)]
struct Seen {
    figures: Figures,
    /// What it weighs, if all items together weigh as much as they are many.
    weight: f64,
    invocations: u64,
    peak_memory_mb: Option<u32>,
}

/// What items weigh: as in the core, half by their number, half by their size.
fn weights(lengths: &[u64], ranks: &[u32]) -> f64 {
    let rows: u64 = lengths.iter().sum();
    let mean = float(rows) / float(lengths.len() as u64);
    ranks
        .iter()
        .map(|rank| 0.5 + 0.5 * float(lengths[*rank as usize]) / mean.max(1e-9))
        .sum()
}

fn foretell(seen: &Seen, items: usize, options: &Options, memory_mb: u32) -> Forecast {
    let figures = &seen.figures;
    let all = float(items as u64);
    let inside = figures.wall + figures.codec;
    let rate = (inside / seen.weight.max(1.0)).max(1e-9);
    let whole = rate * all;
    let width = width(options.width, figures, whole);
    let (invocations, largest) = chunks(all, rate, width, options.chunk, figures);
    let chunk = rate * largest + figures.start;
    let time = match options.width {
        Width::Fixed(_) => 0.0,
        Width::Learned { cores, .. } => {
            growing(float(cores.get() as u64), width, chunk, figures.start)
        }
    } + (whole + invocations * figures.overhead) / width.min(invocations.max(1.0));
    // Every invocation is billed for a little more than the function's own time.
    let beside = ((figures.billed - inside) / float(seen.invocations.max(1))).max(0.0);
    let billed = whole + invocations * beside;
    let cost = |prices: Prices| billed * prices.second(memory_mb) + invocations * prices.request;
    let bytes = largest * float(figures.bytes) * figures.encoded / seen.weight.max(1.0);
    let more = (bytes - float(figures.largest_chunk)).max(0.0) * float(MEMORY_PER_BYTE) / 1e6;
    Forecast {
        time: Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX),
        peak_memory_mb: seen
            .peak_memory_mb
            .map(|peak| peak.saturating_add(whole_number(more))),
        width: whole_number(width),
        chunk_items: whole_number(largest),
        invocations: u64::from(whole_number(invocations)),
        cost_x86: cost(Prices::of(false)),
        cost_arm: cost(Prices::of(true)),
        sampled: 0,
        failures: Vec::new(),
    }
}

/// How wide the job will become, with so many seconds of work. A sample is too short
/// for functions that wait to get all their slots, but it shows that they wait.
fn width(asked: Width, figures: &Figures, work: f64) -> f64 {
    let (begin, most) = match asked {
        Width::Fixed(width) => return float(width.get() as u64),
        Width::Learned { cores, most } => (cores.get().min(most.get()), most.get()),
    };
    let waits = figures.wall / figures.cpu.max(1e-6);
    let mut width = begin;
    if waits < WAITING {
        return float(width as u64);
    }
    loop {
        let next = wider(begin, width, most, waits);
        if next == width || !worth_starting(work, width, figures.start) {
            return float(width as u64);
        }
        width = next;
    }
}

/// The time that is lost until it is as wide: each step takes a chunk of that time, and
/// starting instances takes the processors.
fn growing(cores: f64, width: f64, chunk: f64, start: f64) -> f64 {
    let more = (width - cores).max(0.0);
    (width / cores).max(1.0).log(4.0).ceil() * chunk + more * start / cores
}

/// How many chunks there will be, and how many items the largest has.
fn chunks(all: f64, rate: f64, width: f64, asked: ChunkSize, figures: &Figures) -> (f64, f64) {
    if let ChunkSize::Items(size) = asked {
        let size = f64::from(size.get());
        return ((all / size).ceil(), size.min(all));
    }
    let (mut left, mut count, mut largest) = (all, 0.0, 1.0f64);
    while left > 0.0 {
        let size = best_weight(figures.overhead, rate, left, width)
            .floor()
            .max(1.0);
        largest = largest.max(size);
        left -= size;
        count += 1.0;
    }
    (count, largest.min(all.max(1.0)))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is too large becomes the largest, what is no number nothing"
)]
fn whole_number(value: f64) -> u32 {
    value.round() as u32
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use proptest::prelude::*;

    use super::*;
    use crate::options::{Format, ItemKind};

    fn options(chunk: Option<u32>, width: Width) -> Options {
        Options {
            function: "f".parse().unwrap(),
            qualifier: None,
            item: ItemKind::List,
            format: Format::Json,
            chunk: chunk.map_or(ChunkSize::Auto, |size| {
                ChunkSize::Items(NonZeroU32::new(size).unwrap())
            }),
            width,
            retries: 0,
            backup_after: None,
            on_error: OnError::Collect,
            max_time: None,
            max_cost: None,
        }
    }

    fn fixed(width: usize) -> Width {
        Width::Fixed(NonZeroUsize::new(width).unwrap())
    }

    /// A hundred items of 10 ms each in ten chunks, for which 20 ms more were billed.
    fn seen() -> Seen {
        Seen {
            figures: Figures {
                items: 100,
                bytes: 100_000,
                wall: 1.0,
                cpu: 1.0,
                codec: 0.0,
                overhead: 0.001,
                start: 0.002,
                billed: 1.02,
                encoded: 1.0,
                width: 2,
                largest_chunk: 10_000,
            },
            weight: 100.0,
            invocations: 10,
            peak_memory_mb: Some(50),
        }
    }

    fn near(value: f64, expected: f64) {
        assert!(
            (value / expected - 1.0).abs() < 0.01,
            "{value}, not {expected}"
        );
    }

    #[test]
    fn a_hundred_times_as_much_takes_a_hundred_times_as_long() {
        let forecast = foretell(&seen(), 10_000, &options(Some(10), fixed(4)), 1024);
        assert_eq!((forecast.invocations, forecast.chunk_items), (1000, 10));
        // 100 s of work and 1,000 times 1 ms, on four.
        near(forecast.time.as_secs_f64(), 101.0 / 4.0);
        // 100 s of work and 1,000 times 2 ms.
        near(
            forecast.cost_x86,
            102.0 * 0.000_016_666_7 + 1000.0 * 0.000_000_2,
        );
        near(
            forecast.cost_arm,
            102.0 * 0.000_013_333_4 + 1000.0 * 0.000_000_2,
        );
        assert_eq!(forecast.peak_memory_mb, Some(50));
    }

    #[test]
    fn learned_chunks_are_foreseen_as_the_core_will_cut_them() {
        let forecast = foretell(&seen(), 10_000, &options(None, fixed(4)), 1024);
        // 1 ms beside is 3 per cent of 33 ms, which is 3 items.
        assert_eq!(forecast.chunk_items, 3);
        assert!((3300..3600).contains(&forecast.invocations), "{forecast:?}");
    }

    #[test]
    fn functions_that_wait_are_foreseen_to_get_more_slots() {
        let mut seen = seen();
        seen.figures.cpu = 0.05;
        let learned = Width::Learned {
            cores: NonZeroUsize::new(2).unwrap(),
            most: NonZeroUsize::new(30).unwrap(),
        };
        let forecast = foretell(&seen, 10_000, &options(Some(1), learned), 1024);
        assert_eq!(forecast.width, 30);
        // Two steps of an item each and 28 starts, before all thirty are at work.
        near(forecast.time.as_secs_f64(), 0.024 + 0.028 + 110.0 / 30.0);
    }

    #[test]
    fn larger_chunks_need_more_memory() {
        let forecast = foretell(&seen(), 1_000_000, &options(Some(5010), fixed(2)), 1024);
        // 5 MB more than was seen.
        assert_eq!(forecast.peak_memory_mb, Some(70));
    }

    proptest! {
        #[test]
        fn a_sample_has_the_largest_and_no_item_twice(
            lengths in prop::collection::vec(1..1000u64, 1..5000),
        ) {
            let sample = spread(&lengths);
            prop_assert!(sample.is_sorted_by(|one, next| one < next));
            prop_assert!(sample.len() >= LEAST.min(lengths.len()));
            let largest = sample.iter().map(|rank| lengths[*rank as usize]).max();
            prop_assert_eq!(largest, lengths.iter().copied().max());
        }
    }

    #[test]
    fn a_sample_weighs_as_much_as_it_is_large() {
        let lengths = [10, 10, 10, 30, 40];
        near(weights(&lengths, &[0, 1, 2, 3, 4]), 5.0);
        near(weights(&lengths, &[4]), 1.5);
    }
}
