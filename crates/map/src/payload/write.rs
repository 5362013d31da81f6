//! The event of a chunk: its header, and around the items what their format needs.

use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use science::Ids;
use science::items::Shelf;
use serde::Serialize;
use types::table::{Column, Values};

use super::words::encode_behind;
use super::{HEADER, Shape, columns, json};
use crate::options::{Format, ItemKind};

/// What items are written from.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    pub by: &'a str,
    /// Of all shelves, by rank.
    pub ids: &'a Ids,
    pub shelf: &'a Shelf,
}

/// Some items of a shelf, with what is to be said of them.
pub struct Items<'a> {
    pub shelf: &'a Shelf,
    pub places: &'a [u32],
    /// Those that the kind asks for.
    pub columns: &'a [Column],
    /// Of all items; only for kinds that are sent them.
    pub ids: Option<&'a Ids>,
    /// Whether each row is an item of its own.
    pub single: bool,
}

impl<'a> Items<'a> {
    fn new(of: Of<'a>, places: &'a [u32], kind: ItemKind) -> Self {
        let Of { by, ids, shelf } = of;
        let columns = match kind {
            ItemKind::Frame => &shelf.columns,
            _ => &shelf.columns[..shelf.columns.len().min(1)],
        };
        Self {
            shelf,
            places,
            columns,
            ids: (kind == ItemKind::Dict).then_some(ids),
            single: by.is_empty(),
        }
    }

    /// The rows of each item.
    pub fn rows(&self) -> impl Iterator<Item = Range<usize>> {
        self.places.iter().map(|place| rows(self.shelf, *place))
    }

    /// The places of the items' ids.
    pub fn ranks(&self) -> impl Iterator<Item = usize> {
        let rank = |place: &u32| self.shelf.ranks[index(u64::from(*place))];
        self.places
            .iter()
            .map(move |place| index(u64::from(rank(place))))
    }
}

fn rows(shelf: &Shelf, place: u32) -> Range<usize> {
    let place = index(u64::from(place));
    index(shelf.starts[place])..index(shelf.starts[place + 1])
}

pub fn index(at: u64) -> usize {
    usize::try_from(at).expect("what is in memory has an address")
}

pub fn chunk(of: Of<'_>, places: &[u32], shape: Shape) -> Bytes {
    let items = Items::new(of, places, shape.item);
    let sizes = places.iter().map(|place| size(of, *place, shape));
    let mut out = Vec::with_capacity(index(sizes.sum::<u64>() + HEADER));
    out.extend_from_slice(br#"{"squall":{"map":"chunk","item":"#);
    put(&mut out, shape.item.name());
    out.extend_from_slice(br#","count":"#);
    put(&mut out, &places.len());
    if let Some(ids) = items.ids {
        put_by(&mut out, of.by, ids);
    }
    match shape.format {
        // There is nothing to be gained for values that are JSON.
        Format::Columns if shape.item != ItemKind::Json => columns::put_rest(&mut out, &items),
        Format::Zlib => put_zlib(&mut out, &items, shape.item),
        Format::Json | Format::Columns => put_json(&mut out, &items, shape.item),
    }
    Bytes::from(out)
}

#[derive(Serialize)]
struct By<'a> {
    name: &'a str,
    r#type: &'a str,
}

fn put_by(out: &mut Vec<u8>, by: &str, ids: &Ids) {
    let kind = match ids {
        Ids::Integers(_) => "int",
        Ids::Floats(_) => "float",
        Ids::Booleans(_) => "bool",
        Ids::Text(_) => "text",
    };
    out.extend_from_slice(br#","by":"#);
    put(
        out,
        &By {
            name: by,
            r#type: kind,
        },
    );
}

fn put_json(out: &mut Vec<u8>, items: &Items<'_>, kind: ItemKind) {
    put_columns(out, items, kind);
    out.extend_from_slice(br#"},"items":"#);
    if json::put_items(out, items, kind) {
        out.extend_from_slice(br#","nonfinite":true"#);
    }
    out.push(b'}');
}

fn put_zlib(out: &mut Vec<u8>, items: &Items<'_>, kind: ItemKind) {
    put_columns(out, items, kind);
    let mut text = Vec::new();
    let nonfinite = json::put_items(&mut text, items, kind);
    let mut zlib = ZlibEncoder::new(Vec::with_capacity(text.len() / 2), Compression::fast());
    zlib.write_all(&text).expect("memory takes every write");
    let packed = zlib.finish().expect("memory takes every write");
    out.extend_from_slice(br#"},"zlib":""#);
    encode_behind(out, &packed);
    out.push(b'"');
    if nonfinite {
        out.extend_from_slice(br#","nonfinite":true"#);
    }
    out.push(b'}');
}

/// The columns in the header of formats that carry their values elsewhere.
fn put_columns(out: &mut Vec<u8>, items: &Items<'_>, kind: ItemKind) {
    if kind == ItemKind::Json {
        return;
    }
    out.extend_from_slice(br#","columns":["#);
    for (at, column) in items.columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_column(out, column);
        out.push(b'}');
    }
    out.push(b']');
}

/// Name and type of a column, without the brace at the end.
pub fn put_column(out: &mut Vec<u8>, column: &Column) {
    let kind = match column.values {
        Values::Integers(_) => "int",
        Values::Floats(_) => "float",
        Values::Booleans(_) => "bool",
        Values::Texts(_) => "text",
    };
    out.extend_from_slice(br#"{"name":"#);
    put(out, &column.name);
    out.extend_from_slice(br#","type":"#);
    put(out, kind);
}

/// Any value as JSON.
pub fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("plain values are JSON, and memory takes every write");
}

pub fn by_reference(get: &str, put: &str) -> Bytes {
    let event = serde_json::json!({"squall": {"map": "chunk", "get": get, "put": put}});
    Bytes::from(event.to_string())
}

/// Digits, sign, point and exponent of most floats, and a comma.
const JSON_FLOAT: u64 = 21;
/// Integers have as many at most; most are shorter.
const JSON_INTEGER: u64 = 12;
const JSON_FLAG: u64 = 6;
/// Quotes and a comma.
const AROUND_TEXT: u64 = 3;
/// Brackets, a length, and the names in a dict.
const AROUND_ITEM: u64 = 32;

pub fn size(of: Of<'_>, place: u32, shape: Shape) -> u64 {
    let shelf = of.shelf;
    let items = Items::new(of, &[], shape.item);
    let rows = rows(shelf, place);
    let binary = shape.format == Format::Columns && shape.item != ItemKind::Json;
    let count = rows.len() as u64;
    let column = |column: &Column| match &column.values {
        Values::Texts(texts) => rows
            .clone()
            .map(|row| texts.get(row).map_or(4, str::len) as u64 + AROUND_TEXT)
            .sum(),
        Values::Booleans(_) if binary => count * 4 / 3 + 4,
        Values::Integers(_) | Values::Floats(_) if binary => count * 32 / 3 + 4,
        Values::Booleans(_) => count * JSON_FLAG,
        Values::Integers(_) => count * JSON_INTEGER,
        Values::Floats(_) => count * JSON_FLOAT,
    };
    let id = match items.ids {
        Some(Ids::Text(ids)) => {
            let rank = index(u64::from(shelf.ranks[index(u64::from(place))]));
            ids[rank].len() as u64
        }
        _ => 0,
    };
    let name = match shape.item {
        ItemKind::Dict => items.columns.iter().map(|it| it.name.len() as u64).sum(),
        _ => 0,
    };
    items.columns.iter().map(column).sum::<u64>() + id + name + AROUND_ITEM
}
