//! What R's `as.numeric` and its kin make of values.

use std::borrow::Cow;

use rdata::value::{NA_INTEGER, NA_REAL};

use super::node::{Evaluated, Refusal, To};
use super::vector::Vector;
use crate::frame::Codes;

impl To {
    pub(super) fn convert(self, of: Vector<'_>) -> Evaluated<'_> {
        Ok(match self {
            Self::Number => Vector::Number(as_numbers(of)?),
            Self::Integer => {
                let numbers = as_numbers(of)?;
                Vector::numbers(numbers.iter().map(|x| whole(*x)).collect())
            }
            Self::Text => {
                let labels = of.labels(false).ok_or("a matrix as text")?;
                Vector::Text(labels)
            }
            Self::Logical => match of {
                Vector::Text(labels) | Vector::Factor(labels, _) => {
                    let truths: Vec<i32> = labels.values.iter().map(|own| truth(own)).collect();
                    let of_row =
                        |own: &u32| truths.get(*own as usize).copied().unwrap_or(NA_INTEGER);
                    Vector::logicals(labels.of_rows.iter().map(of_row).collect())
                }
                other => Vector::Logical(other.into_logicals().ok_or("a matrix as logicals")?),
            },
        })
    }
}

/// As an integer of R; what is none is NA.
fn whole(x: f64) -> f64 {
    if x.abs() < -f64::from(i32::MIN) {
        x.trunc() + 0.0
    } else {
        NA_REAL
    }
}

fn as_numbers(of: Vector<'_>) -> Result<Cow<'_, [f64]>, Refusal> {
    Ok(match of {
        Vector::Text(labels) => {
            let parsed: Vec<f64> = labels
                .values
                .iter()
                .map(|own| parse_number(own).unwrap_or(NA_REAL))
                .collect();
            let of_row = |own: &u32| parsed.get(*own as usize).copied().unwrap_or(NA_REAL);
            Cow::Owned(labels.of_rows.iter().map(of_row).collect())
        }
        Vector::Factor(labels, _) => {
            let of_row = |own: &u32| match *own {
                Codes::NA => NA_REAL,
                own => f64::from(own) + 1.0,
            };
            Cow::Owned(labels.of_rows.iter().map(of_row).collect())
        }
        other => other.into_numbers().ok_or("a matrix as numbers")?,
    })
}

/// As R's `as.logical` reads text.
pub(crate) fn truth(text: &str) -> i32 {
    match text {
        "TRUE" | "true" | "T" | "True" => 1,
        "FALSE" | "false" | "F" | "False" => 0,
        _ => NA_INTEGER,
    }
}

/// As R's `as.numeric` reads text, NA aside.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        #[expect(clippy::cast_precision_loss, reason = "R reads it into a double too")]
        return u64::from_str_radix(digits, 16)
            .ok()
            .map(|whole| whole as f64);
    }
    let first = text.trim_start_matches(['+', '-']).chars().next()?;
    let special = matches!(text.trim_start_matches(['+', '-']), "Inf" | "inf" | "NaN");
    let digit = first.is_ascii_digit() || first == '.';
    if !digit && !special {
        return None;
    }
    text.parse().ok()
}
