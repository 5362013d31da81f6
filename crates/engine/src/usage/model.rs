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
/// Throttles of single methods, of all stages.
const MOST_METHODS: usize = 1_000;
const LONGEST_METHOD: usize = 1_024;
/// A throttle of all methods of a path that have none of their own.
const ANY: &str = "ANY";
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
    /// Of single methods, in place of that of the plan: by stage, and by the path of the
    /// route and the method, as in `/pets/GET`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub methods: BTreeMap<String, BTreeMap<String, Throttle>>,
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

/// What a call is to.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// `API/STAGE`
    pub stage: &'a str,
    /// Of the route, as it was made: `/pets/{id}`, `$default`.
    pub path: &'a str,
    pub method: &'a str,
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
    /// As in [`Plan::methods`].
    pub methods: BTreeMap<String, BTreeMap<String, Throttle>>,
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

    /// The throttle of a single method, and by what name it has a bucket.
    pub(super) fn of_method(&self, called: &Called<'_>) -> Option<(&str, Throttle)> {
        let methods = self.methods.get(called.stage)?;
        [called.method, ANY].iter().find_map(|method| {
            let found = methods.iter().find(|(name, _)| {
                let own = name.strip_suffix(method);
                own.and_then(|own| own.strip_suffix('/')) == Some(called.path)
            });
            found.map(|(name, throttle)| (name.as_str(), *throttle))
        })
    }

    fn check_methods(&self) -> Result<(), PlanError> {
        let all = self.methods.values().flatten();
        if all.clone().count() > MOST_METHODS {
            return Err(PlanError::Invalid(format!(
                "a usage plan has throttles of at most {MOST_METHODS} methods"
            )));
        }
        for (name, throttle) in all {
            let method = name.rsplit_once('/').map_or("", |(_, method)| method);
            let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase());
            if method.is_empty() || !is_method || name.len() > LONGEST_METHOD {
                let shown: String = name.chars().take(100).collect();
                return Err(PlanError::Invalid(format!(
                    "{shown} is no path with a method: use /pets/GET"
                )));
            }
            throttle.check()?;
        }
        match self.methods.keys().find(|it| !self.stages.contains(*it)) {
            None => Ok(()),
            Some(stage) => Err(PlanError::Invalid(format!(
                "Usage Plan throttle: the plan has not the stage {stage}"
            ))),
        }
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
        self.throttle.iter().try_for_each(Throttle::check)?;
        self.check_methods()?;
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

impl Throttle {
    fn check(&self) -> Result<(), PlanError> {
        let good =
            self.rate > 0.0 && self.rate <= MOST_RATE && (1..=MOST_BURST).contains(&self.burst);
        if good {
            return Ok(());
        }
        Err(PlanError::Invalid(format!(
            "Usage Plan throttle: rateLimit is above 0 and at most {MOST_RATE}, burstLimit 1 to {MOST_BURST}"
        )))
    }
}
