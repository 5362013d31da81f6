//! What a parameter is, and what its name and value may be.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::error::ParameterError;

const NAME_BYTES: usize = 1011;
const LEVELS: usize = 15;
/// Of the standard tier, which is the only one here.
const VALUE_CHARACTERS: usize = 4096;
const DESCRIPTION_CHARACTERS: usize = 1024;
const TAGS: usize = 50;

/// `/squall/features/dev/TOKEN`, or a name without levels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParameterName(String);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    String,
    StringList,
    /// Sealed where it is stored.
    SecureString,
}

/// A parameter as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: ParameterName,
    pub kind: Kind,
    pub(super) value: Value,
    pub version: u64,
    pub modified: Timestamp,
    /// By ARN.
    pub modified_by: String,
    pub description: Option<String>,
    /// The key that a client named. There is but one, so this is only shown.
    pub key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Value {
    Plain(String),
    Sealed(String),
}

/// What a client wants a parameter to be.
#[derive(Clone)]
pub struct NewParameter {
    pub name: ParameterName,
    pub value: String,
    /// May be left out of one that is there.
    pub kind: Option<Kind>,
    pub overwrite: bool,
    pub description: Option<String>,
    pub key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values stay out of logs, whatever their kind.
        f.debug_struct("Parameter")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewParameter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ParameterName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is below a path, directly or at any depth. A name without levels is
    /// below `/`.
    pub fn is_below(&self, path: &str, any_depth: bool) -> bool {
        let name = self.0.trim_start_matches('/');
        let path = path.trim_matches('/');
        let rest = if path.is_empty() {
            Some(name)
        } else {
            let rest = name.strip_prefix(path);
            rest.and_then(|rest| rest.strip_prefix('/'))
        };
        rest.is_some_and(|rest| any_depth || !rest.contains('/'))
    }
}

impl FromStr for ParameterName {
    type Err = ParameterError;

    fn from_str(name: &str) -> Result<Self, ParameterError> {
        let invalid = |why: &str| Err(ParameterError::Invalid(why.to_owned()));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
        if name.is_empty() || !name.bytes().all(plain) {
            return invalid(
                "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_",
            );
        }
        let own = name.trim_start_matches('/').to_ascii_lowercase();
        if own.starts_with("aws") || own.starts_with("ssm") {
            return invalid(
                "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
            );
        }
        if name.len() > NAME_BYTES {
            return invalid("Parameter name: can't be longer than 1011 characters.");
        }
        if name.contains('/') && !name.starts_with('/') {
            return invalid("Parameter name must be a fully qualified name.");
        }
        if name.ends_with('/') || name.contains("//") {
            return invalid("Parameter name: a level of its path is empty.");
        }
        if name.matches('/').count() > LEVELS {
            return invalid("Parameter name: a hierarchy can have a maximum of 15 levels.");
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for ParameterName {
    type Error = ParameterError;

    fn try_from(name: String) -> Result<Self, ParameterError> {
        name.parse()
    }
}

impl From<ParameterName> for String {
    fn from(name: ParameterName) -> Self {
        name.0
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn check_value(value: &str) -> Result<(), ParameterError> {
    // The value itself stays out of the message.
    if value.is_empty() {
        return Err(ParameterError::Invalid(
            "Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.".to_owned(),
        ));
    }
    if value.chars().count() > VALUE_CHARACTERS {
        return Err(ParameterError::Invalid(format!(
            "Standard tier parameters support a maximum parameter value of {VALUE_CHARACTERS} characters."
        )));
    }
    Ok(())
}

pub(super) fn check_description(description: Option<&str>) -> Result<(), ParameterError> {
    let long = description.is_some_and(|text| text.chars().count() > DESCRIPTION_CHARACTERS);
    if long {
        return Err(ParameterError::Invalid(format!(
            "Value at 'description' failed to satisfy constraint: Member must have length less than or equal to {DESCRIPTION_CHARACTERS}."
        )));
    }
    Ok(())
}

pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ParameterError> {
    let fits =
        |text: &String, least: usize, most: usize| (least..=most).contains(&text.chars().count());
    if tags.len() > TAGS {
        return Err(ParameterError::TooManyTags);
    }
    if tags
        .iter()
        .all(|(key, value)| fits(key, 1, 128) && fits(value, 0, 256))
    {
        return Ok(());
    }
    Err(ParameterError::Invalid(
        "A tag has a key of 1 to 128 characters and a value of at most 256.".to_owned(),
    ))
}
