//! Tables and properties of schedule expressions. The times were worked out by
//! hand from calendars.

use proptest::prelude::*;

use super::*;

fn ms(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn shown(t: Timestamp) -> String {
    crate::wire_time(t)
}

/// The next `count` times after `from`, as texts without the year's dash noise.
fn next(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let expression = Expression::parse(expression, Dialect::Scheduler, true).unwrap();
    let zone: Zone = zone.parse().unwrap();
    let mut t = ms(from);
    let mut times = Vec::new();
    while times.len() < count {
        match expression.next_after(t, ms(from), &zone.rules) {
            Some(next) => t = next,
            None => break,
        }
        times.push(shown(t));
    }
    times
}

#[test]
fn rates_are_written_as_aws_wants_them() {
    for (text, rule, scheduler) in [
        ("rate(1 minute)", Some(60), Some(60)),
        ("rate(5 minutes)", Some(300), Some(300)),
        ("rate(1 hour)", Some(3600), Some(3600)),
        ("rate(2 days)", Some(172_800), Some(172_800)),
        ("rate(1 minutes)", None, Some(60)),
        ("rate(10 minute)", None, Some(600)),
        ("rate(10 MINUTES)", None, Some(600)),
        ("rate(0 minutes)", None, None),
        ("rate(-1 minutes)", None, None),
        ("rate(+1 minutes)", None, None),
        ("rate()", None, None),
        ("rate(10)", None, None),
        ("rate(10 years)", None, None),
        ("rate(10 minutess)", None, None),
        ("rate( 10 minutes )", None, None),
        (" rate(10 minutes)", None, None),
        ("rate(10 minutes) ", None, None),
        ("rate(10 seconds)", None, None),
        ("rate(99999999999 minutes)", None, None),
        ("rate(4294967295 days)", None, None),
    ] {
        let period = |dialect| {
            Expression::parse(text, dialect, false)
                .ok()
                .and_then(|expression| expression.period_seconds())
        };
        assert_eq!(period(Dialect::Rule), rule, "{text}");
        assert_eq!(period(Dialect::Scheduler), scheduler, "{text}");
    }
}

#[test]
fn seconds_are_for_who_asks_for_them() {
    let parse = |text, allowed| Expression::parse(text, Dialect::Rule, allowed).is_ok();
    assert!(parse("rate(10 seconds)", true));
    assert!(parse("rate(1 second)", true));
    assert!(!parse("rate(1 seconds)", true));
    assert!(!parse("rate(10 seconds)", false));
}

#[test]
fn single_moments_are_for_the_scheduler() {
    let parse = |text, dialect| Expression::parse(text, dialect, false).is_ok();
    assert!(parse("at(2026-11-21T02:30:00)", Dialect::Scheduler));
    assert!(!parse("at(2026-11-21T02:30:00)", Dialect::Rule));
    for bad in [
        "at(2021-12-31T23:59:59Z)",
        "at(2021-12-31)",
        "at(2021-12-31T23:59)",
        "at(2021-13-31T23:59:59)",
        "at(2021-02-29T00:00:00)",
        "at()",
    ] {
        assert!(!parse(bad, Dialect::Scheduler), "{bad}");
    }
}

#[test]
fn what_is_no_cron_is_refused() {
    for bad in [
        "cron()",
        "cron(INVALID)",
        "cron(0 1 * * * *)",
        "cron(0 1 ? * ? *)",
        "cron(0 1 1 * 2 *)",
        "cron(7 20 * * NOT *)",
        "cron(0 dummy ? * MON-FRI *)",
        "cron(71 8 1 * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 0 0 * ? *)",
        "cron(0 0 32 * ? *)",
        "cron(0 0 * 13 ? *)",
        "cron(0 0 ? * 0 *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 ? * 2#6 *)",
        "cron(0 0 ? * 2#0 *)",
        "cron(0 0 ? * 2#1,3#1 *)",
        "cron(0 0 * * ? 1969)",
        "cron(0 0 * * ? 2200)",
        "cron(0/0 0 * * ? *)",
        "cron(*/99 0 * * ? *)",
        "cron(, 0 * * ? *)",
        "cron(1,,2 0 * * ? *)",
        "cron(0 0 * * ?)",
        "cron(0 0 * * ? * *)",
        "cron(0 0 ?/2 * ? *)",
        "cron(0 0 LL * ? *)",
        "cron(0 0 W * ? *)",
        "0 0 * * ? *",
        "cron(0 0 * * ? *",
    ] {
        for dialect in [Dialect::Rule, Dialect::Scheduler] {
            assert!(Expression::parse(bad, dialect, true).is_err(), "{bad}");
        }
    }
}

/// Expressions, and when they run after 02:00:30 on Saturday, 21 November 2026.
const CRONS: &[(&str, &[&str])] = &[
    (
        "0 20 * * ? *",
        &["2026-11-21T20:00:00Z", "2026-11-22T20:00:00Z"],
    ),
    (
        "15 10 ? * 6L 2026-2027",
        &[
            "2026-11-27T10:15:00Z",
            "2026-12-25T10:15:00Z",
            "2027-01-29T10:15:00Z",
        ],
    ),
    (
        "0 18 ? * MON-FRI *",
        &["2026-11-23T18:00:00Z", "2026-11-24T18:00:00Z"],
    ),
    (
        "0 8 1 * ? *",
        &["2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"],
    ),
    (
        "0/10 * ? * MON-FRI *",
        &["2026-11-23T00:00:00Z", "2026-11-23T00:10:00Z"],
    ),
    (
        "0/5 8-17 ? * MON-FRI *",
        &["2026-11-23T08:00:00Z", "2026-11-23T08:05:00Z"],
    ),
    (
        "*/20 2 * * ? *",
        &[
            "2026-11-21T02:20:00Z",
            "2026-11-21T02:40:00Z",
            "2026-11-22T02:00:00Z",
        ],
    ),
    // Days of the week count from 1 for Sunday.
    (
        "0 0 ? * 1 *",
        &["2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"],
    ),
    ("0 0 ? * sat *", &["2026-11-28T00:00:00Z"]),
    (
        "0 0 ? * FRI-SUN *",
        &[
            "2026-11-22T00:00:00Z",
            "2026-11-27T00:00:00Z",
            "2026-11-28T00:00:00Z",
        ],
    ),
    // The second Tuesday; there is no fifth Monday in December 2026.
    (
        "0 9 ? * 3#2 *",
        &["2026-12-08T09:00:00Z", "2027-01-12T09:00:00Z"],
    ),
    (
        "0 9 ? * MON#5 *",
        &["2026-11-30T09:00:00Z", "2027-03-29T09:00:00Z"],
    ),
    (
        "0 0 L * ? *",
        &[
            "2026-11-30T00:00:00Z",
            "2026-12-31T00:00:00Z",
            "2027-01-31T00:00:00Z",
            "2027-02-28T00:00:00Z",
        ],
    ),
    // The first of August 2026 is a Saturday, the 15th of November a Sunday.
    (
        "0 0 15W 11 ? 2026-2028",
        &["2027-11-15T00:00:00Z", "2028-11-15T00:00:00Z"],
    ),
    (
        "0 0 1W 5,8 ? 2027",
        &["2027-05-03T00:00:00Z", "2027-08-02T00:00:00Z"],
    ),
    // 31 October 2027 is a Sunday, 28 February too.
    (
        "0 0 LW 2,10 ? 2027",
        &["2027-02-26T00:00:00Z", "2027-10-29T00:00:00Z"],
    ),
    ("0 0 31W 11 ? *", &[]),
    (
        "0 0 29 2 ? *",
        &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
    ),
    ("0 0 30 FEB ? *", &[]),
    ("0 12 * * ? 2025", &[]),
    ("59 23 31 12 ? 2199", &["2199-12-31T23:59:00Z"]),
    (
        "30 1 1 JAN,JUL ? 2027/2",
        &[
            "2027-01-01T01:30:00Z",
            "2027-07-01T01:30:00Z",
            "2029-01-01T01:30:00Z",
        ],
    ),
];

#[test]
fn crons_run_when_they_say() {
    for (cron, expected) in CRONS {
        let most = expected.len().max(1);
        let found = next(
            &format!("cron({cron})"),
            "UTC",
            "2026-11-21T02:00:30Z",
            most,
        );
        assert_eq!(found, *expected, "{cron}");
    }
}

#[test]
fn a_time_that_the_clock_jumps_over_does_not_run() {
    // In Berlin it is 03:00 right after 01:59 on 29 March 2026.
    assert_eq!(
        next(
            "cron(30 2 * * ? *)",
            "Europe/Berlin",
            "2026-03-27T12:00:00Z",
            3
        ),
        [
            "2026-03-28T01:30:00Z",
            "2026-03-30T00:30:00Z",
            "2026-03-31T00:30:00Z"
        ]
    );
    assert_eq!(
        next(
            "cron(0/30 1-3 29 3 ? 2026)",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            9
        ),
        [
            "2026-03-29T00:00:00Z",
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z"
        ]
    );
}

#[test]
fn a_time_that_comes_twice_runs_once() {
    // In New York, 01:30 on 1 November 2026 is at 05:30 and at 06:30 UTC.
    assert_eq!(
        next(
            "cron(30 1 * * ? *)",
            "America/New_York",
            "2026-10-31T12:00:00Z",
            2
        ),
        ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
    );
    // Asked in the midst of the second time.
    assert_eq!(
        next(
            "cron(0/30 * * * ? *)",
            "America/New_York",
            "2026-11-01T06:10:00Z",
            2
        ),
        ["2026-11-01T07:00:00Z", "2026-11-01T07:30:00Z"]
    );
}

#[test]
fn a_single_moment_runs_once() {
    let at = "at(2026-11-21T02:30:00)";
    assert_eq!(
        next(at, "UTC", "2026-11-20T00:00:00Z", 9),
        ["2026-11-21T02:30:00Z"]
    );
    assert_eq!(
        next(at, "Asia/Tokyo", "2026-11-20T00:00:00Z", 9),
        ["2026-11-20T17:30:00Z"]
    );
    assert!(next(at, "UTC", "2026-11-21T02:30:00Z", 9).is_empty());
    // Not lost where the clock jumps over it.
    assert_eq!(
        next(
            "at(2026-03-29T02:30:00)",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            9
        ),
        ["2026-03-29T01:30:00Z"]
    );
}

#[test]
fn zones_are_known_by_name() {
    assert!("America/Argentina/Buenos_Aires".parse::<Zone>().is_ok());
    for bad in ["", "Mars/Base", "../../etc/passwd", "+01:00 "] {
        assert!(bad.parse::<Zone>().is_err(), "{bad}");
    }
}

fn plan(expression: &str, first: &str) -> Plan {
    Plan {
        expression: Expression::parse(expression, Dialect::Scheduler, true).unwrap(),
        zone: Zone::utc(),
        first: ms(first),
        start: None,
        end: None,
        window_seconds: 0,
        seed: 7,
    }
}

fn times(plan: &Plan, after: &str, count: usize) -> Vec<String> {
    let mut t = ms(after);
    let mut times = Vec::new();
    while times.len() < count
        && let Some(next) = plan.next_after(t)
    {
        times.push(shown(next.at));
        t = next.at;
    }
    times
}

#[test]
fn a_plan_keeps_within_its_bounds() {
    let mut plan = plan("rate(1 hour)", "2026-01-01T10:30:00Z");
    plan.start = Some(ms("2026-01-01T10:30:00Z"));
    plan.end = Some(ms("2026-01-01T12:30:00Z"));
    assert_eq!(
        times(&plan, "2025-12-01T00:00:00Z", 9),
        [
            "2026-01-01T10:30:00Z",
            "2026-01-01T11:30:00Z",
            "2026-01-01T12:30:00Z"
        ]
    );
    assert_eq!(
        times(&plan, "2026-01-01T10:30:00Z", 1),
        ["2026-01-01T11:30:00Z"]
    );
    // A single moment has none.
    plan.expression =
        Expression::parse("at(2030-01-01T00:00:00)", Dialect::Scheduler, false).unwrap();
    assert_eq!(
        times(&plan, "2026-01-01T00:00:00Z", 9),
        ["2030-01-01T00:00:00Z"]
    );
}

#[test]
fn the_last_missed_run_is_found_however_long_ago() {
    let yearly = plan("cron(0 0 1 1 ? *)", "2020-01-01T00:00:00Z");
    let last = yearly.last_until(ms("2026-11-21T00:00:00Z"), ms("2019-01-01T00:00:00Z"));
    assert_eq!(
        last.map(|last| shown(last.at)).as_deref(),
        Some("2026-01-01T00:00:00Z")
    );
    let none = yearly.last_until(ms("2026-11-21T00:00:00Z"), ms("2026-01-01T00:00:00Z"));
    assert_eq!(none, None);
}

/// A field of numbers between `least` and `most`, in one of the ways to write it.
fn field(least: u32, most: u32) -> impl Strategy<Value = String> {
    let number = move || least..=most;
    prop_oneof![
        Just("*".to_owned()),
        number().prop_map(|n| n.to_string()),
        (number(), number()).prop_map(|(a, b)| format!("{a},{b}")),
        (number(), number()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        (number(), 1..=most.max(2) / 2).prop_map(|(a, step)| format!("{a}/{step}")),
    ]
}

/// Whether a number is in a field, worked out anew from its text.
fn has(text: &str, n: u32) -> bool {
    text == "*"
        || text
            .split(',')
            .any(|part| match (part.split_once('-'), part.split_once('/')) {
                (Some((a, b)), _) => (a.parse().unwrap()..=b.parse().unwrap()).contains(&n),
                (_, Some((a, step))) => {
                    let (a, step): (u32, u32) = (a.parse().unwrap(), step.parse().unwrap());
                    n >= a && (n - a).is_multiple_of(step)
                }
                _ => part.parse() == Ok(n),
            })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The next time is the one that looking at every minute finds.
    #[test]
    fn the_next_time_is_what_a_scan_finds(
        minutes in field(0, 59),
        hours in field(0, 23),
        days in field(1, 31),
        of_week in any::<bool>(),
        weekdays in field(1, 7),
        start in 0_i64..366 * 24 * 60,
    ) {
        let (day, week) = if of_week { ("?", weekdays.as_str()) } else { (days.as_str(), "?") };
        let text = format!("cron({minutes} {hours} {day} * {week} *)");
        let expression = Expression::parse(&text, Dialect::Rule, false).unwrap();
        let from = ms("2026-01-01T00:00:00Z").plus_millis(start * 60_000);
        let zone: TimeZone = TimeZone::get("Europe/Berlin").unwrap();
        let found = expression.next_after(from, from, &zone);
        // A week is enough to be worth it and short enough to scan.
        let mut scanned = None;
        let mut seen: Vec<DateTime> = Vec::new();
        for minute in 1..7 * 24 * 60 {
            let t = from.plus_millis(minute * 60_000);
            let local = zone.to_datetime(jiff::Timestamp::from_millisecond(t.0).unwrap());
            let first_time = zone.to_ambiguous_timestamp(local).earlier().unwrap().as_millisecond() == t.0;
            let number = |n: i8| u32::from(n.unsigned_abs());
            let day_fits = if of_week {
                has(&weekdays, number(local.weekday().to_sunday_one_offset()))
            } else {
                has(&days, number(local.day()))
            };
            if first_time && day_fits && has(&hours, number(local.hour())) && has(&minutes, number(local.minute())) {
                seen.push(local);
                scanned = Some(t);
                break;
            }
        }
        let within = found.filter(|t| t.0 < from.0 + 7 * 24 * 60 * 60_000);
        prop_assert_eq!(within, scanned, "{} {:?}", text, seen);
    }

    /// Times only grow, with and without windows, and windows are kept.
    #[test]
    fn times_only_grow(
        period in 1_u32..5000,
        window in 0_u32..100_000,
        seed in any::<u64>(),
        start in 0_i64..1_000_000,
    ) {
        let mut plan = plan(&format!("rate({period} seconds)"), "2026-01-01T00:00:00Z");
        (plan.window_seconds, plan.seed) = (window, seed);
        let mut t = plan.first.plus_millis(start * 1000 - 500_000_000);
        let mut fired = Timestamp(i64::MIN);
        for _ in 0..50 {
            let next = plan.next_after(t).unwrap();
            prop_assert!(next.at > t);
            prop_assert!(next.fire >= next.at && next.fire > fired);
            prop_assert!(next.fire.0 < next.at.0 + i64::from(window.max(1)) * 1000);
            prop_assert_eq!(plan.next_after(t), Some(next));
            (t, fired) = (next.at, next.fire);
        }
    }

    /// No text, however odd, is more than refused.
    #[test]
    fn any_text_is_read_or_refused(text in "(cron|rate|at)?\\(?[-0-9A-Z*?/,#LW :]{0,40}\\)?") {
        let _ = Expression::parse(&text, Dialect::Scheduler, true);
    }
}
