//! The records, and the one check that every name and document passes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::error::IamError;

const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ID_RANDOM_CHARS: usize = 17;

/// Who a function acts as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub path: String,
    /// `AROA...`, which never names another role, even of the same name.
    pub id: String,
    pub created: Timestamp,
    pub description: Option<String>,
    /// Who may take the role: a JSON document.
    pub trust: String,
    pub max_session_seconds: u32,
    pub permissions_boundary: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// Policies of this role alone, by name.
    pub inline: BTreeMap<String, String>,
    /// ARNs of policies that other roles may share.
    pub attached: BTreeSet<String>,
}

/// What is left of a role that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GoneRole {
    /// In lower case.
    pub name: String,
    pub deleted: Timestamp,
}

#[derive(Debug, Clone)]
pub struct NewRole {
    pub name: String,
    pub path: String,
    pub description: Option<String>,
    pub trust: String,
    pub max_session_seconds: u32,
    pub permissions_boundary: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// What is absent stays.
#[derive(Debug, Clone, Default)]
pub struct RolePatch {
    pub description: Option<String>,
    pub max_session_seconds: Option<u32>,
}

/// A policy of the account, which roles attach by ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub name: String,
    pub path: String,
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub description: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub default_version: u32,
    /// Numbers are not reused.
    pub last_version: u32,
    pub versions: BTreeMap<u32, PolicyVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub document: String,
    pub created: Timestamp,
}

#[derive(Debug, Clone)]
pub struct NewPolicy {
    pub name: String,
    pub path: String,
    pub description: Option<String>,
    pub document: String,
    pub tags: BTreeMap<String, String>,
}

/// A new id such as `AROA3XFRBF535PLBIFPI4`.
pub(super) fn new_id(prefix: &str) -> String {
    let mut id = prefix.to_owned();
    for byte in random::<ID_RANDOM_CHARS>() {
        id.push(char::from(ID_ALPHABET[usize::from(byte % 32)]));
    }
    id
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// A name of letters, digits and `+=,.@_-`, as IAM takes it.
pub(super) fn check_name(parameter: &str, name: &str, longest: usize) -> Result<(), IamError> {
    check_length(parameter, name, 1, longest)?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(IamError::Validation(format!(
        "The specified value for {parameter} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
    )))
}

/// `/` or `/a/b/`.
pub(super) fn check_path(path: &str) -> Result<(), IamError> {
    check_length("path", path, 1, 512)?;
    let is_path =
        path.starts_with('/') && path.ends_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    if is_path {
        return Ok(());
    }
    Err(IamError::Validation(
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.".to_owned(),
    ))
}

pub(super) fn check_length(
    parameter: &str,
    value: &str,
    shortest: usize,
    longest: usize,
) -> Result<(), IamError> {
    let length = value.chars().count();
    let problem = if length < shortest {
        format!("greater than or equal to {shortest}")
    } else if length > longest {
        format!("less than or equal to {longest}")
    } else {
        return Ok(());
    };
    let shown: String = value.chars().take(128).collect();
    Err(IamError::Validation(format!(
        "1 validation error detected: Value '{shown}' at '{parameter}' failed to satisfy constraint: Member must have length {problem}"
    )))
}

pub(super) fn check_tags(
    quota: &'static str,
    tags: &BTreeMap<String, String>,
) -> Result<(), IamError> {
    const LIMIT: usize = 50;
    for (key, value) in tags {
        check_length("tags.member.key", key, 1, 128)?;
        check_length("tags.member.value", value, 0, 256)?;
    }
    if tags.len() > LIMIT {
        return Err(IamError::LimitExceeded {
            quota,
            limit: LIMIT,
        });
    }
    Ok(())
}
