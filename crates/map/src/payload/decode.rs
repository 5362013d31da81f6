//! Answers of functions. They are the user's to make, so nothing is believed: what is
//! not as `docs/map-protocol.md` says is refused, with what is wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{Answer, Description, ItemAnswer, ItemError, Reply, Took};

#[derive(Debug, thiserror::Error)]
#[error("the function's answer is not one to a chunk: {detail}")]
pub struct BadAnswer {
    pub detail: String,
}

fn bad(detail: impl fmt::Display) -> BadAnswer {
    let detail = detail.to_string();
    BadAnswer { detail }
}

pub fn description(answer: &[u8]) -> Result<Description, BadAnswer> {
    #[derive(Deserialize)]
    struct Described {
        squall: Description,
    }
    let described: Described = serde_json::from_slice(answer).map_err(bad)?;
    Ok(described.squall)
}

#[derive(Deserialize)]
struct Whole<'a> {
    squall: Option<Squall>,
    #[serde(borrow)]
    results: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    took: Option<Took>,
}

#[derive(Deserialize)]
struct Squall {
    #[serde(default)]
    put: bool,
}

pub fn reply(answer: &[u8], items: usize) -> Result<Reply, BadAnswer> {
    let whole: Whole<'_> = serde_json::from_slice(answer).map_err(bad)?;
    if whole.squall.is_some_and(|squall| squall.put) {
        return Ok(Reply::Put);
    }
    let took = whole.took.unwrap_or_default();
    if [took.wall, took.cpu, took.codec].iter().any(|it| *it < 0.0) {
        return Err(bad("it took less than no time"));
    }
    let results = whole.results.ok_or_else(|| bad("there are no results"))?;
    let results: Vec<&RawValue> = at_most(results, items)?;
    if results.len() != items {
        return Err(bad(format_args!(
            "{} results for {items} items",
            results.len()
        )));
    }
    let mut errors = by_place(whole.errors, items)?;
    let items = results.into_iter().enumerate().map(|(place, result)| {
        let raised = errors.get_mut(place).and_then(Option::take);
        raised.map_or_else(|| ItemAnswer::Value(result.to_owned()), ItemAnswer::Raised)
    });
    Ok(Reply::Items(Answer {
        items: items.collect(),
        took,
    }))
}

/// The error of each item that has one; nothing at all if none has.
fn by_place(errors: Option<&RawValue>, items: usize) -> Result<Vec<Option<ItemError>>, BadAnswer> {
    let mut placed = Vec::new();
    let Some(errors) = errors.filter(|errors| errors.get() != "null") else {
        return Ok(placed);
    };
    let errors: Vec<(usize, ItemError)> = at_most(errors, items)?;
    if !errors.is_empty() {
        placed.resize(items, None);
    }
    for (place, error) in errors {
        let slot = placed
            .get_mut(place)
            .ok_or_else(|| bad(format_args!("an error of item {place} of {items}")))?;
        if slot.replace(error.bounded()).is_some() {
            return Err(bad(format_args!("two errors of item {place}")));
        }
    }
    Ok(placed)
}

/// Reads a list that is not to be longer than it may be, however long it is.
fn at_most<'a, T: Deserialize<'a>>(list: &'a RawValue, most: usize) -> Result<Vec<T>, BadAnswer> {
    let mut reader = serde_json::Deserializer::from_str(list.get());
    let kind = PhantomData;
    AtMost { most, kind }.deserialize(&mut reader).map_err(bad)
}

struct AtMost<T> {
    most: usize,
    kind: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for AtMost<T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Vec<T>, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtMost<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of at most {}", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while values.len() < self.most {
            match list.next_element()? {
                Some(value) => values.push(value),
                None => return Ok(values),
            }
        }
        match list.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(format_args!(
                "a list is longer than {}",
                self.most
            ))),
            None => Ok(values),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag<'a> {
    squall: &'a str,
}

/// With the spaces that some writers leave.
const LONGEST_TAG: usize = 32;

/// The number that a result stands for if it is one of those that JSON cannot write.
pub fn untag(result: &RawValue) -> Option<f64> {
    // Nearly all are something else, and are not parsed.
    if !result.get().starts_with('{') || result.get().len() > LONGEST_TAG {
        return None;
    }
    match serde_json::from_str::<Tag<'_>>(result.get()).ok()?.squall {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
