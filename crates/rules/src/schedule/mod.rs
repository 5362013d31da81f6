//! Schedule expressions: when something runs. Parsed once, then asked for the next
//! moment after another; nothing here reads a clock.

mod cron;
mod fields;
mod plan;

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use types::Timestamp;

pub use plan::{Occurrence, Plan};

use cron::Cron;

/// Which service's rules of writing hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// EventBridge rules: `rate` and `cron`, and `rate(1 minute)` but never
    /// `rate(1 minutes)`.
    Rule,
    /// EventBridge Scheduler: `at` as well, and it does not mind the plural.
    Scheduler,
}

/// A text that is no schedule expression. The wire crates have their own words
/// for it, as AWS does not say what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a schedule expression")]
pub struct BadExpression(pub String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    text: String,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Rate { seconds: u32 },
    Cron(Box<Cron>),
    At(DateTime),
}

impl Expression {
    /// `seconds` allows `rate(10 seconds)`, which AWS does not have.
    pub fn parse(text: &str, dialect: Dialect, seconds: bool) -> Result<Self, BadExpression> {
        let form = Form::parse(text, dialect, seconds);
        let form = form.ok_or_else(|| BadExpression(text.chars().take(256).collect()))?;
        Ok(Self {
            text: text.to_owned(),
            form,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The period of a rate.
    pub fn period_seconds(&self) -> Option<u32> {
        match self.form {
            Form::Rate { seconds } => Some(seconds),
            Form::Cron(_) | Form::At(_) => None,
        }
    }

    pub fn is_one_time(&self) -> bool {
        matches!(self.form, Form::At(_))
    }

    /// The first moment after `t`. `first` is where a rate begins to count.
    pub(crate) fn next_after(
        &self,
        t: Timestamp,
        first: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        match &self.form {
            Form::Rate { seconds } => {
                if t < first {
                    return Some(first);
                }
                let period = i64::from(*seconds) * 1000;
                let periods = (t.0 - first.0) / period + 1;
                Some(first.plus_millis(period.checked_mul(periods)?))
            }
            Form::Cron(cron) => cron.next_after(t, zone),
            Form::At(moment) => {
                // A moment that the clock jumps over is run after the jump.
                let zoned = zone.to_zoned(*moment).ok()?;
                let moment = Timestamp(zoned.timestamp().as_millisecond());
                (moment > t).then_some(moment)
            }
        }
    }
}

impl Form {
    fn parse(text: &str, dialect: Dialect, seconds: bool) -> Option<Self> {
        if text.len() > 256 {
            return None;
        }
        let inner = |name: &str| {
            text.strip_prefix(name)?
                .strip_prefix('(')?
                .strip_suffix(')')
        };
        if let Some(rate) = inner("rate") {
            return Some(Self::Rate {
                seconds: parse_rate(rate, dialect, seconds)?,
            });
        }
        if let Some(cron) = inner("cron") {
            return Cron::parse(cron).map(|cron| Self::Cron(Box::new(cron)));
        }
        if dialect == Dialect::Scheduler {
            return parse_at(inner("at")?).map(Self::At);
        }
        None
    }
}

fn parse_rate(text: &str, dialect: Dialect, seconds: bool) -> Option<u32> {
    let (count, unit) = text.split_once(' ')?;
    if !count.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
    let lower;
    let unit = match dialect {
        Dialect::Rule => unit,
        Dialect::Scheduler => {
            lower = unit.to_ascii_lowercase();
            &lower
        }
    };
    let (stem, plural) = match unit.strip_suffix('s') {
        Some(stem) => (stem, true),
        None => (unit, false),
    };
    if dialect == Dialect::Rule && plural != (count > 1) {
        return None;
    }
    let unit = match stem {
        "second" if seconds => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    count.checked_mul(unit)
}

/// `2026-11-21T02:30:00`, and nothing shorter or longer.
fn parse_at(text: &str) -> Option<DateTime> {
    let fits = text.len() == 19
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            10 => b == b'T',
            13 | 16 => b == b':',
            _ => b.is_ascii_digit(),
        });
    fits.then(|| DateTime::from_str(text).ok()).flatten()
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// For what was stored: it has passed the stricter check of its day.
impl TryFrom<String> for Expression {
    type Error = BadExpression;

    fn try_from(text: String) -> Result<Self, BadExpression> {
        Self::parse(&text, Dialect::Scheduler, true)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> String {
        expression.text
    }
}

/// A time zone by its name, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time zone")]
pub struct BadZone(pub String);

impl Zone {
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Zone {
    type Err = BadZone;

    fn from_str(name: &str) -> Result<Self, BadZone> {
        let bad = || BadZone(name.chars().take(64).collect());
        // The database has more than zones, and takes names in any case.
        if name.len() > 50 || name.is_empty() {
            return Err(bad());
        }
        let rules = TimeZone::get(name).map_err(|_| bad())?;
        Ok(Self {
            name: name.to_owned(),
            rules,
        })
    }
}

impl TryFrom<String> for Zone {
    type Error = BadZone;

    fn try_from(name: String) -> Result<Self, BadZone> {
        name.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.name
    }
}

#[cfg(test)]
mod tests;
