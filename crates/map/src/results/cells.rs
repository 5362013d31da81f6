//! One column of results: from the JSON of its cells to a type that holds them all.

use std::borrow::Cow;

use science::Ids;
use types::table::{Texts, Values};

use crate::payload;

/// What is written in one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Missing,
    Integer(i64),
    /// An integer of more than 64 bits, in digits.
    Wide(&'a str),
    Float(f64),
    Boolean(bool),
    /// In quotes.
    Text(&'a str),
    /// A list or an object.
    Nested(&'a str),
}

/// Which kinds of cells a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u8);

impl Kinds {
    const MISSING: Self = Self(1);
    const INTEGER: Self = Self(2);
    const FLOAT: Self = Self(4);
    const BOOLEAN: Self = Self(8);
    const TEXT: Self = Self(16);
    pub const OTHER: Self = Self(32);

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has none but these.
    fn only(self, kinds: &[Self]) -> bool {
        let all = kinds
            .iter()
            .fold(Self::default(), |all, kind| all.with(*kind));
        self.0 & !all.0 == 0
    }
}

impl<'a> Cell<'a> {
    /// Of valid JSON.
    pub fn of(json: &'a str) -> Self {
        match json.as_bytes().first() {
            Some(b'n') | None => Self::Missing,
            Some(b't') => Self::Boolean(true),
            Some(b'f') => Self::Boolean(false),
            Some(b'"') => Self::Text(json),
            Some(b'[') => Self::Nested(json),
            Some(b'{') => untag(json).map_or(Self::Nested(json), Self::Float),
            Some(_) => Self::number(json),
        }
    }

    fn number(json: &'a str) -> Self {
        if let Ok(integer) = json.parse() {
            return Self::Integer(integer);
        }
        if json.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            return Self::Float(json.parse().unwrap_or(f64::NAN));
        }
        Self::Wide(json)
    }

    pub fn kind(self) -> Kinds {
        match self {
            Self::Missing => Kinds::MISSING,
            Self::Integer(_) => Kinds::INTEGER,
            Self::Float(_) => Kinds::FLOAT,
            Self::Boolean(_) => Kinds::BOOLEAN,
            Self::Text(_) => Kinds::TEXT,
            Self::Wide(_) | Self::Nested(_) => Kinds::OTHER,
        }
    }
}

/// The number that an object stands for, if it is one that JSON cannot write.
fn untag(json: &str) -> Option<f64> {
    // Nearly all are something else, and are not parsed.
    let tag = json[1..].trim_start().starts_with(r#""squall""#);
    payload::untag(tag.then(|| serde_json::from_str(json).ok())??)
}

/// Text of JSON without its quotes. Half of a surrogate pair, which no text may have,
/// leaves it as it is.
pub fn unquoted(json: &str) -> Cow<'_, str> {
    let inner = json
        .get(1..json.len().saturating_sub(1))
        .unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str(json).map_or(Cow::Borrowed(json), Cow::Owned)
}

/// A column as it stands in the results.
#[derive(Debug, Default)]
pub struct Raw<'a> {
    /// In the order of their rows. A row that is not there is missing.
    cells: Vec<(usize, &'a str)>,
    kinds: Kinds,
}

impl<'a> Raw<'a> {
    pub fn push(&mut self, row: usize, json: &'a str, kind: Kinds) {
        self.kinds = self.kinds.with(kind);
        match self.cells.last_mut() {
            // The same key twice in one object: Python keeps the last.
            Some(last) if last.0 == row => last.1 = json,
            _ => self.cells.push((row, json)),
        }
    }

    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// With one cell for each of so many rows.
    pub fn typed(self, rows: usize) -> Cells {
        use Kinds as K;
        let mut kinds = self.kinds;
        if self.cells.len() < rows {
            kinds = kinds.with(K::MISSING);
        }
        let mut given = self.cells.into_iter().peekable();
        let jsons = (0..rows).map(|row| given.next_if(|(at, _)| *at == row).map(|(_, json)| json));
        if kinds.only(&[K::TEXT, K::MISSING]) && !kinds.only(&[K::MISSING]) {
            return Cells::Plain(Values::Texts(jsons.fold(
                Texts::default(),
                |mut texts, json| {
                    let text = json.filter(|json| json.starts_with('"')).map(unquoted);
                    texts.push(text.as_deref());
                    texts
                },
            )));
        }
        let cells = jsons.map(|json| (json, json.map_or(Cell::Missing, Cell::of)));
        if kinds.only(&[K::INTEGER]) {
            let integer = |(_, cell)| match cell {
                Cell::Integer(value) => value,
                other => unreachable!("{other:?} in a column of integers"),
            };
            return Cells::Plain(Values::Integers(cells.map(integer).collect()));
        }
        if kinds.only(&[K::INTEGER, K::FLOAT, K::MISSING]) {
            #[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
            let float = |(_, cell)| match cell {
                Cell::Integer(value) => value as f64,
                Cell::Float(value) => value,
                _ => f64::NAN,
            };
            return Cells::Plain(Values::Floats(cells.map(float).collect()));
        }
        if kinds.only(&[K::BOOLEAN, K::MISSING]) {
            let flag = |(_, cell)| match cell {
                Cell::Boolean(value) => Some(value),
                _ => None,
            };
            return Cells::Flags(cells.map(flag).collect());
        }
        Cells::Mixed(cells.fold(Texts::default(), |mut texts, (json, cell)| {
            match cell {
                Cell::Nested(json) => texts.push(Some(&without_tags(json))),
                Cell::Missing => texts.push(None),
                Cell::Float(value) if value.is_nan() => texts.push(None),
                _ => texts.push(json),
            }
            texts
        }))
    }
}

/// The tags of numbers that JSON cannot write, in the ways that they are written.
const TAGS: [&str; 6] = [
    r#"{"squall":"nan"}"#,
    r#"{"squall":"inf"}"#,
    r#"{"squall":"-inf"}"#,
    r#"{"squall": "nan"}"#,
    r#"{"squall": "inf"}"#,
    r#"{"squall": "-inf"}"#,
];

/// Nested results, in which such numbers are missing. Within a text of JSON quotes
/// would be escaped, so that no tag can be in it.
fn without_tags(json: &str) -> Cow<'_, str> {
    let mut json = Cow::Borrowed(json);
    if json.contains(r#"{"squall":"#) {
        for tag in TAGS {
            json = Cow::Owned(json.replace(tag, "null"));
        }
    }
    json
}

/// A column of which all cells have one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    Plain(Values),
    /// Truth values, some of which may be missing.
    Flags(Vec<Option<bool>>),
    /// JSON of any kind.
    Mixed(Texts),
}

/// A cell as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown<'a> {
    Missing,
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(&'a str),
    Json(&'a str),
}

impl Cells {
    /// The ids of some ranks.
    pub fn of_ids(ids: &Ids, ranks: &[usize]) -> Self {
        let ranks = ranks.iter().copied();
        Self::Plain(match ids {
            Ids::Integers(ids) => Values::Integers(ranks.map(|rank| ids[rank]).collect()),
            Ids::Floats(ids) => Values::Floats(ranks.map(|rank| ids[rank]).collect()),
            Ids::Booleans(ids) => Values::Booleans(ranks.map(|rank| ids[rank]).collect()),
            Ids::Text(ids) => Values::Texts(ranks.fold(Texts::default(), |mut texts, rank| {
                texts.push(Some(&String::from_utf8_lossy(&ids[rank])));
                texts
            })),
        })
    }

    pub fn cell(&self, row: usize) -> Shown<'_> {
        match self {
            Self::Plain(Values::Integers(values)) => Shown::Integer(values[row]),
            Self::Plain(Values::Floats(values)) if values[row].is_nan() => Shown::Missing,
            Self::Plain(Values::Floats(values)) => Shown::Float(values[row]),
            Self::Plain(Values::Booleans(values)) => Shown::Boolean(values[row]),
            Self::Plain(Values::Texts(texts)) => texts.get(row).map_or(Shown::Missing, Shown::Text),
            Self::Flags(values) => values[row].map_or(Shown::Missing, Shown::Boolean),
            Self::Mixed(texts) => texts.get(row).map_or(Shown::Missing, Shown::Json),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(values) => values.len(),
            Self::Flags(values) => values.len(),
            Self::Mixed(texts) => texts.len(),
        }
    }

    /// Whether they are the same wherever these are not missing.
    pub fn looks_like(&self, other: &Self) -> bool {
        (0..self.len()).all(|row| {
            let cell = self.cell(row);
            cell == Shown::Missing || cell == other.cell(row)
        })
    }
}
