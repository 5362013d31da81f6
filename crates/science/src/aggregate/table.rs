//! The states of the groups of one partition.

use super::state::{State, by_pairs};
use crate::Error;
use crate::groups::register::Register;
use crate::groups::work::Partition;
use crate::parse::{Batch, Facts, to_float};

/// Values of one stretch that are kept until it ends, for the sum by pairs. A longer
/// one is summed with compensation, which is no less exact.
const STRETCH: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub struct Table<S> {
    pub register: Register<S>,
    /// Every group's rows lie together, as far as was seen.
    pub together: bool,
    /// Whether sums by pairs may be wanted.
    stretches: bool,
    /// The values of the stretch that may go on.
    stretch: Vec<f64>,
    /// The last run that was seen.
    last: Option<Last>,
    /// Bytes that it may take, and those that all partitions may take together.
    share: u64,
    limit: u64,
}

/// Where a run was, to tell whether the next one follows without anything between.
#[derive(Debug, Clone, Copy)]
struct Last {
    group: u32,
    block: u64,
    ordinal: u32,
    /// It was the last of its block.
    ends: bool,
}

impl Last {
    fn is_followed_by(&self, block: u64, ordinal: u32) -> bool {
        if block == self.block {
            ordinal == self.ordinal + 1
        } else {
            self.ends && block == self.block + 1 && ordinal == 0
        }
    }
}

impl<S: State> Partition for Table<S> {
    fn apply(&mut self, block: u64, batch: &Batch) -> Result<(), Error> {
        if batch.facts.missing {
            self.stretches = false;
        }
        for (run, key, rows) in batch.stretches() {
            let before = self.register.groups.len();
            let group = self
                .register
                .find(key, block << 32 | u64::from(run.ordinal));
            let is_new = self.register.groups.len() > before;
            let values = &batch.values[rows];
            if self.together {
                self.follow(block, run.ordinal, group, is_new, &batch.facts);
                self.lengthen(values, batch.facts.floats);
            }
            let state = &mut self.register.groups[group as usize].state;
            if batch.facts.floats {
                state.floats(values);
            } else {
                state.integers(values);
            }
        }
        if self.register.memory() > self.share {
            return Err(Error::TooMuch { limit: self.limit });
        }
        Ok(())
    }
}

impl<S: State> Table<S> {
    /// One of so many.
    pub fn new(limit: u64, partitions: usize) -> Self {
        Self {
            register: Register::default(),
            together: true,
            stretches: S::STRETCHES,
            stretch: Vec::new(),
            last: None,
            share: limit / partitions as u64,
            limit,
        }
    }

    /// Whether the stretch goes on with this run, or whether another begins.
    fn follow(&mut self, block: u64, ordinal: u32, group: u32, is_new: bool, facts: &Facts) {
        let follows = |last: Last| last.group == group && last.is_followed_by(block, ordinal);
        let goes_on = self.last.is_some_and(follows);
        self.together = is_new || goes_on;
        if !goes_on {
            self.close();
        }
        self.last = Some(Last {
            group,
            block,
            ordinal,
            ends: ordinal + 1 == facts.runs,
        });
    }

    fn lengthen(&mut self, values: &[u64], floats: bool) {
        if !self.stretches || !self.together || self.stretch.len() > STRETCH {
            return;
        }
        if floats {
            self.stretch
                .extend(values.iter().map(|bits| f64::from_bits(*bits)));
        } else {
            self.stretch
                .extend(values.iter().map(|value| to_float(value.cast_signed())));
        }
    }

    /// The present stretch goes no further.
    pub fn close(&mut self) {
        let whole = self.stretches && self.stretch.len() <= STRETCH;
        if let Some(last) = self.last.filter(|_| whole) {
            self.register.groups[last.group as usize]
                .state
                .stretch(by_pairs(&self.stretch));
        }
        self.stretch.clear();
    }
}
