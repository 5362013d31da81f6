//! Who may read a bucket without being asked who they are: its policy, and the
//! block of public access before it.

use policy::{Caller, Context, PolicyError, Question, Verdict};
use serde::{Deserialize, Serialize};
use types::BucketName;

use crate::bucket::BucketSettings;
use crate::error::BucketError;

/// `PublicAccessBlockConfiguration`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four switches, each of which AWS lets be set alone"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicAccessBlock {
    pub block_public_acls: bool,
    pub ignore_public_acls: bool,
    pub block_public_policy: bool,
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// What a new bucket has.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// A bucket policy: its text as the client wrote it, and what it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketPolicy {
    text: String,
    document: policy::Document,
}

/// In bytes, as S3 counts them.
const LONGEST_POLICY: usize = 20 << 10;

impl BucketPolicy {
    /// Refuses what S3 refuses: what is not a policy of a resource, and what
    /// speaks of other resources than this bucket and what is in it.
    pub fn parse(text: &str, bucket: &BucketName) -> Result<Self, BucketError> {
        let malformed = |message: String| BucketError::MalformedPolicy { message };
        if text.len() > LONGEST_POLICY {
            return Err(malformed(PolicyError::TooLong.to_string()));
        }
        let policy = Self::try_from(text.to_owned()).map_err(|e| malformed(e.to_string()))?;
        let document = &policy.document;
        let refusal = if !document.names_principals() {
            Some(PolicyError::Missing("Principal"))
        } else if !document.names_resources() {
            Some(PolicyError::Missing("Resource"))
        } else if !document.actions().all(is_s3_action) {
            Some(PolicyError::BadAction)
        } else if !document.resources().all(|r| is_within(r, bucket)) {
            Some(PolicyError::BadResource)
        } else {
            None
        };
        match refusal {
            Some(refusal) => Err(malformed(refusal.to_string())),
            None => Ok(policy),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn document(&self) -> &policy::Document {
        &self.document
    }

    /// `GetBucketPolicyStatus`
    pub fn is_public(&self) -> bool {
        self.document.is_public()
    }
}

impl TryFrom<String> for BucketPolicy {
    type Error = policy::PolicyError;

    fn try_from(text: String) -> Result<Self, policy::PolicyError> {
        let document = policy::Document::parse(&text)?;
        Ok(Self { text, document })
    }
}

impl From<BucketPolicy> for String {
    fn from(policy: BucketPolicy) -> String {
        policy.text
    }
}

impl BucketSettings {
    /// Sets the policy, unless it is public and public policies are blocked.
    pub fn set_policy(&mut self, policy: BucketPolicy) -> Result<(), BucketError> {
        let block = self.public_access_block.unwrap_or_default();
        if block.block_public_policy && policy.is_public() {
            return Err(BucketError::AccessDenied {
                message: "Public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.".to_owned(),
            });
        }
        self.policy = Some(policy);
        Ok(())
    }

    /// May this be done by anyone, without a signature? `action` is such as
    /// `s3:GetObject`; `key` is `None` for the bucket itself.
    pub fn allows_anyone(
        &self,
        bucket: &BucketName,
        action: &str,
        key: Option<&str>,
        context: &Context,
    ) -> bool {
        let Some(policy) = &self.policy else {
            return false;
        };
        let block = self.public_access_block.unwrap_or_default();
        if block.restrict_public_buckets && policy.is_public() {
            return false;
        }
        let question = Question {
            action,
            resource: &arn(bucket, key),
            caller: &Caller::Anonymous,
            context,
        };
        policy.document.judge(&question) == Verdict::Allow
    }
}

/// `arn:aws:s3:::BUCKET` or `arn:aws:s3:::BUCKET/KEY`
fn arn(bucket: &BucketName, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
        None => format!("arn:aws:s3:::{bucket}"),
    }
}

fn is_s3_action(action: &str) -> bool {
    action == "*"
        || action
            .split_once(':')
            .is_some_and(|(service, _)| service.eq_ignore_ascii_case("s3"))
}

/// Could the pattern mean this bucket, or something in it?
fn is_within(resource: &str, bucket: &BucketName) -> bool {
    if resource == "*" {
        return true;
    }
    let place = resource.split('/').next().unwrap_or_default();
    policy::matches(place, &arn(bucket, None))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bucket() -> BucketName {
        "site".parse().unwrap()
    }

    fn statement(field: &str, value: Value) -> String {
        let mut statement = json!({
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::site/*",
        });
        statement[field] = value;
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    }

    fn refusal(text: &str) -> Option<String> {
        let parsed = BucketPolicy::parse(text, &bucket());
        parsed.err().map(|error| error.to_string())
    }

    #[test]
    fn a_policy_speaks_of_its_own_bucket() {
        for good in [
            "arn:aws:s3:::site",
            "arn:aws:s3:::site/a/*",
            "arn:aws:s3:::s*",
            "*",
        ] {
            assert_eq!(refusal(&statement("Resource", json!(good))), None, "{good}");
        }
        for bad in [
            "arn:aws:s3:::other/*",
            "arn:aws:s3:::site2",
            "arn:aws:sqs:::site",
        ] {
            let text = statement("Resource", json!(["arn:aws:s3:::site", bad]));
            assert_eq!(
                refusal(&text).unwrap(),
                "Policy has invalid resource",
                "{bad}"
            );
        }
        let text = statement("Action", json!("lambda:InvokeFunction"));
        assert_eq!(refusal(&text).unwrap(), "Policy has invalid action");
        let text = statement("Effect", json!("Allow")).replace("\"Principal\":\"*\",", "");
        assert_eq!(refusal(&text).unwrap(), "Missing required field Principal");
        assert!(refusal(&" ".repeat(LONGEST_POLICY + 1)).is_some());
    }

    #[test]
    fn a_public_policy_needs_the_block_to_be_lifted() {
        let public = || BucketPolicy::parse(&statement("Sid", json!("x")), &bucket()).unwrap();
        let mut settings = BucketSettings::default();
        let blocked = settings.set_policy(public());
        assert!(matches!(blocked, Err(BucketError::AccessDenied { .. })));

        let reads = |settings: &BucketSettings, action: &str, key| {
            settings.allows_anyone(&bucket(), action, key, &Context::new())
        };
        settings.public_access_block = None;
        settings.set_policy(public()).unwrap();
        assert!(reads(&settings, "s3:GetObject", Some("index.html")));
        assert!(!reads(&settings, "s3:PutObject", Some("index.html")));
        assert!(!reads(&settings, "s3:ListBucket", None));

        settings.public_access_block = Some(PublicAccessBlock {
            restrict_public_buckets: true,
            ..PublicAccessBlock::default()
        });
        assert!(!reads(&settings, "s3:GetObject", Some("index.html")));
        assert!(!reads(
            &BucketSettings::default(),
            "s3:GetObject",
            Some("x")
        ));
    }

    #[test]
    fn settings_survive_the_disk() {
        let mut settings = BucketSettings {
            public_access_block: None,
            ..BucketSettings::default()
        };
        let policy = BucketPolicy::parse(&statement("Sid", json!("x")), &bucket()).unwrap();
        settings.set_policy(policy).unwrap();
        let text = serde_json::to_string(&settings).unwrap();
        let back: BucketSettings = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert_eq!(back.public_access_block, None);
        assert!(back.policy.unwrap().is_public());
        // What an older version did not write is as in a new bucket.
        let old: BucketSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(old.public_access_block, Some(PublicAccessBlock::ALL));
    }
}
