//! Which groups a partition has, and how to find one by its id.

use hashbrown::HashTable;

use crate::parse::Key;

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
pub struct Register<S> {
    index: HashTable<Slot>,
    pub groups: Vec<Group<S>>,
    /// Bytes that ids hold beside themselves.
    texts: u64,
}

/// Half of the hash of a group's id is kept, so that a table that grows need not look
/// at the ids again: they lie anywhere in memory.
#[derive(Debug, Clone, Copy)]
struct Slot {
    group: u32,
    hash: u32,
}

impl Slot {
    /// The half that says nothing of the partition, made to fill all bits.
    #[expect(clippy::cast_possible_truncation, reason = "half of it is meant")]
    fn half(key: Key) -> u32 {
        key.hash() as u32
    }

    fn whole(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

impl<S> Default for Register<S> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            groups: Vec::new(),
            texts: 0,
        }
    }
}

impl<S: Default> Register<S> {
    /// The group with this id, which is made if there is none.
    pub fn find(&mut self, key: Key, first: u64) -> u32 {
        let hash = Slot::half(key);
        let groups = &self.groups;
        let is_it = |slot: &Slot| slot.hash == hash && groups[slot.group as usize].id.key() == key;
        if let Some(found) = self.index.find(Slot::whole(hash), is_it) {
            return found.group;
        }
        let group =
            u32::try_from(groups.len()).expect("memory ends before four thousand million groups");
        let slot = Slot { group, hash };
        self.index
            .insert_unique(Slot::whole(hash), slot, |slot| Slot::whole(slot.hash));
        let id = match key {
            Key::Number(number) => Id::Number(number),
            Key::Text(text) => Id::Text(text.into()),
        };
        if let Id::Text(text) = &id {
            self.texts += text.len() as u64;
        }
        self.groups.push(Group {
            id,
            state: S::default(),
            first,
        });
        group
    }

    pub fn memory(&self) -> u64 {
        let groups = self.groups.capacity() * size_of::<Group<S>>();
        let index = self.index.capacity() * (size_of::<Slot>() + 1);
        (groups + index) as u64 + self.texts
    }
}
