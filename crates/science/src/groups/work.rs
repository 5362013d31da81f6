//! Several threads on one input: each takes the next block, parses it, and hands its
//! batches to the partitions. Whoever finds that a partition's next batch is there
//! applies it; nobody waits for a turn.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use super::batch::{BadRow, Batch, Facts, Parser};
use super::ids;
use super::state::{Reading, State};
use super::table::Table;
use super::{Groups, Plan, Summary};
use crate::csv::{self, Block, Blocks, Layout};
use crate::{Error, Problem};

/// More than one for each thread, so that seldom two want the same.
const PARTITIONS_PER_THREAD: usize = 2;
/// Blocks per thread that may be parsed while one before them is not.
const AHEAD: usize = 4;

struct Shared<'a, R, S> {
    plan: &'a Plan,
    layout: &'a Layout,
    progress: &'a (dyn Fn(u64) + Sync),
    source: Mutex<Source<R>>,
    lanes: Vec<Mutex<Lane<S>>>,
    /// By block.
    facts: Mutex<HashMap<usize, Facts>>,
    /// The failure in the earliest block.
    failure: Mutex<Option<(usize, Failure)>>,
    stopped: AtomicBool,
    /// Batches that wait for one before them.
    waiting: Mutex<usize>,
    room: Condvar,
    /// Empty ones, with memory to be used again.
    spare: Mutex<Vec<Batch>>,
}

enum Failure {
    Row(BadRow),
    Other(Error),
}

struct Source<R> {
    blocks: Blocks<R>,
    /// The one that was read for its first row.
    first: Option<Block>,
    told: u64,
}

/// A partition.
struct Lane<S> {
    next: usize,
    waiting: BTreeMap<usize, Batch>,
    /// Away while someone applies a batch.
    table: Option<Table<S>>,
}

pub fn run<S: State>(
    input: impl Read + Send,
    plan: &Plan,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Groups, Error> {
    let mut blocks = Blocks::new(input);
    let (layout, first) = begin(&mut blocks, plan)?;
    let start = first.as_ref().map_or(0, |block| block.index);
    let threads = plan.threads.get();
    let lanes = match threads {
        1 => 1,
        threads => threads * PARTITIONS_PER_THREAD,
    };
    let lane = |_| {
        Mutex::new(Lane {
            next: start,
            waiting: BTreeMap::new(),
            table: Some(Table::<S>::default()),
        })
    };
    let shared = Shared {
        plan,
        layout: &layout,
        progress,
        source: Mutex::new(Source {
            blocks,
            first,
            told: 0,
        }),
        lanes: (0..lanes).map(lane).collect(),
        facts: Mutex::default(),
        failure: Mutex::default(),
        stopped: AtomicBool::new(false),
        waiting: Mutex::new(0),
        room: Condvar::new(),
        spare: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    finish(shared)
}

/// Reads the header, and the block with the first row, which says how many fields
/// there are.
fn begin<R: Read>(blocks: &mut Blocks<R>, plan: &Plan) -> Result<(Layout, Option<Block>), Error> {
    let mut header = None;
    loop {
        let mut block = Block::default();
        if !blocks.next(&mut block)? {
            let names = csv::names(header.ok_or(Error::Empty)?)?;
            let layout = Layout::new(&names, 0, &plan.by, &plan.value)?;
            return Ok((layout, None));
        }
        let bad = |row| move |problem| Error::Row { row, problem };
        if header.is_none() {
            let record = csv::record(&block.bytes[..block.end], block.start).map_err(bad(0))?;
            let Some((names, next)) = record else {
                continue;
            };
            header = Some(names);
            block.start = next;
        }
        let text = &block.bytes[..block.end];
        if let Some((fields, _)) = csv::record(text, block.start).map_err(bad(1))? {
            let names = csv::names(header.expect("it was just read"))?;
            let layout = Layout::new(&names, fields.len(), &plan.by, &plan.value)?;
            return Ok((layout, Some(block)));
        }
    }
}

impl<R: Read + Send, S: State> Shared<'_, R, S> {
    fn work(&self) {
        let mut parser = Parser::new(self.plan, self.layout);
        let mut block = Block::default();
        loop {
            self.wait_for_room();
            match self.take(&mut block) {
                Ok(true) => {}
                Ok(false) => return,
                Err((index, error)) => return self.fail(index, Failure::Other(error)),
            }
            match parser.parse(&block, self.empty_batches()) {
                Ok(batches) => self.hand_over(block.index, batches),
                Err(bad) => return self.fail(block.index, Failure::Row(bad)),
            }
        }
    }

    /// The next block, if there is one and nobody has failed.
    fn take(&self, block: &mut Block) -> Result<bool, (usize, Error)> {
        let mut source = self.source.lock();
        if self.stopped.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if let Some(first) = source.first.take() {
            *block = first;
        } else {
            let index = source.blocks.index();
            let more = source.blocks.next(block);
            if !more.map_err(|error| (index, error))? {
                return Ok(false);
            }
        }
        let new = source.blocks.read - source.told;
        source.told = source.blocks.read;
        drop(source);
        (self.progress)(new);
        Ok(true)
    }

    fn empty_batches(&self) -> Vec<Batch> {
        let mut spare = self.spare.lock();
        let count = self.lanes.len();
        (0..count)
            .map(|_| spare.pop().unwrap_or_default())
            .collect()
    }

    fn wait_for_room(&self) {
        let limit = AHEAD * self.plan.threads.get() * self.lanes.len();
        let mut waiting = self.waiting.lock();
        while *waiting >= limit && !self.stopped.load(Ordering::Relaxed) {
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
    fn drain(&self, lane: &Mutex<Lane<S>>) {
        let mut held = lane.lock();
        loop {
            let next = held.next;
            if held.table.is_none() || !held.waiting.contains_key(&next) {
                return;
            }
            let (Some(mut table), Some(mut batch)) =
                (held.table.take(), held.waiting.remove(&next))
            else {
                return;
            };
            drop(held);
            table.apply(next as u64, &batch);
            let too_much = table.memory() > self.plan.memory / self.lanes.len() as u64;
            batch.clear();
            self.spare.lock().push(batch);
            *self.waiting.lock() -= 1;
            self.room.notify_all();
            if too_much {
                let limit = self.plan.memory;
                self.fail(next, Failure::Other(Error::TooMuch { limit }));
            }
            held = lane.lock();
            held.table = Some(table);
            held.next += 1;
        }
    }

    fn fail(&self, index: usize, failure: Failure) {
        let mut earliest = self.failure.lock();
        if earliest.as_ref().is_none_or(|(at, _)| index < *at) {
            *earliest = Some((index, failure));
        }
        drop(earliest);
        // Under the lock that those who wait hold while they look.
        let _waiting = self.waiting.lock();
        self.stopped.store(true, Ordering::Relaxed);
        self.room.notify_all();
    }
}

fn finish<R, S: State>(shared: Shared<'_, R, S>) -> Result<Groups, Error> {
    let mut facts: Vec<_> = shared.facts.into_inner().into_iter().collect();
    facts.sort_unstable_by_key(|(index, _)| *index);
    if let Some((index, failure)) = shared.failure.into_inner() {
        let before = facts.iter().take_while(|(at, _)| *at < index);
        let before = before.map(|(_, facts)| facts.rows).sum::<u64>();
        return Err(match failure {
            Failure::Row(BadRow { row, problem }) => Error::Row {
                row: before + row,
                problem,
            },
            Failure::Other(Error::TooLong { limit, .. }) => Error::TooLong { row: before, limit },
            Failure::Other(error) => error,
        });
    }
    let plan = shared.plan;
    let whole = Whole::of(&facts, plan)?;
    let mut groups = Vec::new();
    let mut together = !whole.dropped_late;
    for lane in shared.lanes {
        let mut table = lane.into_inner().table.expect("all batches are applied");
        table.close();
        together &= table.together;
        if groups.is_empty() {
            groups = table.groups;
        } else {
            groups.append(&mut table.groups);
        }
    }
    let ordered = ids::order(groups, plan.spelling, whole.summary.dropped > 0)?;
    let in_order = ordered.firsts.is_sorted();
    let reading = Reading {
        aggregate: plan.aggregate,
        integers: whole.integers,
        stretches: together && in_order && !whole.missing,
    };
    let bytes = shared.source.into_inner().blocks.read;
    Ok(Groups {
        by: plan.by.clone(),
        value: plan.value.clone(),
        ids: ordered.ids,
        results: S::results(ordered.states.into_iter(), reading),
        summary: Summary {
            bytes,
            ..whole.summary
        },
    })
}

/// What is true of all blocks together.
struct Whole {
    summary: Summary,
    integers: bool,
    missing: bool,
    dropped_late: bool,
}

impl Whole {
    fn of(facts: &[(usize, Facts)], plan: &Plan) -> Result<Self, Error> {
        let mut whole = Self {
            summary: Summary::default(),
            integers: true,
            missing: false,
            dropped_late: false,
        };
        let mut wide = None;
        let mut runs = false;
        for (_, facts) in facts {
            if let Some(row) = facts.wide {
                wide.get_or_insert(whole.summary.rows + row);
            }
            whole.summary.rows += facts.rows;
            whole.summary.dropped += facts.dropped;
            whole.integers &= !facts.fractions;
            whole.missing |= facts.missing;
            whole.dropped_late |= facts.dropped_late || (runs && facts.dropped > 0);
            runs |= facts.runs > 0;
        }
        if let Some(row) = wide.filter(|_| whole.integers) {
            let column = plan.value.clone();
            return Err(Error::Row {
                row,
                problem: Problem::WideInteger { column },
            });
        }
        whole.integers &= !whole.missing;
        Ok(whole)
    }
}
