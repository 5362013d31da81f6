//! Resource policies of functions, versions and aliases.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use types::{FunctionName, Qualifier, Version};

use super::error::ControlError;
use super::model::{Function, Statement, VersionEntry};
use super::state::{Draft, State, arn};
use super::{Catalog, fresh_id};

/// What AWS lets a policy grow to, in bytes of its JSON.
const POLICY_BYTES: usize = 20_480;

/// What `AddPermission` grants.
#[derive(Debug, Clone, Default)]
pub struct NewPermission {
    pub statement_id: String,
    pub action: String,
    pub principal: String,
    pub source_arn: Option<String>,
    pub source_account: Option<String>,
    pub event_source_token: Option<String>,
    pub principal_org_id: Option<String>,
    pub function_url_auth_type: Option<String>,
    pub invoked_via_function_url: Option<bool>,
    pub revision: Option<String>,
}

impl Catalog {
    pub async fn add_permission(
        &self,
        name: FunctionName,
        qualifier: Option<Qualifier>,
        new: NewPermission,
    ) -> Result<Statement, ControlError> {
        if qualifier == Some(Qualifier::Version(Version::Latest)) {
            return Err(ControlError::invalid(
                "We currently do not support adding policies for $LATEST.",
            ));
        }
        let principal = principal(&new.principal)?;
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own_target(&draft.state, &name, qualifier.as_ref())?;
            let key = policy_key(qualifier.as_ref());
            let policy = function.facts.policies.entry(key).or_default();
            if policy.iter().any(|s| s.sid == new.statement_id) {
                return Err(ControlError::conflict(format!(
                    "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                    new.statement_id
                )));
            }
            let statement = Statement {
                condition: new.conditions(),
                sid: new.statement_id,
                effect: "Allow".to_owned(),
                principal,
                action: new.action,
                resource: arn(&catalog.inner.scope, &name, qualifier.as_ref()),
            };
            policy.push(statement.clone());
            check_size(policy)?;
            function.touch(qualifier.as_ref(), new.revision.as_deref())?;
            draft.save(function);
            Ok(statement)
        })
        .await
    }

    pub async fn remove_permission(
        &self,
        name: FunctionName,
        qualifier: Option<Qualifier>,
        statement_id: String,
        revision: Option<String>,
    ) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft: &mut Draft| {
            if !draft.state.functions.contains_key(&name) {
                let arn = catalog.inner.scope.function_arn(&name);
                return Err(ControlError::not_found(format!(
                    "No policy found for: {arn}"
                )));
            }
            let mut function = catalog.own_target(&draft.state, &name, qualifier.as_ref())?;
            let key = policy_key(qualifier.as_ref());
            let Some(policy) = function.facts.policies.get_mut(&key) else {
                return Err(ControlError::not_found(
                    "No policy is associated with the given resource.",
                ));
            };
            let Some(place) = policy.iter().position(|s| s.sid == statement_id) else {
                return Err(ControlError::not_found(format!(
                    "Statement {statement_id} is not found in resource policy."
                )));
            };
            policy.remove(place);
            if policy.is_empty() {
                function.facts.policies.remove(&key);
            }
            function.touch(qualifier.as_ref(), revision.as_deref())?;
            draft.save(function);
            Ok(())
        })
        .await
    }

    /// The statements for a qualifier, if it has any, and the `RevisionId` with
    /// which they can be changed.
    pub fn policy(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<(Vec<Statement>, String), ControlError> {
        self.read(|state| {
            let found = state.functions.get(name).and_then(|function| {
                let policy = function.facts.policies.get(&policy_key(qualifier))?;
                Some((policy.clone(), function.revision_of(qualifier)?))
            });
            found.ok_or_else(ControlError::no_such_resource)
        })
    }

    /// The revision of what a policy belongs to, if it has one: the policy stays the same
    /// while this does.
    pub fn policy_revision(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Option<String> {
        // `$LATEST` has no policy of its own.
        let latest = Qualifier::Version(Version::Latest);
        let qualifier = qualifier.filter(|qualifier| **qualifier != latest);
        self.read(|state| {
            let function = state.functions.get(name)?;
            function.facts.policies.get(&policy_key(qualifier))?;
            function.revision_of(qualifier)
        })
    }

    /// A copy of the function, if what the qualifier names is there.
    fn own_target(
        &self,
        state: &State,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Function, ControlError> {
        let function = self.own(state, name)?;
        match qualifier {
            Some(Qualifier::Alias(alias)) if !function.facts.aliases.contains_key(alias) => {
                Err(ControlError::AliasNotFound {
                    arn: self.alias_arn(name, alias),
                })
            }
            _ => {
                state.version(&self.inner.scope, name, qualifier)?;
                Ok(function)
            }
        }
    }
}

impl NewPermission {
    fn conditions(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let url = self.invoked_via_function_url.map(|on| on.to_string());
        let all = [
            ("StringEquals", "AWS:SourceAccount", &self.source_account),
            (
                "StringEquals",
                "lambda:FunctionUrlAuthType",
                &self.function_url_auth_type,
            ),
            ("StringEquals", "aws:PrincipalOrgID", &self.principal_org_id),
            (
                "StringEquals",
                "lambda:EventSourceToken",
                &self.event_source_token,
            ),
            ("ArnLike", "AWS:SourceArn", &self.source_arn),
            ("Bool", "lambda:InvokedViaFunctionUrl", &url),
        ];
        let mut conditions: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (operator, key, value) in all {
            if let Some(value) = value {
                let operands = conditions.entry(operator.to_owned()).or_default();
                operands.insert(key.to_owned(), value.clone());
            }
        }
        conditions
    }
}

impl Function {
    /// Gives what the qualifier names a new `RevisionId`, if the expected one is
    /// the latest. Instances live on: their configuration is the same.
    pub(super) fn touch(
        &mut self,
        qualifier: Option<&Qualifier>,
        expected: Option<&str>,
    ) -> Result<(), ControlError> {
        let current = self.revision_of(qualifier);
        if expected.is_some() && expected != current.as_deref() {
            let api = match qualifier {
                Some(Qualifier::Alias(_)) => "GetPolicy",
                _ => "GetFunction/GetAlias",
            };
            return Err(ControlError::StaleRevision { api });
        }
        let version = match qualifier {
            Some(Qualifier::Alias(alias)) => {
                if let Some(alias) = self.facts.aliases.get_mut(alias) {
                    alias.revision = fresh_id();
                }
                return Ok(());
            }
            Some(Qualifier::Version(version)) => *version,
            None => Version::Latest,
        };
        if let Some(entry) = self.versions.get_mut(&version) {
            let mut new = VersionEntry::clone(entry);
            new.revision = fresh_id();
            *entry = Arc::new(new);
        }
        Ok(())
    }

    fn revision_of(&self, qualifier: Option<&Qualifier>) -> Option<String> {
        let version = match qualifier {
            Some(Qualifier::Alias(alias)) => {
                return Some(self.facts.aliases.get(alias)?.revision.clone());
            }
            Some(Qualifier::Version(version)) => *version,
            None => Version::Latest,
        };
        Some(self.versions.get(&version)?.revision.clone())
    }
}

pub(super) fn check_size(policy: &[Statement]) -> Result<(), ControlError> {
    let bytes = serde_json::to_vec(policy).map_or(0, |json| json.len());
    if bytes > POLICY_BYTES {
        return Err(ControlError::PolicyTooLong {
            bytes,
            limit: POLICY_BYTES,
        });
    }
    Ok(())
}

fn policy_key(qualifier: Option<&Qualifier>) -> String {
    qualifier.map(ToString::to_string).unwrap_or_default()
}

/// How a policy writes who is allowed.
fn principal(text: &str) -> Result<Value, ControlError> {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let is_arn = text.starts_with("arn:aws") && (text.contains(":iam:") || text.contains(":sts:"));
    let service_domains = [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"];
    if text == "*" {
        Ok(json!("*"))
    } else if is_account {
        Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }))
    } else if is_arn {
        Ok(json!({ "AWS": text }))
    } else if service_domains.iter().any(|domain| text.ends_with(domain)) {
        Ok(json!({ "Service": text }))
    } else {
        Err(ControlError::invalid(
            "The provided principal was invalid. Please check the principal and try again.",
        ))
    }
}
