//! How long to wait before a request is sent again.

use std::time::Duration;

/// How often a request is sent at most.
pub const ATTEMPTS: u32 = 6;
const FIRST_MS: u64 = 100;
const LONGEST_MS: u64 = 5_000;

/// Before the attempt after `attempt` (counted from 0): somewhere up to a bound
/// that doubles, so that many who failed together do not come back together.
pub fn pause(attempt: u32) -> Duration {
    // Without randomness from the system the wait is only less well spread.
    pause_with(attempt, getrandom::u64().unwrap_or(u64::MAX / 2))
}

fn pause_with(attempt: u32, random: u64) -> Duration {
    let bound = (FIRST_MS << attempt.min(16)).min(LONGEST_MS);
    let half = bound / 2;
    Duration::from_millis(half + random % (half + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_are_spread() {
        let ms = |attempt, random| pause_with(attempt, random).as_millis();
        assert_eq!((ms(0, 0), ms(0, 50)), (50, 100));
        assert_eq!((ms(3, 0), ms(3, 400)), (400, 800));
        assert_eq!((ms(9, 0), ms(40, 2_500)), (2_500, 5_000));
    }
}
