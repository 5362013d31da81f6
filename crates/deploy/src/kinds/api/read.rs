//! Which HTTP APIs are there, and where their routes lead to.

use std::collections::BTreeMap;

use aws_client::ClientError;
use aws_wire::form;
use futures::future::try_join_all;
use http::Method;
use serde_json::Value;

use super::{Api, Found, FoundRoute, MAP, MODEL, STAGE, Target};
use crate::calls::all_pages;
use crate::error::DeployError;
use crate::site::Cloud;

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
    let stages = format!("/v2/apis/{id}/stages");
    let (routes, integrations, stages) = tokio::try_join!(
        routes(cloud, &id),
        integrations(cloud, &id),
        items(cloud, &stages),
    )?;
    let mut cors: Vec<String> = texts(&api["corsConfiguration"]["allowOrigins"]);
    cors.sort();
    Ok(Api {
        endpoint: text(&api["apiEndpoint"]),
        cors,
        has_stage: stages.iter().any(|stage| stage["stageName"] == STAGE),
        routes,
        integrations,
        id,
    })
}

pub async fn routes(cloud: &Cloud, api: &str) -> Result<BTreeMap<String, FoundRoute>, ClientError> {
    let routes = items(cloud, &format!("/v2/apis/{api}/routes")).await?;
    let routes = routes.iter().map(|route| {
        let target = text(&route["target"]);
        let integration = target.strip_prefix("integrations/").unwrap_or_default();
        let found = FoundRoute {
            id: text(&route["routeId"]),
            integration: integration.to_owned(),
            asks_key: route["apiKeyRequired"] == true,
        };
        (text(&route["routeKey"]), found)
    });
    Ok(routes.collect())
}

pub async fn integrations(
    cloud: &Cloud,
    api: &str,
) -> Result<BTreeMap<String, Target>, ClientError> {
    let found = items(cloud, &format!("/v2/apis/{api}/integrations")).await?;
    let found = found
        .iter()
        .map(|integration| (text(&integration["integrationId"]), target(integration)));
    Ok(found.collect())
}

fn target(integration: &Value) -> Target {
    let parameters = integration["requestParameters"].as_object();
    let parameters = parameters.into_iter().flatten();
    let parameters = parameters.map(|(name, value)| (name.clone(), text(value)));
    match integration["integrationSubtype"].as_str() {
        Some(MAP) => Target::Map(parameters.collect()),
        Some(MODEL) => Target::Model(parameters.collect()),
        _ => Target::Function(text(&integration["integrationUri"])),
    }
}

async fn items(cloud: &Cloud, path: &str) -> Result<Vec<Value>, ClientError> {
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
