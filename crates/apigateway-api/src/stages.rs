//! Stages on the wire.

use std::collections::BTreeMap;

use engine::http_apis::{AccessLog, NewStage, RouteSettings, Stage, StagePatch};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::{
    api_id, check_description, check_length, check_tags, part_id, required, stage_name,
};
use crate::paging;

/// Variables that a stage may have.
const MOST_VARIABLES: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    stage_name: Option<String>,
    description: Option<String>,
    auto_deploy: Option<bool>,
    deployment_id: Option<String>,
    stage_variables: Option<BTreeMap<String, String>>,
    default_route_settings: Option<RouteSettings>,
    route_settings: Option<BTreeMap<String, RouteSettings>>,
    access_log_settings: Option<AccessLog>,
    tags: Option<BTreeMap<String, String>>,
}

impl Members {
    fn patch(self) -> Result<StagePatch, ApiError> {
        check_description(self.description.as_ref())?;
        if let Some(variables) = &self.stage_variables {
            if variables.len() > MOST_VARIABLES {
                return Err(ApiError::invalid(format!(
                    "A stage has at most {MOST_VARIABLES} variables"
                )));
            }
            for value in variables.values() {
                check_length("a stage variable", Some(value), 0, 2048)?;
            }
        }
        if self.auto_deploy == Some(true) && self.deployment_id.is_some() {
            return Err(ApiError::invalid(
                "deploymentId cannot be set for a stage that deploys automatically",
            ));
        }
        let settings = self.route_settings.iter().flatten().map(|(_, own)| own);
        for settings in settings.chain(&self.default_route_settings) {
            check_settings(settings)?;
        }
        let deployment = self.deployment_id.as_deref();
        let deployment = deployment.map(|id| part_id("Deployment", id)).transpose()?;
        Ok(StagePatch {
            description: self.description,
            deploys_by_itself: self.auto_deploy,
            deployment,
            variables: self.stage_variables,
            default_settings: self.default_route_settings,
            route_settings: self.route_settings,
            access_log: self.access_log_settings,
        })
    }
}

fn check_settings(settings: &RouteSettings) -> Result<(), ApiError> {
    let level = settings.logging_level.as_deref();
    let logs = level.is_some_and(|level| level != "OFF");
    if logs || settings.data_trace_enabled == Some(true) {
        return Err(ApiError::invalid(
            "Execution logs are not supported on protocolType HTTP",
        ));
    }
    let rate = settings.throttling_rate_limit.unwrap_or(0.0);
    let burst = settings.throttling_burst_limit.unwrap_or(0);
    if !(rate.is_finite() && rate >= 0.0 && (0..=i64::from(i32::MAX)).contains(&burst)) {
        return Err(ApiError::invalid(
            "throttlingRateLimit and throttlingBurstLimit are numbers from 0 on",
        ));
    }
    Ok(())
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
            let stages = entry.api.stages.values();
            let shown = stages.map(|stage| (stage.name.to_string(), show(stage)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let mut members: Members = call.members()?;
            let name = required(members.stage_name.take(), "stageName")?;
            let tags = members.tags.take().unwrap_or_default();
            check_tags(&tags)?;
            let new = NewStage {
                name: stage_name(&name)?,
                tags,
                rest: members.patch()?,
            };
            let stage = apis.create_stage(&api, new).await?;
            Ok((StatusCode::CREATED, show(&stage)))
        }
        (&Method::GET, [name]) => {
            let entry = apis.api(&api)?;
            let stage = entry.api.stage(&stage_name(name)?)?;
            Ok((StatusCode::OK, show(stage)))
        }
        (&Method::PATCH, [name]) => {
            let members: Members = call.members()?;
            let patch = members.patch()?;
            let stage = apis.update_stage(&api, &stage_name(name)?, patch).await?;
            Ok((StatusCode::OK, show(&stage)))
        }
        (&Method::DELETE, [name, "accesslogsettings"]) => {
            apis.delete_access_log(&api, &stage_name(name)?).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        // Some clients leave the slashes of a route's key as they are.
        (&Method::DELETE, [name, "routesettings", key @ ..]) if !key.is_empty() => {
            let (name, key) = (stage_name(name)?, key.join("/"));
            apis.delete_route_settings(&api, &name, &key).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        (&Method::DELETE, [name, "cache", "authorizers"]) => {
            apis.renew_stage(&api, &stage_name(name)?).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        (&Method::DELETE, [name]) => {
            apis.delete_stage(&api, &stage_name(name)?).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/.../stages"),
    }
}

fn show(stage: &Stage) -> Value {
    let mut shown = json!({
        "autoDeploy": stage.deploys_by_itself,
        "createdDate": stage.created.rfc3339(),
        "defaultRouteSettings": stage.default_settings.clone().unwrap_or(RouteSettings {
            detailed_metrics_enabled: Some(false),
            ..RouteSettings::default()
        }),
        "lastUpdatedDate": stage.updated.rfc3339(),
        "routeSettings": stage.route_settings,
        "stageName": stage.name,
        "stageVariables": stage.variables,
        "tags": stage.tags,
    });
    if let Some(id) = &stage.deployment {
        shown["deploymentId"] = json!(id);
        if stage.deploys_by_itself {
            let message = format!("Successfully deployed stage with deployment ID '{id}'");
            shown["lastDeploymentStatusMessage"] = message.into();
        }
    }
    if let Some(log) = &stage.access_log {
        shown["accessLogSettings"] = json!(log);
    }
    if let Some(description) = &stage.description {
        shown["description"] = description.as_str().into();
    }
    if stage.managed {
        shown["apiGatewayManaged"] = true.into();
    }
    shown
}
