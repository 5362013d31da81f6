//! Points in time, to the millisecond, as AWS counts them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The beginning, in UTC, of a day such as `2026-11-21`.
    pub fn of_day(text: &str) -> Option<Self> {
        let day: jiff::civil::Date = text.parse().ok()?;
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(midnight.timestamp().as_millisecond()))
    }

    /// `2026-11-21T02:37:16.123+0000`, the form of `LastModified`.
    pub fn lambda_form(self) -> String {
        self.civil()
            .strftime("%Y-%m-%dT%H:%M:%S%.3f+0000")
            .to_string()
    }

    /// `2026-11-21T02:37:16.123Z`
    pub fn rfc3339(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// Seconds with a fraction, the form of JSON protocols.
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// `2026/11/21`, the first part of a log stream's name.
    pub fn day_path(self) -> String {
        self.civil().strftime("%Y/%m/%d").to_string()
    }

    fn civil(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_those_of_aws() {
        let t = Timestamp(1_700_000_000_042);
        assert_eq!(t.lambda_form(), "2023-11-14T22:13:20.042+0000");
        assert_eq!(t.rfc3339(), "2023-11-14T22:13:20.042Z");
        assert_eq!(t.day_path(), "2023/11/14");
        assert!((t.seconds() - 1_700_000_000.042).abs() < 1e-6);
    }
}
