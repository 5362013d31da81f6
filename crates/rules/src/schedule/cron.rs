//! `cron(minutes hours day-of-month month day-of-week year)`, in AWS's syntax.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use types::Timestamp;

use super::fields::{Range, Set, digits};

const MINUTES: Range = Range {
    least: 0,
    most: 59,
    names: &[],
};
const HOURS: Range = Range {
    least: 0,
    most: 23,
    names: &[],
};
const DAYS: Range = Range {
    least: 1,
    most: 31,
    names: &[],
};
const MONTHS: Range = Range {
    least: 1,
    most: 12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
const WEEKDAYS: Range = Range {
    least: 1,
    most: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};
const YEARS: Range = Range {
    least: 1970,
    most: 2199,
    names: &[],
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    /// Sorted; `None` is every year.
    years: Option<Vec<i16>>,
}

/// Days are chosen by the month or by the week, never by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    OfMonth(Set),
    /// `L`
    Last,
    /// `15W`: the working day nearest to it in the same month.
    NearestWorkday(u32),
    /// `LW`
    LastWorkday,
    OfWeek(Set),
    /// `6L`: the last Friday.
    LastOfWeek(u32),
    /// `6#3`: the third Friday.
    NthOfWeek(u32, u32),
}

impl Cron {
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, day, month, weekday, year] = fields[..] else {
            return None;
        };
        let days = match (day, weekday) {
            ("?", "?") => return None,
            (day, "?") => Days::of_month(day)?,
            ("?", weekday) => Days::of_week(weekday)?,
            _ => return None,
        };
        Some(Self {
            minutes: MINUTES.parse(minutes)?,
            hours: HOURS.parse(hours)?,
            days,
            months: MONTHS.parse(month)?,
            years: years(year)?,
        })
    }

    /// Local times that the clock jumps over do not run, and those that it passes
    /// twice run the first time.
    pub fn next_after(&self, t: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let moment = jiff::Timestamp::from_millisecond(t.0).ok()?;
        let local = zone.to_datetime(moment);
        let mut from = local.with().second(0).subsec_nanosecond(0).build().ok()?;
        loop {
            let found = self.at_or_after(from)?;
            let offset = match zone.to_ambiguous_timestamp(found).offset() {
                AmbiguousOffset::Unambiguous { offset } => Some(offset),
                AmbiguousOffset::Fold { before, .. } => Some(before),
                AmbiguousOffset::Gap { .. } => None,
            };
            if let Some(offset) = offset {
                let found = Timestamp(offset.to_timestamp(found).ok()?.as_millisecond());
                if found > t {
                    return Some(found);
                }
            }
            from = found.checked_add(jiff::Span::new().minutes(1)).ok()?;
        }
    }

    /// The first local time that fits, seconds aside.
    fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        if self.day_fits(date)
            && let Some((hour, minute)) = self.time_at_or_after(from.hour(), from.minute())
        {
            return Some(date.at(hour, minute, 0, 0));
        }
        loop {
            date = self.next_candidate(date)?;
            if self.day_fits(date) {
                let (hour, minute) = self.time_at_or_after(0, 0)?;
                return Some(date.at(hour, minute, 0, 0));
            }
        }
    }

    /// The next day, or the first of the next month or year that fits.
    fn next_candidate(&self, date: Date) -> Option<Date> {
        let next = date.tomorrow().ok()?;
        if !self.year_fits(next.year()) {
            let year = match &self.years {
                Some(years) => *years.iter().find(|year| **year > next.year())?,
                None => return None,
            };
            return Date::new(year, 1, 1).ok();
        }
        if self.months.has(month_of(next)) {
            return Some(next);
        }
        match self.months.at_least(month_of(next)) {
            Some(month) => Date::new(next.year(), i8::try_from(month).ok()?, 1).ok(),
            None => Date::new(next.year().checked_add(1)?, 1, 1).ok(),
        }
        .filter(|date| i64::from(date.year()) <= i64::from(YEARS.most))
    }

    fn day_fits(&self, date: Date) -> bool {
        self.year_fits(date.year()) && self.months.has(month_of(date)) && self.days.fit(date)
    }

    fn year_fits(&self, year: i16) -> bool {
        match &self.years {
            Some(years) => years.binary_search(&year).is_ok(),
            None => (1970..=2199).contains(&year),
        }
    }

    fn time_at_or_after(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let (hour, minute) = (u32::try_from(hour).ok()?, u32::try_from(minute).ok()?);
        let found = match (self.hours.has(hour), self.minutes.at_least(minute)) {
            (true, Some(minute)) => (hour, minute),
            _ => (self.hours.at_least(hour + 1)?, self.minutes.at_least(0)?),
        };
        Some((i8::try_from(found.0).ok()?, i8::try_from(found.1).ok()?))
    }
}

impl Days {
    fn of_month(text: &str) -> Option<Self> {
        match text {
            "L" => Some(Self::Last),
            "LW" => Some(Self::LastWorkday),
            text => match text.strip_suffix('W') {
                Some(day) => DAYS.number(day).map(Self::NearestWorkday),
                None => DAYS.parse(text).map(Self::OfMonth),
            },
        }
    }

    fn of_week(text: &str) -> Option<Self> {
        if let Some((day, nth)) = text.split_once('#') {
            let nth = digits(nth).filter(|nth| (1..=5).contains(nth))?;
            return Some(Self::NthOfWeek(WEEKDAYS.number(day)?, nth));
        }
        if text == "L" {
            return WEEKDAYS.parse("SAT").map(Self::OfWeek);
        }
        match text.strip_suffix('L').and_then(|day| WEEKDAYS.number(day)) {
            Some(day) => Some(Self::LastOfWeek(day)),
            None => WEEKDAYS.parse(text).map(Self::OfWeek),
        }
    }

    fn fit(self, date: Date) -> bool {
        let day = number(date.day());
        match self {
            Self::OfMonth(days) => days.has(day),
            Self::Last => date == date.last_of_month(),
            Self::NearestWorkday(wanted) => nearest_workday(date, wanted) == Some(day),
            Self::LastWorkday => {
                let last = number(date.last_of_month().day());
                nearest_workday(date, last) == Some(day)
            }
            Self::OfWeek(days) => days.has(weekday(date)),
            Self::LastOfWeek(wanted) => {
                weekday(date) == wanted && day + 7 > number(date.days_in_month())
            }
            Self::NthOfWeek(wanted, nth) => weekday(date) == wanted && (day - 1) / 7 + 1 == nth,
        }
    }
}

/// The working day nearest to a day of the month of `date`. It stays within the
/// month: for the first on a Saturday it is Monday, the third.
fn nearest_workday(date: Date, wanted: u32) -> Option<u32> {
    let target = Date::new(date.year(), date.month(), i8::try_from(wanted).ok()?).ok()?;
    let last = number(date.days_in_month());
    Some(match target.weekday() {
        Weekday::Saturday if wanted == 1 => 3,
        Weekday::Saturday => wanted - 1,
        Weekday::Sunday if wanted == last => wanted - 2,
        Weekday::Sunday => wanted + 1,
        _ => wanted,
    })
}

/// From 1 for Sunday to 7 for Saturday.
fn weekday(date: Date) -> u32 {
    number(date.weekday().to_sunday_one_offset())
}

fn month_of(date: Date) -> u32 {
    number(date.month())
}

fn number(part: i8) -> u32 {
    u32::from(part.unsigned_abs())
}

#[expect(
    clippy::option_option,
    reason = "the outer one says whether the field can be read, the inner one is every year"
)]
fn years(text: &str) -> Option<Option<Vec<i16>>> {
    if text == "*" {
        return Some(None);
    }
    let mut years = Vec::new();
    for part in text.split(',') {
        for year in YEARS.part(part)? {
            years.push(i16::try_from(year).ok()?);
        }
    }
    years.sort_unstable();
    years.dedup();
    Some(Some(years))
}
