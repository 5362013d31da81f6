//! `squall openapi`: what an API takes and answers, in OpenAPI's form, as its gateway
//! describes it.

use std::path::Path;

use anyhow::Context;
use aws_wire::form;
use deploy::Found;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Global, OpenapiArgs, PlaceArg};
use crate::client::{self, Client};
use crate::deployment;
use crate::failure::Failure;
use crate::output;

/// The stage that deployments make, and who makes an API by hand.
const STAGE: &str = "$default";
/// APIs that are asked for at one time.
const PAGE: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    api_id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Apis {
    #[serde(default)]
    items: Vec<Api>,
    next_token: Option<String>,
}

pub async fn run(global: &Global, args: OpenapiArgs) -> Result<(), Failure> {
    let (client, id, stage) = if let Some(named) = &args.api {
        if args.project.to == PlaceArg::Aws {
            let message = "--api is of the engine; of AWS there is the project's";
            return Err(Failure::mistake(message).hint("run it in the project's folder"));
        }
        let client = client::find(global)?;
        let id = one(all(&client).await?, named)?;
        (client, id, args.project.stage.as_deref().unwrap_or(STAGE))
    } else {
        let opened = deployment::open_loosely(global, &args.project).await?;
        let found = Box::pin(Found::read(&opened.cloud)).await?;
        let api = found.known().api.ok_or_else(|| {
            let title = deployment::Shown {
                cloud: &opened.cloud,
            };
            let message = format!("{} has no API", title.title());
            Failure::mistake(message)
                .hint("squall deploy makes one of [[routes]]; --api names another one")
        })?;
        (opened.cloud.client, api.0, STAGE)
    };
    let target = format!(
        "/v2/apis/{}/exports/OAS30?outputType=JSON&stageName={}",
        form::encode(&id),
        form::encode(stage)
    );
    let document = client.rest_json("apigateway", Method::GET, &target, None);
    let mut document = document.await?;
    reachable(&mut document, &client);
    write(&document, args.out.as_deref())
}

/// Not every resolver knows the names of an engine.
fn reachable(document: &mut Value, client: &Client) {
    let host = client.endpoint("lambda").host;
    let servers = document["servers"].as_array_mut();
    for server in servers.into_iter().flatten() {
        if let Some(url) = server["url"].as_str() {
            server["url"] = json!(deployment::by_path(&host, url));
        }
    }
}

fn write(document: &Value, out: Option<&Path>) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).context("a document is JSON")?;
    match out {
        None => output::line(&text)?,
        Some(file) => {
            let written = std::fs::write(file, format!("{text}\n"));
            written.with_context(|| format!("{} cannot be written", file.display()))?;
            output::note(&format!("written to {}", file.display()));
        }
    }
    Ok(())
}

async fn all(client: &Client) -> Result<Vec<Api>, Failure> {
    let mut found = Vec::new();
    let mut more = String::new();
    loop {
        let target = format!("/v2/apis?maxResults={PAGE}{more}");
        let page = client.rest_json("apigateway", Method::GET, &target, None);
        let page: Apis = serde_json::from_value(page.await?).context("the list of APIs is none")?;
        found.extend(page.items);
        match page.next_token {
            Some(token) => more = format!("&nextToken={}", form::encode(&token)),
            None => return Ok(found),
        }
    }
}

/// The id of the one that is meant.
fn one(all: Vec<Api>, named: &str) -> Result<String, Failure> {
    if let Some(api) = all.iter().find(|api| api.api_id == named) {
        return Ok(api.api_id.clone());
    }
    let names: Vec<String> = all.iter().map(|api| api.name.clone()).collect();
    let mut fits = all.into_iter().filter(|api| api.name == named);
    let Some(first) = fits.next() else {
        let failure = Failure::mistake(format!("there is no API {named:?}"));
        return Err(if names.is_empty() {
            failure.hint("there are none yet; squall deploy makes one of [[routes]]")
        } else {
            failure.hint(format!("there are {}", names.join(", ")))
        });
    };
    let others: Vec<String> = fits.map(|api| api.api_id).collect();
    if others.is_empty() {
        return Ok(first.api_id);
    }
    let message = format!("there are several APIs that are called {named:?}");
    let ids = format!("name its id: {}, {}", first.api_id, others.join(", "));
    Err(Failure::mistake(message).hint(ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_meant_by_its_id_or_its_name() {
        let all = |names: &[(&str, &str)]| {
            let all = names.iter().map(|(id, name)| Api {
                api_id: (*id).to_owned(),
                name: (*name).to_owned(),
            });
            all.collect::<Vec<_>>()
        };
        let names = [("a", "shop"), ("b", "a"), ("c", "two"), ("d", "two")];
        assert_eq!(one(all(&names), "a").unwrap(), "a");
        assert_eq!(one(all(&names), "shop").unwrap(), "a");
        for (named, told) in [("two", "several"), ("three", "no API")] {
            let failure = one(all(&names), named).unwrap_err();
            assert!(format!("{failure:?}").contains(told), "{named}");
        }
        assert!(one(vec![], "x").is_err());
    }
}
