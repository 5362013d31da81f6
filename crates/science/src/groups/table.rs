//! The groups of one partition.

use hashbrown::HashTable;

use super::batch::{Batch, Facts, Key, Run, to_float};
use super::state::{State, by_pairs};

/// Values of one stretch that are kept until it ends, for the sum by pairs. A longer
/// one is summed with compensation, which is no less exact.
const STRETCH: usize = 4 * 1024 * 1024;

/// The id of a group. Text that is owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    Number(i64),
    Text(Box<[u8]>),
}

impl Id {
    fn key(&self) -> Key<'_> {
        match self {
            Self::Number(number) => Key::Number(*number),
            Self::Text(text) => Key::Text(text),
        }
    }
}

#[derive(Debug)]
pub struct Group<S> {
    pub id: Id,
    pub state: S,
    /// Where its first row is: block and run.
    pub first: u64,
}

#[derive(Debug)]
pub struct Table<S> {
    index: HashTable<u32>,
    pub groups: Vec<Group<S>>,
    /// Every group's rows lie together, as far as was seen.
    pub together: bool,
    /// Whether sums by pairs may be wanted.
    stretches: bool,
    /// The values of the stretch that may go on.
    stretch: Vec<f64>,
    /// The last run that was seen.
    last: Option<Last>,
    /// Bytes that ids and states hold beside themselves.
    held: u64,
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

impl<S: State> Default for Table<S> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            groups: Vec::new(),
            together: true,
            stretches: S::STRETCHES,
            stretch: Vec::new(),
            last: None,
            held: 0,
        }
    }
}

impl<S: State> Table<S> {
    /// Takes up the batch of a block. Blocks come in their order.
    pub fn apply(&mut self, block: u64, batch: &Batch) {
        if batch.facts.missing {
            self.stretches = false;
        }
        let mut text = 0;
        let mut value = 0;
        for run in &batch.runs {
            let key = if run.text == Run::NUMBER {
                Key::Number(run.key)
            } else {
                let start = text;
                text += run.text as usize;
                Key::Text(&batch.text[start..text])
            };
            let values = &batch.values[value..value + run.rows as usize];
            value += values.len();
            self.run(block, run, key, values, &batch.facts);
        }
    }

    fn run(&mut self, block: u64, run: &Run, key: Key, values: &[u64], facts: &Facts) {
        let before = self.groups.len();
        let group = self.find(key, block << 32 | u64::from(run.ordinal));
        let is_new = self.groups.len() > before;
        if self.together {
            let follows =
                |last: Last| last.group == group && last.is_followed_by(block, run.ordinal);
            let goes_on = self.last.is_some_and(follows);
            self.together = is_new || goes_on;
            if !goes_on {
                self.close();
            }
            self.last = Some(Last {
                group,
                block,
                ordinal: run.ordinal,
                ends: run.ordinal + 1 == facts.runs,
            });
            self.lengthen(values, facts.floats);
        }
        let state = &mut self.groups[group as usize].state;
        let held = state.held();
        if facts.floats {
            state.floats(values);
        } else {
            state.integers(values);
        }
        self.held += (state.held() - held) as u64;
    }

    fn find(&mut self, key: Key, first: u64) -> u32 {
        let hash = key.hash();
        let groups = &self.groups;
        let found = self
            .index
            .find(hash, |at| groups[*at as usize].id.key() == key);
        if let Some(found) = found {
            return *found;
        }
        let at =
            u32::try_from(groups.len()).expect("memory ends before four thousand million groups");
        self.index
            .insert_unique(hash, at, |at| groups[*at as usize].id.key().hash());
        let id = match key {
            Key::Number(number) => Id::Number(number),
            Key::Text(text) => Id::Text(text.into()),
        };
        if let Id::Text(text) = &id {
            self.held += text.len() as u64;
        }
        self.groups.push(Group {
            id,
            state: S::default(),
            first,
        });
        at
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
            self.groups[last.group as usize]
                .state
                .stretch(by_pairs(&self.stretch));
        }
        self.stretch.clear();
    }

    pub fn memory(&self) -> u64 {
        let groups = self.groups.capacity() * size_of::<Group<S>>();
        let index = self.index.capacity() * (size_of::<u32>() + 1);
        (groups + index) as u64 + self.held
    }
}
