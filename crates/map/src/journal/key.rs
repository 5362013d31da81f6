//! What makes two items equal: all that a function sees of them.

use std::ops::Range;

use science::Ids;
use science::items::Shelf;
use store::jobs::ItemKey;
use types::table::{Column, Values};

/// More than this is hashed piece by piece.
const PIECE: usize = 64 << 10;

/// The key of an item. `ids` where the function sees ids.
pub(super) fn of(shelf: &Shelf, place: usize, ids: Option<&Ids>) -> ItemKey {
    let index = |row: u64| usize::try_from(row).expect("what is in memory has an address");
    let rows = index(shelf.starts[place])..index(shelf.starts[place + 1]);
    let mut text = Text::new(rows.len());
    text.number(rows.len() as u64);
    if let Some(ids) = ids {
        text.id(ids, index(shelf.ranks[place].into()));
    }
    for column in &shelf.columns {
        text.column(column, rows.clone());
    }
    text.key()
}

/// Everything has its type and its length before it, so that no two items are
/// written alike.
struct Text {
    bytes: Vec<u8>,
    hasher: Option<Box<blake3::Hasher>>,
}

impl Text {
    fn new(rows: usize) -> Self {
        Self {
            bytes: Vec::with_capacity((rows * 8 + 64).min(2 * PIECE)),
            hasher: None,
        }
    }

    fn key(self) -> ItemKey {
        let hash = match self.hasher {
            Some(mut hasher) => hasher.update(&self.bytes).finalize(),
            None => blake3::hash(&self.bytes),
        };
        let first = hash.as_bytes().first_chunk();
        *first.expect("a hash has 32 bytes")
    }

    fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    fn id(&mut self, ids: &Ids, rank: usize) {
        match ids {
            Ids::Integers(ids) => {
                self.bytes.push(b'i');
                self.bytes.extend_from_slice(&ids[rank].to_le_bytes());
            }
            Ids::Floats(ids) => {
                self.bytes.push(b'f');
                self.number(ids[rank].to_bits());
            }
            Ids::Booleans(ids) => self.bytes.extend_from_slice(&[b'b', ids[rank].into()]),
            Ids::Text(ids) => {
                self.bytes.push(b't');
                self.text(&ids[rank]);
            }
        }
    }

    fn column(&mut self, column: &Column, rows: Range<usize>) {
        self.text(column.name.as_bytes());
        match &column.values {
            Values::Integers(values) => {
                self.bytes.push(b'i');
                self.words(&values[rows], i64::to_le_bytes);
            }
            Values::Floats(values) => {
                self.bytes.push(b'f');
                self.words(&values[rows], |value| value.to_bits().to_le_bytes());
            }
            Values::Booleans(values) => {
                self.bytes.push(b'b');
                self.bytes
                    .extend(values[rows].iter().map(|&value| u8::from(value)));
                self.settle();
            }
            Values::Texts(texts) => {
                self.bytes.push(b't');
                for row in rows {
                    match texts.get(row) {
                        Some(text) => {
                            self.bytes.push(1);
                            self.text(text.as_bytes());
                        }
                        None => self.bytes.push(0),
                    }
                    self.settle();
                }
            }
        }
    }

    fn words<T: Copy>(&mut self, values: &[T], bytes: impl Fn(T) -> [u8; 8]) {
        for piece in values.chunks(PIECE / 8) {
            self.bytes.reserve(piece.len() * 8);
            for value in piece {
                self.bytes.extend_from_slice(&bytes(*value));
            }
            self.settle();
        }
    }

    /// Hashes what is there if it has become much.
    fn settle(&mut self) {
        if self.bytes.len() >= PIECE {
            self.hasher.get_or_insert_default().update(&self.bytes);
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use types::table::Texts;

    use super::*;

    fn shelf(starts: &[u64], columns: Vec<(&str, Values)>) -> Shelf {
        let ranks = (0..).take(starts.len() - 1).collect();
        let columns = columns.into_iter().map(|(name, values)| Column {
            name: name.to_owned(),
            values,
        });
        Shelf {
            ranks,
            starts: starts.to_vec(),
            columns: columns.collect(),
        }
    }

    #[test]
    fn items_are_equal_only_where_a_function_sees_no_difference() {
        let texts =
            |texts: &[Option<&str>]| Values::Texts(texts.iter().copied().collect::<Texts>());
        let floats = |values: &[f64]| Values::Floats(values.to_vec());
        let single = |values: Values| {
            let rows = values.len() as u64;
            of(&shelf(&[0, rows], vec![("v", values)]), 0, None)
        };
        let all = [
            single(floats(&[1.0])),
            single(floats(&[1.0, 0.0])),
            single(floats(&[0.0])),
            single(floats(&[-0.0])),
            single(floats(&[f64::NAN])),
            single(floats(&[])),
            single(Values::Integers(vec![1])),
            single(Values::Integers(vec![0])),
            single(Values::Integers(vec![])),
            single(Values::Booleans(vec![true])),
            single(Values::Booleans(vec![false])),
            single(texts(&[None])),
            single(texts(&[Some("")])),
            single(texts(&[Some("ab"), Some("c")])),
            single(texts(&[Some("a"), Some("bc")])),
            of(&shelf(&[0, 1], vec![("w", floats(&[1.0]))]), 0, None),
            of(
                &shelf(&[0, 1], vec![("v", floats(&[1.0])), ("v", floats(&[1.0]))]),
                0,
                None,
            ),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(index));
        }
    }

    #[test]
    fn where_an_item_lies_makes_no_difference() {
        let first = shelf(&[0, 2, 3], vec![("v", Values::Integers(vec![1, 2, 3]))]);
        let second = shelf(&[0, 1, 3], vec![("v", Values::Integers(vec![3, 1, 2]))]);
        assert_eq!(of(&first, 0, None), of(&second, 1, None));
        assert_eq!(of(&first, 1, None), of(&second, 0, None));
        let ids = Ids::Integers(vec![7, 8]);
        let swapped = Ids::Integers(vec![8, 7]);
        assert_eq!(of(&first, 0, Some(&ids)), of(&second, 1, Some(&swapped)));
        assert_ne!(of(&first, 0, Some(&ids)), of(&second, 1, Some(&ids)));
        assert_ne!(of(&first, 0, Some(&ids)), of(&first, 0, None));
        let text = Ids::Text(vec![Box::from(*b"7"), Box::from(*b"8")]);
        assert_ne!(of(&first, 0, Some(&ids)), of(&first, 0, Some(&text)));
    }

    #[test]
    fn long_items_are_hashed_in_pieces() {
        let mut values: Vec<i64> = (0..100_000).collect();
        let key = |values: &[i64]| {
            let rows = values.len() as u64;
            let values = Values::Integers(values.to_vec());
            of(&shelf(&[0, rows], vec![("v", values)]), 0, None)
        };
        let before = key(&values);
        assert_eq!(before, key(&values));
        for place in [0, 8_191, 8_192, 99_999] {
            values[place] += 1;
            assert_ne!(key(&values), before, "{place}");
            values[place] -= 1;
        }
    }
}
