//! Routes on the wire. Unlike AWS's, routes of HTTP APIs may ask for API keys here.

use engine::http_apis::{Authorization, NewRoute, PartId, Route, RoutePatch};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::apis::read_key;
use crate::error::ApiError;
use crate::members::{api_id, check_length, part_id, required};
use crate::paging;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    route_key: Option<String>,
    target: Option<String>,
    operation_name: Option<String>,
    api_key_required: Option<bool>,
    authorization_type: Option<String>,
    authorizer_id: Option<String>,
}

impl Members {
    /// What would let nobody in, or only some, must not be passed over.
    fn check(&self) -> Result<(), ApiError> {
        check_length("operationName", self.operation_name.as_ref(), 1, 64)?;
        let open = matches!(self.authorization_type.as_deref(), None | Some("NONE"));
        if !open || self.authorizer_id.is_some() {
            return Err(ApiError::invalid(
                "Squall does not provide authorization of routes yet: authorizationType is NONE.",
            ));
        }
        Ok(())
    }

    fn target(&self) -> Result<Option<PartId>, ApiError> {
        let Some(target) = &self.target else {
            return Ok(None);
        };
        let id = target.strip_prefix("integrations/");
        let id = id.and_then(|id| id.parse().ok());
        id.map(Some).ok_or_else(|| {
            let shown: String = target.chars().take(100).collect();
            ApiError::invalid(format!("Invalid target {shown}: use integrations/ID"))
        })
    }
}

pub(crate) async fn operation(
    call: &Call<'_>,
    method: &Method,
    api: &str,
    rest: &[&str],
) -> Answer {
    let api = api_id(api)?;
    let apis = call.apis();
    match (method, rest) {
        (&Method::GET, []) => {
            let entry = apis.api(&api)?;
            let routes = entry.api.routes.values();
            let shown = routes.map(|route| (route.id.to_string(), show(route)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let members: Members = call.members()?;
            members.check()?;
            let target = members.target()?;
            let new = NewRoute {
                key: read_key(&required(members.route_key, "routeKey")?)?,
                target,
                operation_name: members.operation_name,
                key_required: members.api_key_required == Some(true),
                authorization: Authorization::Open,
            };
            let route = apis.create_route(&api, new).await?;
            Ok((StatusCode::CREATED, show(&route)))
        }
        (&Method::GET, [id]) => {
            let entry = apis.api(&api)?;
            let route = entry.api.route(&part_id("Route", id)?)?;
            Ok((StatusCode::OK, show(route)))
        }
        (&Method::PATCH, [id]) => {
            let members: Members = call.members()?;
            members.check()?;
            let target = members.target()?;
            let patch = RoutePatch {
                key: members.route_key.as_deref().map(read_key).transpose()?,
                target,
                operation_name: members.operation_name,
                key_required: members.api_key_required,
                authorization: None,
            };
            let id = part_id("Route", id)?;
            let route = apis.update_route(&api, &id, patch).await?;
            Ok((StatusCode::OK, show(&route)))
        }
        (&Method::DELETE, [id]) => {
            apis.delete_route(&api, &part_id("Route", id)?).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/.../routes"),
    }
}

fn show(route: &Route) -> Value {
    let mut shown = json!({
        "apiKeyRequired": route.key_required,
        "authorizationType": "NONE",
        "routeId": route.id,
        "routeKey": route.key,
    });
    if let Some(target) = &route.target {
        shown["target"] = format!("integrations/{target}").into();
    }
    if let Some(name) = &route.operation_name {
        shown["operationName"] = name.as_str().into();
    }
    if route.managed {
        shown["apiGatewayManaged"] = true.into();
    }
    shown
}
