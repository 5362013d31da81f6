//! The items of a chunk as R's values: vectors, data frames, lists.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rdata::value::{NA_INTEGER, NA_REAL};
use rdata::{Data, Value};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// What a compressed chunk may become.
const MOST_UNPACKED: u64 = 1 << 30;

#[derive(Debug, Error)]
pub(super) enum Error {
    #[error("the event of this chunk is not as it should be: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the event of this chunk is not as it should be: {0}")]
    Malformed(&'static str),
    #[error("the items of this chunk cannot be read: {0}")]
    Unreadable(String),
    #[error("there is no kind of items called {0:?}")]
    Kind(String),
}

#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) kind: String,
    pub(super) items: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Event<'a> {
    squall: Header,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    zlib: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    lengths: Option<Vec<usize>>,
    ids: Option<Vec<serde_json::Value>>,
}

#[derive(Debug, Deserialize)]
struct Header {
    item: String,
    count: usize,
    columns: Option<Vec<Head>>,
}

#[derive(Debug, Deserialize)]
struct Head {
    name: Arc<str>,
    #[serde(rename = "type")]
    kind: Type,
    at: Option<usize>,
    values: Option<Vec<Option<Arc<str>>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Float,
    Int,
    Bool,
    Text,
}

const KINDS: [&str; 6] = ["series", "array", "list", "frame", "dict", "json"];

/// Columns with the rows of all items, one item behind the other.
struct Table {
    names: Vec<Arc<str>>,
    columns: Vec<Data>,
    lengths: Vec<usize>,
    ids: Option<Vec<Value>>,
}

pub(super) fn read(event: &[u8]) -> Result<Chunk, Error> {
    let event: Event = serde_json::from_slice(event)?;
    let kind = event.squall.item.clone();
    if !KINDS.contains(&kind.as_str()) {
        return Err(Error::Kind(kind));
    }
    let count = event.squall.count;
    let items = if kind == "json" {
        let text = listed(&event)?;
        let items: Vec<&RawValue> = serde_json::from_str(&text)?;
        items.into_iter().map(json).collect::<Result<_, _>>()?
    } else {
        let table = if event.data.is_some() {
            Table::of_columns(event)?
        } else {
            Table::of_items(&event, &kind)?
        };
        table.items(&kind)?
    };
    if items.len() != count {
        return Err(Error::Malformed("there are not as many items as it says"));
    }
    Ok(Chunk { kind, items })
}

/// The text of the list of items.
fn listed<'a>(event: &'a Event<'_>) -> Result<Cow<'a, str>, Error> {
    let Some(packed) = &event.zlib else {
        let items = event.items.ok_or(Error::Malformed("it has no items"))?;
        return Ok(items.get().into());
    };
    let packed = unbased(packed)?;
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(&packed[..])
        .take(MOST_UNPACKED)
        .read_to_string(&mut text)
        .map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(text.into())
}

fn unbased(text: &str) -> Result<Vec<u8>, Error> {
    let bytes = BASE64_STANDARD.decode(text);
    bytes.map_err(|error| Error::Unreadable(error.to_string()))
}

/// Any JSON. The numbers that it cannot write stand in it as objects.
fn json(item: &RawValue) -> Result<Value, Error> {
    let mut text = Cow::from(item.get());
    let tagged = text.contains(r#"{"squall":""#);
    if tagged {
        // What is missing is missing; the text of a tag cannot be part of another text.
        text = text.replace(r#"{"squall":"nan"}"#, "null").into();
    }
    let value = rdata::json::from_json(text.as_bytes());
    let value = value.map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(if tagged { untagged(value) } else { value })
}

/// Infinite numbers in place of their tags; a list that then has only numbers is a vector.
fn untagged(value: Value) -> Value {
    let Data::List(values) = value.data else {
        return value;
    };
    let tag = match &values[..] {
        [only] if value.attributes.len() == 1 => only.texts(),
        _ => None,
    };
    let names = value.attributes.iter().find(|(name, _)| &**name == "names");
    let names = names.and_then(|(_, names)| names.texts());
    if let (Some([name]), Some([tag])) = (names.as_deref(), tag.as_deref())
        && &**name == "squall"
        && matches!(&**tag, "inf" | "-inf")
    {
        let infinite = f64::INFINITY.copysign(if &**tag == "inf" { 1.0 } else { -1.0 });
        return Data::Real(vec![infinite]).into();
    }
    let values: Vec<Value> = values.into_iter().map(untagged).collect();
    if value.attributes.is_empty() {
        let single = |value: &Value| match value.data {
            Data::Null => Some(vec![NA_REAL]),
            _ => value.numbers().filter(|numbers| numbers.len() == 1),
        };
        let numbers: Option<Vec<Vec<f64>>> = values.iter().map(single).collect();
        if let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) {
            return Data::Real(numbers.concat()).into();
        }
    }
    Value {
        data: Data::List(values),
        attributes: value.attributes,
    }
}

impl Table {
    fn of_columns(event: Event<'_>) -> Result<Self, Error> {
        let lengths = event.lengths.ok_or(Error::Malformed("it has no lengths"))?;
        let rows = lengths
            .iter()
            .try_fold(0_usize, |sum, n| sum.checked_add(*n));
        let rows = rows.ok_or(Error::Malformed("items are too long"))?;
        let data = unbased(&event.data.unwrap_or_default())?;
        let heads = event.squall.columns;
        let heads = heads.ok_or(Error::Malformed("it has no columns"))?;
        let mut table = Self {
            names: vec![],
            columns: vec![],
            lengths,
            ids: None,
        };
        for head in heads {
            table.names.push(head.name.clone());
            table.columns.push(column(head, &data, rows)?);
        }
        table.ids = event.ids.map(|ids| ids.iter().map(scalar).collect());
        Ok(table)
    }

    /// From lists of values.
    fn of_items(event: &Event<'_>, kind: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Named {
            id: serde_json::Value,
            values: Vec<serde_json::Value>,
        }
        type Values = Vec<serde_json::Value>;
        let text = listed(event)?;
        let heads = event.squall.columns.as_ref();
        let heads = heads.ok_or(Error::Malformed("it has no columns"))?;
        let mut ids = None;
        let parts: Vec<Vec<Values>> = match kind {
            "frame" => serde_json::from_str(&text)?,
            "dict" => {
                let items: Vec<Named> = serde_json::from_str(&text)?;
                ids = Some(items.iter().map(|item| scalar(&item.id)).collect());
                items.into_iter().map(|item| vec![item.values]).collect()
            }
            _ => {
                let items: Vec<Values> = serde_json::from_str(&text)?;
                items.into_iter().map(|values| vec![values]).collect()
            }
        };
        let mut lengths = vec![];
        for part in &parts {
            let length = part.first().map_or(0, Vec::len);
            if part.len() != heads.len() || part.iter().any(|own| own.len() != length) {
                return Err(Error::Malformed("an item's columns are not alike"));
            }
            lengths.push(length);
        }
        let columns = heads.iter().enumerate().map(|(place, head)| {
            let values = parts.iter().flat_map(|part| &part[place]);
            of_values(head.kind, values)
        });
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            names: heads.iter().map(|head| head.name.clone()).collect(),
            lengths,
            ids,
        })
    }

    fn items(self, kind: &str) -> Result<Vec<Value>, Error> {
        let mut items = Vec::with_capacity(self.lengths.len());
        let mut start = 0;
        if kind != "frame" && self.columns.len() != 1 {
            return Err(Error::Malformed("it has not one column"));
        }
        let ids = self.ids.unwrap_or_default();
        if kind == "dict" && ids.len() != self.lengths.len() {
            return Err(Error::Malformed("it has not as many ids as items"));
        }
        let mut ids = ids.into_iter();
        for length in self.lengths {
            let range = start..start + length;
            start += length;
            if kind == "frame" {
                let columns = self.columns.iter();
                let columns = columns.map(|column| part(column, range.clone()));
                items.push(frame(&self.names, columns.collect(), length));
                continue;
            }
            let values = part(&self.columns[0], range);
            items.push(match ids.next() {
                Some(id) if kind == "dict" => Value::list([
                    ("id", id),
                    ("values", values),
                    ("name", Value::strings([&*self.names[0]])),
                ]),
                _ => values,
            });
        }
        Ok(items)
    }
}

fn part(column: &Data, range: std::ops::Range<usize>) -> Value {
    match column {
        Data::Real(values) => Data::Real(values[range].to_vec()),
        Data::Integer(values) => Data::Integer(values[range].to_vec()),
        Data::Logical(values) => Data::Logical(values[range].to_vec()),
        Data::Text(values) => Data::Text(values[range].to_vec()),
        _ => Data::Null,
    }
    .into()
}

fn frame(names: &[Arc<str>], columns: Vec<Value>, rows: usize) -> Value {
    // So R writes row names that nobody chose.
    let count = i32::try_from(rows).unwrap_or(i32::MAX);
    Value::from(Data::List(columns))
        .with("names", Value::strings(names.iter().map(|name| &**name)))
        .with("row.names", Data::Integer(vec![NA_INTEGER, -count]))
        .with("class", Value::strings(["data.frame"]))
}

/// A column out of the buffers of its chunk.
fn column(head: Head, data: &[u8], rows: usize) -> Result<Data, Error> {
    const SHORT: Error = Error::Malformed("the data is shorter than its rows");
    if head.kind == Type::Text {
        let values = head.values.unwrap_or_default();
        if values.len() != rows {
            return Err(SHORT);
        }
        return Ok(Data::Text(values));
    }
    let at = head.at.ok_or(Error::Malformed("a column has no place"))?;
    let data = data.get(at..).ok_or(SHORT)?;
    if head.kind == Type::Bool {
        let flags = data.get(..rows).ok_or(SHORT)?;
        let flags = flags.iter().map(|flag| i32::from(*flag != 0));
        return Ok(Data::Logical(flags.collect()));
    }
    let (numbers, _) = data.as_chunks::<8>();
    let numbers = numbers.get(..rows).ok_or(SHORT)?;
    Ok(if head.kind == Type::Float {
        let numbers = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes));
        Data::Real(numbers.map(na).collect())
    } else {
        wholes(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)))
    })
}

/// What is missing in a column of numbers is a NaN there, and NA in R.
fn na(number: f64) -> f64 {
    if number.is_nan() { NA_REAL } else { number }
}

/// Integers where all of them are R's integers, as R reads a file; else doubles.
fn wholes(numbers: impl Iterator<Item = i64> + Clone) -> Data {
    let small = |number: i64| i32::try_from(number).ok().filter(|n| *n != NA_INTEGER);
    let integers: Option<Vec<i32>> = numbers.clone().map(small).collect();
    #[expect(clippy::cast_precision_loss, reason = "R has no larger ones")]
    integers.map_or_else(
        || Data::Real(numbers.map(|number| number as f64).collect()),
        Data::Integer,
    )
}

fn of_values<'a>(
    kind: Type,
    values: impl Iterator<Item = &'a serde_json::Value> + Clone,
) -> Result<Data, Error> {
    const OTHER: Error = Error::Malformed("a value is not of its column's type");
    let data = match kind {
        Type::Float => {
            let numbers: Option<_> = values.map(float).collect();
            numbers.map(Data::Real)
        }
        Type::Int => {
            let numbers: Option<Vec<i64>> = values.map(serde_json::Value::as_i64).collect();
            numbers.map(|numbers| wholes(numbers.into_iter()))
        }
        Type::Bool => {
            let flags = values.map(|value| value.as_bool().map(i32::from));
            flags.collect::<Option<_>>().map(Data::Logical)
        }
        Type::Text => {
            let texts = values.map(|value| match value {
                serde_json::Value::Null => Some(None),
                value => value.as_str().map(|text| Some(text.into())),
            });
            texts.collect::<Option<_>>().map(Data::Text)
        }
    };
    data.ok_or(OTHER)
}

fn float(value: &serde_json::Value) -> Option<f64> {
    match value {
        serde_json::Value::Null => Some(NA_REAL),
        serde_json::Value::String(text) if text == "inf" => Some(f64::INFINITY),
        serde_json::Value::String(text) if text == "-inf" => Some(f64::NEG_INFINITY),
        value => value.as_f64(),
    }
}

/// An id.
fn scalar(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::String(text) => Value::strings([text.as_str()]),
        serde_json::Value::Bool(flag) => Data::Logical(vec![i32::from(*flag)]).into(),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => wholes(std::iter::once(whole)).into(),
            None => Data::Real(vec![number.as_f64().unwrap_or(NA_REAL)]).into(),
        },
        _ => Data::Logical(vec![NA_INTEGER]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(event: &str) -> Vec<Value> {
        read(event.as_bytes()).unwrap().items
    }

    #[test]
    fn lists_become_vectors() {
        let seen = items(
            r#"{"squall":{"map":"chunk","item":"array","count":2,
                "columns":[{"name":"value","type":"float"}]},
                "items":[[1.5,2.0],[3.25,"inf"]],"nonfinite":true}"#,
        );
        assert_eq!(seen[0].data, Data::Real(vec![1.5, 2.0]));
        assert_eq!(seen[1].data, Data::Real(vec![3.25, f64::INFINITY]));
    }

    #[test]
    fn buffers_become_data_frames() {
        let mut data = vec![];
        for number in [1_i64, 2, 3] {
            data.extend(number.to_le_bytes());
        }
        for number in [0.5, f64::NAN, -1.0] {
            data.extend(number.to_le_bytes());
        }
        let data = BASE64_STANDARD.encode(data);
        let seen = items(&format!(
            r#"{{"squall":{{"map":"chunk","item":"frame","count":2,"columns":[
                {{"name":"n","type":"int","at":0}},{{"name":"x","type":"float","at":24}},
                {{"name":"t","type":"text","values":["a",null,"b"]}}]}},
                "lengths":[2,1],"data":"{data}"}}"#
        ));
        assert_eq!(seen[0].get("n").unwrap().data, Data::Integer(vec![1, 2]));
        let Data::Real(x) = &seen[0].get("x").unwrap().data else {
            panic!("{seen:?}")
        };
        assert!(x[0].to_bits() == 0.5_f64.to_bits() && rdata::value::is_na(x[1]));
        let texts = Data::Text(vec![Some("a".into()), None]);
        assert_eq!(seen[0].get("t").unwrap().data, texts);
        assert!(seen[1].inherits("data.frame"));
    }

    #[test]
    fn large_wholes_are_doubles() {
        let seen = items(
            r#"{"squall":{"map":"chunk","item":"dict","count":1,"by":{"name":"id","type":"int"},
                "columns":[{"name":"v","type":"int"}]},
                "items":[{"id":7,"values":[1,3000000000],"name":"v"}]}"#,
        );
        let values = seen[0].get("values").unwrap();
        assert_eq!(values.data, Data::Real(vec![1.0, 3e9]));
        assert_eq!(seen[0].get("id").unwrap().data, Data::Integer(vec![7]));
    }

    #[test]
    fn any_json_is_an_item() {
        let seen = items(
            r#"{"squall":{"map":"chunk","item":"json","count":3},
                "items":[[1,2],{"a":[1.5,{"squall":"inf"},{"squall":"nan"}]},"x"]}"#,
        );
        assert_eq!(seen[0].data, Data::Integer(vec![1, 2]));
        let numbers = seen[1].get("a").unwrap().numbers().unwrap();
        assert_eq!(numbers[..2], [1.5, f64::INFINITY]);
        assert!(rdata::value::is_na(numbers[2]));
        assert_eq!(seen[2], Value::strings(["x"]));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let head = r#""squall":{"map":"chunk","item":"series","count":1,
            "columns":[{"name":"v","type":"float","at":0}]}"#;
        for rest in [
            r#""items":[]"#,
            r#""items":[["x"]]"#,
            r#""items":[[1],[2]]"#,
            r#""lengths":[2],"data":"AAAAAAAAAAA=""#,
            r#""lengths":[1],"data":"A""#,
            r#""lengths":[18446744073709551615,1],"data":"""#,
            r#""zlib":"eJw=""#,
            r#""other":1"#,
        ] {
            let event = format!("{{{head},{rest}}}");
            assert!(read(event.as_bytes()).is_err(), "{event}");
        }
        let kind = r#"{"squall":{"map":"chunk","item":"cube","count":1},"items":[1]}"#;
        assert!(matches!(read(kind.as_bytes()), Err(Error::Kind(_))));
    }
}
