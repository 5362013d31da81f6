//! The type of the ids, as pandas would infer it for their column, and their order.

use std::cmp::Ordering;
use std::io;

use super::Spelling;
use super::table::{Group, Id};
use crate::{Error, csv};

#[derive(Debug, Clone, PartialEq)]
pub enum Ids {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Booleans(Vec<bool>),
    /// UTF-8.
    Text(Vec<Box<[u8]>>),
}

#[derive(Debug)]
pub struct Ordered<S> {
    pub ids: Ids,
    pub states: Vec<S>,
    /// Where the first row of each group is.
    pub firsts: Vec<u64>,
}

/// Brings groups into pandas' order. Refuses if two of them have equal ids.
pub fn order<S>(
    groups: Vec<Group<S>>,
    spelling: Spelling,
    missing: bool,
) -> Result<Ordered<S>, Error> {
    let kind = match spelling {
        Spelling::Unknown => infer(&groups, missing),
        Spelling::Integers => Kind::Integers,
        Spelling::Floats => Kind::Floats,
        Spelling::Booleans => Kind::Booleans,
    };
    let known = spelling != Spelling::Unknown;
    if known && groups.iter().any(|group| matches!(group.id, Id::Text(_))) {
        let error = io::Error::other("it changed between two passes");
        return Err(Error::Read(error));
    }
    match kind {
        Kind::Integers => sorted(groups, integer, i64::cmp, Spelling::Integers, Ids::Integers),
        Kind::Floats if known => {
            let from_bits = |id: Id| match id {
                Id::Number(bits) => f64::from_bits(bits.cast_unsigned()),
                Id::Text(_) => f64::NAN,
            };
            sorted(groups, from_bits, compare, Spelling::Floats, Ids::Floats)
        }
        Kind::Floats => sorted(groups, float, compare, Spelling::Floats, Ids::Floats),
        Kind::Booleans => sorted(groups, flag, bool::cmp, Spelling::Booleans, Ids::Booleans),
        Kind::Wide => {
            let digits = |id: Id| Digits(text(id));
            let plain = |ids: Vec<Digits>| Ids::Text(ids.into_iter().map(|id| id.0).collect());
            sorted(groups, digits, Ord::cmp, Spelling::Unknown, plain)
        }
        Kind::Text => sorted(groups, text, Ord::cmp, Spelling::Unknown, Ids::Text),
    }
}

/// Digits of a positive integer: the shorter is the smaller.
#[derive(Debug, PartialEq, Eq)]
struct Digits(Box<[u8]>);

impl Ord for Digits {
    fn cmp(&self, other: &Self) -> Ordering {
        let digits = |it: &Self| it.0.len();
        digits(self)
            .cmp(&digits(other))
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Digits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integers,
    /// Integers of any size, none negative, each written in the shortest way.
    Wide,
    Floats,
    Booleans,
    Text,
}

fn infer<S>(groups: &[Group<S>], missing: bool) -> Kind {
    let texts = || {
        groups.iter().filter_map(|group| match &group.id {
            Id::Text(text) => Some(&**text),
            Id::Number(_) => None,
        })
    };
    // Integers and missing values together are floats.
    let integers = if missing {
        Kind::Floats
    } else {
        Kind::Integers
    };
    if texts().next().is_none() {
        return integers;
    }
    let only_texts = texts().count() == groups.len();
    if only_texts && texts().all(|text| csv::flag(text).is_some()) {
        return Kind::Booleans;
    }
    if texts().all(|text| matches!(csv::integer(text), Some(Ok(_)))) {
        return integers;
    }
    if texts().all(|text| csv::integer(text).is_some()) {
        let negative = |group: &Group<S>| matches!(group.id, Id::Number(..0));
        let plain = |text: &[u8]| text.iter().all(u8::is_ascii_digit) && text[0] != b'0';
        let text = missing || groups.iter().any(negative) || !texts().all(plain);
        return if text { Kind::Text } else { Kind::Wide };
    }
    if texts().all(|text| csv::float(text).is_some()) {
        return Kind::Floats;
    }
    Kind::Text
}

fn sorted<S, K>(
    groups: Vec<Group<S>>,
    key: impl Fn(Id) -> K,
    compare: impl Fn(&K, &K) -> Ordering,
    spelling: Spelling,
    ids: impl Fn(Vec<K>) -> Ids,
) -> Result<Ordered<S>, Error> {
    let keyed = |group: Group<S>| (key(group.id), group.first, group.state);
    let mut rows: Vec<_> = groups.into_iter().map(keyed).collect();
    rows.sort_unstable_by(|a, b| compare(&a.0, &b.0));
    let equal = |pair: &[(K, u64, S)]| compare(&pair[0].0, &pair[1].0).is_eq();
    if rows.windows(2).any(equal) {
        return Err(Error::Respelled(spelling));
    }
    let mut keys = Vec::with_capacity(rows.len());
    let mut firsts = Vec::with_capacity(rows.len());
    let mut states = Vec::with_capacity(rows.len());
    for (key, first, state) in rows {
        keys.push(key);
        firsts.push(first);
        states.push(state);
    }
    let ids = ids(keys);
    Ok(Ordered {
        ids,
        states,
        firsts,
    })
}

/// No id is NaN.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is passed as it is")]
fn compare(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}

fn integer(id: Id) -> i64 {
    match id {
        Id::Number(number) => number,
        Id::Text(text) => match csv::integer(&text) {
            Some(Ok(integer)) if integer != i64::MIN => integer,
            _ => 0,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
fn float(id: Id) -> f64 {
    match id {
        Id::Number(number) => number as f64,
        Id::Text(text) => csv::float(&text).unwrap_or(f64::NAN),
    }
}

fn flag(id: Id) -> bool {
    match id {
        Id::Number(number) => number != 0,
        Id::Text(text) => csv::flag(&text).unwrap_or(false),
    }
}

fn text(id: Id) -> Box<[u8]> {
    match id {
        Id::Number(number) => number.to_string().into_bytes().into(),
        Id::Text(text) => text,
    }
}
