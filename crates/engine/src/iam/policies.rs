//! What clients do with policies that roles share: those of the account, and
//! those of AWS, which can be read and attached but not changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::Timestamp;

use super::Iam;
use super::document::{self, Kind};
use super::error::IamError;
use super::managed::{self, ManagedPolicy};
use super::model::{
    NewPolicy, Policy, PolicyVersion, check_length, check_name, check_path, check_tags, new_id,
};

const NAME_LENGTH: usize = 128;
const SIZE: usize = 6144;
const VERSIONS: usize = 5;

/// A policy by its ARN, whoever made it.
#[derive(Debug, Clone)]
pub enum FoundPolicy {
    Own(Arc<Policy>),
    Aws(&'static ManagedPolicy),
}

impl FoundPolicy {
    pub fn arn(&self) -> String {
        match self {
            Self::Own(policy) => policy.arn.clone(),
            Self::Aws(policy) => policy.arn(),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Own(policy) => &policy.name,
            Self::Aws(policy) => policy.name,
        }
    }

    pub fn path(&self) -> &str {
        match self {
            Self::Own(policy) => &policy.path,
            Self::Aws(policy) => policy.path,
        }
    }

    /// The document in force.
    pub fn document(&self) -> String {
        match self {
            Self::Own(policy) => policy
                .versions
                .get(&policy.default_version)
                .map(|version| version.document.clone())
                .unwrap_or_default(),
            Self::Aws(policy) => policy.document(),
        }
    }
}

impl Iam {
    pub fn policy(&self, arn: &str) -> Result<FoundPolicy, IamError> {
        if let Some(policy) = managed::find(arn) {
            return Ok(FoundPolicy::Aws(policy));
        }
        let state = self.state.read();
        state.policy(arn).cloned().map(FoundPolicy::Own)
    }

    /// Those of the account, then those of AWS, each sorted by ARN.
    pub fn policies(&self) -> Vec<FoundPolicy> {
        let state = self.state.read();
        let own = state.policies().cloned().map(FoundPolicy::Own);
        own.chain(managed::all().map(FoundPolicy::Aws)).collect()
    }

    /// To how many roles a policy is attached.
    pub fn attachments(&self, arn: &str) -> usize {
        self.state.read().attachments(arn)
    }

    pub async fn create_policy(&self, new: NewPolicy) -> Result<Arc<Policy>, IamError> {
        check_name("policyName", &new.name, NAME_LENGTH)?;
        check_path(&new.path)?;
        check_length(
            "description",
            new.description.as_deref().unwrap_or(""),
            0,
            1000,
        )?;
        check_tags("TagsPerPolicy", &new.tags)?;
        document::check(&new.document, Kind::Permissions, SIZE)?;
        let kind = format!("policy{}", new.path.trim_end_matches('/'));
        let arn = self.scope.iam_arn(&kind, &new.name);
        self.change(|state| {
            // One name is one policy, whatever the path.
            if state.policies().any(|policy| policy.name == new.name) {
                return Err(IamError::AlreadyExists(format!(
                    "A policy called {} already exists. Duplicate names are not allowed.",
                    new.name
                )));
            }
            let now = Timestamp::now();
            let first = PolicyVersion {
                document: new.document,
                created: now,
            };
            Ok(state.put_policy(Policy {
                name: new.name,
                path: new.path,
                id: new_id("ANPA"),
                arn,
                created: now,
                updated: now,
                description: new.description,
                tags: new.tags,
                default_version: 1,
                last_version: 1,
                versions: BTreeMap::from([(1, first)]),
            }))
        })
        .await
    }

    pub async fn delete_policy(&self, arn: &str) -> Result<(), IamError> {
        refuse_managed(arn)?;
        self.change(|state| {
            let policy = state.policy(arn)?;
            if state.attachments(arn) > 0 {
                return Err(IamError::DeleteConflict(
                    "Cannot delete a policy attached to entities.",
                ));
            }
            if policy.versions.len() > 1 {
                return Err(IamError::DeleteConflict(
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
                ));
            }
            state.remove_policy(arn);
            Ok(())
        })
        .await
    }

    /// The number of the new version.
    pub async fn create_policy_version(
        &self,
        arn: &str,
        document: String,
        set_as_default: bool,
    ) -> Result<(u32, Arc<Policy>), IamError> {
        refuse_managed(arn)?;
        document::check(&document, Kind::Permissions, SIZE)?;
        self.change(|state| {
            let mut policy = state.policy_copy(arn)?;
            if policy.versions.len() >= VERSIONS {
                return Err(IamError::LimitExceeded {
                    quota: "VersionsPerPolicy",
                    limit: VERSIONS,
                });
            }
            let created = Timestamp::now();
            policy.last_version += 1;
            policy.updated = created;
            let number = policy.last_version;
            let version = PolicyVersion { document, created };
            policy.versions.insert(number, version);
            if set_as_default {
                policy.default_version = number;
            }
            Ok((number, state.put_policy(policy)))
        })
        .await
    }

    pub async fn set_default_policy_version(
        &self,
        arn: &str,
        version: u32,
    ) -> Result<(), IamError> {
        refuse_managed(arn)?;
        self.change(|state| {
            let mut policy = state.policy_copy(arn)?;
            if !policy.versions.contains_key(&version) {
                return Err(no_version(arn, version));
            }
            policy.default_version = version;
            policy.updated = Timestamp::now();
            state.put_policy(policy);
            Ok(())
        })
        .await
    }

    pub async fn delete_policy_version(&self, arn: &str, version: u32) -> Result<(), IamError> {
        refuse_managed(arn)?;
        self.change(|state| {
            let mut policy = state.policy_copy(arn)?;
            if version == policy.default_version {
                return Err(IamError::DeleteConflict(
                    "Cannot delete the default version of a policy.",
                ));
            }
            if policy.versions.remove(&version).is_none() {
                return Err(no_version(arn, version));
            }
            policy.updated = Timestamp::now();
            state.put_policy(policy);
            Ok(())
        })
        .await
    }
}

fn refuse_managed(arn: &str) -> Result<(), IamError> {
    if arn.starts_with("arn:aws:iam::aws:policy/") {
        return Err(IamError::Denied(format!(
            "Policy {arn} is managed by AWS and cannot be changed."
        )));
    }
    Ok(())
}

fn no_version(arn: &str, version: u32) -> IamError {
    IamError::NoSuchEntity(format!(
        "Policy {arn} version v{version} does not exist or is not attachable."
    ))
}
