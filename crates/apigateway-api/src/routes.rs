//! Routes on the wire. Unlike AWS's, routes of HTTP APIs may ask for API keys here.

use std::collections::BTreeMap;

use engine::http_apis::{
    Api, Authorization, AuthorizationPatch, AuthorizationType, NewRoute, PartId, Route, RoutePatch,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::apis::read_key;
use crate::error::ApiError;
use crate::members::{api_id, check_length, part_id, required};
use crate::paging;

const MOST_SCOPES: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    route_key: Option<String>,
    target: Option<String>,
    operation_name: Option<String>,
    api_key_required: Option<bool>,
    authorization_type: Option<AuthorizationName>,
    authorizer_id: Option<String>,
    authorization_scopes: Option<Vec<String>>,
    model_selection_expression: Option<String>,
    request_models: Option<BTreeMap<String, Value>>,
    request_parameters: Option<BTreeMap<String, Value>>,
    route_response_selection_expression: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum AuthorizationName {
    None,
    AwsIam,
    Jwt,
    Custom,
}

impl From<AuthorizationName> for AuthorizationType {
    fn from(name: AuthorizationName) -> Self {
        match name {
            AuthorizationName::None => Self::None,
            AuthorizationName::AwsIam => Self::AwsIam,
            AuthorizationName::Jwt => Self::Jwt,
            AuthorizationName::Custom => Self::Custom,
        }
    }
}

impl From<AuthorizationType> for AuthorizationName {
    fn from(kind: AuthorizationType) -> Self {
        match kind {
            AuthorizationType::None => Self::None,
            AuthorizationType::AwsIam => Self::AwsIam,
            AuthorizationType::Jwt => Self::Jwt,
            AuthorizationType::Custom => Self::Custom,
        }
    }
}

impl Members {
    /// What would change requests must not be passed over.
    fn check(&self) -> Result<(), ApiError> {
        check_length("operationName", self.operation_name.as_ref(), 1, 64)?;
        let models = self.request_models.iter().chain(&self.request_parameters);
        let texts = [
            &self.model_selection_expression,
            &self.route_response_selection_expression,
        ];
        let mut texts = texts.into_iter().flatten();
        if models.flatten().next().is_some() || texts.any(|text| !text.is_empty()) {
            return Err(ApiError::invalid(
                "Models, request parameters and selection expressions of routes are not supported for HTTP APIs",
            ));
        }
        Ok(())
    }

    fn authorization(&self) -> Result<AuthorizationPatch, ApiError> {
        let scopes = self.authorization_scopes.as_ref();
        if scopes.is_some_and(|scopes| scopes.len() > MOST_SCOPES) {
            return Err(ApiError::invalid(format!(
                "A route has at most {MOST_SCOPES} authorization scopes"
            )));
        }
        for scope in scopes.into_iter().flatten() {
            check_length("a scope", Some(scope), 1, 64)?;
            if !scope.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ApiError::invalid("A scope is plain text without spaces"));
            }
        }
        // An empty id takes away what was there.
        let authorizer = self.authorizer_id.as_ref().map(|id| match id.as_str() {
            "" => Ok(None),
            id => part_id("Authorizer", id).map(Some),
        });
        Ok(AuthorizationPatch {
            kind: self.authorization_type.map(AuthorizationType::from),
            authorizer: authorizer.transpose()?,
            scopes: self.authorization_scopes.clone(),
        })
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
            let shown = routes.map(|route| (route.id.to_string(), show(&entry.api, route)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let members: Members = call.members()?;
            members.check()?;
            let (target, authorization) = (members.target()?, members.authorization()?);
            let new = NewRoute {
                key: read_key(&required(members.route_key, "routeKey")?)?,
                target,
                operation_name: members.operation_name,
                key_required: members.api_key_required == Some(true),
                authorization,
            };
            let route = apis.create_route(&api, new).await?;
            Ok((StatusCode::CREATED, show(&apis.api(&api)?.api, &route)))
        }
        (&Method::GET, [id]) => {
            let entry = apis.api(&api)?;
            let route = entry.api.route(&part_id("Route", id)?)?;
            Ok((StatusCode::OK, show(&entry.api, route)))
        }
        (&Method::PATCH, [id]) => {
            let members: Members = call.members()?;
            members.check()?;
            let (target, authorization) = (members.target()?, members.authorization()?);
            let patch = RoutePatch {
                key: members.route_key.as_deref().map(read_key).transpose()?,
                target,
                operation_name: members.operation_name,
                key_required: members.api_key_required,
                authorization,
            };
            let id = part_id("Route", id)?;
            let route = apis.update_route(&api, &id, patch).await?;
            Ok((StatusCode::OK, show(&apis.api(&api)?.api, &route)))
        }
        (&Method::DELETE, [id]) => {
            apis.delete_route(&api, &part_id("Route", id)?).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/.../routes"),
    }
}

fn show(api: &Api, route: &Route) -> Value {
    let mut shown = json!({
        "apiKeyRequired": route.key_required,
        "authorizationType": AuthorizationName::from(api.authorization_type(&route.authorization)),
        "routeId": route.id,
        "routeKey": route.key,
    });
    if let Authorization::By { authorizer, scopes } = &route.authorization {
        shown["authorizerId"] = json!(authorizer);
        if !scopes.is_empty() {
            shown["authorizationScopes"] = json!(scopes);
        }
    }
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
