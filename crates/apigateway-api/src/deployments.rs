//! Deployments on the wire.

use engine::http_apis::Deployment;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::members::{api_id, check_description, part_id, stage_name};
use crate::paging;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    description: Option<String>,
    stage_name: Option<String>,
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
            let all = entry.api.deployments.values();
            let shown = all.map(|made| (made.id.to_string(), show(made)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let members: Members = call.members()?;
            check_description(members.description.as_ref())?;
            let stage = members.stage_name.as_deref().map(stage_name).transpose()?;
            let made = apis.create_deployment(&api, members.description, stage);
            Ok((StatusCode::CREATED, show(&made.await?)))
        }
        (&Method::GET, [id]) => {
            let entry = apis.api(&api)?;
            let deployment = entry.api.deployment(&part_id("Deployment", id)?)?;
            Ok((StatusCode::OK, show(deployment)))
        }
        (&Method::PATCH, [id]) => {
            let members: Members = call.members()?;
            check_description(members.description.as_ref())?;
            let id = part_id("Deployment", id)?;
            let described = apis.describe_deployment(&api, &id, members.description);
            Ok((StatusCode::OK, show(&described.await?)))
        }
        (&Method::DELETE, [id]) => {
            let id = part_id("Deployment", id)?;
            apis.delete_deployment(&api, &id).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/.../deployments"),
    }
}

fn show(deployment: &Deployment) -> Value {
    let mut shown = json!({
        "autoDeployed": deployment.automatic,
        "createdDate": deployment.created.rfc3339(),
        "deploymentId": deployment.id,
        "deploymentStatus": "DEPLOYED",
    });
    if let Some(description) = &deployment.description {
        shown["description"] = description.as_str().into();
    }
    shown
}
