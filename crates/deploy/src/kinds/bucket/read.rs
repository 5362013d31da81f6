//! Which buckets are there, and how they are set.

use std::collections::BTreeMap;

use aws_client::{ClientError, Xml};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;

use super::{Found, Owner, documents};
use crate::calls::if_there;
use crate::error::DeployError;
use crate::site::Cloud;

/// Buckets that are looked at at once.
const AT_ONCE: usize = 16;

/// All that this account may look into: only tags tell whose a bucket is.
pub async fn read(cloud: &Cloud) -> Result<BTreeMap<String, Found>, DeployError> {
    let buckets = list(cloud).await.map_err(DeployError::read("buckets"))?;
    let looks = buckets
        .into_iter()
        .map(|name| async move { Ok((Box::pin(look(cloud, &name)).await?, name)) });
    let found: Vec<_> = stream::iter(looks)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .map_err(DeployError::read("settings of buckets"))?;
    let found = found.into_iter();
    Ok(found
        .filter_map(|(found, name)| Some((name, found?)))
        .collect())
}

async fn list(cloud: &Cloud) -> Result<Vec<String>, ClientError> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let mut target = "/".to_owned();
        if !token.is_empty() {
            target = format!("/?continuation-token={}", aws_wire::form::encode(&token));
        }
        let page = call(cloud, &target).await?;
        let buckets = page.list("Buckets", "Bucket");
        names.extend(buckets.map(|bucket| bucket.at(&["Name"]).to_owned()));
        page.at(&["ContinuationToken"]).clone_into(&mut token);
        if token.is_empty() {
            return Ok(names);
        }
    }
}

/// None of a bucket that says nothing of itself, to us or in this region.
async fn look(cloud: &Cloud, name: &str) -> Result<Option<Found>, ClientError> {
    let tags = match if_there(get(cloud, name, "tagging")).await {
        Ok(document) => document.as_ref().map(documents::read_tags),
        Err(error) if is_closed(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let tags = tags.unwrap_or_default();
    let tag = |name: &str| tags.get(name).map(String::as_str);
    let owner = if cloud.names.are_ours(tag) {
        Owner::Ours
    } else if tags.is_empty() {
        Owner::Unknown
    } else {
        Owner::Others
    };
    if owner != Owner::Ours {
        return look_outside(cloud, name, owner, tags).await.map(Some);
    }
    let (site, cors, policy, notifications, page) = tokio::try_join!(
        if_there(get(cloud, name, "website")),
        if_there(get(cloud, name, "cors")),
        if_there(get(cloud, name, "policy")),
        if_there(get(cloud, name, "notification")),
        if_there(get(cloud, name, "versions&max-keys=1")),
    )?;
    let policy = policy.and_then(|document| serde_json::from_str(&document.text).ok());
    let cors = cors.as_ref().map(documents::read_cors);
    let page = page.as_ref().map(documents::versions);
    Ok(Some(Found {
        owner,
        is_empty: page.is_none_or(|versions| versions.is_empty()),
        site: site.as_ref().and_then(documents::read_website),
        cors: cors.unwrap_or_default(),
        policy,
        notifications: notifications.map(|it| it.children).unwrap_or_default(),
        tags,
    }))
}

/// Of a bucket of others it matters whether it tells functions of ours of anything, and
/// whether it is one that we made and could not put tags on.
async fn look_outside(
    cloud: &Cloud,
    name: &str,
    owner: Owner,
    tags: BTreeMap<String, String>,
) -> Result<Found, ClientError> {
    let told = |answer: Result<Option<Xml>, ClientError>| match answer {
        // It is not ours: what we may not know does not concern us.
        Err(error) if is_closed(&error) => Ok(None),
        other => other,
    };
    let notifications = told(if_there(get(cloud, name, "notification")).await)?;
    let page = told(if_there(get(cloud, name, "versions&max-keys=1")).await)?;
    let page = page.as_ref().map(documents::versions);
    let is_empty = page.is_some_and(|versions| versions.is_empty());
    let is_unfinished = owner == Owner::Unknown && is_empty && cloud.bucket_names.contains(name);
    Ok(Found {
        owner: if is_unfinished { Owner::Ours } else { owner },
        tags,
        is_empty,
        site: None,
        cors: vec![],
        policy: None,
        notifications: notifications.map(|it| it.children).unwrap_or_default(),
    })
}

/// In another region, or for others only.
fn is_closed(error: &ClientError) -> bool {
    match error {
        ClientError::Api { status, .. } => matches!(status, 301 | 307 | 400 | 403),
        _ => false,
    }
}

async fn get(cloud: &Cloud, name: &str, setting: &str) -> Result<Xml, ClientError> {
    call(cloud, &format!("/{name}?{setting}")).await
}

async fn call(cloud: &Cloud, target: &str) -> Result<Xml, ClientError> {
    let client = &cloud.client;
    client.rest_xml(Method::GET, target, &[], &[]).await
}
