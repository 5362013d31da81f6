//! Periods of quotas: days, weeks and months of the calendar, in UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use types::Timestamp;

const DAY_MILLIS: i64 = 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Period {
    Day,
    /// From Sunday on, as at AWS.
    Week,
    Month,
}

/// The first and the last day of a period, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Days {
    pub first: i64,
    pub last: i64,
}

impl Days {
    /// The moment after its end.
    pub fn end(self) -> Timestamp {
        Timestamp((self.last + 1) * DAY_MILLIS)
    }
}

/// The day that a moment is in, counted from 1970.
pub fn day_of(now: Timestamp) -> i64 {
    now.0.div_euclid(DAY_MILLIS)
}

impl Period {
    /// The period that a moment is in.
    pub fn days(self, now: Timestamp) -> Days {
        let today = day_of(now);
        match self {
            Self::Day => Days {
                first: today,
                last: today,
            },
            Self::Week => {
                // 1970 began on a Thursday.
                let first = today - (today + 4).rem_euclid(7);
                Days {
                    first,
                    last: first + 6,
                }
            }
            Self::Month => month(now),
        }
    }
}

fn month(now: Timestamp) -> Days {
    let moment = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let date = moment.to_zoned(TimeZone::UTC).date();
    Days {
        first: number(date.first_of_month()),
        last: number(date.last_of_month()),
    }
}

fn number(date: Date) -> i64 {
    let midnight = date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    midnight.map_or(0, |midnight| midnight.as_second().div_euclid(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        for (period, now, first, end) in [
            (
                Period::Day,
                "2026-11-21T23:59:59.999Z",
                "2026-11-21T00:00:00Z",
                "2026-11-22T00:00:00Z",
            ),
            // A Saturday: its week began on Sunday.
            (
                Period::Week,
                "2026-11-21T12:00:00Z",
                "2026-11-15T00:00:00Z",
                "2026-11-22T00:00:00Z",
            ),
            (
                Period::Week,
                "2026-11-22T00:00:00Z",
                "2026-11-22T00:00:00Z",
                "2026-11-29T00:00:00Z",
            ),
            (
                Period::Month,
                "2028-02-29T12:00:00Z",
                "2028-02-01T00:00:00Z",
                "2028-03-01T00:00:00Z",
            ),
            (
                Period::Month,
                "2026-12-31T23:00:00Z",
                "2026-12-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
        ] {
            let days = period.days(at(now));
            assert_eq!(Timestamp(days.first * DAY_MILLIS), at(first), "{now}");
            assert_eq!(days.end(), at(end), "{now}");
        }
    }
}
