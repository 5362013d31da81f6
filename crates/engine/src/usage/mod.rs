//! Usage: who may call how often, and what was used. Plans say the one, meters count the
//! other; each call with a key passes through here twice, when it comes and when it is
//! answered.
//!
//! Reading order: [`model`] is what a plan says, `period` the calendar of quotas, `bucket`
//! the throttle, `plans` what clients do; [`Usage::admit`] and [`Usage::settle`] are the
//! two passes. `grant` is what a key gets beside its plan.
//!
//! Prices, users and credit can stand on it: the meters are what is paid for.

mod bucket;
mod error;
mod grant;
mod model;
mod period;
mod plans;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use store::Store;
use types::{Scope, Timestamp};

pub use bucket::Bucket;
pub use error::{NotServed, PlanError};
pub use model::{Called, NewPlan, Plan, Quota, Throttle};
pub use period::{Days, Period, day_of};
pub use store::{Amounts, Reading, StoreError};

use crate::api_keys::{ApiKey, ApiKeys};
use crate::book::Book;
use grant::Grant;

const KIND: &str = "usage-plan";
const GRANTS: &str = "usage-grant";
/// Of keys that are in no plan.
const NO_PLAN: &str = "-";
/// Buckets of keys that have not called for long are full, and need not be kept.
const MOST_BUCKETS: usize = 20_000;

/// Calls that were let in, by meter and period.
type Counters = HashMap<(Arc<str>, Days), Arc<AtomicU64>>;

/// Plans and meters of the account.
pub struct Usage {
    scope: Scope,
    keys: Arc<ApiKeys>,
    store: Arc<Store>,
    plans: Book<Plan>,
    /// By meter.
    grants: Book<Grant>,
    /// By meter, and by meter and method.
    buckets: Mutex<HashMap<Arc<str>, Bucket>>,
    counters: Mutex<Counters>,
    /// Held while a counter is read from the meters, so that it is read once.
    loading: tokio::sync::Mutex<()>,
}

/// A call that was let in, and is to be settled when it is answered.
#[derive(Debug)]
pub struct Pass {
    /// `PLAN/KEY`
    meter: Arc<str>,
    /// On which the call was let in. It counts as one of that day, whenever it ends: a
    /// quota that is read again after a restart must find what it had let in.
    day: i64,
    pub quota: Option<QuotaState>,
}

impl Pass {
    /// By what name it is counted what the call uses; work that goes on after the answer
    /// is counted by it with [`Usage::count`].
    pub fn meter(&self) -> &Arc<str> {
        &self.meter
    }
}

/// How much of its quota a key has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuota {
    pub plan: String,
    pub key: String,
    pub used: u64,
    pub limit: u64,
}

/// How much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    pub limit: u64,
    /// After this call.
    pub remaining: u64,
    pub until: Timestamp,
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Usage {
    /// Reads what is stored. It blocks: call it at the start.
    pub fn open(store: Arc<Store>, scope: Scope, keys: Arc<ApiKeys>) -> Result<Self, StoreError> {
        Ok(Self {
            plans: Book::open(Arc::clone(&store), KIND)?,
            grants: Book::open(Arc::clone(&store), GRANTS)?,
            scope,
            keys,
            store,
            buckets: Mutex::default(),
            counters: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
        })
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Moves what was counted into the database, and waits for commits under way; call it
    /// before the store is closed.
    pub async fn drain(&self) {
        self.plans.drain().await;
        self.grants.drain().await;
        self.fold().await;
    }

    /// Lets a call in, if the key's plan has room for it.
    pub async fn admit(
        &self,
        key: &ApiKey,
        called: &Called<'_>,
        now: Timestamp,
    ) -> Result<Pass, NotServed> {
        let day = day_of(now);
        let Some(plan) = self.plan_for(key, called.stage)? else {
            return Ok(Pass {
                meter: meter(NO_PLAN, &key.id),
                day,
                quota: None,
            });
        };
        let meter = meter(&plan.id, &key.id);
        if let Some((method, throttle)) = plan.of_method(called) {
            let name = format!("{meter} {} {method}", called.stage);
            self.take(&name.into(), throttle)?;
        } else if let Some(throttle) = plan.throttle {
            self.take(&meter, throttle)?;
        }
        let quota = match plan.quota {
            None => None,
            Some(quota) => {
                let days = quota.period.days(now);
                let limit = self.allowed(&plan, quota, &meter, now);
                let counter = self.counter(&meter, days).await?;
                let used = take_one(&counter, limit)
                    .ok_or_else(|| NotServed::OverQuota { until: days.end() })?;
                Some(QuotaState {
                    limit,
                    remaining: limit.saturating_sub(used),
                    until: days.end(),
                })
            }
        };
        Ok(Pass { meter, day, quota })
    }

    /// For a call that somebody vouches for who has no key, such as who signed a link. It
    /// has no bounds, and stands under the signer's ARN.
    pub fn vouched(&self, signer: &str, now: Timestamp) -> Pass {
        Pass {
            meter: meter(NO_PLAN, signer),
            day: day_of(now),
            quota: None,
        }
    }

    /// Counts what an answered call used. It has to be called before the answer goes out.
    pub fn settle(&self, pass: &Pass, amounts: &Amounts) {
        self.write(&pass.meter, pass.day, amounts);
    }

    /// Counts what was done for a call after its answer.
    pub fn count(&self, meter: &str, amounts: &Amounts, now: Timestamp) {
        self.write(meter, day_of(now), amounts);
    }

    fn write(&self, meter: &str, day: i64, amounts: &Amounts) {
        if let Err(error) = self.store.meters().count(meter, day, amounts) {
            // The call has been served: it is answered, and this is told to who can act.
            tracing::error!(%error, meter, ?amounts, "usage could not be counted");
        }
    }

    /// Whether it is time to [`fold`](Self::fold).
    pub fn is_long(&self) -> bool {
        self.store.meters().is_long()
    }

    /// It goes on to its end whatever becomes of who waits for it: what the database has
    /// and the journal still holds would count twice.
    pub async fn fold(&self) {
        let store = Arc::clone(&self.store);
        let folded = tokio::spawn(async move { store.meters().fold().await }).await;
        let folded = folded.unwrap_or_else(|_| Err(StoreError::Closed));
        if let Err(error) = folded {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "usage stays in its journal"
            );
        }
    }

    /// How far the quotas of all keys are used up, in the periods that `now` is in.
    pub async fn quotas(&self, now: Timestamp) -> Result<Vec<KeyQuota>, StoreError> {
        let mut quotas = vec![];
        for plan in self.plans() {
            let Some(quota) = plan.quota else {
                continue;
            };
            let days = quota.period.days(now);
            for key in &plan.keys {
                let meter = meter(&plan.id, key);
                let counter = self.counter(&meter, days).await?;
                quotas.push(KeyQuota {
                    plan: plan.id.clone(),
                    key: key.clone(),
                    used: counter.load(Ordering::Acquire),
                    limit: self.allowed(&plan, quota, &meter, now),
                });
            }
        }
        Ok(quotas)
    }

    /// What a key used under a plan, or under none, day by day.
    pub async fn of_key(
        &self,
        plan: Option<&str>,
        key: &str,
        first: i64,
        last: i64,
    ) -> Result<Vec<Reading>, StoreError> {
        let meter = meter(plan.unwrap_or(NO_PLAN), key);
        let meters = self.store.meters();
        meters.readings(Some(&meter), first, last).await
    }

    /// What all keys used: the plan's id, if it was one, the key's, and how much.
    pub async fn all(
        &self,
        first: i64,
        last: i64,
    ) -> Result<Vec<(Option<String>, String, Reading)>, StoreError> {
        let readings = self.store.meters().readings(None, first, last).await?;
        let parts = readings.into_iter().filter_map(|reading| {
            let (plan, key) = reading.meter.split_once('/')?;
            let plan = (plan != NO_PLAN).then(|| plan.to_owned());
            Some((plan, key.to_owned(), reading))
        });
        Ok(parts.collect())
    }

    /// The plan that counts for a call. None: the key is in no plan at all.
    fn plan_for(&self, key: &ApiKey, stage: &str) -> Result<Option<Arc<Plan>>, NotServed> {
        let plans = self.plans.read();
        let mut own = plans.values().filter(|plan| plan.keys.contains(&key.id));
        let Some(first) = own.next() else {
            return Ok(None);
        };
        let fitting = std::iter::once(first)
            .chain(own)
            .find(|plan| plan.stages.contains(stage));
        fitting.cloned().map(Some).ok_or(NotServed::NoPlan)
    }

    fn take(&self, meter: &Arc<str>, throttle: Throttle) -> Result<(), NotServed> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(meter) {
            buckets.clear();
        }
        let bucket = buckets
            .entry(Arc::clone(meter))
            .or_insert_with(|| Bucket::full(throttle, now));
        bucket
            .take(throttle, now)
            .map_err(|retry_after_ms| NotServed::Throttled { retry_after_ms })
    }

    /// How many calls of a period were let in. It is read from the meters once and counted
    /// here from then on.
    async fn counter(&self, meter: &Arc<str>, days: Days) -> Result<Arc<AtomicU64>, StoreError> {
        let name = (Arc::clone(meter), days);
        if let Some(counter) = self.counters.lock().get(&name) {
            return Ok(Arc::clone(counter));
        }
        let _alone = self.loading.lock().await;
        if let Some(counter) = self.counters.lock().get(&name) {
            return Ok(Arc::clone(counter));
        }
        let meters = self.store.meters();
        let readings = meters.readings(Some(meter), days.first, days.last).await?;
        let used = readings.iter().map(|reading| reading.amounts.requests);
        let counter = Arc::new(AtomicU64::new(used.sum()));
        let mut counters = self.counters.lock();
        // Periods that are long over are nobody's any more.
        counters.retain(|(_, own), _| own.last + 62 >= days.last);
        counters.insert(name, Arc::clone(&counter));
        Ok(counter)
    }
}

/// One more, if the limit allows it; how many it are then. Of two that race for the last,
/// one gets it.
fn take_one(counter: &AtomicU64, limit: u64) -> Option<u64> {
    counter
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            (used < limit).then_some(used + 1)
        })
        .ok()
        .map(|before| before + 1)
}

fn meter(plan: &str, key: &str) -> Arc<str> {
    format!("{plan}/{key}").into()
}

#[cfg(test)]
mod tests;
