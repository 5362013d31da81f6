//! Leading routes to where they should lead, and saying how often each may be called.
//!
//! No request may come to a route that asks less than both what was there and what is
//! wanted. So a route and what it asks change in one call; routes that are new come before
//! those that change, because a wider path may take what a narrower one will; those that
//! ask most come first; and what is wanted no more goes last.

use std::collections::{BTreeMap, BTreeSet};

use aws_client::ClientError;
use aws_wire::form;
use futures::future::try_join_all;
use http::Method;
use project::model::{Auth, Rate};
use serde_json::{Value, json};

use super::work::call;
use super::{FoundRoute, Guard, Integration, STAGE, WantedRoute, read};
use crate::calls::{gone, patiently, text, unless_there};
use crate::error::StepError;
use crate::site::Cloud;

/// Integrations first, then routes to them; what is not needed goes last.
pub async fn lead(
    cloud: &Cloud,
    api: &str,
    wanted: &BTreeMap<String, WantedRoute>,
    authorizers: &BTreeMap<String, String>,
) -> Result<(), StepError> {
    let (found, routes) = tokio::try_join!(
        read::integrations(cloud, api),
        read::routes(cloud, api, authorizers)
    )?;
    let integrations = integrate_all(cloud, api, wanted, &found, &routes).await?;
    let mut changes = Vec::new();
    for (key, route) in wanted {
        let integration = &integrations[&route.integration];
        let there = routes.get(key);
        let is_right = there
            .is_some_and(|there| there.integration == *integration && there.guard == route.guard);
        if !is_right {
            let auth = authorization(&route.guard, there, authorizers)?;
            changes.push(Put {
                order: (there.is_some(), route.openness()),
                key,
                there,
                integration,
                guard: &route.guard,
                auth,
            });
        }
    }
    changes.sort_by_key(|change| change.order);
    for together in changes.chunk_by(|one, other| one.order == other.order) {
        try_join_all(together.iter().map(|put| put.run(cloud, api))).await?;
    }
    let old = routes.iter().filter(|(key, _)| !wanted.contains_key(*key));
    for (_, route) in old {
        let target = format!("/v2/apis/{api}/routes/{}", route.id);
        gone(call(cloud, Method::DELETE, &target, None)).await?;
    }
    // Also those of attempts that nobody heard of.
    let used: BTreeSet<&String> = wanted
        .values()
        .map(|route| &integrations[&route.integration])
        .collect();
    let there = read::integrations(cloud, api).await?;
    for id in there.keys().filter(|id| !used.contains(id)) {
        let target = format!("/v2/apis/{api}/integrations/{id}");
        gone(call(cloud, Method::DELETE, &target, None)).await?;
    }
    Ok(())
}

/// An id for each integration that is wanted. Of two that are the same, the one that has
/// routes stays.
async fn integrate_all(
    cloud: &Cloud,
    api: &str,
    wanted: &BTreeMap<String, WantedRoute>,
    found: &BTreeMap<String, Integration>,
    routes: &BTreeMap<String, FoundRoute>,
) -> Result<BTreeMap<Integration, String>, StepError> {
    let mut ids = BTreeMap::new();
    let used = routes.values().map(|route| &route.integration);
    for id in used.chain(found.keys()) {
        if let Some(integration) = found.get(id) {
            let known = ids.entry(integration.clone());
            known.or_insert_with(|| id.clone());
        }
    }
    for route in wanted.values() {
        if !ids.contains_key(&route.integration) {
            let path = format!("/v2/apis/{api}/integrations");
            let body = route.integration.body();
            let answer = call(cloud, Method::POST, &path, Some(&body)).await?;
            let id = text(&answer, "integrationId", "CreateIntegration")?;
            ids.insert(route.integration.clone(), id.to_owned());
        }
    }
    Ok(ids)
}

/// What is said of who may call, beside the key.
fn authorization(
    guard: &Guard,
    there: Option<&FoundRoute>,
    authorizers: &BTreeMap<String, String>,
) -> Result<Value, StepError> {
    let was = there.map(|there| &there.guard.auth);
    let had_scopes = |was: &Auth| matches!(was, Auth::By { scopes, .. } if !scopes.is_empty());
    Ok(match &guard.auth {
        Auth::Open if was.is_none_or(|was| *was == Auth::Open) => json!({}),
        Auth::Open => json!({ "authorizationType": "NONE" }),
        Auth::Iam => json!({ "authorizationType": "AWS_IAM" }),
        Auth::By { name, scopes } => {
            let id = authorizers.get(name);
            let id = id.ok_or_else(|| StepError::Order(format!("the authorizer {name}")))?;
            let kind = if name.contains('.') { "CUSTOM" } else { "JWT" };
            let mut auth = json!({ "authorizationType": kind, "authorizerId": id });
            if !scopes.is_empty() || was.is_some_and(had_scopes) {
                auth["authorizationScopes"] = json!(scopes);
            }
            auth
        }
    })
}

/// A route as it shall be.
struct Put<'a> {
    order: (bool, u8),
    key: &'a str,
    there: Option<&'a FoundRoute>,
    integration: &'a str,
    guard: &'a Guard,
    auth: Value,
}

impl Put<'_> {
    async fn run(&self, cloud: &Cloud, api: &str) -> Result<(), ClientError> {
        let mut body = self.auth.clone();
        body["target"] = format!("integrations/{}", self.integration).into();
        // AWS has no such thing: where none is wanted, nothing is said of it.
        let asked_key = self.there.is_some_and(|there| there.guard.asks_key);
        if self.guard.asks_key || asked_key {
            body["apiKeyRequired"] = self.guard.asks_key.into();
        }
        if let Some(there) = self.there {
            let path = format!("/v2/apis/{api}/routes/{}", there.id);
            let change = || call(cloud, Method::PATCH, &path, Some(&body));
            patiently(is_behind, change).await?;
        } else {
            body["routeKey"] = self.key.into();
            let path = format!("/v2/apis/{api}/routes");
            let create = || {
                let create = call(cloud, Method::POST, &path, Some(&body));
                unless_there(create, &["ConflictException"])
            };
            patiently(is_behind, create).await?;
        }
        Ok(())
    }
}

/// An integration or authorizer that was just made is not known everywhere at once.
fn is_behind(error: &ClientError) -> bool {
    match error {
        ClientError::Api { code, message, .. } => {
            code == "BadRequestException"
                && ["ntegration", "uthorizer"]
                    .iter()
                    .any(|word| message.contains(word))
                && message.contains("Invalid")
        }
        _ => false,
    }
}

/// Sets what is wanted, and forgets what is not. A setting may outlive its route, and
/// then AWS takes no others: so what is old goes first.
pub async fn set_rates(
    cloud: &Cloud,
    api: &str,
    rates: &BTreeMap<String, Rate>,
    old: &[String],
) -> Result<(), ClientError> {
    let stage = format!("/v2/apis/{api}/stages/{}", form::encode(STAGE));
    for key in old {
        let target = format!("{stage}/routesettings/{}", form::encode(key));
        gone(call(cloud, Method::DELETE, &target, None)).await?;
    }
    if rates.is_empty() {
        return Ok(());
    }
    let settings = rates.iter().map(|(key, rate)| {
        // AWS takes one that is not said for nothing at all.
        let setting = json!({
            "throttlingRateLimit": rate.per_second,
            "throttlingBurstLimit": rate.burst,
        });
        (key.clone(), setting)
    });
    let settings: serde_json::Map<String, Value> = settings.collect();
    let body = json!({ "routeSettings": settings });
    call(cloud, Method::PATCH, &stage, Some(&body)).await?;
    Ok(())
}
