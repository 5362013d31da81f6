//! What things of a project are called in the cloud. Names are made, never kept: who
//! knows project and stage finds everything again.

use package::LayerKind;

/// Tags of everything that can have tags.
pub const PROJECT_TAG: &str = "squall:project";
pub const STAGE_TAG: &str = "squall:stage";
/// The alias that answers: the last thing to move.
pub const ALIAS: &str = "live";
/// Of functions and roles; of buckets one less.
pub const LONGEST_NAME: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub project: String,
    pub stage: String,
    pub account: String,
    pub region: String,
}

impl Names {
    /// `features-dev`: of the HTTP API and of the group of schedules, and how all
    /// other names begin.
    pub fn whole(&self) -> String {
        format!("{}-{}", self.project, self.stage)
    }

    /// Functions, and the roles under which they run: `features-dev-clean`.
    pub fn of(&self, function: &str) -> String {
        format!("{}-{function}", self.whole())
    }

    /// `clean` of `features-dev-clean`.
    pub fn short<'a>(&self, name: &'a str) -> &'a str {
        let rest = name.strip_prefix(&self.whole());
        let rest = rest.and_then(|rest| rest.strip_prefix('-'));
        rest.unwrap_or(name)
    }

    /// The path of roles, by which they are listed.
    pub fn role_path(&self) -> String {
        format!("/squall/{}/{}/", self.project, self.stage)
    }

    pub fn role_arn(&self, function: &str) -> String {
        let (account, path) = (&self.account, self.role_path());
        format!(
            "arn:{}:iam::{account}:role{path}{}",
            self.partition(),
            self.of(function)
        )
    }

    pub fn function_arn(&self, function: &str) -> String {
        self.arn("lambda", &format!("function:{}", self.of(function)))
    }

    pub fn alias_arn(&self, function: &str) -> String {
        format!("{}:{ALIAS}", self.function_arn(function))
    }

    /// Of all layers of one kind; each is a version of it.
    pub fn layer(&self, kind: LayerKind) -> String {
        let kind = match kind {
            LayerKind::Libraries => "deps",
            LayerKind::R => "r",
        };
        format!("{}-{kind}", self.whole())
    }

    pub fn log_group(&self, function: &str) -> String {
        format!("/aws/lambda/{}", self.of(function))
    }

    pub fn log_group_arn(&self, group: &str) -> String {
        self.arn("logs", &format!("log-group:{group}"))
    }

    /// Bucket names are the whole world's: the account is part of them.
    pub fn bucket(&self, bucket: &str) -> String {
        format!("{}-{bucket}-{}", self.whole(), self.account)
    }

    /// Of a secret, as SSM has it.
    pub fn parameter(&self, secret: &str) -> String {
        format!("/squall/{}/{}/{secret}", self.project, self.stage)
    }

    pub fn parameter_arn(&self, secret: &str) -> String {
        self.arn("ssm", &format!("parameter{}", self.parameter(secret)))
    }

    /// Of something in this region and account.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        let (partition, region, account) = (self.partition(), &self.region, &self.account);
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    pub fn bucket_arn(&self, bucket: &str) -> String {
        format!("arn:{}:s3:::{bucket}", self.partition())
    }

    /// China and the government have AWS of their own.
    pub fn partition(&self) -> &'static str {
        match &*self.region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    pub fn tags(&self) -> [(&'static str, &str); 2] {
        [(PROJECT_TAG, &self.project), (STAGE_TAG, &self.stage)]
    }

    /// Whether a thing belongs to this project and stage, by its tags. Names alone do
    /// not say it: `a-b-c` may be `c` of `a` in stage `b`, or of `a-b` in stage `c`.
    pub fn are_ours<'a>(&self, tag: impl Fn(&str) -> Option<&'a str>) -> bool {
        let mut tags = self.tags().into_iter();
        tags.all(|(name, value)| tag(name) == Some(value))
    }
}
