//! What waits to be told, tried until it is: first at once, then with longer and longer
//! pauses, and for a day at most.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use types::Timestamp;

use super::Alerts;
use super::rule::{Alert, Message};

/// That are on their way at one time, of different alerts.
const AT_ONCE: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// What could not be told for so long is not told.
const LONGEST: i64 = 24 * 60 * 60 * 1_000;

/// How it goes with the first message of an alert.
#[derive(Debug, Default)]
pub(super) struct Sending {
    under_way: bool,
    tries: u32,
    next: Option<Instant>,
    /// Why the last try failed.
    pub problem: Option<String>,
}

impl Sending {
    fn is_due(&self, now: Instant) -> bool {
        !self.under_way && self.next.is_none_or(|next| next <= now)
    }

    /// Notes how a try went.
    fn end(&mut self, problem: Option<String>, now: Instant) {
        self.under_way = false;
        if problem.is_none() {
            *self = Self::default();
            return;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(16));
        self.tries += 1;
        self.next = Some(now + pause.min(LONGEST_PAUSE));
        self.problem = problem;
    }
}

impl Alerts {
    /// Begins to tell what is due: of each alert one thing at a time, in order.
    pub(super) fn send_what_waits(self: &Arc<Self>, sent: &mut JoinSet<()>) {
        let now = Instant::now();
        let mut entries = self.entries.lock();
        for entry in entries.values_mut() {
            if sent.len() >= AT_ONCE {
                return;
            }
            let Some(message) = entry.alert.outbox.first() else {
                continue;
            };
            if !entry.sending.is_due(now) {
                continue;
            }
            entry.sending.under_way = true;
            let (alerts, alert) = (Arc::clone(self), Arc::clone(&entry.alert));
            let message = message.clone();
            sent.spawn(async move { alerts.send(&alert, &message).await });
        }
    }

    async fn send(&self, alert: &Alert, message: &Message) {
        let told = self.post.deliver(alert, message).await;
        let problem = told.as_ref().err().map(|error| explain(error));
        let is_old = Timestamp::now().0.saturating_sub(message.at.0) > LONGEST;
        if problem.is_none() || is_old {
            let forget = |alert: &mut Alert| alert.outbox.retain(|other| other.id != message.id);
            if let Err(error) = self.change(&alert.name, &alert.id, forget).await {
                tracing::warn!(%error, alert = alert.name, "an alert will be told again");
            }
        }
        if let Some(problem) = &problem {
            tracing::warn!(
                alert = alert.name,
                problem,
                is_old,
                "an alert could not be told"
            );
        }
        let mut entries = self.entries.lock();
        let own = entries.get_mut(&alert.name);
        if let Some(entry) = own.filter(|entry| entry.alert.id == alert.id) {
            entry.sending.end(problem, Instant::now());
        }
    }
}

/// An error with its causes.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_is_told() {
        let start = Instant::now();
        let mut sending = Sending::default();
        assert!(sending.is_due(start));
        let mut pauses = vec![];
        for _ in 0..12 {
            sending.under_way = true;
            assert!(!sending.is_due(start + Duration::from_hours(1)));
            sending.end(Some("why".to_owned()), start);
            pauses.push((sending.next.unwrap() - start).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert!(!sending.is_due(start));
        assert_eq!(sending.problem.as_deref(), Some("why"));
        sending.end(None, start);
        assert!(sending.is_due(start) && sending.problem.is_none());
    }
}
