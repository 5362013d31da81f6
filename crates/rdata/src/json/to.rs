//! To JSON.

use std::io::Write;
use std::sync::Arc;

use super::JsonError;
use crate::value::{Data, NA_INTEGER, Value};

/// More than any answer may be.
const LONGEST: usize = 256 << 20;

pub fn to_json(value: &Value) -> Result<Vec<u8>, JsonError> {
    to_json_within(value, LONGEST)
}

/// The same, where an answer may have only so many bytes.
pub fn to_json_within(value: &Value, most: usize) -> Result<Vec<u8>, JsonError> {
    let mut out = Out {
        bytes: vec![],
        most,
    };
    write(value, &mut out)?;
    out.check()?;
    Ok(out.bytes)
}

#[derive(Debug)]
struct Out {
    bytes: Vec<u8>,
    most: usize,
}

impl Out {
    /// Asked for each element: none of them is large.
    fn check(&self) -> Result<(), JsonError> {
        if self.bytes.len() > self.most {
            return Err(JsonError::TooLong { most: self.most });
        }
        Ok(())
    }

    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

fn write(value: &Value, out: &mut Out) -> Result<(), JsonError> {
    out.check()?;
    match &value.data {
        Data::Text(texts) if value.inherits("json") => {
            for text in texts.iter().flatten() {
                out.check()?;
                out.extend_from_slice(text.as_bytes());
            }
            Ok(())
        }
        Data::Null => {
            out.extend_from_slice(b"null");
            Ok(())
        }
        Data::List(columns) if value.inherits("data.frame") => frame(value, columns, out),
        Data::List(values) => {
            let names = value.attribute("names").and_then(optional_texts);
            list(values.iter(), names, out)
        }
        Data::Pairs(members) => {
            let tags = members.iter().map(|member| member.tag.clone());
            let names = members.iter().any(|member| member.tag.is_some());
            let names = names.then(|| tags.map(|tag| Some(tag.unwrap_or_default())).collect());
            list(members.iter().map(|member| &member.value), names, out)
        }
        _ => atomic(value, out),
    }
}

fn optional_texts(value: &Value) -> Option<Vec<Option<Arc<str>>>> {
    match &value.data {
        Data::Text(texts) => Some(texts.clone()),
        _ => None,
    }
}

fn list<'a>(
    values: impl Iterator<Item = &'a Value>,
    names: Option<Vec<Option<Arc<str>>>>,
    out: &mut Out,
) -> Result<(), JsonError> {
    let Some(names) = names else {
        out.push(b'[');
        for (place, value) in values.enumerate() {
            comma(place, out);
            write(value, out)?;
        }
        out.push(b']');
        return Ok(());
    };
    out.push(b'{');
    for (place, value) in values.enumerate() {
        comma(place, out);
        match names.get(place) {
            // One without a name gets its place.
            None => quoted(&(place + 1).to_string(), &mut out.bytes),
            Some(Some(name)) if name.is_empty() => quoted(&(place + 1).to_string(), &mut out.bytes),
            Some(name) => quoted(name.as_deref().unwrap_or("NA"), &mut out.bytes),
        }
        out.push(b':');
        write(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn comma(place: usize, out: &mut Out) {
    if place > 0 {
        out.push(b',');
    }
}

fn atomic(value: &Value, out: &mut Out) -> Result<(), JsonError> {
    let scalars = Scalars::of(value)?;
    if let Some((rows, columns)) = dimensions(value, &scalars) {
        out.push(b'[');
        for row in 0..rows {
            comma(row, out);
            matrix_row(&scalars, row, rows, columns, out)?;
        }
        out.push(b']');
        return Ok(());
    }
    if scalars.length == 1 && !value.inherits("AsIs") {
        scalars.write(0, out);
        return Ok(());
    }
    out.push(b'[');
    for place in 0..scalars.length {
        comma(place, out);
        scalars.write(place, out);
        out.check()?;
    }
    out.push(b']');
    Ok(())
}

/// Rows and columns of a matrix; nothing if the numbers do not fit.
fn dimensions(value: &Value, scalars: &Scalars) -> Option<(usize, usize)> {
    let [rows, columns] = value.attribute("dim")?.integers()?[..] else {
        return None;
    };
    let (rows, columns) = (usize::try_from(rows).ok()?, usize::try_from(columns).ok()?);
    (rows.checked_mul(columns)? == scalars.length).then_some((rows, columns))
}

fn matrix_row(
    scalars: &Scalars,
    row: usize,
    rows: usize,
    columns: usize,
    out: &mut Out,
) -> Result<(), JsonError> {
    out.check()?;
    out.push(b'[');
    for column in 0..columns {
        comma(column, out);
        scalars.write(column * rows + row, out);
    }
    out.push(b']');
    Ok(())
}

/// What a column of a data frame gives for a row.
enum Column<'a> {
    Scalars(Scalars<'a>),
    Matrix(Scalars<'a>, usize),
    List(&'a [Value]),
    Frame(Frame<'a>),
}

struct Frame<'a> {
    rows: usize,
    columns: Vec<(Vec<u8>, Column<'a>)>,
}

fn frame(value: &Value, columns: &[Value], out: &mut Out) -> Result<(), JsonError> {
    let frame = Frame::of(value, columns)?;
    out.push(b'[');
    for row in 0..frame.rows {
        comma(row, out);
        frame.write(row, out)?;
    }
    out.push(b']');
    Ok(())
}

impl<'a> Frame<'a> {
    fn of(value: &'a Value, columns: &'a [Value]) -> Result<Self, JsonError> {
        let rows = rows(value, columns);
        let names = value.attribute("names").and_then(optional_texts);
        let names = names.unwrap_or_default();
        let named = |(place, column)| {
            let name: Arc<str> = names.get(place).cloned().flatten().unwrap_or_default();
            let mut label = vec![];
            quoted(&name, &mut label);
            label.push(b':');
            let column = Column::of(column, rows)?;
            match column {
                Some(column) => Ok((label, column)),
                None => Err(JsonError::Ragged {
                    column: name.to_string(),
                }),
            }
        };
        let columns = columns.iter().enumerate().map(named);
        Ok(Self {
            rows,
            columns: columns.collect::<Result<_, _>>()?,
        })
    }

    fn write(&self, row: usize, out: &mut Out) -> Result<(), JsonError> {
        out.check()?;
        out.push(b'{');
        for (place, (label, column)) in self.columns.iter().enumerate() {
            comma(place, out);
            out.extend_from_slice(label);
            match column {
                Column::Scalars(scalars) => scalars.write(row, out),
                Column::Matrix(scalars, columns) => {
                    matrix_row(scalars, row, self.rows, *columns, out)?;
                }
                Column::List(values) => write(&values[row], out)?,
                Column::Frame(frame) => frame.write(row, out)?,
            }
        }
        out.push(b'}');
        Ok(())
    }
}

impl<'a> Column<'a> {
    /// Nothing if it has not as many rows.
    fn of(value: &'a Value, rows: usize) -> Result<Option<Self>, JsonError> {
        let column = match &value.data {
            Data::List(columns) if value.inherits("data.frame") => {
                Self::Frame(Frame::of(value, columns)?)
            }
            Data::List(values) => Self::List(values),
            _ => {
                let scalars = Scalars::of(value)?;
                match dimensions(value, &scalars) {
                    Some((own, columns)) if own == rows => {
                        return Ok(Some(Self::Matrix(scalars, columns)));
                    }
                    _ => Self::Scalars(scalars),
                }
            }
        };
        let length = match &column {
            Self::Scalars(scalars) | Self::Matrix(scalars, _) => scalars.length,
            Self::List(values) => values.len(),
            Self::Frame(frame) => frame.rows,
        };
        Ok((length == rows).then_some(column))
    }
}

/// How many rows a data frame has: its row names say it, and can be short.
fn rows(value: &Value, columns: &[Value]) -> usize {
    let names = value.attribute("row.names");
    let rows = match names.map(|names| &names.data) {
        Some(Data::Integer(numbers)) => match numbers[..] {
            [NA_INTEGER, rows] => u64::from(rows.unsigned_abs()),
            _ => numbers.len() as u64,
        },
        Some(_) => names.map_or(0, Value::length),
        None => columns.first().map_or(0, Value::length),
    };
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// A vector, and how its elements are written.
struct Scalars<'a> {
    value: &'a Value,
    length: usize,
    kind: Kind,
}

enum Kind {
    Plain,
    Factor(Vec<Arc<str>>),
    Date,
    Time,
}

impl<'a> Scalars<'a> {
    fn of(value: &'a Value) -> Result<Self, JsonError> {
        let kind = match &value.data {
            Data::Logical(_) | Data::Text(_) => Kind::Plain,
            Data::Integer(_)
            | Data::Sequence { .. }
            | Data::Real(_)
            | Data::RealSequence { .. } => {
                if value.inherits("factor") {
                    let levels = value.attribute("levels").and_then(Value::texts);
                    Kind::Factor(levels.unwrap_or_default())
                } else if value.inherits("Date") {
                    Kind::Date
                } else if value.inherits("POSIXct") {
                    Kind::Time
                } else {
                    Kind::Plain
                }
            }
            _ => {
                return Err(JsonError::NoJson {
                    kind: value.type_name(),
                });
            }
        };
        // Each element takes a byte at least.
        match usize::try_from(value.length()) {
            Ok(length) if length <= LONGEST => Ok(Self {
                value,
                length,
                kind,
            }),
            _ => Err(JsonError::TooLong { most: LONGEST }),
        }
    }

    fn write(&self, place: usize, out: &mut Out) {
        let null = |out: &mut Out| out.extend_from_slice(b"null");
        match (&self.value.data, &self.kind) {
            (Data::Text(texts), _) => match &texts[place] {
                Some(text) => quoted(text, &mut out.bytes),
                None => null(out),
            },
            (Data::Logical(values), _) => out.extend_from_slice(match values[place] {
                NA_INTEGER => b"null",
                0 => b"false",
                _ => b"true",
            }),
            (_, Kind::Factor(levels)) => match self.level(place, levels) {
                Some(level) => quoted(level, &mut out.bytes),
                None => null(out),
            },
            (Data::Integer(numbers), Kind::Plain) => match numbers[place] {
                NA_INTEGER => null(out),
                number => display(number, out),
            },
            (_, kind) => match (self.number(place), kind) {
                (Some(number), Kind::Plain) => digits(number, out),
                (Some(number), kind) => match moment(number, kind) {
                    Some(text) => quoted(&text, &mut out.bytes),
                    None => null(out),
                },
                (None, _) => null(out),
            },
        }
    }

    fn level<'b>(&self, place: usize, levels: &'b [Arc<str>]) -> Option<&'b str> {
        let number = self.number(place)?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates"
        )]
        let code = (number as usize).checked_sub(1)?;
        levels.get(code).map(|level| &**level)
    }

    /// Nothing where it is NA or not finite: JSON has no such numbers.
    fn number(&self, place: usize) -> Option<f64> {
        let number = match &self.value.data {
            Data::Integer(numbers) => match numbers[place] {
                NA_INTEGER => return None,
                number => f64::from(number),
            },
            Data::Real(numbers) => numbers[place],
            #[allow(clippy::cast_precision_loss, reason = "integers of R")]
            Data::Sequence { first, step, .. } => *first as f64 + *step as f64 * place as f64,
            #[allow(clippy::cast_precision_loss, reason = "at most 2^28")]
            Data::RealSequence { first, step, .. } => first + step * place as f64,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }
}

fn display(shown: impl std::fmt::Display, out: &mut Out) {
    write!(out.bytes, "{shown}").expect("memory takes all");
}

/// The shortest digits that are this number.
fn digits(number: f64, out: &mut Out) {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        if number == 0.0 && number.is_sign_negative() {
            out.push(b'-');
        }
        #[allow(clippy::cast_possible_truncation, reason = "whole, and below 1e15")]
        return display(number as i64, out);
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
}

/// Days or seconds since 1970, as ISO 8601 has them.
fn moment(number: f64, kind: &Kind) -> Option<String> {
    // Some three million years: more is no date.
    let days = |days: f64| (days.abs() < 1e9).then_some(days);
    #[allow(clippy::cast_possible_truncation, reason = "below 1e9")]
    if matches!(kind, Kind::Date) {
        let (year, month, day) = civil(days(number.floor())? as i64);
        return Some(format!("{year:04}-{month:02}-{day:02}"));
    }
    let seconds = number.floor();
    let since = (seconds / 86_400.0).floor();
    #[allow(clippy::cast_possible_truncation, reason = "below 1e9, and of one day")]
    let (since, second) = (days(since)? as i64, (seconds - since * 86_400.0) as i64);
    let (year, month, day) = civil(since);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

/// Year, month and day of days since 1970, counted in eras of 400 years that begin in
/// March, so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escaped = match byte {
            b'"' | b'\\' => [b'\\', *byte],
            b'\n' => *b"\\n",
            b'\r' => *b"\\r",
            b'\t' => *b"\\t",
            0..0x20 => {
                out.extend_from_slice(&bytes[start..at]);
                write!(out, "\\u{byte:04x}").expect("memory takes all");
                start = at + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..at]);
        out.extend_from_slice(&escaped);
        start = at + 1;
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}
