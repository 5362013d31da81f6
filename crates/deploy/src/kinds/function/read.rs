//! All that is known of functions, read side by side: `$LATEST`, versions, alias,
//! address, who may invoke, what happens to events.

use std::collections::{BTreeMap, BTreeSet};

use aws_client::ClientError;
use aws_wire::form;
use futures::future::try_join_all;
use http::Method;
use serde_json::Value;
use tokio::try_join;

use super::facts::Facts;
use super::run::path;
use crate::calls::{all_pages, if_there};
use crate::error::DeployError;
use crate::names::ALIAS;
use crate::release::{self, Mark};
use crate::site::Cloud;

#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whether it has the tags of this project and stage.
    pub ours: bool,
    pub latest: Facts,
    /// Oldest first.
    pub versions: Vec<Published>,
    pub alias: Option<Alias>,
    pub reserved: Option<u32>,
    /// Of the alias, as the wire has it.
    pub events: Option<Value>,
    pub url: Option<FoundUrl>,
    /// Ids of the alias's statements that a deployment made.
    pub statements: BTreeSet<String>,
    /// As the wire has it.
    pub modified: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub version: u64,
    /// None: somebody published it by hand.
    pub release: Option<u32>,
    pub facts: Facts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    pub version: u64,
    pub mark: Mark,
    /// Changes with it; not every endpoint says it.
    pub revision: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundUrl {
    pub address: String,
    pub auth: String,
    pub mode: String,
    /// Origins.
    pub cors: Vec<String>,
}

impl Found {
    /// What answers now.
    pub fn live(&self) -> Option<&Published> {
        let alias = self.alias.as_ref()?;
        let mut versions = self.versions.iter();
        versions.find(|published| published.version == alias.version)
    }
}

/// Functions whose names begin as ours do, by name; the tags say whose they are.
pub async fn read(cloud: &Cloud) -> Result<BTreeMap<String, Found>, DeployError> {
    let listed = all_pages("Functions", "NextMarker", |marker| async move {
        let marker = marker.map(|marker| format!("&Marker={}", form::encode(&marker)));
        let query = format!("?MaxItems=10000{}", marker.unwrap_or_default());
        get(cloud, format!("/2015-03-31/functions{query}")).await
    });
    let listed = listed.await.map_err(DeployError::read("functions"))?;
    let prefix = cloud.names.of("");
    let ours = listed
        .iter()
        .filter_map(|function| function["FunctionName"].as_str())
        .filter(|name| name.starts_with(&prefix));
    let found = try_join_all(ours.map(|name| read_one(cloud, name))).await?;
    Ok(found.into_iter().flatten().collect())
}

/// None, if it goes away while it is read.
async fn read_one(cloud: &Cloud, name: &str) -> Result<Option<(String, Found)>, DeployError> {
    let found = try_join!(
        if_there(get(cloud, path("2015-03-31", name, ""))),
        versions(cloud, name),
        if_there(get(
            cloud,
            path("2015-03-31", name, &format!("/aliases/{ALIAS}"))
        )),
        if_there(get(cloud, of_alias("2015-03-31", name, "policy"))),
        if_there(get(cloud, of_alias("2021-10-31", name, "url"))),
        if_there(get(
            cloud,
            of_alias("2019-09-25", name, "event-invoke-config")
        )),
    );
    let what = format!("function {name}");
    let (function, versions, alias, policy, url, events) =
        found.map_err(DeployError::read(what))?;
    let Some(function) = function else {
        return Ok(None);
    };
    let tags = &function["Tags"];
    let reserved = function["Concurrency"]["ReservedConcurrentExecutions"].as_u64();
    let found = Found {
        ours: cloud.names.are_ours(|tag| tags[tag].as_str()),
        latest: Facts::of(&function["Configuration"]),
        modified: text(&function["Configuration"], "LastModified"),
        versions,
        alias: alias.as_ref().and_then(read_alias),
        reserved: reserved.and_then(|number| number.try_into().ok()),
        events,
        url: url.as_ref().map(read_url),
        statements: policy.as_ref().map(statements).unwrap_or_default(),
    };
    Ok(Some((name.to_owned(), found)))
}

async fn versions(cloud: &Cloud, name: &str) -> Result<Vec<Published>, ClientError> {
    let listed = all_pages("Versions", "NextMarker", |marker| async move {
        let marker = marker.map(|marker| format!("&Marker={}", form::encode(&marker)));
        let query = format!("/versions?MaxItems=10000{}", marker.unwrap_or_default());
        get(cloud, path("2015-03-31", name, &query)).await
    });
    let Some(listed) = if_there(listed).await? else {
        return Ok(Vec::new());
    };
    let numbered = listed.iter().filter_map(|shape| {
        Some(Published {
            // `$LATEST` is listed, too.
            version: shape["Version"].as_str()?.parse().ok()?,
            release: shape["Description"].as_str().and_then(release::of_version),
            facts: Facts::of(shape),
        })
    });
    let mut versions: Vec<_> = numbered.collect();
    versions.sort_by_key(|published| published.version);
    Ok(versions)
}

fn read_alias(shape: &Value) -> Option<Alias> {
    let version = shape["FunctionVersion"].as_str()?.parse().ok()?;
    let mut mark: Mark = shape["Description"].as_str()?.parse().unwrap_or_default();
    // Somebody moved it by hand: then it says nothing of what answered before.
    if mark.history.is_empty() {
        mark.history.insert(mark.release, version);
    }
    let revision = shape["RevisionId"].as_str().map(str::to_owned);
    Some(Alias {
        version,
        mark,
        revision,
    })
}

fn read_url(shape: &Value) -> FoundUrl {
    let origins = shape["Cors"]["AllowOrigins"].as_array();
    let origins = origins.into_iter().flatten().filter_map(Value::as_str);
    let mode = shape["InvokeMode"].as_str().unwrap_or("BUFFERED");
    FoundUrl {
        address: text(shape, "FunctionUrl"),
        auth: text(shape, "AuthType"),
        mode: mode.to_owned(),
        cors: origins.map(str::to_owned).collect(),
    }
}

fn statements(answer: &Value) -> BTreeSet<String> {
    let document = answer["Policy"].as_str().unwrap_or_default();
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let statements = document["Statement"].as_array().into_iter().flatten();
    let ids = statements.filter_map(|statement| statement["Sid"].as_str());
    let ours = ids.filter(|id| id.starts_with(crate::kinds::permission::PREFIX));
    ours.map(str::to_owned).collect()
}

fn of_alias(date: &str, name: &str, what: &str) -> String {
    path(date, name, &format!("/{what}?Qualifier={ALIAS}"))
}

async fn get(cloud: &Cloud, target: String) -> Result<Value, ClientError> {
    let client = &cloud.client;
    client.rest_json("lambda", Method::GET, &target, None).await
}

fn text(shape: &Value, member: &str) -> String {
    shape[member].as_str().unwrap_or_default().to_owned()
}
