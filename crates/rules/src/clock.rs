//! What time it is: the system's time, or one that a test moves by hand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use types::Timestamp;

/// The longest sleep in one piece. The machine's clock may be set meanwhile, and
/// a machine may sleep; after this the time is looked at again.
const LONGEST_SLEEP: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System,
    Manual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// Stands still at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(watch::Sender::new(start))))
    }

    pub fn is_manual(&self) -> bool {
        matches!(self.0, Kind::Manual(_))
    }

    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System => Timestamp::now(),
            Kind::Manual(now) => *now.borrow(),
        }
    }

    /// Returns when it is `t` or later.
    pub async fn sleep_until(&self, t: Timestamp) {
        match &self.0 {
            Kind::System => loop {
                let left = t.0 - Timestamp::now().0;
                if left <= 0 {
                    return;
                }
                let left = Duration::from_millis(left.unsigned_abs());
                tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            },
            Kind::Manual(now) => {
                let mut now = now.subscribe();
                // The sender is part of this clock, and so it is there to the end.
                let _ = now.wait_for(|now| *now >= t).await;
            }
        }
    }

    /// Moves a manual clock; never back. The system's clock is not ours to move.
    pub(crate) fn move_to(&self, t: Timestamp) {
        if let Kind::Manual(now) = &self.0 {
            now.send_if_modified(|now| {
                let moves = t > *now;
                *now = t.max(*now);
                moves
            });
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_manual() { "Manual" } else { "System" };
        write!(f, "Clock::{kind}({:?})", self.now())
    }
}
