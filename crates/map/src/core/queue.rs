//! What waits to be sent: items of loaded shelves that were never sent, and chunks
//! that are sent once more.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::learn::{Learned, Limits};
use super::{Chunk, Effect, Item, Load, MOST_SHELVES};

#[derive(Debug)]
pub(super) struct Queue {
    /// Items that were never sent, shelf by shelf.
    fresh: VecDeque<(u32, VecDeque<Item>)>,
    fresh_load: Load,
    /// Chunks that are sent once more, and when.
    again: Vec<(Duration, Chunk)>,
    again_load: Load,
    /// Items of each shelf in memory that are not finished.
    open: BTreeMap<u32, u64>,
    shelves: u32,
    asked: u32,
    loaded: u32,
    /// Items on shelves that were not loaded yet, roughly.
    unloaded: u64,
    /// Items that came from shelves so far.
    taken: u64,
    cleared: bool,
}

impl Queue {
    pub(super) fn new(shelves: u32, items: u64) -> Self {
        Self {
            fresh: VecDeque::new(),
            fresh_load: Load::default(),
            again: Vec::new(),
            again_load: Load::default(),
            open: BTreeMap::new(),
            shelves,
            asked: 0,
            loaded: 0,
            unloaded: items,
            taken: 0,
            cleared: false,
        }
    }

    /// Asks for shelves as long as there is room in memory.
    pub(super) fn load<V, E>(&mut self, effects: &mut Vec<Effect<V, E>>) {
        let loading = self.asked - self.loaded;
        // One after the other: the second is read while the first is worked on.
        if loading == 0 && self.asked < self.shelves && self.open.len() < MOST_SHELVES {
            effects.push(Effect::Load(self.asked));
            self.asked += 1;
        }
    }

    /// Takes in the shelf that was asked for last.
    pub(super) fn stock<V, E>(
        &mut self,
        items: Vec<Item>,
        effects: &mut Vec<Effect<V, E>>,
    ) -> Load {
        let shelf = self.loaded;
        self.loaded += 1;
        let load = Load {
            items: items.len() as u64,
            bytes: items.iter().map(|item| item.bytes).sum(),
        };
        self.taken += load.items;
        let left = u64::from(self.shelves - self.loaded);
        self.unloaded = self.unloaded / (left + 1) * left;
        if items.is_empty() || self.cleared {
            effects.push(Effect::Drop(shelf));
            return load;
        }
        self.open.insert(shelf, load.items);
        self.fresh_load.items += load.items;
        self.fresh_load.bytes += load.bytes;
        self.fresh.push_back((shelf, items.into()));
        load
    }

    /// So many items of a shelf are finished.
    pub(super) fn finished<V, E>(
        &mut self,
        shelf: u32,
        items: u64,
        effects: &mut Vec<Effect<V, E>>,
    ) {
        if let Some(open) = self.open.get_mut(&shelf) {
            *open -= items;
            if *open == 0 {
                self.open.remove(&shelf);
                effects.push(Effect::Drop(shelf));
            }
        }
    }

    pub(super) fn push(&mut self, due: Duration, chunk: Chunk) {
        if self.cleared {
            return;
        }
        self.again_load.items += chunk.load.items;
        self.again_load.bytes += chunk.load.bytes;
        self.again.push((due, chunk));
    }

    /// What is sent next: chunks that are sent once more before what is fresh, since
    /// they may turn out to be the longest.
    pub(super) fn next(
        &mut self,
        now: Duration,
        limits: &Limits,
        learned: &Learned,
    ) -> Option<Chunk> {
        let due = self
            .again
            .iter()
            .enumerate()
            .filter(|(_, (due, _))| *due <= now)
            .min_by_key(|(_, (due, _))| *due)
            .map(|(index, _)| index);
        if let Some(index) = due {
            let (_, chunk) = self.again.remove(index);
            self.again_load.items -= chunk.load.items;
            self.again_load.bytes -= chunk.load.bytes;
            return Some(chunk);
        }
        self.cut(limits, learned)
    }

    /// A chunk of fresh items: at least one, and as many more as the limits allow.
    fn cut(&mut self, limits: &Limits, learned: &Learned) -> Option<Chunk> {
        let (shelf, items) = self.fresh.front_mut()?;
        let shelf = *shelf;
        let mut load = Load::default();
        let count = items
            .iter()
            .take_while(|item| {
                let more = Load {
                    items: load.items + 1,
                    bytes: load.bytes + item.bytes,
                };
                let fits = load.items == 0
                    || more.items <= limits.items
                        && more.bytes <= limits.bytes
                        && learned.weight(more) <= limits.weight;
                if fits {
                    load = more;
                }
                fits
            })
            .count();
        let chunk = Chunk::new(shelf, items.drain(..count).collect());
        if items.is_empty() {
            self.fresh.pop_front();
        }
        self.fresh_load.items -= load.items;
        self.fresh_load.bytes -= load.bytes;
        Some(chunk)
    }

    /// When the next of those that are not due yet is.
    pub(super) fn next_due(&self, now: Duration) -> Option<Duration> {
        self.again
            .iter()
            .map(|(due, _)| *due)
            .filter(|due| *due > now)
            .min()
    }

    /// All on loaded shelves that is still to be sent.
    pub(super) fn waiting(&self) -> Load {
        Load {
            items: self.fresh_load.items + self.again_load.items,
            bytes: self.fresh_load.bytes + self.again_load.bytes,
        }
    }

    pub(super) fn unloaded(&self) -> u64 {
        self.unloaded
    }

    /// Nothing waits, and nothing will come.
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.again.is_empty() && self.all_loaded()
    }

    pub(super) fn all_loaded(&self) -> bool {
        self.loaded == self.shelves
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Nothing is sent any more.
    pub(super) fn clear(&mut self) {
        self.cleared = true;
        self.fresh.clear();
        self.again.clear();
        self.fresh_load = Load::default();
        self.again_load = Load::default();
    }
}
