//! A schedule in full: its expression, zone, bounds and window.

use types::Timestamp;

use super::{Expression, Zone};

/// When something runs. `first` is where a rate begins to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub expression: Expression,
    pub zone: Zone,
    pub first: Timestamp,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// Each occurrence runs somewhere within this time after it.
    pub window_seconds: u32,
    /// Chooses where in the window; the same seed chooses the same.
    pub seed: u64,
}

/// One moment of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// What the expression says.
    pub at: Timestamp,
    /// When it runs, which is later only where there is a window.
    pub fire: Timestamp,
}

impl Plan {
    /// The first occurrence after `t`. Both times of occurrences only ever grow.
    pub fn next_after(&self, t: Timestamp) -> Option<Occurrence> {
        let at = self.at_after(t)?;
        let mut window = i64::from(self.window_seconds);
        if window > 0
            && let Some(next) = self.at_after(at)
        {
            // Windows do not overlap, so that runs keep their order.
            window = window.min((next.0 - at.0) / 1000);
        }
        let delay = if window > 1 {
            (spread(self.seed, at) % window.unsigned_abs()).cast_signed()
        } else {
            0
        };
        Some(Occurrence {
            at,
            fire: at.plus_millis(delay * 1000),
        })
    }

    /// The last occurrence that fires at `t` or before, but after `after`.
    pub fn last_until(&self, t: Timestamp, after: Timestamp) -> Option<Occurrence> {
        // Looks back further and further, as there may have been none for long.
        let mut back = i64::from(self.window_seconds) * 1000 + 60_000;
        loop {
            let from = after.max(t.plus_millis(-back));
            let mut found = None;
            let mut next = self.next_after(from);
            while let Some(occurrence) = next.filter(|next| next.fire <= t) {
                found = Some(occurrence);
                next = self.next_after(occurrence.at);
            }
            if found.is_some() || from == after {
                return found;
            }
            back = back.saturating_mul(2);
        }
    }

    fn at_after(&self, t: Timestamp) -> Option<Timestamp> {
        let next = |t| self.expression.next_after(t, self.first, &self.zone.rules);
        // A single moment has no bounds.
        if self.expression.is_one_time() {
            return next(t);
        }
        let t = match self.start {
            Some(start) => t.max(start.plus_millis(-1)),
            None => t,
        };
        next(t).filter(|at| self.end.is_none_or(|end| *at <= end))
    }
}

/// Numbers that look random and are always the same.
fn spread(seed: u64, at: Timestamp) -> u64 {
    let mut x = seed ^ at.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
