//! JSON for the fields of a model, in the forms in which tables travel: one object, a
//! list of them, an object of lists, names beside rows.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cell::{Growing, Value};
use super::error::InputError;
use super::field::Field;
use crate::frame::Frame;

/// Rows that were read, with a column for each field.
#[derive(Debug)]
pub struct Rows {
    pub frame: Frame,
    /// One object, and not a list of one.
    pub single: bool,
}

/// How JSON is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Numbers in text are numbers where these are wanted, and numbers are levels.
    pub coerce: bool,
    pub most_rows: u64,
}

/// Reads what has a value for each field. What belongs to no field is passed over.
pub fn read(text: &[u8], fields: &[Field], rules: Rules) -> Result<Rows, InputError> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'[') => {
            let records: Vec<&RawValue> = parsed(text)?;
            let frame = records_of(&records, fields, rules)?;
            let single = false;
            Ok(Rows { frame, single })
        }
        Some(b'{') => object(&parsed(text)?, fields, rules),
        Some(_) => {
            // What is no JSON at all says so itself.
            let _: &RawValue = parsed(text)?;
            Err(wrong("it is neither an object nor a list of objects"))
        }
        None => Err(wrong("there is nothing in it")),
    }
}

fn wrong(what: &str) -> InputError {
    InputError::Json {
        message: format!("the JSON holds no rows: {what}"),
    }
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, InputError> {
    serde_json::from_slice(text).map_err(|error| InputError::Json {
        message: format!("this is not JSON: {error}"),
    })
}

/// Names and values, in their order. Of a name that comes twice the last counts.
#[derive(Debug)]
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().rfind(|(own, _)| own == name);
        found.map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    pairs.push((name, map.next_value()?));
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Text that is only copied if it must be.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn is_list(value: &RawValue) -> bool {
    value.get().starts_with('[')
}

fn object(object: &Object<'_>, fields: &[Field], rules: Rules) -> Result<Rows, InputError> {
    let is_field = |name: &str| fields.iter().any(|field| *field.name == *name);
    let own = |name: &str| object.get(name).filter(|it| is_list(it) && !is_field(name));
    let many = |frame| Rows {
        frame,
        single: false,
    };
    match (own("columns"), own("data")) {
        (Some(names), Some(rows)) => return split(names, rows, fields, rules).map(many),
        (None, Some(rows)) => {
            let records: Vec<&RawValue> = parsed(rows.get().as_bytes())?;
            return records_of(&records, fields, rules).map(many);
        }
        _ => {}
    }
    let values = fields.iter().filter_map(|field| object.get(&field.name));
    if values.clone().any(is_list) && values.clone().all(is_list) {
        return lists(object, fields, rules).map(many);
    }
    let mut columns = Columns::new(fields, rules);
    columns.record(object, 1)?;
    Ok(Rows {
        frame: columns.finish(1),
        single: true,
    })
}

fn records_of(records: &[&RawValue], fields: &[Field], rules: Rules) -> Result<Frame, InputError> {
    bounded(records.len(), rules)?;
    let mut columns = Columns::new(fields, rules);
    for (row, record) in (1..).zip(records) {
        if !record.get().starts_with('{') {
            return Err(InputError::Json {
                message: format!("row {row} is not an object"),
            });
        }
        columns.record(&parsed(record.get().as_bytes())?, row)?;
    }
    Ok(columns.finish(records.len()))
}

fn bounded(rows: usize, rules: Rules) -> Result<(), InputError> {
    if rows as u64 > rules.most_rows {
        return Err(InputError::TooManyRows {
            limit: rules.most_rows,
        });
    }
    Ok(())
}

/// `{"gre": [800, 640], "rank": ["1", "4"]}`
fn lists(object: &Object<'_>, fields: &[Field], rules: Rules) -> Result<Frame, InputError> {
    let mut columns = Columns::new(fields, rules);
    columns.check(|field| object.get(&field.name).is_some(), 1)?;
    let mut rows = None;
    for (at, field) in fields.iter().enumerate() {
        let Some(list) = object.get(&field.name) else {
            continue;
        };
        let values: Vec<&RawValue> = parsed(list.get().as_bytes())?;
        bounded(values.len(), rules)?;
        let first = *rows.get_or_insert(values.len());
        if first != values.len() {
            let message = format!(
                "the lists are not of one length: {:?} has {} values, and {:?} has {}",
                fields[0].name,
                first,
                field.name,
                values.len()
            );
            return Err(InputError::Json { message });
        }
        for (row, value) in (1..).zip(values) {
            columns.cell(at, value, row)?;
        }
    }
    Ok(columns.finish(rows.unwrap_or_default()))
}

/// `{"columns": ["gre", "rank"], "data": [[800, "1"], [640, "4"]]}`
fn split(
    names: &RawValue,
    rows: &RawValue,
    fields: &[Field],
    rules: Rules,
) -> Result<Frame, InputError> {
    let names: Vec<Name<'_>> = parsed(names.get().as_bytes())?;
    let place = |field: &Field| names.iter().position(|Name(name)| **name == *field.name);
    let mut columns = Columns::new(fields, rules);
    columns.check(|field| place(field).is_some(), 1)?;
    let places: Vec<_> = fields.iter().filter_map(place).collect();
    let rows: Vec<&RawValue> = parsed(rows.get().as_bytes())?;
    bounded(rows.len(), rules)?;
    for (row, values) in (1..).zip(&rows) {
        let values: Vec<&RawValue> = parsed(values.get().as_bytes())?;
        if values.len() != names.len() {
            let message = format!(
                "row {row} has {} values, and there are {} columns",
                values.len(),
                names.len()
            );
            return Err(InputError::Json { message });
        }
        for (at, place) in places.iter().enumerate() {
            columns.cell(at, values[*place], row)?;
        }
    }
    Ok(columns.finish(rows.len()))
}

/// Columns while rows come.
struct Columns<'f> {
    fields: &'f [Field],
    rules: Rules,
    growing: Vec<Growing>,
}

impl<'f> Columns<'f> {
    fn new(fields: &'f [Field], rules: Rules) -> Self {
        Self {
            fields,
            rules,
            growing: fields.iter().map(|_| Growing::new()).collect(),
        }
    }

    /// Names all fields that are not there.
    fn check(&self, is_there: impl Fn(&Field) -> bool, row: u64) -> Result<(), InputError> {
        let names = |fields: Vec<&Field>| {
            let names = fields.iter().map(|field| Arc::clone(&field.name));
            names.collect::<Vec<_>>()
        };
        let missing: Vec<_> = self
            .fields
            .iter()
            .filter(|field| !is_there(field))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(InputError::Fields {
            row,
            missing: names(missing),
            needed: names(self.fields.iter().collect()),
        })
    }

    fn record(&mut self, object: &Object<'_>, row: u64) -> Result<(), InputError> {
        for at in 0..self.fields.len() {
            let Some(value) = object.get(&self.fields[at].name) else {
                return self.check(|field| object.get(&field.name).is_some(), row);
            };
            self.cell(at, value, row)?;
        }
        Ok(())
    }

    fn cell(&mut self, at: usize, raw: &RawValue, row: u64) -> Result<(), InputError> {
        let field = &self.fields[at];
        let value = value(field, raw, self.rules.coerce, row)?;
        let pushed = self.growing[at].push(value);
        // Only fields that take anything get here with something else than before.
        pushed.ok_or_else(|| InputError::Cell {
            row,
            field: Arc::clone(&field.name),
            found: raw_shown(raw),
            wanted: "value like those of the rows before",
            hint: None,
        })
    }

    fn finish(self, rows: usize) -> Frame {
        if self.fields.is_empty() {
            return Frame::empty(rows);
        }
        let columns = self.fields.iter().zip(self.growing);
        let columns = columns.map(|(field, column)| {
            let name = Arc::clone(&field.name);
            (name, column.finish(field))
        });
        Frame::new(columns.collect())
    }
}

/// What stands there, as the field takes it.
fn value<'a>(
    field: &Field,
    raw: &'a RawValue,
    coerce: bool,
    row: u64,
) -> Result<Value<'a>, InputError> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(Value::Missing),
        Some(b't') => field.logical(true, coerce, row),
        Some(b'f') => field.logical(false, coerce, row),
        Some(b'"') => {
            let Name(text) = parsed(text.as_bytes())?;
            field.text(text, coerce, row)
        }
        Some(b'[' | b'{') | None => Err(field.unfit(row, raw_shown(raw))),
        // The nearest double, which is not what serde_json makes of all numbers.
        Some(_) => match text.parse() {
            Ok(number) => field.number(number, coerce, row),
            Err(_) => Err(field.unfit(row, raw_shown(raw))),
        },
    }
}

fn raw_shown(raw: &RawValue) -> String {
    const SHOWN: usize = 60;
    let text = raw.get();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
