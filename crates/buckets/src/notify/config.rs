//! Which functions are told of what happens to which objects.

use serde::{Deserialize, Serialize};
use types::{FunctionName, ObjectKey, Qualifier};

use crate::error::BucketError;

/// As many as S3 takes.
const MOST_CONFIGURATIONS: usize = 100;
const LONGEST_ID: usize = 255;
const LONGEST_FILTER: usize = 1024;

/// What happens to objects, as notifications name it without `s3:`. Of these
/// groups, which end in `:`, also the whole can be asked for.
const EVENTS: [(&str, &[&str]); 5] = [
    (
        "ObjectCreated:",
        &["Put", "Post", "Copy", "CompleteMultipartUpload"],
    ),
    ("ObjectRemoved:", &["Delete", "DeleteMarkerCreated"]),
    ("ObjectTagging:", &["Put", "Delete"]),
    ("LifecycleExpiration:", &["Delete", "DeleteMarkerCreated"]),
    (
        "ObjectRestore:",
        // Accepted, as there is nothing archived that could be restored.
        &["Post", "Completed", "Delete"],
    ),
];
/// Accepted, and never happen here.
const OTHERS: [&str; 9] = [
    "ObjectAcl:Put",
    "LifecycleTransition",
    "IntelligentTiering",
    "ReducedRedundancyLostObject",
    "Replication:*",
    "Replication:OperationFailedReplication",
    "Replication:OperationMissedThreshold",
    "Replication:OperationNotTracked",
    "Replication:OperationReplicatedAfterThreshold",
];

/// `NotificationConfiguration` of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notifications {
    functions: Vec<FunctionNotification>,
    /// `EventBridgeConfiguration`: everything that happens goes to the rules.
    event_bridge: bool,
}

/// A `LambdaFunctionConfiguration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionNotification {
    pub id: String,
    /// As the client wrote it.
    pub function_arn: String,
    /// What that ARN names.
    pub function: FunctionName,
    pub qualifier: Option<Qualifier>,
    /// Such as `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    /// `None` without a filter rule of this name.
    pub prefix: Option<String>,
    pub suffix: Option<String>,
}

impl Notifications {
    /// Refuses what S3 refuses. Whether the functions exist, and may be invoked
    /// on behalf of the bucket, is for the caller to ask.
    pub fn new(
        functions: Vec<FunctionNotification>,
        event_bridge: bool,
    ) -> Result<Self, BucketError> {
        if functions.len() > MOST_CONFIGURATIONS {
            return Err(BucketError::argument(
                "Number of notification configurations exceeds the limit",
            ));
        }
        for (index, one) in functions.iter().enumerate() {
            check(one)?;
            let earlier = &functions[..index];
            if earlier.iter().any(|other| other.id == one.id) {
                return Err(BucketError::argument(
                    "Same ID used for multiple configurations",
                ));
            }
            if earlier.iter().any(|other| one.overlaps(other)) {
                return Err(BucketError::argument(
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.",
                ));
            }
        }
        Ok(Self {
            functions,
            event_bridge,
        })
    }

    pub fn functions(&self) -> &[FunctionNotification] {
        &self.functions
    }

    pub fn event_bridge(&self) -> bool {
        self.event_bridge
    }
}

impl FunctionNotification {
    /// `event` is such as `ObjectCreated:Put`.
    pub fn fits(&self, event: &str, key: &ObjectKey) -> bool {
        key.as_str().starts_with(self.prefix())
            && key.as_str().ends_with(self.suffix())
            && self.events.iter().any(|wanted| covers(wanted, event))
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    fn suffix(&self) -> &str {
        self.suffix.as_deref().unwrap_or_default()
    }

    /// Could one event of one object be for both?
    fn overlaps(&self, other: &Self) -> bool {
        let either =
            |a: &str, b: &str, begins: fn(&str, &str) -> bool| begins(a, b) || begins(b, a);
        either(self.prefix(), other.prefix(), |a, b| a.starts_with(b))
            && either(self.suffix(), other.suffix(), |a, b| a.ends_with(b))
            && self.events.iter().any(|mine| {
                let mine = mine.strip_prefix("s3:").unwrap_or(mine);
                other.events.iter().any(|theirs| {
                    let bare = theirs.strip_prefix("s3:").unwrap_or(theirs);
                    covers(theirs, mine) || covers(mine, bare)
                })
            })
    }
}

/// `s3:GROUP:*` covers all of its group.
fn covers(wanted: &str, event: &str) -> bool {
    let wanted = wanted.strip_prefix("s3:").unwrap_or(wanted);
    match wanted.strip_suffix('*') {
        Some(group) => event.starts_with(group),
        None => wanted == event,
    }
}

fn check(one: &FunctionNotification) -> Result<(), BucketError> {
    if one.id.len() > LONGEST_ID {
        return Err(BucketError::argument("The ID is too long"));
    }
    if one.events.is_empty() {
        return Err(BucketError::MalformedXml);
    }
    if let Some(unknown) = one.events.iter().find(|event| !is_event(event)) {
        let unknown: String = unknown.chars().take(100).collect();
        return Err(BucketError::argument(format!(
            "A specified event is not supported for notifications: {unknown}"
        )));
    }
    let filters = [&one.prefix, &one.suffix];
    if filters
        .into_iter()
        .flatten()
        .any(|f| f.len() > LONGEST_FILTER)
    {
        return Err(BucketError::argument(
            "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
        ));
    }
    Ok(())
}

fn is_event(text: &str) -> bool {
    let Some(event) = text.strip_prefix("s3:") else {
        return false;
    };
    OTHERS.contains(&event)
        || EVENTS.iter().any(|(group, members)| {
            event
                .strip_prefix(group)
                .is_some_and(|member| member == "*" || members.contains(&member))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: &str, events: &[&str], prefix: &str, suffix: &str) -> FunctionNotification {
        FunctionNotification {
            id: id.to_owned(),
            function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
            function: "f".parse().unwrap(),
            qualifier: None,
            events: events.iter().map(|&event| event.to_owned()).collect(),
            prefix: Some(prefix.to_owned()),
            suffix: (!suffix.is_empty()).then(|| suffix.to_owned()),
        }
    }

    fn fits(one: &FunctionNotification, event: &str, key: &str) -> bool {
        one.fits(event, &key.parse().unwrap())
    }

    #[test]
    fn events_and_filters_choose() {
        let raw = one(
            "a",
            &["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"],
            "raw/",
            ".csv",
        );
        assert!(fits(&raw, "ObjectCreated:Put", "raw/x.csv"));
        assert!(fits(&raw, "ObjectRemoved:Delete", "raw/x.csv"));
        assert!(!fits(
            &raw,
            "ObjectRemoved:DeleteMarkerCreated",
            "raw/x.csv"
        ));
        assert!(!fits(&raw, "ObjectCreated:Put", "raw/x.txt"));
        assert!(!fits(&raw, "ObjectCreated:Put", "x.csv"));
        assert!(!fits(&raw, "ObjectTagging:Put", "raw/x.csv"));
    }

    fn refusal(functions: Vec<FunctionNotification>) -> Option<String> {
        let made = Notifications::new(functions, false);
        made.err().map(|error| error.to_string())
    }

    #[test]
    fn overlapping_configurations_are_refused() {
        let all = &["s3:ObjectCreated:*"][..];
        let put = &["s3:ObjectCreated:Put"][..];
        let removed = &["s3:ObjectRemoved:*"][..];
        let both = |first, second| refusal(vec![first, second]).is_some();
        assert!(both(
            one("a", all, "raw/", ""),
            one("b", put, "raw/new/", "")
        ));
        assert!(both(one("a", put, "", ".csv"), one("b", all, "", "x.csv")));
        assert!(both(one("a", all, "", ""), one("b", all, "x", ".y")));
        assert!(!both(
            one("a", all, "raw/", ""),
            one("b", all, "clean/", "")
        ));
        assert!(!both(one("a", all, "", ".csv"), one("b", all, "", ".txt")));
        assert!(!both(one("a", all, "", ""), one("b", removed, "", "")));
        assert!(both(one("a", all, "x", ""), one("a", removed, "", "")));
    }

    #[test]
    fn events_that_there_are_not_are_refused() {
        for good in [
            "s3:ObjectTagging:*",
            "s3:LifecycleExpiration:Delete",
            "s3:ObjectAcl:Put",
        ] {
            assert_eq!(refusal(vec![one("a", &[good], "", "")]), None, "{good}");
        }
        for bad in [
            "",
            "s3:*",
            "ObjectCreated:Put",
            "s3:ObjectCreated:",
            "s3:ObjectCreated:Get",
        ] {
            assert!(refusal(vec![one("a", &[bad], "", "")]).is_some(), "{bad}");
        }
        assert!(refusal(vec![one("a", &[], "", "")]).is_some());
    }
}
