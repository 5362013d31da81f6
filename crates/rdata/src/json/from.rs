//! From JSON, in one pass: rows of a data frame are never maps.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::JsonError;
use crate::number;
use crate::value::{Data, NA_INTEGER, NA_REAL, Value};

/// A few bytes for a row with a new field would be a column for all rows.
const MOST_CELLS: usize = 1 << 23;

pub fn from_json(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let node = Element { rows: None }.deserialize(&mut json)?;
    json.end()?;
    Ok(match node {
        Node::Scalar(Scalar::Null) => Data::Null.into(),
        Node::Scalar(scalar) => scalar.into_value(),
        Node::Value(value) => value,
        Node::Row => unreachable!("no rows were given"),
    })
}

#[derive(Debug, Clone)]
enum Scalar {
    Null,
    Logical(bool),
    Integer(i32),
    Real(f64),
    Text(Arc<str>),
}

#[derive(Debug)]
enum Node {
    Scalar(Scalar),
    Value(Value),
    /// An object of scalars, put behind the rows.
    Row,
}

impl Scalar {
    /// Of types that a vector can have; the largest of its elements is the vector's.
    fn rank(&self) -> u8 {
        match self {
            Self::Null | Self::Logical(_) => 0,
            Self::Integer(_) => 1,
            Self::Real(_) => 2,
            Self::Text(_) => 3,
        }
    }

    /// As an element of a list.
    fn into_value(self) -> Value {
        match self {
            Self::Null => Data::Null.into(),
            scalar => vector(std::iter::once(&scalar)),
        }
    }

    fn logical(&self) -> i32 {
        match self {
            Self::Logical(value) => i32::from(*value),
            _ => NA_INTEGER,
        }
    }

    fn integer(&self) -> i32 {
        match self {
            Self::Integer(number) => *number,
            other => other.logical(),
        }
    }

    fn real(&self) -> f64 {
        match self {
            Self::Real(number) => *number,
            other => match other.integer() {
                NA_INTEGER => NA_REAL,
                number => f64::from(number),
            },
        }
    }

    fn text(&self) -> Option<Arc<str>> {
        match self {
            Self::Null => None,
            Self::Logical(value) => Some(if *value { "TRUE" } else { "FALSE" }.into()),
            Self::Integer(number) => Some(number.to_string().into()),
            Self::Real(number) => number::text(*number, 0).map(Arc::from),
            Self::Text(text) => Some(Arc::clone(text)),
        }
    }
}

/// What R's `unlist` makes of scalars, where null is NA.
fn vector<'a>(scalars: impl Iterator<Item = &'a Scalar> + Clone) -> Value {
    let rank = scalars.clone().map(Scalar::rank).max();
    let data = match rank.unwrap_or(0) {
        0 => Data::Logical(scalars.map(Scalar::logical).collect()),
        1 => Data::Integer(scalars.map(Scalar::integer).collect()),
        2 => Data::Real(scalars.map(Scalar::real).collect()),
        _ => Data::Text(scalars.map(Scalar::text).collect()),
    };
    data.into()
}

fn names(names: impl Iterator<Item = Arc<str>>) -> Value {
    Data::Text(names.map(Some).collect()).into()
}

type Names = Rc<[Arc<str>]>;

/// Objects of an array, as long as they have only scalars.
#[derive(Debug, Default)]
struct Rows {
    /// Rows with the same fields share them.
    names: Vec<Names>,
    cells: Vec<Scalar>,
}

impl Rows {
    /// As lists: what they are where not all elements of the array are such rows.
    fn into_lists(self) -> Vec<Value> {
        let mut cells = self.cells.into_iter();
        let list = |own: Names| {
            let values = cells.by_ref().take(own.len()).map(Scalar::into_value);
            object(own.iter().cloned(), values.collect())
        };
        self.names.into_iter().map(list).collect()
    }

    fn into_frame<E: Error>(self) -> Result<Value, E> {
        let rows = self.names.len();
        let first = Rc::clone(self.names.first().expect("a frame has rows"));
        let same = self.names.iter().all(|names| Rc::ptr_eq(names, &first));
        let (labels, columns) = if same && all_differ(&first) {
            let width = first.len();
            let column = |at: usize| vector(self.cells.iter().skip(at).step_by(width));
            (first.to_vec(), (0..width).map(column).collect())
        } else {
            self.columns()?
        };
        let rows = i32::try_from(rows).expect("each takes bytes of a payload");
        let rows: Value = Data::Integer(vec![NA_INTEGER, -rows]).into();
        Ok(Value::from(Data::List(columns))
            .with("names", names(labels.into_iter()))
            .with("class", Value::strings(["data.frame"]))
            .with("row.names", rows))
    }

    /// Where rows have different fields: NA where a row has none. Of fields that are
    /// there twice, the first counts.
    fn columns<E: Error>(&self) -> Result<(Vec<Arc<str>>, Vec<Value>), E> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut labels: Vec<Arc<str>> = vec![];
        for name in self.names.iter().flat_map(|names| names.iter()) {
            places.entry(name).or_insert_with(|| {
                labels.push(Arc::clone(name));
                labels.len() - 1
            });
        }
        let (rows, width) = (self.names.len(), labels.len());
        if rows.saturating_mul(width) > MOST_CELLS {
            return Err(E::custom(format_args!(
                "a data frame of {rows} rows with {width} different fields is too large"
            )));
        }
        let mut columns: Vec<Vec<Option<&Scalar>>> = vec![vec![None; rows]; width];
        let mut cells = self.cells.iter();
        for (row, names) in self.names.iter().enumerate() {
            for (name, cell) in names.iter().zip(cells.by_ref()) {
                columns[places[&**name]][row].get_or_insert(cell);
            }
        }
        let filled = |column: Vec<Option<&Scalar>>| {
            vector(column.iter().map(|cell| cell.unwrap_or(&Scalar::Null)))
        };
        Ok((labels, columns.into_iter().map(filled).collect()))
    }
}

fn all_differ(names: &[Arc<str>]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(names.len());
    names.iter().all(|name| seen.insert(name))
}

fn object(labels: impl Iterator<Item = Arc<str>>, values: Vec<Value>) -> Value {
    Value::from(Data::List(values)).with("names", names(labels))
}

/// A value of JSON. Where there are rows, an object of scalars becomes one of them.
struct Element<'a> {
    rows: Option<&'a mut Rows>,
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Node, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Logical(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Scalar(match i32::try_from(number) {
            Ok(number) if number != NA_INTEGER => Scalar::Integer(number),
            #[allow(clippy::cast_precision_loss, reason = "R has no larger integers")]
            _ => Scalar::Real(number as f64),
        }))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Scalar(match i32::try_from(number) {
            Ok(number) => Scalar::Integer(number),
            #[allow(clippy::cast_precision_loss, reason = "R has no larger integers")]
            Err(_) => Scalar::Real(number as f64),
        }))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Real(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Text(text_of(text))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Node, A::Error> {
        let mut scalars = vec![];
        let mut rows = Rows::default();
        let mut mixed: Option<Vec<Value>> = None;
        loop {
            let (no_scalars, no_rows) = (scalars.is_empty(), rows.names.is_empty());
            let element = Element {
                rows: (mixed.is_none() && no_scalars).then_some(&mut rows),
            };
            let Some(node) = array.next_element_seed(element)? else {
                break;
            };
            match (node, &mut mixed) {
                (Node::Scalar(scalar), None) if no_rows => scalars.push(scalar),
                (Node::Scalar(scalar), Some(values)) => values.push(scalar.into_value()),
                (Node::Value(value), Some(values)) => values.push(value),
                (Node::Row, _) => {}
                (node, None) => {
                    // Not all of a kind: what was taken for such is a list.
                    let mut values = std::mem::take(&mut rows).into_lists();
                    values.extend(
                        std::mem::take(&mut scalars)
                            .into_iter()
                            .map(Scalar::into_value),
                    );
                    match node {
                        Node::Scalar(scalar) => values.push(scalar.into_value()),
                        Node::Value(value) => values.push(value),
                        Node::Row => {}
                    }
                    mixed = Some(values);
                }
            }
        }
        Ok(Node::Value(if let Some(values) = mixed {
            Data::List(values).into()
        } else if !rows.names.is_empty() {
            rows.into_frame()?
        } else if scalars.is_empty() {
            Data::List(vec![]).into()
        } else {
            vector(scalars.iter())
        }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
        match self.rows {
            Some(rows) => row(map, rows),
            None => whole(map, vec![], vec![]),
        }
    }
}

/// An object behind other rows. Most have the fields of the one before.
fn row<'de, A: MapAccess<'de>>(mut map: A, rows: &mut Rows) -> Result<Node, A::Error> {
    let before = rows.names.last().cloned();
    let start = rows.cells.len();
    // As long as they are the same, only counted.
    let mut same = 0;
    let mut own: Vec<Arc<str>> = vec![];
    loop {
        let expected = before.as_ref().and_then(|names| names.get(same));
        let expected = expected.filter(|_| own.is_empty());
        let Some(name) = map.next_key_seed(Key { expected })? else {
            break;
        };
        match (name, &before) {
            (None, _) => same += 1,
            (Some(name), names) => {
                if own.is_empty()
                    && let Some(names) = names
                {
                    own.extend(names[..same].iter().cloned());
                }
                own.push(name);
            }
        }
        match map.next_value_seed(Element { rows: None })? {
            Node::Scalar(scalar) => rows.cells.push(scalar),
            Node::Value(value) => {
                if own.is_empty()
                    && let Some(names) = &before
                {
                    own.extend(names[..same].iter().cloned());
                }
                let cells = rows.cells.drain(start..);
                let mut values: Vec<Value> = cells.map(Scalar::into_value).collect();
                values.push(value);
                return whole(map, own, values);
            }
            Node::Row => unreachable!("no rows were given"),
        }
    }
    let names = match before {
        Some(names) if own.is_empty() && same == names.len() => names,
        Some(names) if own.is_empty() => names[..same].into(),
        _ => own.into(),
    };
    rows.names.push(names);
    Ok(Node::Row)
}

/// An object that is a list.
fn whole<'de, A: MapAccess<'de>>(
    mut map: A,
    mut names: Vec<Arc<str>>,
    mut values: Vec<Value>,
) -> Result<Node, A::Error> {
    while let Some(name) = map.next_key_seed(Key { expected: None })? {
        names.push(name.unwrap_or_default());
        values.push(match map.next_value_seed(Element { rows: None })? {
            Node::Scalar(scalar) => scalar.into_value(),
            Node::Value(value) => value,
            Node::Row => unreachable!("no rows were given"),
        });
    }
    Ok(Node::Value(object(names.into_iter(), values)))
}

/// A name, unless it is the expected one.
struct Key<'a> {
    expected: Option<&'a Arc<str>>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<Arc<str>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<Arc<str>>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        match self.expected {
            Some(expected) if **expected == *name => Ok(None),
            _ => Ok(Some(text_of(name))),
        }
    }
}

/// R has no texts with zeros in them.
fn text_of(text: &str) -> Arc<str> {
    if text.contains('\0') {
        return text.replace('\0', "\u{FFFD}").into();
    }
    text.into()
}
