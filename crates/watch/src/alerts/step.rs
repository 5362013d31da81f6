//! What follows from a look at a condition. It must hold for a while before it is told, and
//! must not hold for a while before it is told to be over: what comes and goes is one alert.

use serde::{Deserialize, Serialize};

/// How an alert stands. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    #[default]
    Quiet,
    /// The condition holds, but not for long.
    Pending { since: i64 },
    /// It was told.
    Firing {
        since: i64,
        told: i64,
        /// Since when the condition does not hold any more.
        calm: Option<i64>,
    },
}

/// For how long what must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The condition, before it is told.
    pub hold: i64,
    /// Its absence, before it is told to be over.
    pub calm: i64,
    /// An alert that lasts is told again after so long.
    pub again: Option<i64>,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    Fires,
    Lasts,
    Over,
}

pub fn step(phase: Phase, holds: bool, pace: &Pace, now: i64) -> (Phase, Option<Tell>) {
    // A clock that was set back makes no time pass, instead of less than none.
    let passed = |since: i64| now.saturating_sub(since).max(0);
    match (phase, holds) {
        (Phase::Quiet | Phase::Pending { .. }, false) => (Phase::Quiet, None),
        (Phase::Quiet, true) if pace.hold > 0 => (Phase::Pending { since: now }, None),
        (Phase::Pending { since }, true) if passed(since) < pace.hold => (phase, None),
        (Phase::Quiet | Phase::Pending { .. }, true) => {
            let firing = Phase::Firing {
                since: now,
                told: now,
                calm: None,
            };
            (firing, Some(Tell::Fires))
        }
        (Phase::Firing { since, told, .. }, true) => {
            let again = pace.again.is_some_and(|again| passed(told) >= again);
            let firing = Phase::Firing {
                since,
                told: if again { now } else { told },
                calm: None,
            };
            (firing, again.then_some(Tell::Lasts))
        }
        (Phase::Firing { since, told, calm }, false) => {
            let begun = calm.unwrap_or(now);
            if passed(begun) >= pace.calm {
                return (Phase::Quiet, Some(Tell::Over));
            }
            let calm = Some(begun);
            (Phase::Firing { since, told, calm }, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told at which second, of looks once a second: `#` where the condition holds.
    fn told(pace: Pace, looks: &str) -> Vec<(usize, Tell)> {
        let mut phase = Phase::Quiet;
        let mut told = vec![];
        for (second, look) in looks.chars().enumerate() {
            let now = i64::try_from(second).unwrap() * 1000;
            let (next, tell) = step(phase, look == '#', &pace, now);
            phase = next;
            told.extend(tell.map(|tell| (second, tell)));
        }
        told
    }

    const PACE: Pace = Pace {
        hold: 2_000,
        calm: 3_000,
        again: None,
    };

    #[test]
    fn what_lasts_is_told_once_and_its_end_once() {
        assert_eq!(told(PACE, "..##..#.##."), [], "never long enough");
        assert_eq!(told(PACE, ".######"), [(3, Tell::Fires)]);
        assert_eq!(
            told(PACE, ".###.....####"),
            [(3, Tell::Fires), (7, Tell::Over), (11, Tell::Fires)]
        );
        // What comes and goes is one alert.
        assert_eq!(
            told(PACE, ".###..#..##.#...."),
            [(3, Tell::Fires), (16, Tell::Over)]
        );
    }

    #[test]
    fn what_lasts_is_told_again_if_it_is_asked_for() {
        let pace = Pace {
            again: Some(4_000),
            ..PACE
        };
        assert_eq!(
            told(pace, "###########...."),
            [
                (2, Tell::Fires),
                (6, Tell::Lasts),
                (10, Tell::Lasts),
                (14, Tell::Over)
            ]
        );
    }

    #[test]
    fn without_a_hold_the_first_look_tells() {
        let pace = Pace { hold: 0, ..PACE };
        assert_eq!(told(pace, ".#"), [(1, Tell::Fires)]);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_nothing() {
        let (firing, _) = step(Phase::Pending { since: 0 }, true, &PACE, 10_000);
        let (calm, tell) = step(firing, false, &PACE, 20_000);
        assert_eq!(tell, None);
        let (still, tell) = step(calm, false, &PACE, -7_000_000);
        assert_eq!((still, tell), (calm, None));
        assert_eq!(step(still, false, &PACE, 23_000).1, Some(Tell::Over));
        let (pending, tell) = step(Phase::Pending { since: 9_000 }, true, &PACE, 0);
        assert_eq!((pending, tell), (Phase::Pending { since: 9_000 }, None));
    }

    proptest! {
        /// Ends follow beginnings, whatever the looks and the clock are.
        #[test]
        fn beginnings_and_ends_take_turns(
            looks in prop::collection::vec((any::<bool>(), -5_000_i64..9_000), 0..200),
        ) {
            let (mut phase, mut now, mut fires) = (Phase::Quiet, 0_i64, false);
            for (holds, passes) in looks {
                now += passes;
                let (next, tell) = step(phase, holds, &PACE, now);
                phase = next;
                match tell {
                    Some(Tell::Fires) => prop_assert!(!std::mem::replace(&mut fires, true)),
                    Some(Tell::Over) => prop_assert!(std::mem::replace(&mut fires, false)),
                    Some(Tell::Lasts) => prop_assert!(false, "nobody asked"),
                    None => {}
                }
                prop_assert_eq!(fires, matches!(phase, Phase::Firing { .. }));
            }
        }
    }
}
