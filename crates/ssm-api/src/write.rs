//! Making, changing and removing parameters, and their tags.

use std::collections::BTreeMap;
use std::fmt;

use aws_wire::sigv4::Principal;
use engine::parameters::{Kind, NewParameter, ParameterError, ParameterName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::SsmApi;
use crate::error::ApiError;
use crate::read::{own_name, some};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutParameter {
    name: String,
    value: String,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(default)]
    overwrite: bool,
    description: Option<String>,
    key_id: Option<String>,
    allowed_pattern: Option<String>,
    tier: Option<String>,
    data_type: Option<String>,
    policies: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl fmt::Debug for PutParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values stay out of logs.
        f.debug_struct("PutParameter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Several {
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tagging {
    resource_type: String,
    resource_id: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl SsmApi {
    pub(crate) async fn put_parameter(
        &self,
        input: PutParameter,
        caller: &Principal,
    ) -> Result<Value, ApiError> {
        check_unbuilt(&input)?;
        let kind = input.kind.as_deref().map(kind).transpose()?;
        let new = NewParameter {
            name: input.name.parse()?,
            value: input.value,
            kind,
            overwrite: input.overwrite,
            description: input.description,
            key_id: input.key_id,
            tags: map(input.tags),
        };
        let version = self.parameters.put(new, &caller.arn).await?;
        Ok(json!({ "Version": version, "Tier": "Standard" }))
    }

    pub(crate) async fn delete_parameter(&self, input: Named) -> Result<Value, ApiError> {
        let (name, _) = own_name(&self.parameters, &input.name);
        let missing = || ParameterError::NotFound(input.name.clone());
        let name: ParameterName = name.parse().map_err(|_| missing())?;
        let gone = self.parameters.remove(std::slice::from_ref(&name)).await?;
        if gone.is_empty() {
            return Err(missing().into());
        }
        Ok(json!({}))
    }

    pub(crate) async fn delete_parameters(&self, input: Several) -> Result<Value, ApiError> {
        some(&input.names)?;
        let names: Vec<ParameterName> = input
            .names
            .iter()
            .filter_map(|name| own_name(&self.parameters, name).0.parse().ok())
            .collect();
        let gone = self.parameters.remove(&names).await?;
        let is_gone = |name: &String| {
            let (name, _) = own_name(&self.parameters, name);
            gone.iter().any(|gone| gone.as_str() == name)
        };
        let (deleted, invalid): (Vec<String>, Vec<String>) =
            input.names.into_iter().partition(is_gone);
        Ok(json!({ "DeletedParameters": deleted, "InvalidParameters": invalid }))
    }

    pub(crate) async fn add_tags_to_resource(&self, input: Tagging) -> Result<Value, ApiError> {
        let name = self.tagged(&input)?;
        let new = map(input.tags);
        self.parameters.tag(&name, |tags| tags.extend(new)).await?;
        Ok(json!({}))
    }

    pub(crate) async fn remove_tags_from_resource(
        &self,
        input: Tagging,
    ) -> Result<Value, ApiError> {
        let name = self.tagged(&input)?;
        let keys = input.tag_keys;
        let change = self.parameters.tag(&name, |tags| {
            tags.retain(|key, _| !keys.contains(key));
        });
        change.await?;
        Ok(json!({}))
    }

    pub(crate) fn list_tags_for_resource(&self, input: &Tagging) -> Result<Value, ApiError> {
        let parameter = self.parameters.get(&self.tagged(input)?)?;
        let tags = parameter.tags.iter();
        let tags: Vec<Value> = tags
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        Ok(json!({ "TagList": tags }))
    }

    /// The name of what has the tags, if it is there.
    fn tagged(&self, input: &Tagging) -> Result<String, ApiError> {
        if input.resource_type != "Parameter" {
            return Err(ApiError::invalid(format!(
                "Squall has no resources of the type {:.64}, only Parameter.",
                input.resource_type
            )));
        }
        let (name, _) = own_name(&self.parameters, &input.resource_id);
        match self.parameters.get(name) {
            Ok(parameter) => Ok(parameter.name.to_string()),
            Err(_) => Err(ApiError::NoResource(
                "The resource ID isn't valid. Verify that you entered the correct ID and try again."
                    .to_owned(),
            )),
        }
    }
}

fn map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn kind(name: &str) -> Result<Kind, ApiError> {
    match name {
        "String" => Ok(Kind::String),
        "StringList" => Ok(Kind::StringList),
        "SecureString" => Ok(Kind::SecureString),
        _ => Err(ApiError::invalid(format!(
            "1 validation error detected: Value '{name:.64}' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [SecureString, StringList, String]"
        ))),
    }
}

/// What would be taken and then not be done is refused.
fn check_unbuilt(input: &PutParameter) -> Result<(), ApiError> {
    let set = |text: &Option<String>, usual: &[&str]| {
        text.as_deref()
            .is_some_and(|text| !text.is_empty() && !usual.contains(&text))
    };
    for (what, is_set) in [
        ("AllowedPattern", set(&input.allowed_pattern, &[])),
        ("Policies", set(&input.policies, &["[]"])),
        (
            "any Tier but Standard",
            set(&input.tier, &["Standard", "Intelligent-Tiering"]),
        ),
        ("any DataType but text", set(&input.data_type, &["text"])),
    ] {
        if is_set {
            return Err(ApiError::invalid(format!(
                "Squall does not provide {what} of parameters."
            )));
        }
    }
    Ok(())
}
