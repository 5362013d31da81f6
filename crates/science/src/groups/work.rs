//! Several threads on one input: each takes the next block, parses it, and hands its
//! batches to the partitions. Whoever finds that a partition's next batch is there
//! applies it; nobody waits for a turn.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use super::Summary;
use crate::parse::{BadRow, Batch, Facts};
use crate::{Error, Problem};

/// More than one for each thread, so that seldom two want the same.
const PARTITIONS_PER_THREAD: usize = 2;
/// Blocks per thread that may be parsed while one before them is not.
const AHEAD: usize = 4;

/// Where blocks come from, one after the other.
pub trait Source: Send {
    type Block: Default;
    /// Fills the block. False at the end of the input.
    fn next(&mut self, block: &mut Self::Block) -> Result<bool, Error>;
    /// Bytes read so far.
    fn read(&self) -> u64;
}

/// Takes blocks apart.
pub trait Parse {
    type Block;
    /// Sorts the rows of a block into as many partitions as there are empty batches.
    fn parse(&mut self, block: &Self::Block, batches: Vec<Batch>) -> Result<Vec<Batch>, Stop>;
}

/// What takes up the batches for its groups.
pub trait Partition: Send {
    /// Blocks come in their order.
    fn apply(&mut self, block: u64, batch: &Batch) -> Result<(), Error>;
}

/// A partition for those who only look.
#[derive(Debug)]
pub struct Nothing;

impl Partition for Nothing {
    fn apply(&mut self, _block: u64, _batch: &Batch) -> Result<(), Error> {
        Ok(())
    }
}

/// Why the work ends early.
#[derive(Debug)]
pub enum Stop {
    /// Rows are counted within the block.
    Row(BadRow),
    Other(Error),
}

/// How many partitions so many threads can work on.
pub fn partitions(threads: NonZeroUsize) -> usize {
    match threads.get() {
        1 => 1,
        threads => threads * PARTITIONS_PER_THREAD,
    }
}

struct Shared<'a, S, T> {
    progress: &'a (dyn Fn(u64) + Sync),
    source: Mutex<Numbered<S>>,
    lanes: Vec<Mutex<Lane<T>>>,
    /// By block.
    facts: Mutex<HashMap<usize, Facts>>,
    /// The failure in the earliest block.
    failure: Mutex<Option<(usize, Stop)>>,
    stopped: AtomicBool,
    /// Batches that wait for one before them, and how many may.
    waiting: Mutex<usize>,
    limit: usize,
    room: Condvar,
    /// Empty ones, with memory to be used again.
    spare: Mutex<Vec<Batch>>,
}

struct Numbered<S> {
    source: S,
    next: usize,
    told: u64,
}

struct Lane<T> {
    next: usize,
    waiting: BTreeMap<usize, Batch>,
    /// Away while someone applies a batch.
    partition: Option<T>,
}

/// What is left when all is read.
#[derive(Debug)]
pub struct Done<T> {
    pub partitions: Vec<T>,
    pub whole: Whole,
}

/// Reads the source to its end. Each thread has a parser of its own.
pub fn run<S, P, T>(
    source: S,
    threads: NonZeroUsize,
    parser: impl Fn() -> P + Sync,
    partitions: Vec<T>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Done<T>, Error>
where
    S: Source,
    P: Parse<Block = S::Block>,
    T: Partition,
{
    let lane = |partition| {
        Mutex::new(Lane {
            next: 0,
            waiting: BTreeMap::new(),
            partition: Some(partition),
        })
    };
    let shared = Shared {
        progress,
        source: Mutex::new(Numbered {
            source,
            next: 0,
            told: 0,
        }),
        limit: AHEAD * threads.get() * partitions.len(),
        lanes: partitions.into_iter().map(lane).collect(),
        facts: Mutex::default(),
        failure: Mutex::default(),
        stopped: AtomicBool::new(false),
        waiting: Mutex::new(0),
        room: Condvar::new(),
        spare: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get() {
            scope.spawn(|| shared.work(parser()));
        }
        shared.work(parser());
    });
    shared.finish()
}

impl<S: Source, T: Partition> Shared<'_, S, T> {
    fn work(&self, mut parser: impl Parse<Block = S::Block>) {
        let mut block = S::Block::default();
        loop {
            self.wait_for_room();
            let index = match self.take(&mut block) {
                Ok(Some(index)) => index,
                Ok(None) => return,
                Err((index, error)) => return self.fail(index, Stop::Other(error)),
            };
            match parser.parse(&block, self.empty_batches()) {
                Ok(batches) => self.hand_over(index, batches),
                Err(stop) => return self.fail(index, stop),
            }
        }
    }

    /// The next block, if there is one and nobody has failed.
    fn take(&self, block: &mut S::Block) -> Result<Option<usize>, (usize, Error)> {
        let mut source = self.source.lock();
        if self.stopped.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let index = source.next;
        let more = source.source.next(block);
        if !more.map_err(|error| (index, error))? {
            return Ok(None);
        }
        source.next += 1;
        let read = source.source.read();
        let new = read - source.told;
        source.told = read;
        drop(source);
        (self.progress)(new);
        Ok(Some(index))
    }

    fn empty_batches(&self) -> Vec<Batch> {
        let mut spare = self.spare.lock();
        let count = self.lanes.len();
        (0..count)
            .map(|_| spare.pop().unwrap_or_default())
            .collect()
    }

    fn wait_for_room(&self) {
        let mut waiting = self.waiting.lock();
        while *waiting >= self.limit && !self.stopped.load(Ordering::Relaxed) {
            self.room.wait(&mut waiting);
        }
    }

    fn hand_over(&self, index: usize, batches: Vec<Batch>) {
        if let Some(batch) = batches.first() {
            self.facts.lock().insert(index, batch.facts);
        }
        *self.waiting.lock() += batches.len();
        for (lane, batch) in self.lanes.iter().zip(batches) {
            lane.lock().waiting.insert(index, batch);
        }
        // Two threads that came at the same time begin in different places.
        for at in 0..self.lanes.len() {
            self.drain(&self.lanes[(at + index) % self.lanes.len()]);
        }
    }

    /// Applies what is due, unless another thread is at it: that one goes on.
    fn drain(&self, lane: &Mutex<Lane<T>>) {
        let mut held = lane.lock();
        loop {
            let next = held.next;
            if held.partition.is_none() || !held.waiting.contains_key(&next) {
                return;
            }
            let (Some(mut partition), Some(mut batch)) =
                (held.partition.take(), held.waiting.remove(&next))
            else {
                return;
            };
            drop(held);
            if let Err(error) = partition.apply(next as u64, &batch) {
                self.fail(next, Stop::Other(error));
            }
            batch.clear();
            self.spare.lock().push(batch);
            *self.waiting.lock() -= 1;
            self.room.notify_all();
            held = lane.lock();
            held.partition = Some(partition);
            held.next += 1;
        }
    }

    fn fail(&self, index: usize, stop: Stop) {
        let mut earliest = self.failure.lock();
        if earliest.as_ref().is_none_or(|(at, _)| index < *at) {
            *earliest = Some((index, stop));
        }
        drop(earliest);
        // Under the lock that those who wait hold while they look.
        let _waiting = self.waiting.lock();
        self.stopped.store(true, Ordering::Relaxed);
        self.room.notify_all();
    }

    fn finish(self) -> Result<Done<T>, Error> {
        let mut facts: Vec<_> = self.facts.into_inner().into_iter().collect();
        facts.sort_unstable_by_key(|(index, _)| *index);
        if let Some((index, stop)) = self.failure.into_inner() {
            let before = facts.iter().take_while(|(at, _)| *at < index);
            let before = before
                .map(|(_, facts)| facts.rows + facts.blank)
                .sum::<u64>();
            return Err(match stop {
                Stop::Row(BadRow { row, problem }) => Error::Row {
                    row: before + row,
                    problem,
                },
                Stop::Other(Error::TooLong { limit, .. }) => Error::TooLong { row: before, limit },
                Stop::Other(error) => error,
            });
        }
        let mut whole = Whole::of(&facts);
        whole.summary.bytes = self.source.into_inner().source.read();
        let partition = |lane: Mutex<Lane<T>>| lane.into_inner().partition;
        let partitions = self.lanes.into_iter().map(partition);
        let partitions = partitions.map(|it| it.expect("all batches are applied"));
        Ok(Done {
            partitions: partitions.collect(),
            whole,
        })
    }
}

/// What is true of all blocks together.
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
#[derive(Debug, Clone, Copy)]
pub struct Whole {
    pub summary: Summary,
    /// A value was written as a float.
    pub fractions: bool,
    pub missing: bool,
    /// Of the ids: some are missing, or they are floats anyway.
    pub float_ids: bool,
    pub text_ids: bool,
    /// See [`Facts`].
    pub has_id: bool,
    pub has_value: bool,
    pub dropped_late: bool,
    wide: Option<u64>,
}

impl Whole {
    fn of(facts: &[(usize, Facts)]) -> Self {
        let mut whole = Self {
            summary: Summary::default(),
            fractions: false,
            missing: false,
            float_ids: false,
            text_ids: false,
            has_id: false,
            has_value: false,
            dropped_late: false,
            wide: None,
        };
        let mut before = 0;
        let mut runs = false;
        for (_, facts) in facts {
            if let Some(row) = facts.wide {
                whole.wide.get_or_insert(before + row);
            }
            before += facts.rows + facts.blank;
            whole.summary.rows += facts.rows;
            whole.summary.dropped += facts.dropped;
            whole.fractions |= facts.fractions;
            whole.missing |= facts.missing;
            whole.float_ids |= facts.float_ids || facts.dropped > 0;
            whole.dropped_late |= facts.dropped_late || (runs && facts.dropped > 0);
            runs |= facts.runs > 0;
            whole.text_ids |= facts.text_ids;
            whole.has_id |= facts.has_id;
            whole.has_value |= facts.has_value;
        }
        whole
    }

    /// Whether the column of values is one of integers.
    pub fn integers(&self, column: &str) -> Result<bool, Error> {
        if let Some(row) = self.wide.filter(|_| !self.fractions) {
            let column = column.to_owned();
            return Err(Error::Row {
                row,
                problem: Problem::WideInteger { column },
            });
        }
        Ok(!self.fractions && !self.missing)
    }
}
