//! Which HTTP APIs are there, and where their routes lead to.

use std::collections::{BTreeMap, BTreeSet};

use aws_client::ClientError;
use aws_wire::form;
use futures::future::try_join_all;
use http::Method;
use serde_json::Value;

use project::model::{Auth, Rate};

use super::integration::canonical_cors;
use super::work::call;
use super::{Api, DOCS_TAG, Found, FoundRoute, Guard, Integration, STAGE, authorizer};
use crate::calls::{all_pages, if_there};
use crate::error::DeployError;
use crate::site::{Cloud, Target};

pub async fn read(cloud: &Cloud) -> Result<Found, DeployError> {
    let found = async {
        let apis = list_ours(cloud).await?;
        try_join_all(apis.iter().map(|api| look(cloud, api))).await
    };
    found.await.map_err(DeployError::read("HTTP APIs"))
}

/// Those with our tags.
pub async fn list_ours(cloud: &Cloud) -> Result<Vec<Value>, ClientError> {
    let apis = items(cloud, "/v2/apis").await?;
    let is_ours = |api: &Value| cloud.names.are_ours(|tag| api["tags"][tag].as_str());
    Ok(apis.into_iter().filter(is_ours).collect())
}

async fn look(cloud: &Cloud, api: &Value) -> Result<Api, ClientError> {
    let id = text(&api["apiId"]);
    let (routes, stages) = (
        format!("/v2/apis/{id}/routes"),
        format!("/v2/apis/{id}/stages"),
    );
    let (routes, integrations, stages) = tokio::try_join!(
        items(cloud, &routes),
        integrations(cloud, &id),
        items(cloud, &stages),
    )?;
    let all = authorizers(cloud, &id, &routes).await?;
    let ids: Vec<String> = all.iter().map(|it| text(&it["authorizerId"])).collect();
    let authorizers = authorizer::read(&all);
    let is_chosen = |id: &String| authorizers.values().any(|there| there.id == *id);
    let twins = ids.into_iter().filter(|id| !is_chosen(id)).collect();
    let known = authorizers.iter();
    let known: BTreeMap<String, String> = known
        .map(|(name, there)| (name.clone(), there.id.clone()))
        .collect();
    let stage = stages.iter().find(|stage| stage["stageName"] == STAGE);
    let cors = &api["corsConfiguration"];
    Ok(Api {
        endpoint: text(&api["apiEndpoint"]),
        cors: Some(canonical_cors(cors)).filter(|cors| cors["allowOrigins"].is_array()),
        docs: api["tags"][DOCS_TAG].as_str().map(str::to_owned),
        has_stage: stage.is_some(),
        routes: by_key(&routes, &known),
        integrations,
        authorizers,
        twins,
        rates: stage.map(rates).unwrap_or_default(),
        id,
    })
}

/// Those that routes have, one by one, as not every place can list them; all, where the
/// project wants some that no route has yet.
async fn authorizers(
    cloud: &Cloud,
    api: &str,
    routes: &[Value],
) -> Result<Vec<Value>, ClientError> {
    let all = format!("/v2/apis/{api}/authorizers");
    if cloud.target == Target::Engine {
        return items(cloud, &all).await;
    }
    let ids = routes.iter().map(|route| text(&route["authorizerId"]));
    let ids: BTreeSet<String> = ids.filter(|id| !id.is_empty()).collect();
    let looks = ids.iter().map(|id| {
        let target = format!("{all}/{id}");
        async move { if_there(call(cloud, Method::GET, &target, None)).await }
    });
    let found: Vec<Value> = try_join_all(looks).await?.into_iter().flatten().collect();
    let is_found = |name: &String| found.iter().any(|it| it["name"] == name.as_str());
    if cloud.authorizer_names.iter().all(is_found) {
        Ok(found)
    } else {
        items(cloud, &all).await
    }
}

/// `authorizers` are ids by names.
pub async fn routes(
    cloud: &Cloud,
    api: &str,
    authorizers: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, FoundRoute>, ClientError> {
    let routes = items(cloud, &format!("/v2/apis/{api}/routes")).await?;
    Ok(by_key(&routes, authorizers))
}

/// One whose authorizer is not known is as if it were let in by nobody.
fn by_key(
    routes: &[Value],
    authorizers: &BTreeMap<String, String>,
) -> BTreeMap<String, FoundRoute> {
    let routes = routes.iter().map(|route| {
        let target = text(&route["target"]);
        let integration = target.strip_prefix("integrations/").unwrap_or_default();
        let found = FoundRoute {
            id: text(&route["routeId"]),
            integration: integration.to_owned(),
            guard: Guard {
                asks_key: route["apiKeyRequired"] == true,
                auth: auth(route, authorizers),
            },
        };
        (text(&route["routeKey"]), found)
    });
    routes.collect()
}

fn auth(route: &Value, authorizers: &BTreeMap<String, String>) -> Auth {
    match route["authorizationType"].as_str() {
        None | Some("NONE" | "") => Auth::Open,
        Some("AWS_IAM") => Auth::Iam,
        Some(_) => {
            let id = text(&route["authorizerId"]);
            let known = authorizers.iter().find(|(_, known)| **known == id);
            let mut scopes = texts(&route["authorizationScopes"]);
            scopes.sort();
            Auth::By {
                name: known.map(|(name, _)| name.clone()).unwrap_or_default(),
                scopes,
            }
        }
    }
}

/// Of routes alone: what holds for a whole stage is not ours.
fn rates(stage: &Value) -> BTreeMap<String, Rate> {
    let settings = stage["routeSettings"].as_object().into_iter().flatten();
    let rates = settings.filter_map(|(key, setting)| {
        let per_second = setting["throttlingRateLimit"].as_f64()?;
        let burst = setting["throttlingBurstLimit"].as_u64().unwrap_or(0);
        let rate = Rate {
            // One with a fraction is another one than any that is wanted.
            per_second: format!("{per_second}").parse().unwrap_or(0),
            burst: u32::try_from(burst).unwrap_or(u32::MAX),
        };
        Some((key.clone(), rate))
    });
    rates.collect()
}

pub async fn integrations(
    cloud: &Cloud,
    api: &str,
) -> Result<BTreeMap<String, Integration>, ClientError> {
    let found = items(cloud, &format!("/v2/apis/{api}/integrations")).await?;
    let found = found.iter().map(|integration| {
        let id = text(&integration["integrationId"]);
        (id, Integration::read(integration))
    });
    Ok(found.collect())
}

pub async fn items(cloud: &Cloud, path: &str) -> Result<Vec<Value>, ClientError> {
    let pages = all_pages("items", "nextToken", |token| {
        let mut target = path.to_owned();
        if let Some(token) = token {
            target = format!("{target}?nextToken={}", form::encode(&token));
        }
        async move {
            let client = &cloud.client;
            client
                .rest_json("apigateway", Method::GET, &target, None)
                .await
        }
    });
    pages.await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.map(text).collect()
}
