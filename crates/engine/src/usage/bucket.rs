//! A token bucket: how often one may call, and how often at once.

use std::time::Instant;

use super::model::Throttle;

/// One caller's, or one route's.
#[derive(Debug)]
pub struct Bucket {
    tokens: f64,
    /// By a clock that never jumps.
    seen: Instant,
}

impl Bucket {
    pub fn full(throttle: Throttle, now: Instant) -> Self {
        Self {
            tokens: f64::from(throttle.burst),
            seen: now,
        }
    }

    /// Takes a token; where there is none, says in how many milliseconds there is one.
    pub fn take(&mut self, throttle: Throttle, now: Instant) -> Result<(), u64> {
        let passed = now.saturating_duration_since(self.seen).as_secs_f64();
        self.seen = self.seen.max(now);
        let most = f64::from(throttle.burst);
        self.tokens = (self.tokens + passed * throttle.rate).min(most);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let missing = (1.0 - self.tokens) / throttle.rate * 1000.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a span of time is not below zero, and a cast ends at the largest"
        )]
        Err(missing.ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let throttle = Throttle {
            rate: 10.0,
            burst: 3,
        };
        let start = Instant::now();
        let mut bucket = Bucket::full(throttle, start);
        let mut take = |ms: u64| bucket.take(throttle, start + Duration::from_millis(ms));
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        assert_eq!(take(0), Err(100));
        assert_eq!(take(50), Err(50));
        assert_eq!(take(110), Ok(()));
        assert!(take(110).is_err());
        // What is saved up is never more than the burst.
        assert_eq!([take(60_000), take(60_000), take(60_000)], [Ok(()); 3]);
        assert!(take(60_000).is_err());
        // A moment that lies behind gives nothing.
        assert!(take(0).is_err());
    }
}
