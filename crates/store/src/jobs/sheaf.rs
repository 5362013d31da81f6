//! Results that were kept together, as they lie in one row of the database. Rows are
//! only ever added, so that the millionth result costs what the first did; a tree of
//! the keys would be torn up all over by every batch.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::error::StoreError;

use super::model::ItemKey;

const KEY: usize = size_of::<ItemKey>();
const END: usize = size_of::<u32>();

/// Keys apart from bodies: who looks for some keys among many reads only those.
#[derive(Debug, Default)]
pub(super) struct Sheaf {
    pub keys: Vec<u8>,
    /// Where each body ends, as little-endian integers of 32 bits.
    pub ends: Vec<u8>,
    pub bodies: Vec<u8>,
}

impl Sheaf {
    pub fn push(&mut self, key: &ItemKey, body: &[u8]) {
        self.keys.extend_from_slice(key);
        self.bodies.extend_from_slice(body);
        self.mark();
    }

    /// Puts all of another behind its own.
    pub fn append(&mut self, other: &Self) {
        let before = u32::try_from(self.bodies.len()).expect("a sheaf is some megabytes");
        self.keys.extend_from_slice(&other.keys);
        self.bodies.extend_from_slice(&other.bodies);
        self.ends.reserve(other.ends.len());
        for end in other.ends.as_chunks::<END>().0 {
            let end = u32::from_le_bytes(*end) + before;
            self.ends.extend_from_slice(&end.to_le_bytes());
        }
    }

    fn mark(&mut self) {
        let end = u32::try_from(self.bodies.len()).expect("a sheaf is some megabytes");
        self.ends.extend_from_slice(&end.to_le_bytes());
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.keys.len() + self.ends.len() + self.bodies.len()
    }

    pub fn clear(&mut self) {
        self.keys.clear();
        self.ends.clear();
        self.bodies.clear();
    }
}

/// The keys of a row, in the order in which they were kept.
pub(super) fn keys(column: &[u8]) -> &[ItemKey] {
    column.as_chunks::<KEY>().0
}

/// The body of one result of a row.
pub(super) fn body<'a>(
    ends: &[u8],
    bodies: &'a [u8],
    index: usize,
) -> Result<&'a [u8], StoreError> {
    let ends = ends.as_chunks::<END>().0;
    let end = |index: usize| {
        let end = u32::from_le_bytes(*ends.get(index)?);
        usize::try_from(end).ok()
    };
    let start = match index {
        0 => Some(0),
        _ => end(index - 1),
    };
    let range = start.zip(end(index));
    range
        .and_then(|(start, end)| bodies.get(start..end))
        .ok_or_else(|| StoreError::Corrupt {
            what: "a result of a job",
            detail: format!("the row has no whole result {index}"),
        })
}

/// Keys that somebody looks for, and where they are in the list that was asked for.
pub(super) type Wanted = HashMap<ItemKey, usize, BuildHasherDefault<FirstBytes>>;

/// The hash of a key: keys are hashes already.
#[derive(Debug, Default)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// Arrays write their length first, which says nothing here.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_after_appending() {
        let bodies: [&[u8]; 5] = [b"1.5", b"", b"null", b"{\"a\":1}", b"2"];
        let key = |index: usize| [u8::try_from(index).unwrap(); 16];
        let (mut first, mut second) = (Sheaf::default(), Sheaf::default());
        for (index, text) in bodies.iter().enumerate() {
            let sheaf = if index < 3 { &mut first } else { &mut second };
            sheaf.push(&key(index), text);
        }
        first.append(&second);
        assert_eq!(first.bytes(), 5 * 20 + 15);
        for (index, text) in bodies.iter().enumerate() {
            assert_eq!(keys(&first.keys)[index], key(index));
            assert_eq!(body(&first.ends, &first.bodies, index).unwrap(), *text);
        }
        assert!(body(&first.ends, &first.bodies, 5).is_err());
        assert!(body(&first.ends, b"short", 4).is_err());
    }
}
