//! The account's limits and usage, tags, and settings that are only recorded.

use std::collections::BTreeMap;

use engine::catalog::{RecursiveLoop, RuntimeManagement};
use serde::Deserialize;
use serde_json::{Value, json};
use types::{FunctionName, FunctionRef, Qualifier};

use crate::error::ApiError;
use crate::functions::must_exist;
use crate::request::{Answer, Call, no_content, ok};
use crate::shapes;
use crate::validate::{Faults, present};

const RESOURCE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";

pub(crate) fn settings(call: &Call<'_>) -> Answer {
    let limits = call.api.engine.limits();
    let usage = call.catalog().usage();
    ok(&json!({
        "AccountLimit": {
            "TotalCodeSize": limits.code_storage_bytes,
            "CodeSizeUnzipped": limits.unzipped_bytes,
            "CodeSizeZipped": limits.zip_bytes,
            "ConcurrentExecutions": limits.account_concurrency,
            "UnreservedConcurrentExecutions": call.catalog().unreserved_concurrency(),
        },
        "AccountUsage": {
            "TotalCodeSize": usage.code_bytes,
            "FunctionCount": usage.functions,
        },
    }))
}

/// The function of a tag operation; only functions have tags here.
fn tagged(call: &Call<'_>, arn: &str) -> Result<FunctionName, ApiError> {
    if !arn.starts_with("arn:") || arn.parse::<FunctionRef>().is_err() {
        let mut faults = Faults::default();
        faults.pattern(arn, "resource", false, RESOURCE_PATTERN);
        faults.none()?;
    }
    let target = call.function_ref(arn)?;
    if target.qualifier.is_some() {
        return Err(ApiError::invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    Ok(target.name)
}

pub(crate) fn list_tags(call: &Call<'_>, arn: &str) -> Answer {
    let tags = call.catalog().tags(&tagged(call, arn)?)?;
    ok(&json!({ "Tags": tags }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagMembers {
    tags: Option<BTreeMap<String, String>>,
}

pub(crate) async fn tag(call: &Call<'_>, arn: &str) -> Answer {
    let name = tagged(call, arn)?;
    let members: TagMembers = call.members()?;
    let mut faults = Faults::default();
    let tags = faults.required(members.tags, "tags");
    faults.none()?;
    call.catalog().tag(name, present(tags)?).await?;
    no_content()
}

pub(crate) async fn untag(call: &Call<'_>, arn: &str) -> Answer {
    let name = tagged(call, arn)?;
    let keys = call.query_all("tagKeys");
    let mut faults = Faults::default();
    faults.required(keys.first(), "tagKeys");
    faults.none()?;
    call.catalog().untag(name, keys).await?;
    no_content()
}

/// No function has one: an empty config, as AWS answers then.
pub(crate) fn code_signing(call: &Call<'_>, name: &str) -> Answer {
    let name = must_exist(call, name)?;
    ok(&json!({ "FunctionName": name }))
}

/// No config exists that a function could be given.
pub(crate) fn put_code_signing(call: &Call<'_>, name: &str) -> Answer {
    must_exist(call, name)?;
    Err(ApiError::invalid(
        "Code signing is not part of this engine: there is no code signing configuration to use.",
    ))
}

pub(crate) fn delete_code_signing(call: &Call<'_>, name: &str) -> Answer {
    must_exist(call, name)?;
    no_content()
}

pub(crate) fn list_code_signing() -> Answer {
    ok(&json!({ "CodeSigningConfigs": [] }))
}

pub(crate) fn event_sources(call: &Call<'_>) -> Answer {
    call.paging(10_000)?;
    if let Some(name) = call.query("FunctionName") {
        call.function_ref(&name)?;
    }
    ok(&shapes::page("EventSourceMappings", Vec::new(), None))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuntimeManagementMembers {
    update_runtime_on: Option<String>,
    runtime_version_arn: Option<String>,
}

pub(crate) fn runtime_management(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    let qualifier = target.qualifier.as_ref();
    let setting = call.catalog().runtime_management(&target.name, qualifier)?;
    ok(&management(call, &target.name, qualifier, &setting))
}

pub(crate) async fn set_runtime_management(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    let members: RuntimeManagementMembers = call.members()?;
    let mut faults = Faults::default();
    let update_on = faults.required(members.update_runtime_on, "updateRuntimeOn");
    if let Some(update_on) = &update_on {
        let all = ["Auto", "Manual", "FunctionUpdate"].map(|mode| (mode, ()));
        faults.one_of(update_on, "updateRuntimeOn", &all);
    }
    faults.none()?;
    let setting = RuntimeManagement {
        update_on: present(update_on)?,
        version_arn: members.runtime_version_arn,
    };
    if setting.update_on == "Manual" && setting.version_arn.is_none() {
        return Err(ApiError::invalid(
            "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.",
        ));
    }
    let qualifier = target.qualifier.clone();
    call.catalog()
        .set_runtime_management(target.name.clone(), qualifier, setting.clone())
        .await?;
    let qualifier = target.qualifier.as_ref();
    ok(&management(call, &target.name, qualifier, &setting))
}

fn management(
    call: &Call<'_>,
    name: &FunctionName,
    qualifier: Option<&Qualifier>,
    setting: &RuntimeManagement,
) -> Value {
    let scope = call.scope();
    let latest = Qualifier::Version(types::Version::Latest);
    json!({
        "UpdateRuntimeOn": setting.update_on,
        "RuntimeVersionArn": setting.version_arn,
        "FunctionArn": scope.qualified_arn(name, qualifier.unwrap_or(&latest)),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecursionMembers {
    recursive_loop: Option<String>,
}

pub(crate) fn recursion(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    let value = call.catalog().recursive_loop(&name)?;
    ok(&json!({ "RecursiveLoop": value }))
}

pub(crate) async fn set_recursion(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    let members: RecursionMembers = call.members()?;
    let mut faults = Faults::default();
    let all = [
        ("Terminate", RecursiveLoop::Terminate),
        ("Allow", RecursiveLoop::Allow),
    ];
    let text = faults.required(members.recursive_loop, "recursiveLoop");
    let value = text.and_then(|text| faults.one_of(&text, "recursiveLoop", &all));
    faults.none()?;
    let value = present(value)?;
    call.catalog().set_recursive_loop(name, value).await?;
    ok(&json!({ "RecursiveLoop": value }))
}
