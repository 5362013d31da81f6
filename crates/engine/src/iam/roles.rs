//! What clients do with roles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::Timestamp;

use super::Iam;
use super::document::{self, Kind};
use super::error::IamError;
use super::managed;
use super::model::{
    NewRole, Role, RolePatch, check_length, check_name, check_path, check_tags, new_id,
};

const NAME_LENGTH: usize = 64;
const POLICY_NAME_LENGTH: usize = 128;
const TRUST_SIZE: usize = 8192;
/// All inline policies of a role together.
const INLINE_SIZE: usize = 10_240;
const ATTACHED_POLICIES: usize = 20;
const TAG_QUOTA: &str = "TagsPerRole";

impl Iam {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`
    pub fn role_arn(&self, role: &Role) -> String {
        self.scope.iam_arn(
            &format!("role{}", role.path.trim_end_matches('/')),
            &role.name,
        )
    }

    pub fn role(&self, name: &str) -> Result<Arc<Role>, IamError> {
        self.state.read().role(name).cloned()
    }

    /// Sorted by name.
    pub fn roles(&self, path_prefix: &str) -> Vec<Arc<Role>> {
        let state = self.state.read();
        let fitting = state
            .roles()
            .filter(|role| role.path.starts_with(path_prefix));
        fitting.cloned().collect()
    }

    pub async fn create_role(&self, new: NewRole) -> Result<Arc<Role>, IamError> {
        check_name("roleName", &new.name, NAME_LENGTH)?;
        check_path(&new.path)?;
        check_description(new.description.as_deref())?;
        check_session_length(new.max_session_seconds)?;
        check_tags(TAG_QUOTA, &new.tags)?;
        document::check(&new.trust, Kind::Trust, TRUST_SIZE)?;
        self.change(|state| {
            if state.has_role(&new.name) {
                return Err(IamError::AlreadyExists(format!(
                    "Role with name {} already exists.",
                    new.name
                )));
            }
            Ok(state.put_role(Role {
                name: new.name,
                path: new.path,
                id: new_id("AROA"),
                created: Timestamp::now(),
                description: new.description,
                trust: new.trust,
                max_session_seconds: new.max_session_seconds,
                permissions_boundary: new.permissions_boundary,
                tags: new.tags,
                inline: BTreeMap::new(),
                attached: BTreeSet::new(),
            }))
        })
        .await
    }

    pub async fn update_role(&self, name: &str, patch: RolePatch) -> Result<Arc<Role>, IamError> {
        check_description(patch.description.as_deref())?;
        if let Some(seconds) = patch.max_session_seconds {
            check_session_length(seconds)?;
        }
        self.change_role(name, |role| {
            if let Some(description) = patch.description {
                role.description = Some(description).filter(|text| !text.is_empty());
            }
            if let Some(seconds) = patch.max_session_seconds {
                role.max_session_seconds = seconds;
            }
            Ok(())
        })
        .await
    }

    pub async fn update_trust(&self, name: &str, trust: String) -> Result<(), IamError> {
        document::check(&trust, Kind::Trust, TRUST_SIZE)?;
        self.change_role(name, |role| {
            role.trust = trust;
            Ok(())
        })
        .await
        .map(drop)
    }

    pub async fn delete_role(&self, name: &str) -> Result<(), IamError> {
        let gone = self.change(|state| {
            let role = Arc::clone(state.role(name)?);
            if !role.attached.is_empty() {
                return Err(IamError::DeleteConflict(
                    "Cannot delete entity, must detach all policies first.",
                ));
            }
            if !role.inline.is_empty() {
                return Err(IamError::DeleteConflict(
                    "Cannot delete entity, must delete policies first.",
                ));
            }
            state.remove_role(name);
            Ok(role)
        });
        self.end_sessions(&*gone.await?);
        Ok(())
    }

    pub async fn put_role_policy(
        &self,
        name: &str,
        policy: &str,
        document: String,
    ) -> Result<(), IamError> {
        check_name("policyName", policy, POLICY_NAME_LENGTH)?;
        document::check(&document, Kind::Permissions, INLINE_SIZE)?;
        self.change_role(name, |role| {
            role.inline.insert(policy.to_owned(), document);
            let texts = role.inline.values().flat_map(|text| text.chars());
            if texts.filter(|c| !c.is_whitespace()).count() > INLINE_SIZE {
                return Err(IamError::LimitExceeded {
                    quota: "PolicySize",
                    limit: INLINE_SIZE,
                });
            }
            Ok(())
        })
        .await
        .map(drop)
    }

    /// The document of an inline policy.
    pub fn role_policy(&self, name: &str, policy: &str) -> Result<String, IamError> {
        let role = self.role(name)?;
        let found = role.inline.get(policy).cloned();
        found.ok_or_else(|| no_inline(policy))
    }

    pub async fn delete_role_policy(&self, name: &str, policy: &str) -> Result<(), IamError> {
        self.change_role(name, |role| {
            role.inline
                .remove(policy)
                .map(drop)
                .ok_or_else(|| no_inline(policy))
        })
        .await
        .map(drop)
    }

    /// Attaching twice is attaching once.
    pub async fn attach_role_policy(&self, name: &str, arn: &str) -> Result<(), IamError> {
        self.change(|state| {
            let mut role = state.role_copy(name)?;
            if !state.has_policy(arn) && managed::find(arn).is_none() {
                return Err(IamError::NoSuchEntity(format!(
                    "Policy {arn} does not exist or is not attachable."
                )));
            }
            role.attached.insert(arn.to_owned());
            if role.attached.len() > ATTACHED_POLICIES {
                return Err(IamError::LimitExceeded {
                    quota: "PoliciesPerRole",
                    limit: ATTACHED_POLICIES,
                });
            }
            state.put_role(role);
            Ok(())
        })
        .await
    }

    pub async fn detach_role_policy(&self, name: &str, arn: &str) -> Result<(), IamError> {
        self.change_role(name, |role| {
            if role.attached.remove(arn) {
                Ok(())
            } else {
                Err(IamError::no_policy(arn))
            }
        })
        .await
        .map(drop)
    }

    pub async fn tag_role(
        &self,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), IamError> {
        self.change_role(name, |role| {
            role.tags.extend(tags);
            check_tags(TAG_QUOTA, &role.tags)
        })
        .await
        .map(drop)
    }

    pub async fn untag_role(&self, name: &str, keys: &[&str]) -> Result<(), IamError> {
        self.change_role(name, |role| {
            role.tags.retain(|key, _| !keys.contains(&key.as_str()));
            Ok(())
        })
        .await
        .map(drop)
    }

    async fn change_role(
        &self,
        name: &str,
        edit: impl FnOnce(&mut Role) -> Result<(), IamError>,
    ) -> Result<Arc<Role>, IamError> {
        self.change(|state| {
            let mut role = state.role_copy(name)?;
            edit(&mut role)?;
            Ok(state.put_role(role))
        })
        .await
    }
}

fn no_inline(policy: &str) -> IamError {
    IamError::NoSuchEntity(format!(
        "The role policy with name {policy} cannot be found."
    ))
}

fn check_description(description: Option<&str>) -> Result<(), IamError> {
    check_length("description", description.unwrap_or_default(), 0, 1000)
}

fn check_session_length(seconds: u32) -> Result<(), IamError> {
    if (3600..=43_200).contains(&seconds) {
        return Ok(());
    }
    let (word, bound) = if seconds < 3600 {
        ("greater", 3600)
    } else {
        ("less", 43_200)
    };
    Err(IamError::Validation(format!(
        "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value {word} than or equal to {bound}"
    )))
}
