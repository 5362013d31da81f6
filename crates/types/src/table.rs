//! Columns of plain values: what travels between those who read data, those who cut
//! it into items, and those who write results.

use std::ops::Range;

/// One named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

/// The values of a column, all of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Integers(Vec<i64>),
    /// NaN where one is missing.
    Floats(Vec<f64>),
    Booleans(Vec<bool>),
    Texts(Texts),
}

/// Text, one value behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    bytes: String,
    /// Where each value ends; with [`MISSING`] if it is missing.
    ends: Vec<u64>,
}

/// A bit that no address in memory has.
const MISSING: u64 = 1 << 63;

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Booleans(values) => values.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes over some rows of another column of the same type.
    ///
    /// # Panics
    /// If it is of another type, or has not so many rows.
    pub fn extend(&mut self, other: &Self, rows: Range<usize>) {
        match (self, other) {
            (Self::Integers(all), Self::Integers(more)) => all.extend_from_slice(&more[rows]),
            (Self::Floats(all), Self::Floats(more)) => all.extend_from_slice(&more[rows]),
            (Self::Booleans(all), Self::Booleans(more)) => all.extend_from_slice(&more[rows]),
            (Self::Texts(all), Self::Texts(more)) => all.extend(more, rows),
            _ => unreachable!("columns of different types"),
        }
    }

    /// Bytes that the values take.
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Integers(values) => size_of_val(&**values),
            Self::Floats(values) => size_of_val(&**values),
            Self::Booleans(values) => size_of_val(&**values),
            Self::Texts(texts) => texts.bytes.len() + size_of_val(&*texts.ends),
        };
        bytes as u64
    }

    /// Keeps the memory for the next.
    pub fn clear(&mut self) {
        match self {
            Self::Integers(values) => values.clear(),
            Self::Floats(values) => values.clear(),
            Self::Booleans(values) => values.clear(),
            Self::Texts(texts) => texts.clear(),
        }
    }
}

impl Texts {
    /// From all values one behind the other, and where each ends: with the highest bit
    /// set if it is missing. None if these are not ends of text.
    pub fn from_parts(bytes: String, ends: Vec<u64>) -> Option<Self> {
        let mut before = 0;
        for end in &ends {
            let end = place(*end);
            if end < before || !bytes.is_char_boundary(end) {
                return None;
            }
            before = end;
        }
        (before == bytes.len()).then_some(Self { bytes, ends })
    }

    /// What [`Texts::from_parts`] takes.
    pub fn parts(&self) -> (&str, &[u64]) {
        (&self.bytes, &self.ends)
    }

    pub fn push(&mut self, value: Option<&str>) {
        self.bytes.push_str(value.unwrap_or_default());
        let missing = if value.is_none() { MISSING } else { 0 };
        self.ends.push(self.bytes.len() as u64 | missing);
    }

    /// Takes over some values of another.
    pub fn extend(&mut self, other: &Self, range: Range<usize>) {
        let from = other.start(range.start);
        let before = self.bytes.len() as u64;
        self.bytes
            .push_str(&other.bytes[from..other.start(range.end)]);
        // The mark of a missing one is not touched by this, as sums stay far below it.
        let moved = |end: &u64| end - from as u64 + before;
        self.ends.extend(other.ends[range].iter().map(moved));
    }

    /// Bytes of text of some values.
    pub fn bytes(&self, range: Range<usize>) -> usize {
        self.start(range.end) - self.start(range.start)
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// None if it is missing. Panics behind the end, as a slice does.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = self.ends[index];
        (end & MISSING == 0).then(|| &self.bytes[self.start(index)..place(end)])
    }

    /// Where a value begins in all of the text.
    fn start(&self, index: usize) -> usize {
        let before = index.checked_sub(1);
        before.map_or(0, |before| place(self.ends[before]))
    }

    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

fn place(end: u64) -> usize {
    usize::try_from(end & !MISSING).expect("what is in memory has an address")
}

impl<'a> FromIterator<Option<&'a str>> for Texts {
    fn from_iter<I: IntoIterator<Item = Option<&'a str>>>(values: I) -> Self {
        let mut texts = Self::default();
        for value in values {
            texts.push(value);
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_text_is_not_empty_text() {
        let given = [Some("a"), None, Some(""), Some("bc")];
        let texts: Texts = given.into_iter().collect();
        assert_eq!(texts.iter().collect::<Vec<_>>(), given);
        assert_eq!(texts.len(), 4);
    }

    #[test]
    fn parts_make_the_text_again_unless_they_do_not_fit() {
        let texts: Texts = [None, Some("\u{e4}b"), Some("")].into_iter().collect();
        let (bytes, ends) = texts.parts();
        let again = Texts::from_parts(bytes.to_owned(), ends.to_vec());
        assert_eq!(again, Some(texts.clone()));
        let mut more = texts.clone();
        more.extend(&texts, 1..3);
        let second: Vec<_> = more.iter().skip(3).collect();
        assert_eq!(second, [Some("\u{e4}b"), Some("")]);
        assert_eq!((texts.bytes(0..2), texts.bytes(2..3)), (3, 0));
        for wrong in [vec![1, 3], vec![3, 2], vec![2], vec![4]] {
            assert_eq!(Texts::from_parts(bytes.to_owned(), wrong), None);
        }
    }
}
