//! One look at all rules that are due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use types::Timestamp;
use watch::Top;
use watch::alerts::{Beside, Measure, Phase, QuotaUse, Tell, step};

use super::Alerts;
use super::rule::{Alert, Rule};

/// How much shorter than its window that may be which is looked at, in seconds, for rules
/// about too little.
const SHORT: f64 = 1.5;

impl Alerts {
    /// Looks at all rules that are due, and keeps what is to be told.
    pub(super) async fn look(&self) {
        let now = Instant::now();
        let due: Vec<(Arc<Alert>, Phase)> = {
            let mut entries = self.entries.lock();
            let due = entries.values_mut().filter(|entry| entry.next_look <= now);
            due.map(|entry| {
                entry.next_look = now + Duration::from_secs(entry.alert.rule.pause());
                (Arc::clone(&entry.alert), entry.phase)
            })
            .collect()
        };
        if due.is_empty() {
            return;
        }
        let quotas = self.quotas(&due).await;
        let mut tops = BTreeMap::new();
        for (alert, phase) in due {
            let seconds = alert.rule.over_seconds;
            let top = tops.entry(seconds).or_insert_with(|| {
                // What a process takes is read from /proc, which may block.
                tokio::task::block_in_place(|| self.sources.watching.top(seconds))
            });
            let beside = Beside {
                failed_jobs: self
                    .sources
                    .jobs
                    .failed_within(Duration::from_secs(seconds)),
                quotas: quotas.clone(),
            };
            let value = value(&alert.rule, top, &beside);
            self.judge(&alert, phase, value).await;
        }
    }

    async fn judge(&self, alert: &Alert, phase: Phase, value: Option<f64>) {
        let now = Timestamp::now();
        let rule = &alert.rule;
        let (next, tell) = step(phase, rule.when.holds(value), &rule.pace(), now.0);
        if let Some(tell) = tell {
            tracing::info!(alert = alert.name, ?tell, value, "an alert");
            let kept = self.change(&alert.name, &alert.id, |alert| {
                // Of one that is over it is told since when it was not.
                if tell != Tell::Over {
                    alert.phase = next;
                }
                alert.add(tell, value, now);
                alert.phase = next;
            });
            if let Err(error) = kept.await {
                // The next look finds the same again.
                tracing::error!(%error, alert = alert.name, "an alert could not be kept");
                return;
            }
        }
        let mut entries = self.entries.lock();
        let own = entries.get_mut(&alert.name);
        if let Some(entry) = own.filter(|entry| entry.alert.id == alert.id) {
            entry.phase = next;
            entry.value = value;
        }
    }

    /// Only where a rule asks: it may be a look at thousands of keys.
    async fn quotas(&self, due: &[(Arc<Alert>, Phase)]) -> Vec<QuotaUse> {
        let asks = |alert: &Alert| alert.rule.when.measure == Measure::Quota;
        if !due.iter().any(|(alert, _)| asks(alert)) {
            return vec![];
        }
        let quotas = match self.sources.usage.quotas(Timestamp::now()).await {
            Ok(quotas) => quotas,
            Err(error) => {
                tracing::warn!(%error, "quotas could not be looked at");
                return vec![];
            }
        };
        let keys = self.sources.keys.all();
        let names: BTreeMap<&str, &str> = keys
            .iter()
            .map(|key| (key.id.as_str(), key.name.as_str()))
            .collect();
        let uses = quotas.into_iter().map(|quota| QuotaUse {
            name: names
                .get(quota.key.as_str())
                .copied()
                .unwrap_or_default()
                .to_owned(),
            id: quota.key,
            used: quota.used,
            limit: quota.limit,
        });
        uses.collect()
    }
}

/// Too little of something can only be told when the whole window has been seen: after a
/// start there is little of everything.
fn value(rule: &Rule, top: &Top, beside: &Beside) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a window has some hundred seconds"
    )]
    let whole = top.seconds + SHORT >= rule.over_seconds as f64;
    if !rule.when.above && !whole {
        return None;
    }
    rule.when.value(&rule.scope, top, beside)
}
