//! Making an HTTP API: it, its stage, and what holds for all of its routes.

use std::collections::BTreeMap;

use aws_client::ClientError;
use aws_wire::form;
use http::Method;
use project::model::Rate;
use serde_json::{Value, json};

use super::{DOCS_TAG, STAGE, WantedRoute, authorizer, lead, read};
use crate::calls::{gone, text, unless_there};
use crate::error::StepError;
use crate::site::{Cloud, Made};

#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// The API and its stage, without routes.
    Put {
        name: String,
        cors: Option<Value>,
        docs: Option<String>,
        /// Of the one that is there.
        id: Option<String>,
        docs_were: Option<String>,
    },
    Authorizer(authorizer::Work),
    /// All routes, and none beside them.
    Routes {
        routes: BTreeMap<String, WantedRoute>,
        /// Whether rules for all routes go, as each has its own now.
        drops_cors: bool,
    },
    /// How often routes may be called; of those that are `old`, nothing is said any more.
    Rates {
        rates: BTreeMap<String, Rate>,
        old: Vec<String>,
    },
    /// By id.
    Remove(String),
}

impl Work {
    pub async fn run(&self, cloud: &Cloud, made: &Made) -> Result<(), StepError> {
        let known = || {
            let known = made.now().api.clone();
            let known = known.ok_or_else(|| StepError::Order("the HTTP API".to_owned()));
            known.map(|(id, _)| id)
        };
        match self {
            Self::Put {
                name,
                cors,
                docs,
                id: None,
                ..
            } => {
                let api = create(cloud, name, cors.as_ref(), docs.as_deref()).await?;
                let id = text(&api, "apiId", "CreateApi")?.to_owned();
                let endpoint = text(&api, "apiEndpoint", "CreateApi")?.to_owned();
                put_stage(cloud, &id).await?;
                made.now().api = Some((id, endpoint));
            }
            Self::Put {
                cors,
                docs,
                id: Some(id),
                docs_were,
                ..
            } => {
                if let Some(cors) = cors {
                    let body = json!({ "corsConfiguration": cors });
                    call(cloud, Method::PATCH, &format!("/v2/apis/{id}"), Some(&body)).await?;
                }
                if docs != docs_were {
                    tag_docs(cloud, id, docs.as_deref()).await?;
                }
                put_stage(cloud, id).await?;
            }
            Self::Authorizer(work) => work.run(cloud, made).await?,
            Self::Routes { routes, drops_cors } => {
                let id = known()?;
                let authorizers = made.now().authorizers.clone();
                lead::lead(cloud, &id, routes, &authorizers).await?;
                if *drops_cors {
                    let target = format!("/v2/apis/{id}/cors");
                    gone(call(cloud, Method::DELETE, &target, None)).await?;
                }
            }
            Self::Rates { rates, old } => {
                let id = known()?;
                lead::set_rates(cloud, &id, rates, old).await?;
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
async fn create(
    cloud: &Cloud,
    name: &str,
    cors: Option<&Value>,
    docs: Option<&str>,
) -> Result<Value, ClientError> {
    let tags = cloud.names.tags();
    let mut tags: BTreeMap<_, _> = tags.into_iter().collect();
    if let Some(docs) = docs {
        tags.insert(DOCS_TAG, docs);
    }
    let mut body = json!({ "name": name, "protocolType": "HTTP", "tags": tags });
    if let Some(cors) = cors {
        body["corsConfiguration"] = cors.clone();
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

async fn tag_docs(cloud: &Cloud, id: &str, docs: Option<&str>) -> Result<(), ClientError> {
    let (partition, region) = (cloud.names.partition(), &cloud.names.region);
    let arn = format!("arn:{partition}:apigateway:{region}::/apis/{id}");
    let target = format!("/v2/tags/{}", form::encode(&arn));
    let Some(docs) = docs else {
        let target = format!("{target}?tagKeys={}", form::encode(DOCS_TAG));
        return gone(call(cloud, Method::DELETE, &target, None)).await;
    };
    let body = json!({ "tags": { DOCS_TAG: docs } });
    call(cloud, Method::POST, &target, Some(&body)).await?;
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

pub async fn call(
    cloud: &Cloud,
    method: Method,
    target: &str,
    body: Option<&Value>,
) -> Result<Value, ClientError> {
    let client = &cloud.client;
    client.rest_json("apigateway", method, target, body).await
}
