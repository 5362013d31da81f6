//! Pins: content that this process uses, and that must stay although nothing in
//! the database may refer to it.
//!
//! The rule that keeps content from vanishing under its users: a file goes only
//! while the table of pins is locked and has no pin on it, and its row went
//! before, in a transaction that is committed. So who has a pin and then sees
//! the file, or a row that stands for it, may count on it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::model::ContentHash;
use crate::writer::{Write, Writer};

/// All pins of this process.
#[derive(Default)]
pub(crate) struct Pins {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    pins: HashMap<ContentHash, Count>,
    /// Had pins and lost the last one, and may have no references.
    unpinned: Vec<ContentHash>,
    /// How many files were removed; tells who read the database whether what
    /// was read may be gone.
    removals: u64,
    writer: Weak<Writer>,
}

#[derive(Default)]
struct Count {
    users: usize,
    /// Whether to look for references when the last user has gone.
    suspect: bool,
}

impl Pins {
    /// Whom to tell of content that lost its last pin.
    pub(crate) fn report_to(&self, writer: &Arc<Writer>) {
        self.table.lock().writer = Arc::downgrade(writer);
    }

    /// For content that is read: something refers to it.
    pub(crate) fn pin(pins: &Arc<Self>, hash: ContentHash) -> Pin {
        Self::add(pins, hash, false)
    }

    /// For content that comes in: nothing may refer to it yet.
    pub(crate) fn pin_new(pins: &Arc<Self>, hash: ContentHash) -> Pin {
        Self::add(pins, hash, true)
    }

    fn add(pins: &Arc<Self>, hash: ContentHash, suspect: bool) -> Pin {
        let mut table = pins.table.lock();
        let count = table.pins.entry(hash).or_default();
        count.users += 1;
        count.suspect |= suspect;
        Pin(Arc::new(Held {
            pins: Arc::clone(pins),
            hash,
        }))
    }

    /// Whether it is pinned, and then it is looked at again when it is not.
    pub(crate) fn keep_if_pinned(&self, hash: &ContentHash) -> bool {
        self.table.lock().keep_if_pinned(hash)
    }

    /// Calls `remove` if the content is not pinned, and lets nobody pin it
    /// meanwhile: it must be quick.
    pub(crate) fn unless_pinned(&self, hash: &ContentHash, remove: impl FnOnce()) {
        let mut table = self.table.lock();
        if !table.keep_if_pinned(hash) {
            table.removals += 1;
            remove();
        }
    }

    pub(crate) fn removals(&self) -> u64 {
        self.table.lock().removals
    }

    /// What lost its last pin since this was last asked.
    pub(crate) fn take_unpinned(&self) -> Vec<ContentHash> {
        std::mem::take(&mut self.table.lock().unpinned)
    }

    /// Whether there is content that must still be looked at.
    pub(crate) fn has_suspects(&self) -> bool {
        let table = self.table.lock();
        !table.unpinned.is_empty() || table.pins.values().any(|count| count.suspect)
    }

    pub(crate) fn is_pinned(&self, hash: &ContentHash) -> bool {
        self.table.lock().pins.contains_key(hash)
    }
}

impl Table {
    fn keep_if_pinned(&mut self, hash: &ContentHash) -> bool {
        let count = self.pins.get_mut(hash);
        let pinned = count.is_some();
        if let Some(count) = count {
            count.suspect = true;
        }
        pinned
    }

    /// Answers whom to tell, if somebody is to be told.
    fn release(&mut self, hash: ContentHash) -> Option<Arc<Writer>> {
        let Entry::Occupied(mut entry) = self.pins.entry(hash) else {
            return None;
        };
        entry.get_mut().users -= 1;
        if entry.get().users > 0 {
            return None;
        }
        if !entry.remove().suspect {
            return None;
        }
        self.unpinned.push(hash);
        self.writer.upgrade()
    }
}

/// Holds content in its place; a clone is the same pin.
#[derive(Clone)]
pub(crate) struct Pin(#[expect(dead_code, reason = "is there to be dropped")] Arc<Held>);

struct Held {
    pins: Arc<Pins>,
    hash: ContentHash,
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let writer = self.pins.table.lock().release(self.hash);
        if let Some(writer) = writer {
            writer.nudge(Write::Sweep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: ContentHash = ContentHash([7; 32]);

    fn is_removable(pins: &Pins) -> bool {
        let mut removed = false;
        pins.unless_pinned(&HASH, || removed = true);
        removed
    }

    #[test]
    fn pinned_content_stays_and_is_looked_at_when_the_last_pin_goes() {
        let pins = Arc::new(Pins::default());
        assert!(is_removable(&pins));
        let pin = Pins::pin(&pins, HASH);
        let (clone, second) = (pin.clone(), Pins::pin(&pins, HASH));
        drop((pin, second));
        assert!(!is_removable(&pins));
        assert!(pins.take_unpinned().is_empty());
        drop(clone);
        assert_eq!(pins.take_unpinned(), [HASH]);
        assert!(is_removable(&pins));
    }

    #[test]
    fn a_reader_leaves_nothing_to_look_at_and_a_writer_does() {
        let pins = Arc::new(Pins::default());
        drop(Pins::pin(&pins, HASH));
        assert!(pins.take_unpinned().is_empty());
        drop(Pins::pin_new(&pins, HASH));
        assert_eq!(pins.take_unpinned(), [HASH]);
    }
}
