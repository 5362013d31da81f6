//! Results taken apart: for each column the JSON of its cells, as it stands in the
//! results.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::TooWide;
use super::cells::{Cell, Kinds, Raw};

/// A table of so many cells may be mostly empty.
const SMALL: usize = 1 << 24;
/// A larger one must have a value in one of so many cells.
const SPARSE: usize = 64;

/// Columns by name, in the order in which they first came. Results without keys are
/// in that of the name `value`, which is there if nothing else is.
pub fn columns<'a>(
    results: impl Iterator<Item = &'a str>,
    value: &'a str,
) -> Result<Vec<(Cow<'a, str>, Raw<'a>)>, TooWide> {
    let mut columns = Columns::default();
    let mut rows = 0;
    for (row, result) in results.enumerate() {
        rows = row + 1;
        columns.next = 0;
        match Cell::of(result) {
            // A row without anything in it.
            Cell::Missing => {}
            Cell::Nested(text) if text.starts_with('{') => columns.keys(row, text, value),
            cell => columns.put(Cow::Borrowed(value), row, result, cell.kind()),
        }
    }
    if columns.all.is_empty() {
        let none = Raw::default();
        return Ok(vec![(Cow::Borrowed(value), none)]);
    }
    let cells = rows.saturating_mul(columns.all.len());
    let filled: usize = columns.all.iter().map(|(_, cells)| cells.len()).sum();
    if cells > SMALL && cells / SPARSE > filled {
        return Err(TooWide {
            rows,
            columns: columns.all.len(),
            sparse: cells / filled.max(1),
        });
    }
    Ok(columns.all)
}

#[derive(Default)]
struct Columns<'a> {
    all: Vec<(Cow<'a, str>, Raw<'a>)>,
    places: HashMap<Cow<'a, str>, usize>,
    /// Where the next key is, if it comes in the order of the keys before.
    next: usize,
}

impl<'a> Columns<'a> {
    fn keys(&mut self, row: usize, text: &'a str, value: &'a str) {
        let mut json = serde_json::Deserializer::from_str(text);
        let keys = Keys { columns: self, row };
        if json.deserialize_map(keys).is_err() {
            // A key that is not Unicode, or keys beyond what may be nested: the whole is
            // kept as it is.
            self.put(Cow::Borrowed(value), row, text, Kinds::OTHER);
        }
    }

    fn put(&mut self, name: Cow<'a, str>, row: usize, text: &'a str, kind: Kinds) {
        let expected = self.all.get(self.next);
        let place = match expected {
            Some((other, _)) if *other == name => self.next,
            _ => self.place(name),
        };
        self.next = place + 1;
        self.all[place].1.push(row, text, kind);
    }

    fn place(&mut self, name: Cow<'a, str>) -> usize {
        if let Some(place) = self.places.get(&name) {
            return *place;
        }
        let place = self.all.len();
        self.places.insert(name.clone(), place);
        self.all.push((name, Raw::default()));
        place
    }
}

/// Puts the values of an object into their columns.
struct Keys<'c, 'a> {
    columns: &'c mut Columns<'a>,
    row: usize,
}

impl<'a> Visitor<'a> for Keys<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let value: &'a RawValue = map.next_value()?;
            let text = value.get();
            let kind = Cell::of(text).kind();
            self.columns.put(key, self.row, text, kind);
        }
        Ok(())
    }
}

/// A key, which is borrowed where nothing in it is escaped.
struct Key;

impl<'a> serde::de::DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, key: D) -> Result<Cow<'a, str>, D::Error> {
        key.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
