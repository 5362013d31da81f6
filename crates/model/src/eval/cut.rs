//! `cut` with given breaks.

use std::borrow::Cow;
use std::sync::Arc;

use rdata::value::NA_REAL;

use super::vector::{Labels, Levels, Vector, code};
use crate::frame::Codes;

#[derive(Debug, Clone)]
pub(crate) struct Cut {
    breaks: Vec<f64>,
    right: bool,
    include_lowest: bool,
    /// None: numbers of the intervals, not a factor.
    labels: Option<Vec<Arc<str>>>,
    ordered: bool,
}

/// What `cut` is called with beside its breaks.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub right: bool,
    pub include_lowest: bool,
    pub digits: usize,
    pub ordered: bool,
    pub labels: Naming,
}

#[derive(Debug, Clone)]
pub(crate) enum Naming {
    /// `(0,10]`
    Intervals,
    Given(Vec<Arc<str>>),
    /// `labels = FALSE`
    None,
}

/// Digits that R goes up to until all breaks look different.
const MOST_DIGITS: usize = 12;

impl Cut {
    /// None where R stops: breaks that are not different, labels that are too many.
    pub fn new(mut breaks: Vec<f64>, style: Style) -> Option<Self> {
        breaks.sort_by(f64::total_cmp);
        #[expect(clippy::float_cmp, reason = "R compares so")]
        let same = breaks.windows(2).any(|pair| pair[0] == pair[1]);
        if same || breaks.len() < 2 || breaks.iter().any(|own| own.is_nan()) {
            return None;
        }
        let labels = match style.labels {
            Naming::None => None,
            Naming::Given(labels) if labels.len() + 1 == breaks.len() => Some(labels),
            Naming::Given(_) => return None,
            Naming::Intervals => {
                let digits = style.digits;
                Some(intervals(
                    &breaks,
                    digits,
                    style.right,
                    style.include_lowest,
                ))
            }
        };
        Some(Self {
            breaks,
            right: style.right,
            include_lowest: style.include_lowest,
            labels,
            ordered: style.ordered,
        })
    }

    pub fn apply(&self, x: &[f64]) -> Vector<'static> {
        let places = x.iter().map(|x| self.interval(*x));
        let Some(labels) = &self.labels else {
            let numbers = places.map(|at| at.map_or(NA_REAL, |at| f64::from(code(at)) + 1.0));
            return Vector::numbers(numbers.collect());
        };
        let of_rows = places.map(|at| at.map_or(Codes::NA, code)).collect();
        // Labels that are the same are one level.
        let mut values: Vec<Arc<str>> = vec![];
        for label in labels {
            if !values.contains(label) {
                values.push(label.clone());
            }
        }
        let of_rows: Vec<u32> = of_rows;
        let of_rows = of_rows
            .into_iter()
            .map(|own| match labels.get(own as usize) {
                Some(label) => code(values.iter().position(|own| own == label).unwrap_or(0)),
                None => Codes::NA,
            });
        Vector::Factor(
            Labels {
                of_rows: Cow::Owned(of_rows.collect()),
                values: Cow::Owned(values),
            },
            Levels {
                ordered: self.ordered,
            },
        )
    }

    fn interval(&self, x: f64) -> Option<usize> {
        let last = self.breaks.len() - 1;
        let (low, high) = (self.breaks[0], self.breaks[last]);
        if x.is_nan() || x < low || x > high {
            return None;
        }
        #[expect(clippy::float_cmp, reason = "at exactly the end")]
        let at_end = (self.include_lowest) && (if self.right { x == low } else { x == high });
        if at_end {
            return Some(if self.right { 0 } else { last - 1 });
        }
        let behind = |own: &f64| if self.right { *own < x } else { *own <= x };
        let below = self.breaks.partition_point(behind);
        below.checked_sub(1).filter(|place| *place < last)
    }
}

fn intervals(breaks: &[f64], digits: usize, right: bool, lowest: bool) -> Vec<Arc<str>> {
    let (open, close) = if right { ('(', ']') } else { ('[', ')') };
    let different = (digits..=digits.max(MOST_DIGITS)).find_map(|digits| {
        let texts: Vec<String> = breaks.iter().map(|own| general(*own, digits)).collect();
        let same = texts.windows(2).any(|pair| pair[0] == pair[1]);
        (!same).then_some(texts)
    });
    let count = breaks.len() - 1;
    let Some(texts) = different else {
        return (1..=count).map(|at| format!("Range_{at}").into()).collect();
    };
    let label = |at: usize| -> Arc<str> {
        let open = if lowest && right && at == 0 {
            '['
        } else {
            open
        };
        let close = if lowest && !right && at == count - 1 {
            ']'
        } else {
            close
        };
        format!("{open}{},{}{close}", texts[at], texts[at + 1]).into()
    };
    (0..count).map(label).collect()
}

/// C's `%.*g`, and infinity as R's `formatC` writes it.
fn general(x: f64, digits: usize) -> String {
    if x == f64::INFINITY {
        return " Inf".into();
    }
    if x == f64::NEG_INFINITY {
        return "-Inf".into();
    }
    if x == 0.0 {
        return "0".into();
    }
    let digits = digits.max(1);
    let scientific = format!("{x:.*e}", digits - 1);
    let (mantissa, power) = scientific
        .split_once('e')
        .expect("the format has an exponent");
    let power: i32 = power.parse().expect("exponents are whole numbers");
    let trimmed = |text: &str| {
        let point = text.contains('.');
        let text = if point {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            text
        };
        text.to_owned()
    };
    let most = i32::try_from(digits).unwrap_or(i32::MAX);
    if power < -4 || power >= most {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), power.abs());
    }
    let decimals = usize::try_from(most - 1 - power).unwrap_or(0);
    trimmed(&format!("{x:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(breaks: &[f64]) -> Vec<String> {
        let labels = intervals(breaks, 3, true, false);
        labels.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn intervals_are_named_as_in_r() {
        assert_eq!(labels(&[0.0, 1.0, 2.5]), ["(0,1]", "(1,2.5]"]);
        assert_eq!(
            labels(&[0.0, 0.123_456, 0.123_456_7]),
            ["(0,0.123456]", "(0.123456,0.123457]"]
        );
        assert_eq!(
            labels(&[f64::NEG_INFINITY, 1e5, 1_234_567.0, f64::INFINITY]),
            ["(-Inf,1e+05]", "(1e+05,1.23e+06]", "(1.23e+06, Inf]"]
        );
    }
}
