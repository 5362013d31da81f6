//! Doubles in JSON: the shortest digits that come back, and texts for what JSON does not
//! have.

use rdata::value::{NA_REAL, is_na};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

#[derive(Debug, Clone, Copy)]
pub struct Real(pub f64);

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if number.is_finite() => to.serialize_f64(number),
            number if is_na(number) => to.serialize_str("NA"),
            number if number.is_nan() => to.serialize_str("NaN"),
            number if number > 0.0 => to.serialize_str("Inf"),
            _ => to.serialize_str("-Inf"),
        }
    }
}

impl<'de> Deserialize<'de> for Real {
    /// Through the text: what `serde_json` makes of digits may be off by the last bit.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        let number = match raw.get() {
            "\"NA\"" => NA_REAL,
            "\"NaN\"" => f64::NAN,
            "\"Inf\"" => f64::INFINITY,
            "\"-Inf\"" => f64::NEG_INFINITY,
            text => text
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .ok_or_else(|| D::Error::custom(format!("{} is not a number", shown(text))))?,
        };
        Ok(Self(number))
    }
}

/// Not all of what may be megabytes.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.into(),
    }
}

pub fn reals(numbers: &[f64]) -> Vec<Real> {
    numbers.iter().copied().map(Real).collect()
}

pub fn numbers(reals: Vec<Real>) -> Vec<f64> {
    reals.into_iter().map(|real| real.0).collect()
}
