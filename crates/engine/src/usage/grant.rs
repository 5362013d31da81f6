//! Grants: what a key may call in one period beside what its plan says, more or less. They
//! are given by saying how much shall be left, and end with the period.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::error::PlanError;
use super::model::{Plan, Quota};
use super::period::{Days, day_of};
use super::{Usage, meter};

/// So that sums of grants and counts stay far from the ends of their types.
const MOST_LEFT: u64 = 1 << 53;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    first: i64,
    last: i64,
    /// The day on which it was given.
    since: i64,
    extra: i64,
}

impl Grant {
    fn days(self) -> Days {
        Days {
            first: self.first,
            last: self.last,
        }
    }
}

impl Usage {
    /// How many calls a key is allowed in the period that `now` is in.
    pub(super) fn allowed(&self, plan: &Plan, quota: Quota, meter: &str, now: Timestamp) -> u64 {
        let allowed = Plan::allowed(quota, plan.created, now);
        let grant = self.grants.get(meter);
        match grant.filter(|grant| grant.days() == quota.period.days(now)) {
            Some(grant) if grant.since <= day_of(now) => allowed.saturating_add_signed(grant.extra),
            _ => allowed,
        }
    }

    /// The same by ids, on a day. None if the plan has no quota.
    pub fn allowed_on(&self, plan: &Plan, key: &str, day: Timestamp) -> Option<u64> {
        let quota = plan.quota?;
        Some(self.allowed(plan, quota, &meter(&plan.id, key), day))
    }

    /// Lets a key call so often from now to the end of the period, whatever it has called.
    pub async fn set_remaining(
        &self,
        plan: &str,
        key: &str,
        remaining: u64,
        now: Timestamp,
    ) -> Result<(), PlanError> {
        let plan = self.plan(plan)?;
        if !plan.keys.contains(key) {
            return Err(PlanError::NoKey);
        }
        let invalid = |why: &str| PlanError::Invalid(why.to_owned());
        let quota = plan
            .quota
            .ok_or_else(|| invalid("Usage Plan has no quota of which something could remain"))?;
        if remaining > MOST_LEFT {
            return Err(invalid("Invalid remaining: it is too large"));
        }
        let (meter, days) = (meter(&plan.id, key), quota.period.days(now));
        let counter = self.counter(&meter, days).await?;
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX / 4);
        let used = signed(counter.load(Ordering::Acquire));
        let allowed = signed(Plan::allowed(quota, plan.created, now));
        let grant = Grant {
            first: days.first,
            last: days.last,
            since: day_of(now),
            extra: used + signed(remaining) - allowed,
        };
        self.grants
            .change(|draft| {
                draft.put(meter.to_string(), grant);
                Ok(())
            })
            .await
    }

    /// What is granted ends with the place of the key in the plan.
    pub(super) async fn end_grant(&self, plan: &str, key: &str) -> Result<(), PlanError> {
        let meter = meter(plan, key);
        self.grants
            .change(|draft| {
                draft.remove(&meter);
                Ok(())
            })
            .await
    }
}
