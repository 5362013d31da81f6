//! Making an HTTP API, and leading its routes to where they should lead.

use std::collections::{BTreeMap, BTreeSet};

use aws_client::ClientError;
use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};

use super::{MAP, MODEL, STAGE, Target, WantedRoute, read};
use crate::calls::{gone, patiently, text, unless_there};
use crate::error::StepError;
use crate::site::{Cloud, Made};

/// How long browsers may remember what CORS allowed.
const CORS_SECONDS: u32 = 3600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// The API and its stage, without routes.
    Put {
        name: String,
        cors: Vec<String>,
        /// Of the one that is there.
        id: Option<String>,
        had_cors: bool,
    },
    /// All routes, and none beside them.
    Routes(BTreeMap<String, WantedRoute>),
    /// By id.
    Remove(String),
}

impl Work {
    pub async fn run(&self, cloud: &Cloud, made: &Made) -> Result<(), StepError> {
        match self {
            Self::Put {
                name,
                cors,
                id: None,
                ..
            } => {
                let api = create(cloud, name, cors).await?;
                let id = text(&api, "apiId", "CreateApi")?.to_owned();
                let endpoint = text(&api, "apiEndpoint", "CreateApi")?.to_owned();
                put_stage(cloud, &id).await?;
                made.now().api = Some((id, endpoint));
            }
            Self::Put {
                cors,
                id: Some(id),
                had_cors,
                ..
            } => {
                set_cors(cloud, id, cors, *had_cors).await?;
                put_stage(cloud, id).await?;
            }
            Self::Routes(routes) => {
                let known = made.now().api.clone();
                let (id, _) = known.ok_or_else(|| StepError::Order("the HTTP API".to_owned()))?;
                lead(cloud, &id, routes).await?;
            }
            Self::Remove(id) => {
                gone(call(cloud, Method::DELETE, &format!("/v2/apis/{id}"), None)).await?;
                made.now().api.take_if(|(known, _)| known == id);
            }
        }
        Ok(())
    }
}

/// If an answer was lost and the call sent again, there are two now. The one that was
/// made first stays: the engine gave it the readable id.
async fn create(cloud: &Cloud, name: &str, cors: &[String]) -> Result<Value, ClientError> {
    let tags = cloud.names.tags();
    let tags: BTreeMap<_, _> = tags.into_iter().collect();
    let mut body = json!({ "name": name, "protocolType": "HTTP", "tags": tags });
    if !cors.is_empty() {
        body["corsConfiguration"] = cors_document(cors);
    }
    let api = call(cloud, Method::POST, "/v2/apis", Some(&body)).await?;
    let mut twins = read::list_ours(cloud).await?;
    twins.sort_by_cached_key(|api| api["createdDate"].to_string());
    let first = twins.first().cloned().unwrap_or(api);
    for twin in twins.iter().skip(1) {
        if let Some(id) = twin["apiId"].as_str() {
            gone(call(cloud, Method::DELETE, &format!("/v2/apis/{id}"), None)).await?;
        }
    }
    Ok(first)
}

fn cors_document(origins: &[String]) -> Value {
    json!({
        "allowOrigins": origins,
        "allowMethods": ["*"],
        "allowHeaders": ["*"],
        "exposeHeaders": ["*"],
        "maxAge": CORS_SECONDS,
    })
}

async fn set_cors(
    cloud: &Cloud,
    id: &str,
    cors: &[String],
    had_cors: bool,
) -> Result<(), ClientError> {
    if !cors.is_empty() {
        let body = json!({ "corsConfiguration": cors_document(cors) });
        call(cloud, Method::PATCH, &format!("/v2/apis/{id}"), Some(&body)).await?;
    } else if had_cors {
        gone(call(
            cloud,
            Method::DELETE,
            &format!("/v2/apis/{id}/cors"),
            None,
        ))
        .await?;
    }
    Ok(())
}

/// With it, what is changed is served at once.
async fn put_stage(cloud: &Cloud, id: &str) -> Result<(), ClientError> {
    let tags = cloud.names.tags();
    let tags: BTreeMap<_, _> = tags.into_iter().collect();
    let body = json!({ "stageName": STAGE, "autoDeploy": true, "tags": tags });
    let target = format!("/v2/apis/{id}/stages");
    let create = call(cloud, Method::POST, &target, Some(&body));
    unless_there(create, &["ConflictException"]).await?;
    Ok(())
}

/// Integrations first, then routes to them; what is not needed goes last.
async fn lead(
    cloud: &Cloud,
    api: &str,
    wanted: &BTreeMap<String, WantedRoute>,
) -> Result<(), StepError> {
    let (found, routes) =
        tokio::try_join!(read::integrations(cloud, api), read::routes(cloud, api))?;
    let mut by_target = BTreeMap::new();
    for (id, target) in &found {
        by_target
            .entry(target.clone())
            .or_insert_with(|| id.clone());
    }
    let targets: BTreeSet<&Target> = wanted.values().map(|route| &route.target).collect();
    for target in targets {
        if !by_target.contains_key(target) {
            let id = integrate(cloud, api, target).await?;
            by_target.insert(target.clone(), id);
        }
    }
    let changes = wanted.iter().filter_map(|(key, wanted)| {
        let integration = &by_target[&wanted.target];
        let there = routes.get(key);
        let is_right = there.is_some_and(|there| {
            there.integration == *integration && there.asks_key == wanted.asks_key
        });
        let put = Put {
            key,
            there: there.map(|it| it.id.as_str()),
            integration,
            asks_key: wanted.asks_key,
            asked_key: there.is_some_and(|there| there.asks_key),
        };
        (!is_right).then(|| put_route(cloud, api, put))
    });
    try_join_all(changes).await?;
    let old = routes.iter().filter(|(key, _)| !wanted.contains_key(*key));
    for (_, route) in old {
        let target = format!("/v2/apis/{api}/routes/{}", route.id);
        gone(call(cloud, Method::DELETE, &target, None)).await?;
    }
    // Also those of attempts that nobody heard of.
    let used: BTreeSet<&String> = wanted
        .values()
        .map(|route| &by_target[&route.target])
        .collect();
    let there = read::integrations(cloud, api).await?;
    for id in there.keys().filter(|id| !used.contains(id)) {
        let target = format!("/v2/apis/{api}/integrations/{id}");
        gone(call(cloud, Method::DELETE, &target, None)).await?;
    }
    Ok(())
}

async fn integrate(cloud: &Cloud, api: &str, target: &Target) -> Result<String, StepError> {
    let body = match target {
        Target::Function(arn) => json!({
            "integrationType": "AWS_PROXY",
            "integrationUri": arn,
            "payloadFormatVersion": "2.0",
        }),
        Target::Map(parameters) => own(MAP, parameters),
        Target::Model(parameters) => own(MODEL, parameters),
    };
    let path = format!("/v2/apis/{api}/integrations");
    let answer = call(cloud, Method::POST, &path, Some(&body)).await?;
    Ok(text(&answer, "integrationId", "CreateIntegration")?.to_owned())
}

/// An integration that only the engine has.
fn own(subtype: &str, parameters: &BTreeMap<String, String>) -> Value {
    json!({
        "integrationType": "AWS_PROXY",
        "integrationSubtype": subtype,
        "payloadFormatVersion": "1.0",
        "requestParameters": parameters,
    })
}

/// A route as it shall be.
struct Put<'a> {
    key: &'a str,
    /// The id of the one that is there.
    there: Option<&'a str>,
    integration: &'a str,
    asks_key: bool,
    asked_key: bool,
}

async fn put_route(cloud: &Cloud, api: &str, put: Put<'_>) -> Result<(), ClientError> {
    let target = format!("integrations/{}", put.integration);
    let mut body = json!({ "target": target });
    // AWS has no such thing: where none is wanted, nothing is said of it.
    if put.asks_key || put.asked_key {
        body["apiKeyRequired"] = put.asks_key.into();
    }
    if let Some(id) = put.there {
        let path = format!("/v2/apis/{api}/routes/{id}");
        call(cloud, Method::PATCH, &path, Some(&body)).await?;
    } else {
        body["routeKey"] = put.key.into();
        let path = format!("/v2/apis/{api}/routes");
        let create = || {
            let create = call(cloud, Method::POST, &path, Some(&body));
            unless_there(create, &["ConflictException"])
        };
        patiently(is_behind, create).await?;
    }
    Ok(())
}

/// An integration that was just made is not known everywhere at once.
fn is_behind(error: &ClientError) -> bool {
    match error {
        ClientError::Api { code, message, .. } => {
            code == "BadRequestException" && message.contains("ntegration")
        }
        _ => false,
    }
}

async fn call(
    cloud: &Cloud,
    method: Method,
    target: &str,
    body: Option<&Value>,
) -> Result<Value, ClientError> {
    let client = &cloud.client;
    client.rest_json("apigateway", method, target, body).await
}
