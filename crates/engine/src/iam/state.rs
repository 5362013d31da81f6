//! The records in memory. Every put and removal notes the document that it
//! changes, so no operation can forget to store something.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use store::Change;
use types::Timestamp;

use super::authorize::Read;
use super::error::IamError;
use super::model::{GoneRole, Policy, Role};
use crate::kept::Draft;

pub(super) const ROLE: &str = "iam-role";
pub(super) const POLICY: &str = "iam-policy";
pub(super) const GONE_ROLE: &str = "iam-role-gone";

/// Names of deleted roles that are kept; past it the one deleted first goes.
pub(super) const GONE_KEPT: usize = 1000;

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// By name in lower case: names that differ in case only are the same.
    roles: BTreeMap<String, Arc<Role>>,
    /// Roles that were and are not, by name in lower case: functions may still
    /// have them, and must not become those of a role that nothing is known of.
    gone: BTreeMap<String, Timestamp>,
    /// By ARN.
    policies: BTreeMap<String, Arc<Policy>>,
    changes: Vec<Change>,
    /// The policies of this state, as they were read.
    pub read: Read,
}

impl State {
    pub fn role(&self, name: &str) -> Result<&Arc<Role>, IamError> {
        self.roles
            .get(&name.to_lowercase())
            .ok_or_else(|| IamError::no_role(name))
    }

    pub fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(&name.to_lowercase())
    }

    /// Whether a role of this name was deleted, and none was made since.
    pub fn is_gone(&self, name: &str) -> bool {
        self.gone.contains_key(&name.to_lowercase())
    }

    /// Sorted by name.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// A role to be changed and put back.
    pub fn role_copy(&self, name: &str) -> Result<Role, IamError> {
        self.role(name).map(|role| Role::clone(role))
    }

    pub fn put_role(&mut self, role: Role) -> Arc<Role> {
        let key = role.name.to_lowercase();
        self.note(ROLE, &key, Some(&role));
        if self.gone.remove(&key).is_some() {
            self.note(GONE_ROLE, &key, None::<&GoneRole>);
        }
        let role = Arc::new(role);
        self.roles.insert(key, role.clone());
        role
    }

    pub fn remove_role(&mut self, name: &str) {
        let key = name.to_lowercase();
        self.roles.remove(&key);
        self.note(ROLE, &key, None::<&Role>);
        self.put_gone(GoneRole {
            name: key,
            deleted: Timestamp::now(),
        });
    }

    pub fn put_gone(&mut self, role: GoneRole) {
        self.note(GONE_ROLE, &role.name, Some(&role));
        self.gone.insert(role.name, role.deleted);
        if self.gone.len() > GONE_KEPT {
            let first = self.gone.iter().min_by_key(|(_, deleted)| **deleted);
            let first = first.map(|(name, _)| name.clone());
            if let Some(first) = first {
                self.gone.remove(&first);
                self.note(GONE_ROLE, &first, None::<&GoneRole>);
            }
        }
    }

    pub fn policy(&self, arn: &str) -> Result<&Arc<Policy>, IamError> {
        self.policies
            .get(arn)
            .ok_or_else(|| IamError::no_policy(arn))
    }

    pub fn has_policy(&self, arn: &str) -> bool {
        self.policies.contains_key(arn)
    }

    /// Sorted by ARN.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    pub fn policy_copy(&self, arn: &str) -> Result<Policy, IamError> {
        self.policy(arn).map(|policy| Policy::clone(policy))
    }

    pub fn put_policy(&mut self, policy: Policy) -> Arc<Policy> {
        self.note(POLICY, &policy.arn, Some(&policy));
        let policy = Arc::new(policy);
        self.policies.insert(policy.arn.clone(), policy.clone());
        policy
    }

    pub fn remove_policy(&mut self, arn: &str) {
        self.policies.remove(arn);
        self.note(POLICY, arn, None::<&Policy>);
    }

    /// To how many roles a policy is attached.
    pub fn attachments(&self, arn: &str) -> usize {
        self.roles()
            .filter(|role| role.attached.contains(arn))
            .count()
    }

    fn note<T: Serialize>(&mut self, kind: &'static str, key: &str, body: Option<&T>) {
        let body = body.map(|body| serde_json::to_vec(body).expect("a record is plain data"));
        self.changes.push(Change {
            kind,
            key: key.to_owned(),
            body,
        });
    }
}

impl Draft for State {
    fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}
