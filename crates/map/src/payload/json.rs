//! Items as a JSON list.

use std::ops::Range;

use science::Ids;
use types::table::{Column, Values};

use super::write::{Items, put};
use crate::options::ItemKind;

/// Writes the list; true if there was a number in it that JSON cannot write.
pub fn put_items(out: &mut Vec<u8>, items: &Items<'_>, kind: ItemKind) -> bool {
    let mut list = List {
        out,
        nonfinite: false,
    };
    list.out.push(b'[');
    for (at, (rows, rank)) in items.rows().zip(items.ranks()).enumerate() {
        if at > 0 {
            list.out.push(b',');
        }
        match kind {
            ItemKind::Series | ItemKind::Array | ItemKind::List => {
                list.one_column(items.columns, rows);
            }
            ItemKind::Frame => list.frame(items.columns, &rows),
            ItemKind::Dict => list.dict(items, rank, rows),
            ItemKind::Json => list.lines(items, rows),
        }
    }
    list.out.push(b']');
    list.nonfinite
}

struct List<'a> {
    out: &'a mut Vec<u8>,
    nonfinite: bool,
}

impl List<'_> {
    fn one_column(&mut self, columns: &[Column], rows: Range<usize>) {
        match columns.first() {
            Some(column) => self.values(&column.values, rows),
            None => self.out.extend_from_slice(b"[]"),
        }
    }

    fn frame(&mut self, columns: &[Column], rows: &Range<usize>) {
        self.out.push(b'[');
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.values(&column.values, rows.clone());
        }
        self.out.push(b']');
    }

    fn dict(&mut self, items: &Items<'_>, rank: usize, rows: Range<usize>) {
        self.out.extend_from_slice(br#"{"id":"#);
        if let Some(ids) = items.ids {
            self.nonfinite |= put_id(self.out, ids, rank);
        }
        self.out.extend_from_slice(br#","values":"#);
        self.one_column(items.columns, rows);
        self.out.extend_from_slice(br#","name":"#);
        put(
            self.out,
            items.columns.first().map_or("", |column| &column.name),
        );
        self.out.push(b'}');
    }

    /// Lines are JSON as they are.
    fn lines(&mut self, items: &Items<'_>, rows: Range<usize>) {
        let Some(Values::Texts(texts)) = items.columns.first().map(|column| &column.values) else {
            self.out.extend_from_slice(b"null");
            return;
        };
        if !items.single {
            self.out.push(b'[');
        }
        for (at, row) in rows.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            let line = texts.get(row).unwrap_or("null");
            self.out.extend_from_slice(line.as_bytes());
        }
        if !items.single {
            self.out.push(b']');
        }
    }

    fn values(&mut self, values: &Values, rows: Range<usize>) {
        self.out.push(b'[');
        let start = self.out.len();
        match values {
            Values::Integers(values) => values[rows].iter().for_each(|value| {
                put(self.out, value);
                self.out.push(b',');
            }),
            Values::Floats(values) => values[rows].iter().for_each(|value| {
                self.nonfinite |= put_float(self.out, *value);
                self.out.push(b',');
            }),
            Values::Booleans(values) => values[rows].iter().for_each(|value| {
                put(self.out, value);
                self.out.push(b',');
            }),
            Values::Texts(texts) => rows.for_each(|row| {
                put(self.out, &texts.get(row));
                self.out.push(b',');
            }),
        }
        if self.out.len() > start {
            self.out.pop();
        }
        self.out.push(b']');
    }
}

/// Writes an id; true if it is a number that JSON cannot write.
pub fn put_id(out: &mut Vec<u8>, ids: &Ids, rank: usize) -> bool {
    match ids {
        Ids::Integers(ids) => put(out, &ids[rank]),
        Ids::Floats(ids) => return put_float(out, ids[rank]),
        Ids::Booleans(ids) => put(out, &ids[rank]),
        // It is UTF-8, but its type does not say so.
        Ids::Text(ids) => put(out, &*String::from_utf8_lossy(&ids[rank])),
    }
    false
}

/// Writes a float; true if it is one that JSON cannot write.
pub fn put_float(out: &mut Vec<u8>, value: f64) -> bool {
    if value.is_finite() {
        put(out, &value);
        return false;
    }
    out.extend_from_slice(match value {
        f64::INFINITY => br#""inf""#.as_slice(),
        f64::NEG_INFINITY => br#""-inf""#,
        _ => b"null",
    });
    true
}
