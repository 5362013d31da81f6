//! Series by their labels: found without a lock, never removed, and no more than there is
//! room for. What comes later shares one series, so that labels cannot fill the memory.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

type Slot<K, V> = OnceLock<(K, Arc<V>)>;

pub struct Table<K, V> {
    /// Twice as many as may be taken, so that searches are short.
    slots: Box<[Slot<K, V>]>,
    taken: AtomicUsize,
    most: usize,
    other: Arc<V>,
    spilled: AtomicU64,
    hasher: RandomState,
}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl<K, V: Default> Table<K, V> {
    pub fn new(most: usize) -> Self {
        let slots = (most * 2).next_power_of_two();
        Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            taken: AtomicUsize::new(0),
            most,
            other: Arc::default(),
            spilled: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// The series of a key, made if there is none. `borrowed` hashes as the key does, and
    /// `own` makes the key of it.
    pub fn find<Q: Hash>(
        &self,
        borrowed: &Q,
        is: impl Fn(&K) -> bool,
        own: impl FnOnce() -> K,
    ) -> &Arc<V> {
        let mask = self.slots.len() - 1;
        let hash = self.hasher.hash_one(borrowed);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of a hash will do"
        )]
        let mut at = hash as usize & mask;
        let (mut own, mut made) = (Some(own), None);
        loop {
            let slot = &self.slots[at];
            match slot.get() {
                Some((key, series)) if is(key) => return series,
                Some(_) => at = (at + 1) & mask,
                None if self.taken.load(Ordering::Relaxed) >= self.most => {
                    self.spilled.fetch_add(1, Ordering::Relaxed);
                    return &self.other;
                }
                // Whoever puts a key in here, it is looked at again.
                None => {
                    let new = made.take().unwrap_or_else(|| {
                        let own = own.take().expect("a key comes back if it is not put in");
                        (own(), Arc::default())
                    });
                    match slot.set(new) {
                        Ok(()) => {
                            self.taken.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(back) => made = Some(back),
                    }
                }
            }
        }
    }

    /// All series, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Arc<V>)> {
        let taken = self.slots.iter().filter_map(OnceLock::get);
        taken.map(|(key, series)| (key, series))
    }

    /// What had no room, and how often.
    pub fn other(&self) -> (&Arc<V>, u64) {
        (&self.other, self.spilled.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &Table<String, AtomicU64>, name: &str) {
        let series = table.find(&name, |key| key == name, || name.to_owned());
        series.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn each_key_has_its_series_until_there_is_no_room() {
        let table = Table::new(3);
        for name in ["a", "b", "a", "c", "d", "e", "a", "d"] {
            add(&table, name);
        }
        let mut seen: Vec<(String, u64)> = table
            .iter()
            .map(|(key, series)| (key.clone(), series.load(Ordering::Relaxed)))
            .collect();
        seen.sort();
        let expected = [("a", 3), ("b", 1), ("c", 1)];
        assert_eq!(seen, expected.map(|(key, count)| (key.to_owned(), count)));
        let (other, spilled) = table.other();
        assert_eq!((other.load(Ordering::Relaxed), spilled), (3, 3));
    }

    #[test]
    fn many_threads_find_one_series() {
        let table = Table::new(64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..1000 {
                        add(&table, &format!("k{}", n % 50));
                    }
                });
            }
        });
        let all: Vec<u64> = table
            .iter()
            .map(|(_, series)| series.load(Ordering::Relaxed))
            .collect();
        assert_eq!(all.len(), 50);
        assert!(all.iter().all(|count| *count == 80), "{all:?}");
    }
}
