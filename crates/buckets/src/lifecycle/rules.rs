//! The lifecycle rules of a bucket as they are configured.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::error::BucketError;

/// What goes by itself, and when. Transitions to other storage classes are kept
/// and answered, and do nothing: there is one class here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lifecycle {
    rules: Vec<LifecycleRule>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LifecycleRule {
    /// Given by us where the client gave none.
    pub id: String,
    pub enabled: bool,
    pub filter: LifecycleFilter,
    pub expiration: Option<Expiration>,
    pub noncurrent_expiration: Option<NoncurrentExpiration>,
    pub abort_uploads_after_days: Option<u32>,
    pub transitions: Vec<Transition>,
    pub noncurrent_transitions: Vec<NoncurrentTransition>,
}

/// All of it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LifecycleFilter {
    pub prefix: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// In bytes; the object must be larger.
    pub larger_than: Option<u64>,
    /// In bytes; the object must be smaller.
    pub smaller_than: Option<u64>,
    /// How the client wrote it, so that it reads the same.
    pub form: FilterForm,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilterForm {
    /// `<Filter>` with at most one condition.
    #[default]
    Filter,
    /// `<Filter><And>`
    And,
    /// `<Prefix>` in the rule itself, as in old configurations.
    Prefix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    Days(u32),
    /// Midnight UTC.
    Date(Timestamp),
    /// A delete marker goes when no other version is left behind it.
    LoneDeleteMarkers(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoncurrentExpiration {
    pub days: u32,
    /// So many of the newest noncurrent versions stay whatever their age.
    pub keep_newest: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub days: Option<u32>,
    pub date: Option<Timestamp>,
    pub storage_class: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoncurrentTransition {
    pub days: u32,
    pub keep_newest: Option<u32>,
    pub storage_class: String,
}

/// As many rules as S3 takes.
const MOST_RULES: usize = 1_000;
const LONGEST_ID: usize = 255;
/// Of noncurrent versions that are to stay.
const MOST_KEPT: u32 = 100;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Lifecycle {
    /// Refuses what S3 refuses, and names rules that have no name.
    pub fn new(mut rules: Vec<LifecycleRule>) -> Result<Self, BucketError> {
        if rules.is_empty() || rules.len() > MOST_RULES {
            return Err(BucketError::MalformedXml);
        }
        let mut ids = BTreeSet::new();
        for rule in &mut rules {
            check(rule)?;
            if rule.id.is_empty() {
                rule.id = uuid::Uuid::new_v4().to_string();
            }
            if !ids.insert(rule.id.clone()) {
                return Err(BucketError::argument(
                    "Rule ID must be unique. Found same ID for more than one rule",
                ));
            }
        }
        Ok(Self { rules })
    }

    pub fn rules(&self) -> &[LifecycleRule] {
        &self.rules
    }
}

fn check(rule: &LifecycleRule) -> Result<(), BucketError> {
    if rule.id.chars().count() > LONGEST_ID {
        return Err(BucketError::argument(
            "ID length should not exceed allowed limit of 255",
        ));
    }
    check_filter(&rule.filter)?;
    check_days(rule)?;
    let expiry = match rule.expiration {
        Some(Expiration::Date(date)) => Some(date),
        _ => None,
    };
    let moves = rule.transitions.iter().filter_map(|moved| moved.date);
    if moves
        .chain(expiry)
        .any(|date| date.0.rem_euclid(DAY_MS) != 0)
    {
        return Err(BucketError::argument("'Date' must be at midnight GMT"));
    }
    let has_tags = !rule.filter.tags.is_empty();
    if has_tags && rule.abort_uploads_after_days.is_some() {
        return Err(BucketError::request(
            "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        ));
    }
    if has_tags && matches!(rule.expiration, Some(Expiration::LoneDeleteMarkers(_))) {
        return Err(BucketError::request(
            "ExpiredObjectDeleteMarker cannot be specified with Tags.",
        ));
    }
    let keeps = rule.noncurrent_expiration.and_then(|e| e.keep_newest);
    if keeps.is_some_and(|keep| !(1..=MOST_KEPT).contains(&keep)) {
        return Err(BucketError::argument(
            "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100",
        ));
    }
    let has_action = rule.expiration.is_some()
        || rule.noncurrent_expiration.is_some()
        || rule.abort_uploads_after_days.is_some()
        || !rule.transitions.is_empty()
        || !rule.noncurrent_transitions.is_empty();
    if has_action {
        Ok(())
    } else {
        Err(BucketError::request(
            "At least one action needs to be specified in a rule",
        ))
    }
}

fn check_days(rule: &LifecycleRule) -> Result<(), BucketError> {
    let zero = |name: &str, action: &str| {
        Err(BucketError::argument(format!(
            "'{name}' for {action} action must be a positive integer"
        )))
    };
    if rule.expiration == Some(Expiration::Days(0)) {
        return zero("Days", "Expiration");
    }
    if rule.noncurrent_expiration.is_some_and(|e| e.days == 0) {
        return zero("NoncurrentDays", "NoncurrentVersionExpiration");
    }
    if rule.abort_uploads_after_days == Some(0) {
        return zero("DaysAfterInitiation", "AbortIncompleteMultipartUpload");
    }
    let both = |t: &Transition| t.days.is_some() == t.date.is_some();
    if rule.transitions.iter().any(both) {
        return Err(BucketError::MalformedXml);
    }
    Ok(())
}

fn check_filter(filter: &LifecycleFilter) -> Result<(), BucketError> {
    if filter.prefix.as_ref().is_some_and(|p| p.len() > 1024) {
        return Err(BucketError::request(
            "The maximum size of a prefix is 1024.",
        ));
    }
    if let (Some(larger), Some(smaller)) = (filter.larger_than, filter.smaller_than)
        && larger >= smaller
    {
        return Err(BucketError::request(
            "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'",
        ));
    }
    let conditions = usize::from(filter.prefix.is_some())
        + filter.tags.len()
        + usize::from(filter.larger_than.is_some())
        + usize::from(filter.smaller_than.is_some());
    if conditions > 1 && filter.form != FilterForm::And {
        return Err(BucketError::MalformedXml);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> LifecycleRule {
        LifecycleRule {
            enabled: true,
            expiration: Some(Expiration::Days(1)),
            ..LifecycleRule::default()
        }
    }

    fn refusal(rule: LifecycleRule) -> String {
        Lifecycle::new(vec![rule]).unwrap_err().to_string()
    }

    #[test]
    fn rules_without_a_name_get_one() {
        let made = Lifecycle::new(vec![rule(), rule()]).unwrap();
        assert_ne!(made.rules()[0].id, made.rules()[1].id);
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        let named = LifecycleRule {
            id: "a".to_owned(),
            ..rule()
        };
        assert!(Lifecycle::new(vec![named.clone(), named]).is_err());
        assert!(Lifecycle::new(vec![]).is_err());
        let expiring = |expiration| LifecycleRule {
            expiration: Some(expiration),
            ..rule()
        };
        assert!(refusal(expiring(Expiration::Days(0))).contains("positive integer"));
        assert!(refusal(expiring(Expiration::Date(Timestamp(1)))).contains("midnight"));
        let moving = LifecycleRule {
            transitions: vec![Transition {
                days: None,
                date: Some(Timestamp(1)),
                storage_class: "GLACIER".to_owned(),
            }],
            ..rule()
        };
        assert!(refusal(moving).contains("midnight"));
        let idle = LifecycleRule {
            expiration: None,
            ..rule()
        };
        assert!(refusal(idle).contains("At least one action"));
        let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let tagged = LifecycleRule {
            filter: LifecycleFilter {
                tags,
                ..LifecycleFilter::default()
            },
            abort_uploads_after_days: Some(1),
            ..rule()
        };
        assert!(refusal(tagged).contains("cannot be specified with Tags"));
        let loose = LifecycleRule {
            filter: LifecycleFilter {
                prefix: Some("a".to_owned()),
                larger_than: Some(1),
                ..LifecycleFilter::default()
            },
            ..rule()
        };
        assert!(refusal(loose).contains("XML"));
    }
}
