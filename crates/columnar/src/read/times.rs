//! Dates and times as text, by ISO 8601.

use std::fmt::Write;

use arrow_schema::TimeUnit;

const DAY: i64 = 24 * 60 * 60;

/// How many of a unit are a second, and how many digits its fractions have.
pub fn per_second(unit: TimeUnit) -> (i64, usize) {
    match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    }
}

/// Days since 1970.
pub fn date(out: &mut String, days: i64) {
    // Years that begin in March, so that the day that is not in every year is the
    // last; in eras of 400 years, after which days fall alike.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    if year < 0 {
        out.push('-');
    }
    put(out, format_args!("{:04}-{month:02}-{day:02}", year.abs()));
}

/// Since midnight. All of a unit have the same number of digits, so that a column of
/// them has one format.
pub fn time(out: &mut String, ticks: i64, unit: TimeUnit) {
    let (per_second, digits) = per_second(unit);
    let seconds = ticks.div_euclid(per_second);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    put(
        out,
        format_args!("{hours:02}:{minutes:02}:{:02}", seconds % 60),
    );
    if digits > 0 {
        let fraction = ticks.rem_euclid(per_second);
        put(out, format_args!(".{fraction:0digits$}"));
    }
}

/// Since 1970.
pub fn moment(out: &mut String, ticks: i64, unit: TimeUnit, zone: bool) {
    let (per_second, _) = per_second(unit);
    let per_day = DAY * per_second;
    date(out, ticks.div_euclid(per_day));
    out.push('T');
    time(out, ticks.rem_euclid(per_day), unit);
    if zone {
        out.push_str("+00:00");
    }
}

fn put(out: &mut String, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_by_iso() {
        let cases = [
            (0, TimeUnit::Second, "1970-01-01T00:00:00"),
            (-1, TimeUnit::Second, "1969-12-31T23:59:59"),
            (951_782_400, TimeUnit::Second, "2000-02-29T00:00:00"),
            (951_868_800, TimeUnit::Second, "2000-03-01T00:00:00"),
            (4_107_542_399, TimeUnit::Second, "2100-02-28T23:59:59"),
            (4_107_542_400, TimeUnit::Second, "2100-03-01T00:00:00"),
            (1_500, TimeUnit::Millisecond, "1970-01-01T00:00:01.500"),
            (-1, TimeUnit::Microsecond, "1969-12-31T23:59:59.999999"),
            (1, TimeUnit::Nanosecond, "1970-01-01T00:00:00.000000001"),
            (-62_167_219_200, TimeUnit::Second, "0000-01-01T00:00:00"),
            (-62_167_219_201, TimeUnit::Second, "-0001-12-31T23:59:59"),
        ];
        for (ticks, unit, text) in cases {
            let mut out = String::new();
            moment(&mut out, ticks, unit, false);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn any_number_is_some_moment() {
        for ticks in [i64::MIN, i64::MAX] {
            for unit in [TimeUnit::Second, TimeUnit::Nanosecond] {
                moment(&mut String::new(), ticks, unit, true);
                time(&mut String::new(), ticks, unit);
            }
        }
    }
}
