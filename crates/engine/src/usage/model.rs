//! What a usage plan says: how often, and how much in all, those who have its keys may
//! call the stages that it has.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::error::PlanError;
use super::period::Period;

const LONGEST_TEXT: usize = 1024;
const MOST_TAGS: usize = 50;
const MOST_STAGES: usize = 100;
/// What AWS takes.
const MOST_RATE: f64 = 10_000.0;
const MOST_BURST: u32 = 10_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub created: Timestamp,
    /// `API/STAGE`.
    #[serde(default)]
    pub stages: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Ids of its API keys.
    #[serde(default)]
    pub keys: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Calls in a second for each key, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    pub rate: f64,
    pub burst: u32,
}

/// Calls in a period for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub limit: u64,
    /// So many less in the first period.
    #[serde(default)]
    pub offset: u64,
    pub period: Period,
}

/// What a client wants a plan to be.
#[derive(Debug, Clone, Default)]
pub struct NewPlan {
    pub name: String,
    pub description: Option<String>,
    pub stages: Vec<String>,
    pub throttle: Option<Throttle>,
    pub quota: Option<Quota>,
    pub tags: BTreeMap<String, String>,
}

impl Plan {
    /// How many calls the period that `now` is in allows.
    pub fn allowed(quota: Quota, created: Timestamp, now: Timestamp) -> u64 {
        let is_first = quota.period.days(created) == quota.period.days(now);
        let less = if is_first { quota.offset } else { 0 };
        quota.limit.saturating_sub(less)
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        let invalid = |why: String| Err(PlanError::Invalid(why));
        if self.name.trim().is_empty() {
            return invalid("Usage Plan name cannot be blank".to_owned());
        }
        let texts = [&self.name, &self.description];
        if texts.iter().any(|text| text.chars().count() > LONGEST_TEXT) {
            return invalid(format!("a text has more than {LONGEST_TEXT} characters"));
        }
        if self.tags.len() > MOST_TAGS || self.stages.len() > MOST_STAGES {
            return invalid(format!(
                "a usage plan has at most {MOST_STAGES} stages and {MOST_TAGS} tags"
            ));
        }
        if let Some(Throttle { rate, burst }) = self.throttle
            && !(rate > 0.0 && rate <= MOST_RATE && (1..=MOST_BURST).contains(&burst))
        {
            return invalid(format!(
                "Usage Plan throttle: rateLimit is above 0 and at most {MOST_RATE}, burstLimit 1 to {MOST_BURST}"
            ));
        }
        if let Some(quota) = self.quota
            && (quota.limit == 0 || quota.offset > quota.limit)
        {
            return invalid(
                "Usage Plan quota: limit is above 0, and offset at most the limit".to_owned(),
            );
        }
        for stage in &self.stages {
            let parts: Vec<&str> = stage.split('/').collect();
            if parts.len() != 2 || parts.iter().any(|part| part.is_empty()) {
                let shown: String = stage.chars().take(100).collect();
                return invalid(format!("{shown} is no stage of an API: use API/STAGE"));
            }
        }
        Ok(())
    }
}
