//! Who tries keys, tokens and signatures out is slowed down. What fails is counted by
//! source; once there was too much of it, more of it is told to come later, and functions
//! are not asked any more what they have not answered before.
//!
//! What is good passes all the same: many share an address with whoever guesses, and
//! shutting them out would be a weapon in the hands of that one. What is guessed here is
//! long and made by chance, so it is the work and the noise that has to be bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// That many in a minute are mistakes and old pages; more are none.
const MOST: u32 = 300;
const WINDOW: Duration = Duration::from_mins(1);
/// Sources that are remembered.
const SOURCES: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Failures {
    by_source: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    failed: u32,
}

impl Failures {
    /// Counts one. For how long there are too many, if there are.
    pub fn add(&self, source: IpAddr, now: Instant) -> Option<Duration> {
        let source = network(source);
        let mut by_source = self.by_source.lock();
        if by_source.len() >= SOURCES && !by_source.contains_key(&source) {
            by_source.retain(|_, window| !window.is_over(now));
            if by_source.len() >= SOURCES {
                // So many at once are no longer told apart.
                by_source.clear();
            }
        }
        let new = Window {
            began: now,
            failed: 0,
        };
        let window = by_source.entry(source).or_insert(new);
        if window.is_over(now) {
            *window = new;
        }
        window.failed = window.failed.saturating_add(1);
        window.shut(now)
    }

    /// For how long there are too many, if there are.
    pub fn shut(&self, source: IpAddr, now: Instant) -> Option<Duration> {
        self.by_source.lock().get(&network(source))?.shut(now)
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= WINDOW
    }

    fn shut(&self, now: Instant) -> Option<Duration> {
        if self.failed <= MOST || self.is_over(now) {
            return None;
        }
        Some(WINDOW.saturating_sub(now.duration_since(self.began)))
    }
}

/// One network of IPv6 is one source: who has it has all of its addresses.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.into(),
            None => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(failures: &Failures, source: &str, now: Instant, times: u32) -> Option<Duration> {
        let source = source.parse().unwrap();
        (0..times)
            .map(|_| failures.add(source, now))
            .last()
            .flatten()
    }

    #[test]
    fn too_many_failures_of_one_source_are_too_many_for_a_minute() {
        let (failures, began) = (Failures::default(), Instant::now());
        let half = began + WINDOW / 2;
        assert_eq!(add(&failures, "192.0.2.1", began, MOST), None);
        assert_eq!(failures.shut("192.0.2.1".parse().unwrap(), began), None);
        assert_eq!(add(&failures, "192.0.2.1", half, 1), Some(WINDOW / 2));
        assert_eq!(
            failures.shut("192.0.2.1".parse().unwrap(), half),
            Some(WINDOW / 2)
        );
        assert_eq!(
            add(&failures, "::ffff:192.0.2.1", half, 1),
            Some(WINDOW / 2)
        );
        assert_eq!(add(&failures, "192.0.2.2", half, 1), None);
        assert_eq!(
            failures.shut("192.0.2.1".parse().unwrap(), began + WINDOW),
            None
        );
        assert_eq!(add(&failures, "192.0.2.1", began + WINDOW, MOST), None);
    }

    #[test]
    fn a_network_is_one_source() {
        let (failures, now) = (Failures::default(), Instant::now());
        assert_eq!(add(&failures, "2001:db8::1", now, MOST), None);
        assert!(add(&failures, "2001:db8::ffff:1", now, 1).is_some());
        assert_eq!(add(&failures, "2001:db8:0:1::1", now, 1), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let (failures, now) = (Failures::default(), Instant::now());
        for number in 0..SOURCES + 10 {
            let address = u32::try_from(number).unwrap();
            failures.add(IpAddr::V4(address.into()), now);
        }
        assert!(failures.by_source.lock().len() <= SOURCES);
    }
}
