//! Scripts of times for the timetable. Times are seconds.

use super::*;
use crate::schedule::{Dialect, Expression, Zone};

fn s(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn key(name: &str) -> Key {
    Key::Rule(name.parse().unwrap())
}

fn every(seconds: u32, first: i64) -> Planned {
    let expression = format!("rate({seconds} seconds)");
    Planned {
        plan: Plan {
            expression: Expression::parse(&expression, Dialect::Scheduler, true).unwrap(),
            zone: Zone::utc(),
            first: s(first),
            start: None,
            end: None,
            window_seconds: 0,
            seed: 0,
        },
        done: s(first).plus_millis(-1),
    }
}

/// What is due, by name and second, and done with.
fn run(table: &mut Timetable, now: i64, missed_until: i64, most: usize) -> Vec<(String, i64)> {
    let batch = table.due(s(now), s(missed_until), most);
    let fired = batch.firings.iter();
    let fired = fired
        .map(|firing| (firing.key.to_string(), firing.at.0 / 1000))
        .collect();
    table.apply(batch);
    fired
}

fn named(runs: &[(&str, i64)]) -> Vec<(String, i64)> {
    runs.iter()
        .map(|(name, at)| (format!("rule/{name}"), *at))
        .collect()
}

#[test]
fn runs_come_in_the_order_of_their_times() {
    let mut table = Timetable::new(Missed::Once);
    table.set(key("a"), every(3, 0), None);
    table.set(key("b"), every(2, 1), None);
    assert_eq!(table.next_due(), Some(s(0)));
    let expected = named(&[("a", 0), ("b", 1), ("a", 3), ("b", 3), ("b", 5), ("a", 6)]);
    assert_eq!(run(&mut table, 6, -1, 100), expected);
    assert_eq!(run(&mut table, 6, -1, 100), []);
    assert_eq!(table.next_due(), Some(s(7)));
}

#[test]
fn small_batches_keep_the_order() {
    for most in 1..8 {
        let mut table = Timetable::new(Missed::Once);
        for (name, period) in [("a", 5), ("b", 2), ("c", 3), ("d", 7)] {
            table.set(key(name), every(period, 0), None);
        }
        let mut all = Vec::new();
        loop {
            let batch = run(&mut table, 30, -1, most);
            if batch.is_empty() {
                break;
            }
            assert!(batch.len() <= most);
            all.extend(batch);
        }
        assert_eq!(all.len(), 7 + 16 + 11 + 5, "{most}");
        assert!(all.is_sorted_by_key(|(_, at)| *at), "{most}: {all:?}");
    }
}

#[test]
fn what_was_not_applied_is_due_again() {
    let mut table = Timetable::new(Missed::Once);
    table.set(key("a"), every(5, 0), None);
    let first = table.due(s(5), s(-1), 10).firings;
    assert_eq!(first.len(), 2);
    assert_eq!(table.due(s(5), s(-1), 10).firings, first);
}

#[test]
fn of_missed_runs_the_policy_decides() {
    for (missed, expected) in [
        (Missed::Once, &[("a", 90), ("a", 100), ("a", 110)][..]),
        (Missed::Skip, &[("a", 100), ("a", 110)]),
        (Missed::All, &[("a", 80), ("a", 90), ("a", 100), ("a", 110)]),
    ] {
        let mut table = Timetable::new(missed);
        let progress = Progress {
            done: s(70),
            last: Some(s(70)),
        };
        table.set(key("a"), every(10, 0), Some(progress));
        // It was down until second 95.
        let mut runs = run(&mut table, 95, 95, 10);
        runs.extend(run(&mut table, 110, 95, 10));
        assert_eq!(runs, named(expected), "{missed:?}");
    }
}

#[test]
fn forgotten_runs_are_not_the_last_that_ran() {
    let mut table = Timetable::new(Missed::Skip);
    let progress = Progress {
        done: s(70),
        last: Some(s(70)),
    };
    table.set(key("a"), every(10, 0), Some(progress));
    assert_eq!(run(&mut table, 95, 95, 10), []);
    assert_eq!(table.times(&key("a")), (Some(s(100)), Some(s(70))));
}

#[test]
fn there_is_an_end_to_making_up() {
    let mut table = Timetable::new(Missed::All);
    table.set(key("a"), every(1, 0), None);
    let runs = run(&mut table, 5000, 5000, 10_000);
    assert_eq!(runs.len(), MISSED_MOST);
    assert_eq!(runs.last().map(|(_, at)| *at), Some(5000));
}

#[test]
fn the_same_plan_keeps_its_place_and_another_does_not() {
    let mut table = Timetable::new(Missed::Once);
    table.set(key("a"), every(10, 0), None);
    run(&mut table, 25, -1, 10);
    table.set(key("a"), every(10, 0), None);
    assert_eq!(table.times(&key("a")), (Some(s(30)), Some(s(20))));
    table.set(key("a"), every(7, 25), None);
    assert_eq!(table.times(&key("a")), (Some(s(25)), None));
    table.clear(&key("a"));
    assert_eq!(table.next_due(), None);
}

#[test]
fn the_last_run_is_known_as_such() {
    let mut table = Timetable::new(Missed::Once);
    let mut planned = every(10, 0);
    planned.plan.end = Some(s(20));
    table.set(key("a"), planned, None);
    let batch = table.due(s(100), s(-1), 10);
    let last: Vec<bool> = batch.firings.iter().map(|firing| firing.is_last).collect();
    assert_eq!(last, [false, false, true]);
    table.apply(batch);
    assert_eq!(table.next_due(), None);
}
