//! What a rule says, in words: `errors > 5%`, `p99 > 300ms`, `requests < 1/s`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Answers of class 5xx; of a function, all invocations that did not end well.
    Errors,
    /// Of a function, its invocations.
    Requests,
    P50,
    P90,
    P95,
    P99,
    /// Called more often than it may be.
    Throttled,
    /// Not let in, for whatever reason.
    Refused,
    /// Events that wait.
    Queue,
    /// How old the oldest of them is.
    QueueAge,
    /// Of maps.
    FailedItems,
    /// Of maps that nobody waits for.
    FailedJobs,
    /// How much of its quota a key has used.
    Quota,
}

/// How a limit is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    /// Of all requests, in percent.
    Percent,
    PerSecond,
    Millis,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    pub measure: Measure,
    pub unit: Unit,
    /// Whether more than the limit is bad, or less.
    pub above: bool,
    pub limit: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCondition {
    #[error("{0:?} is no condition: write it as in 'errors > 5%' or 'p99 > 300ms'")]
    Form(String),
    #[error("{word:?} is nothing that can be looked at: there are {}", names())]
    Measure { word: String },
    #[error("{measure} is compared with {}, and {given:?} is none", wanted(*measure))]
    Limit { measure: Measure, given: String },
}

impl Measure {
    const ALL: [(Self, &str); 13] = [
        (Self::Errors, "errors"),
        (Self::Requests, "requests"),
        (Self::P50, "p50"),
        (Self::P90, "p90"),
        (Self::P95, "p95"),
        (Self::P99, "p99"),
        (Self::Throttled, "throttled"),
        (Self::Refused, "refused"),
        (Self::Queue, "queue"),
        (Self::QueueAge, "queue-age"),
        (Self::FailedItems, "failed-items"),
        (Self::FailedJobs, "failed-jobs"),
        (Self::Quota, "quota"),
    ];

    fn units(self) -> &'static [Unit] {
        match self {
            Self::Errors | Self::Throttled | Self::Refused => {
                &[Unit::Count, Unit::Percent, Unit::PerSecond]
            }
            Self::Requests => &[Unit::Count, Unit::PerSecond],
            Self::P50 | Self::P90 | Self::P95 | Self::P99 | Self::QueueAge => &[Unit::Millis],
            Self::Queue | Self::FailedItems | Self::FailedJobs => &[Unit::Count],
            Self::Quota => &[Unit::Percent],
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(measure, _)| measure == self);
        f.write_str(found.expect("all measures are in the list").1)
    }
}

fn names() -> String {
    Measure::ALL.map(|(_, name)| name).join(", ")
}

fn wanted(measure: Measure) -> String {
    let units = measure.units().iter().map(|unit| match unit {
        Unit::Count => "a number",
        Unit::Percent => "a share such as 5%",
        Unit::PerSecond => "a rate such as 10/s",
        Unit::Millis => "a time such as 300ms or 2s",
    });
    units.collect::<Vec<_>>().join(" or ")
}

impl Condition {
    /// Whether a value is as the rule says that it shall not be. Where there is no value,
    /// such as a time of requests when there were none, nothing is wrong.
    pub fn holds(&self, value: Option<f64>) -> bool {
        match value {
            None => false,
            Some(value) if self.above => value > self.limit,
            Some(value) => value < self.limit,
        }
    }

    /// A value as the limit is written.
    pub fn show(&self, value: f64) -> String {
        let number = |value: f64| {
            let text = format!("{value:.2}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            text.to_owned()
        };
        match self.unit {
            Unit::Count => number(value),
            Unit::Percent => format!("{}%", number(value)),
            Unit::PerSecond => format!("{}/s", number(value)),
            Unit::Millis if value >= 1000.0 => format!("{}s", number(value / 1000.0)),
            Unit::Millis => format!("{}ms", number(value)),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.above { '>' } else { '<' };
        write!(f, "{} {sign} {}", self.measure, self.show(self.limit))
    }
}

impl FromStr for Condition {
    type Err = BadCondition;

    fn from_str(text: &str) -> Result<Self, BadCondition> {
        let form = || BadCondition::Form(text.chars().take(100).collect());
        let at = text.find(['>', '<']).ok_or_else(form)?;
        let (word, rest) = text.split_at(at);
        let above = rest.starts_with('>');
        let (word, limit) = (word.trim(), rest[1..].trim());
        if word.is_empty() || limit.is_empty() {
            return Err(form());
        }
        let name = word.to_ascii_lowercase().replace([' ', '_'], "-");
        let measure = Measure::ALL.iter().find(|(_, own)| *own == name);
        let measure = measure.ok_or_else(|| BadCondition::Measure {
            word: word.chars().take(40).collect(),
        })?;
        let measure = measure.0;
        let read = read(limit).filter(|(_, unit)| measure.units().contains(unit));
        let (limit, unit) = read.ok_or_else(|| BadCondition::Limit {
            measure,
            given: limit.chars().take(40).collect(),
        })?;
        Ok(Self {
            measure,
            unit,
            above,
            limit,
        })
    }
}

fn read(text: &str) -> Option<(f64, Unit)> {
    let units = [
        ("%", Unit::Percent, 1.0),
        ("/s", Unit::PerSecond, 1.0),
        ("ms", Unit::Millis, 1.0),
        ("s", Unit::Millis, 1_000.0),
        ("m", Unit::Millis, 60_000.0),
        ("h", Unit::Millis, 3_600_000.0),
        ("", Unit::Count, 1.0),
    ];
    let (text, unit, factor) = units
        .into_iter()
        .find_map(|(suffix, unit, factor)| Some((text.strip_suffix(suffix)?, unit, factor)))?;
    let number: f64 = text.trim_end().parse().ok()?;
    let good = number.is_finite() && (0.0..1e12).contains(&number);
    good.then_some((number * factor, unit))
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_shown() {
        for (text, shown) in [
            ("errors > 5%", "errors > 5%"),
            ("errors>3", "errors > 3"),
            ("Refused > 0.5/s", "refused > 0.5/s"),
            ("requests < 1/s", "requests < 1/s"),
            ("p99 > 300ms", "p99 > 300ms"),
            ("p50 > 1500 ms", "p50 > 1.5s"),
            ("queue age > 2m", "queue-age > 120s"),
            ("failed_jobs > 0", "failed-jobs > 0"),
            ("quota > 80%", "quota > 80%"),
        ] {
            let condition: Condition = text.parse().unwrap();
            assert_eq!(condition.to_string(), shown);
            assert_eq!(shown.parse::<Condition>().unwrap(), condition);
        }
    }

    #[test]
    fn what_is_no_condition_is_told_with_what_would_be_one() {
        for (text, told) in [
            ("", "no condition"),
            ("errors", "no condition"),
            ("errors >", "no condition"),
            ("> 5", "no condition"),
            ("erors > 5", "there are errors, requests"),
            ("errors > many", "a number or a share such as 5%"),
            ("errors > -1", "a number"),
            ("errors > NaN", "a number"),
            ("errors > inf", "a number"),
            ("errors > 1e300", "a number"),
            ("p99 > 5", "a time such as 300ms"),
            ("quota > 80", "a share"),
            ("requests > 5%", "a rate"),
        ] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn nothing_is_wrong_where_there_is_nothing() {
        let condition: Condition = "p99 > 10ms".parse().unwrap();
        assert!(!condition.holds(None));
        assert!(!condition.holds(Some(10.0)));
        assert!(condition.holds(Some(10.1)));
        let condition: Condition = "requests < 1".parse().unwrap();
        assert!(condition.holds(Some(0.0)));
        assert!(!condition.holds(Some(1.0)));
    }
}
