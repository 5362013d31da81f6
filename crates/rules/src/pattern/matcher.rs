//! What one value is compared with.

use std::net::IpAddr;

use serde_json::{Number, Value};

use super::cidr::Cidr;
use super::wildcard::Wildcard;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    Exactly(Value),
    Text(TextTest),
    /// A value that passes none of these, of whatever kind.
    NoneOf(Vec<TextTest>),
    /// A value that is none of these texts or numbers.
    AnythingBut(Vec<Value>),
    Numeric(Bounds),
    Cidr(Cidr),
    Present,
    /// There is no such value; not a matter of one value, and so never `fits`.
    Absent,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextTest {
    Prefix(String),
    Suffix(String),
    /// These three hold their text in lower case.
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    EqualIgnoringCase(String),
    Wildcard(Wildcard),
}

/// `None` is no bound; the flag says whether the bound itself is within.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Bounds {
    pub low: Option<(f64, bool)>,
    pub high: Option<(f64, bool)>,
}

impl Matcher {
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(wanted) => same(wanted, value),
            Self::Text(test) => value.as_str().is_some_and(|text| test.passes(text)),
            Self::NoneOf(tests) => !value
                .as_str()
                .is_some_and(|text| tests.iter().any(|test| test.passes(text))),
            Self::AnythingBut(values) => !values.iter().any(|other| same(other, value)),
            Self::Numeric(bounds) => value.as_f64().is_some_and(|number| bounds.hold(number)),
            Self::Cidr(cidr) => value
                .as_str()
                .and_then(|text| text.parse::<IpAddr>().ok())
                .is_some_and(|address| cidr.holds(address)),
            Self::Present => true,
            Self::Absent => false,
        }
    }
}

impl TextTest {
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::PrefixIgnoringCase(prefix) => text.to_lowercase().starts_with(prefix),
            Self::SuffixIgnoringCase(suffix) => text.to_lowercase().ends_with(suffix),
            Self::EqualIgnoringCase(other) => text.to_lowercase() == *other,
            Self::Wildcard(wildcard) => wildcard.fits(text),
        }
    }
}

impl Bounds {
    fn hold(self, number: f64) -> bool {
        let above = self
            .low
            .is_none_or(|(low, within)| number > low || (within && number >= low));
        let below = self
            .high
            .is_none_or(|(high, within)| number < high || (within && number <= high));
        above && below
    }
}

/// Numbers are the same however they are written: 300 and 3.0e2.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        _ => a == b,
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
}
