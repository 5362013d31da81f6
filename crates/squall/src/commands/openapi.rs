//! `squall openapi`: what an API takes and answers, in OpenAPI's form, as its gateway
//! describes it.

use std::path::Path;

use anyhow::{Context, anyhow};
use aws_wire::form;
use deploy::Found;
use http::Method;
use serde_json::{Value, json};

use crate::apis::{self, STAGE};
use crate::args::{Global, OpenapiArgs, PlaceArg};
use crate::client::{self, Client};
use crate::deployment;
use crate::failure::{Failure, Kind};
use crate::output;

pub async fn run(global: &Global, args: OpenapiArgs) -> Result<(), Failure> {
    let (client, id, stage) = if let Some(named) = &args.api {
        if args.project.to == PlaceArg::Aws {
            let message = "--api is of the engine; of AWS there is the project's";
            return Err(Failure::mistake(message).hint("run it in the project's folder"));
        }
        let client = client::find(global)?;
        let id = apis::one(&apis::all(&client).await?, named)?.api_id.clone();
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
            written.map_err(|error| {
                let error = anyhow!(error).context(format!("{} cannot be written", file.display()));
                Failure::new(Kind::Mistake, error)
            })?;
            output::note(&format!("written to {}", file.display()));
        }
    }
    Ok(())
}
