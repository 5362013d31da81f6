//! APIs on the wire.

use std::collections::BTreeMap;

use engine::http_apis::{Api, ApiPatch, NewApi, PayloadFormat, QuickCreate, RouteKey};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::{CorsText, api_id, check_description, check_length, check_tags, required};
use crate::paging;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    name: Option<String>,
    protocol_type: Option<String>,
    description: Option<String>,
    version: Option<String>,
    cors_configuration: Option<CorsText>,
    disable_execute_api_endpoint: Option<bool>,
    tags: Option<BTreeMap<String, String>>,
    target: Option<String>,
    route_key: Option<String>,
    credentials_arn: Option<String>,
}

impl Members {
    fn check(&self) -> Result<(), ApiError> {
        check_length("name", self.name.as_ref(), 1, 128)?;
        check_length("version", self.version.as_ref(), 1, 64)?;
        check_description(self.description.as_ref())?;
        self.tags.as_ref().map_or(Ok(()), check_tags)
    }
}

pub(crate) async fn all(call: &Call<'_>, method: &Method) -> Answer {
    match *method {
        Method::GET => {
            let all = call.apis().apis();
            let shown = all
                .iter()
                .map(|entry| (entry.api.id.to_string(), show(call, &entry.api)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        Method::POST => create(call).await,
        _ => not_built(method, "/v2/apis"),
    }
}

pub(crate) async fn one(call: &Call<'_>, method: &Method, id: &str) -> Answer {
    let id = api_id(id)?;
    match *method {
        Method::GET => Ok((StatusCode::OK, show(call, &call.apis().api(&id)?.api))),
        Method::PATCH => {
            let patch = patch(call)?;
            let entry = call.apis().update_api(&id, patch).await?;
            Ok((StatusCode::OK, show(call, &entry.api)))
        }
        Method::DELETE => {
            call.apis().delete_api(&id).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/..."),
    }
}

pub(crate) async fn delete_cors(call: &Call<'_>, id: &str) -> Answer {
    call.apis().delete_cors(&api_id(id)?).await?;
    Ok((StatusCode::NO_CONTENT, Value::Null))
}

async fn create(call: &Call<'_>) -> Answer {
    let members: Members = call.members()?;
    members.check()?;
    match required(members.protocol_type.as_deref(), "protocolType")? {
        "HTTP" => {}
        "WEBSOCKET" => {
            return Err(ApiError::invalid(
                "Squall does not provide WebSocket APIs yet.",
            ));
        }
        _ => {
            return Err(ApiError::invalid(
                "protocolType is one of [WEBSOCKET, HTTP]",
            ));
        }
    }
    let key = members.route_key.as_deref().map(read_key).transpose()?;
    let quick = match (members.target, key) {
        (Some(uri), key) => Some(QuickCreate {
            key: key.unwrap_or(RouteKey::Default),
            target: call.function_target(uri, PayloadFormat::V2, members.credentials_arn)?,
        }),
        (None, Some(_)) => {
            return Err(ApiError::invalid("routeKey goes with target"));
        }
        (None, None) => None,
    };
    let new = NewApi {
        name: required(members.name, "name")?,
        description: members.description,
        version: members.version,
        cors: members.cors_configuration.map(CorsText::read).transpose()?,
        is_hidden: members.disable_execute_api_endpoint.unwrap_or(false),
        tags: members.tags.unwrap_or_default(),
        quick,
    };
    let entry = call.apis().create_api(new).await?;
    Ok((StatusCode::CREATED, show(call, &entry.api)))
}

fn patch(call: &Call<'_>) -> Result<ApiPatch, ApiError> {
    let members: Members = call.members()?;
    members.check()?;
    let target = members.target.map(|uri| {
        let role = members.credentials_arn;
        call.function_target(uri, PayloadFormat::V2, role)
    });
    Ok(ApiPatch {
        name: members.name,
        description: members.description,
        version: members.version,
        cors: members.cors_configuration.map(CorsText::read).transpose()?,
        is_hidden: members.disable_execute_api_endpoint,
        key: members.route_key.as_deref().map(read_key).transpose()?,
        target: target.transpose()?,
    })
}

pub(crate) fn read_key(text: &str) -> Result<RouteKey, ApiError> {
    text.parse()
        .map_err(|error: engine::http_apis::BadRouteKey| ApiError::invalid(error.to_string()))
}

fn show(call: &Call<'_>, api: &Api) -> Value {
    let endpoint = call.parts.endpoint.replace("{id}", api.id.as_str());
    let endpoint = endpoint.replace("{region}", call.apis().scope().region.as_str());
    let mut shown = json!({
        "apiEndpoint": endpoint,
        "apiId": api.id,
        "apiKeySelectionExpression": "$request.header.x-api-key",
        "createdDate": api.created.rfc3339(),
        "disableExecuteApiEndpoint": api.is_hidden,
        "ipAddressType": "ipv4",
        "name": api.name,
        "protocolType": "HTTP",
        "routeSelectionExpression": "$request.method $request.path",
        "tags": api.tags,
    });
    if let Some(cors) = &api.cors {
        shown["corsConfiguration"] = json!(CorsText::show(cors));
    }
    if let Some(description) = &api.description {
        shown["description"] = description.as_str().into();
    }
    if let Some(version) = &api.version {
        shown["version"] = version.as_str().into();
    }
    shown
}
