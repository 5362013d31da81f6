//! API keys on the wire, as the first version of API Gateway's protocol has them. A key's
//! value is in the answer to its making and in no other: it is not kept.

use std::collections::BTreeMap;

use engine::api_keys::{ApiKey, ApiKeyPatch, NewApiKey, Secret};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::patch::{Patch, PatchOperation, bad_operation};
use crate::position;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    enabled: bool,
    value: Option<String>,
    #[serde(default)]
    stage_keys: Vec<StageKey>,
    customer_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StageKey {
    rest_api_id: String,
    stage_name: String,
}

#[derive(Debug, Deserialize)]
struct Tags {
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

pub(crate) async fn operation(call: &Call<'_>, method: &Method, rest: &[&str]) -> Answer {
    match (method, rest) {
        (&Method::POST, []) => create(call).await,
        (&Method::GET, []) => list(call),
        (&Method::GET, [id]) => Ok((StatusCode::OK, show(&*call.keys().get(id)?))),
        (&Method::PATCH, [id]) => {
            let patch: Patch = call.members()?;
            let key = call.keys().update(id, read(patch)?).await?;
            Ok((StatusCode::OK, show(&key)))
        }
        (&Method::DELETE, [id]) => {
            call.keys().delete(id).await?;
            Ok((StatusCode::ACCEPTED, json!({})))
        }
        _ => not_built(method, "/apikeys"),
    }
}

/// Of API keys, by their ARNs: `arn:aws:apigateway:REGION::/apikeys/ID`.
pub(crate) async fn tags(call: &Call<'_>, method: &Method, arn: &str) -> Answer {
    let own = format!(
        "arn:aws:apigateway:{}::/apikeys/",
        call.keys().scope().region
    );
    let Some(id) = arn.strip_prefix(&own) else {
        return not_built(method, "/tags of anything but API keys");
    };
    match *method {
        Method::GET => {
            let key = call.keys().get(id)?;
            Ok((StatusCode::OK, json!({ "tags": key.tags })))
        }
        Method::PUT => {
            let more: Tags = call.members()?;
            call.keys().tag(id, |tags| tags.extend(more.tags)).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        Method::DELETE => {
            let names: Vec<String> = call.query("tagKeys").collect();
            let remove = |tags: &mut BTreeMap<String, String>| {
                tags.retain(|name, _| !names.contains(name));
            };
            call.keys().tag(id, remove).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/tags"),
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let members: Members = call.members()?;
    let stages = members.stage_keys.iter();
    let new = NewApiKey {
        name: members.name,
        description: members.description,
        enabled: members.enabled,
        value: members.value.map(Secret::new).transpose()?,
        stages: stages
            .map(|key| format!("{}/{}", key.rest_api_id, key.stage_name))
            .collect(),
        customer_id: members.customer_id,
        tags: members.tags,
    };
    let (key, secret) = call.keys().create(new).await?;
    let mut shown = show(&key);
    shown["value"] = secret.text().into();
    Ok((StatusCode::CREATED, shown))
}

fn list(call: &Call<'_>) -> Answer {
    let named = call.query("name").next();
    let customer = call.query("customerId").next();
    let mut all = call.keys().all();
    all.retain(|key| {
        let of_name = named.as_ref().is_none_or(|name| key.name.starts_with(name));
        let of_customer = |id: &String| key.customer_id.as_ref() == Some(id);
        of_name && customer.as_ref().is_none_or(of_customer)
    });
    let page = position::page(call, &all, |key| key.id.clone(), |key| show(key))?;
    Ok((StatusCode::OK, page))
}

fn read(patch: Patch) -> Result<ApiKeyPatch, ApiError> {
    let mut read = ApiKeyPatch::default();
    for operation in patch.patch_operations {
        let PatchOperation { op, path, value } = &operation;
        let value = value.clone();
        match (op.as_str(), path.as_str()) {
            ("replace", "/name") => read.name = Some(value),
            ("replace", "/description") => read.description = Some(value),
            ("replace", "/customerId") => read.customer_id = Some(value),
            ("replace", "/enabled") => {
                let enabled = value.parse();
                let enabled =
                    enabled.map_err(|_| bad_operation(&operation, "it is true or false"))?;
                read.enabled = Some(enabled);
            }
            ("add", "/stages") => read.add_stages.push(value),
            ("remove", "/stages") => read.remove_stages.push(value),
            _ => {
                return Err(bad_operation(
                    &operation,
                    "replace /name, /description, /customerId or /enabled, add or remove /stages",
                ));
            }
        }
    }
    Ok(read)
}

fn show(key: &ApiKey) -> Value {
    let mut shown = json!({
        "id": key.id,
        "name": key.name,
        "description": key.description,
        "enabled": key.enabled,
        "createdDate": key.created.0 / 1000,
        "lastUpdatedDate": key.updated.0 / 1000,
        "stageKeys": key.stages,
    });
    if let Some(customer) = &key.customer_id {
        shown["customerId"] = customer.as_str().into();
    }
    if !key.tags.is_empty() {
        shown["tags"] = json!(key.tags);
    }
    shown
}
