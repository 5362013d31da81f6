//! A reader of chunks that knows only what docs/map-protocol.md says.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One value, comparable to the last bit.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Integer(i64),
    Bits(u64),
    Flag(bool),
    Text(Option<String>),
}

#[derive(Debug, PartialEq)]
pub struct Item {
    pub id: Option<Cell>,
    /// By column, those that the kind is sent.
    pub columns: Vec<(String, Vec<Cell>)>,
}

pub fn float(value: f64) -> Cell {
    // A missing value is any NaN.
    Cell::Bits(if value.is_nan() { f64::NAN } else { value }.to_bits())
}

#[derive(Deserialize)]
pub struct Event {
    pub squall: Header,
    items: Option<Box<RawValue>>,
    zlib: Option<String>,
    pub nonfinite: Option<bool>,
    lengths: Option<Vec<usize>>,
    ids: Option<Vec<Box<RawValue>>>,
    data: Option<String>,
}

#[derive(Deserialize)]
pub struct Header {
    map: String,
    pub item: String,
    count: usize,
    columns: Option<Vec<ColumnHead>>,
    pub by: Option<ByHead>,
}

#[derive(Deserialize)]
struct ColumnHead {
    name: String,
    r#type: String,
    at: Option<usize>,
    values: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
pub struct ByHead {
    pub name: String,
    r#type: String,
}

#[derive(Deserialize)]
struct DictItem {
    id: Box<RawValue>,
    values: Vec<Box<RawValue>>,
    name: String,
}

fn cell(kind: &str, value: &RawValue) -> Cell {
    let text = value.get();
    match (kind, text) {
        ("int", _) => Cell::Integer(text.parse().unwrap()),
        ("bool", _) => Cell::Flag(text.parse().unwrap()),
        ("text", _) => Cell::Text(serde_json::from_str(text).unwrap()),
        ("float", "null") => float(f64::NAN),
        ("float", "\"inf\"") => float(f64::INFINITY),
        ("float", "\"-inf\"") => float(f64::NEG_INFINITY),
        ("float", _) => {
            assert!(text.contains(['.', 'e']), "{text} would be an integer");
            float(text.parse().unwrap())
        }
        _ => panic!("no type is called {kind}"),
    }
}

fn cells(kind: &str, values: &[Box<RawValue>]) -> Vec<Cell> {
    values.iter().map(|value| cell(kind, value)).collect()
}

pub fn read(event: &[u8]) -> (Event, Vec<Item>) {
    let event: Event = serde_json::from_slice(event).unwrap();
    assert_eq!(event.squall.map, "chunk");
    let items = if event.data.is_some() {
        read_columns(&event)
    } else {
        read_items(&event)
    };
    assert_eq!(items.len(), event.squall.count);
    (event, items)
}

fn read_items(event: &Event) -> Vec<Item> {
    let text = match &event.zlib {
        None => event.items.as_ref().unwrap().get().to_owned(),
        Some(zlib) => {
            let packed = STANDARD.decode(zlib).unwrap();
            let mut text = String::new();
            let mut unpacked = flate2::read::ZlibDecoder::new(&packed[..]);
            unpacked.read_to_string(&mut text).unwrap();
            text
        }
    };
    let columns = event.squall.columns.as_ref().unwrap();
    let one = |text: &RawValue| match &*event.squall.item {
        "dict" => {
            let item: DictItem = serde_json::from_str(text.get()).unwrap();
            let by = event.squall.by.as_ref().unwrap();
            assert_eq!(item.name, columns[0].name);
            Item {
                id: Some(cell(&by.r#type, &item.id)),
                columns: vec![(item.name, cells(&columns[0].r#type, &item.values))],
            }
        }
        kind => {
            let lists: Vec<Vec<Box<RawValue>>> = if kind == "frame" {
                serde_json::from_str(text.get()).unwrap()
            } else {
                vec![serde_json::from_str(text.get()).unwrap()]
            };
            assert_eq!(lists.len(), columns.len());
            let column = |(head, list): (&ColumnHead, &Vec<_>)| {
                (head.name.clone(), cells(&head.r#type, list))
            };
            Item {
                id: None,
                columns: columns.iter().zip(&lists).map(column).collect(),
            }
        }
    };
    let items: Vec<Box<RawValue>> = serde_json::from_str(&text).unwrap();
    items.iter().map(|text| one(text)).collect()
}

fn read_columns(event: &Event) -> Vec<Item> {
    let data = STANDARD.decode(event.data.as_ref().unwrap()).unwrap();
    let lengths = event.lengths.as_ref().unwrap();
    let rows: usize = lengths.iter().sum();
    let word = |at: usize| <[u8; 8]>::try_from(&data[at..at + 8]).unwrap();
    let whole = |head: &ColumnHead| -> Vec<Cell> {
        let at = head.at.unwrap_or_default();
        assert_eq!(at % 8, 0);
        match &*head.r#type {
            "int" => (0..rows)
                .map(|row| Cell::Integer(i64::from_le_bytes(word(at + 8 * row))))
                .collect(),
            "float" => (0..rows)
                .map(|row| float(f64::from_le_bytes(word(at + 8 * row))))
                .collect(),
            "bool" => (0..rows)
                .map(|row| Cell::Flag(data[at + row] == 1))
                .collect(),
            kind => cells(kind, head.values.as_ref().unwrap()),
        }
    };
    let heads = event.squall.columns.as_ref().unwrap();
    let columns: Vec<_> = heads.iter().map(whole).collect();
    let mut end = 0;
    let mut items = Vec::new();
    for (place, length) in lengths.iter().enumerate() {
        let start = end;
        end += length;
        let part = |(head, cells): (&ColumnHead, &Vec<Cell>)| {
            (head.name.clone(), cells[start..end].to_vec())
        };
        let by = event.squall.by.as_ref();
        items.push(Item {
            id: by.map(|by| cell(&by.r#type, &event.ids.as_ref().unwrap()[place])),
            columns: heads.iter().zip(&columns).map(part).collect(),
        });
    }
    items
}
