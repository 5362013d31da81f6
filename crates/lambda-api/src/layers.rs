//! Layers and their policies.

use engine::catalog::{LayerFilter, LayerVersion, NewLayer};
use serde::Deserialize;
use serde_json::{Value, json};
use types::{LayerName, LayerVersionArn};

use crate::create::{CodeMembers, code_source};
use crate::error::ApiError;
use crate::names::{layer, layer_number};
use crate::request::{Answer, Call, created, no_content, ok};
use crate::shapes;
use crate::validate::{Faults, is_word, present};

const ARN_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";
const ARCHITECTURES: [(&str, ()); 2] = [("x86_64", ()), ("arm64", ())];

/// Runtimes that a layer may be compatible with, whether or not they run here.
const RUNTIME_FAMILIES: [&str; 7] = [
    "nodejs", "python", "java", "dotnet", "ruby", "provided", "go",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LayerMembers {
    description: Option<String>,
    content: Option<CodeMembers>,
    compatible_runtimes: Option<Vec<String>>,
    compatible_architectures: Option<Vec<String>>,
    license_info: Option<String>,
}

pub(crate) async fn publish(call: &Call<'_>, name: &str) -> Answer {
    let name = layer(name)?;
    let members: LayerMembers = call.members_with_zip("PublishLayerVersion").await?;
    let mut faults = Faults::default();
    let content = faults.required(members.content, "content");
    if let Some(description) = &members.description {
        faults.max_length(description, "description", 256);
    }
    if let Some(license) = &members.license_info {
        faults.max_length(license, "licenseInfo", 512);
    }
    let runtimes = members.compatible_runtimes.as_deref().unwrap_or_default();
    if !runtimes.iter().all(|runtime| is_runtime(runtime)) {
        faults.add(
            format_args!("[{}]", runtimes.join(", ")),
            "compatibleRuntimes",
            "Member must satisfy enum value set: [nodejs*, python*, java*, dotnet*, ruby*, provided*]",
        );
    }
    let architectures = members.compatible_architectures.as_deref();
    let architectures = architectures.unwrap_or_default();
    if !architectures
        .iter()
        .all(|a| ARCHITECTURES.iter().any(|(name, ())| name == a))
    {
        faults.add(
            format_args!("[{}]", architectures.join(", ")),
            "compatibleArchitectures",
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
        );
    }
    faults.none()?;
    let new = NewLayer {
        name,
        description: members.description.unwrap_or_default(),
        runtimes: members.compatible_runtimes,
        architectures: members.compatible_architectures,
        license: members.license_info.filter(|license| !license.is_empty()),
        code: code_source(call, present(content)?).await?,
    };
    let version = call.catalog().publish_layer(new).await?;
    created(&shapes::layer(call, &version))
}

pub(crate) fn get(call: &Call<'_>, name: &str, number: &str) -> Answer {
    let (name, number) = (layer(name)?, layer_number(number)?);
    let version = call.catalog().get_layer_version(&name, number)?;
    ok(&shapes::layer(call, &version))
}

pub(crate) fn get_by_arn(call: &Call<'_>) -> Answer {
    let mut faults = Faults::default();
    let text = faults
        .required(call.query("Arn"), "arn")
        .unwrap_or_default();
    let Ok(arn) = text.parse::<LayerVersionArn>() else {
        if !text.is_empty() {
            faults.pattern(&text, "arn", false, ARN_PATTERN);
        }
        faults.none()?;
        return Err(ApiError::UnknownOperation);
    };
    let scope = call.scope();
    if arn.account != scope.account {
        return Err(ApiError::AccessDenied(format!(
            "User: arn:aws:iam::{}:root is not authorized to perform: lambda:GetLayerVersion on resource: {arn} because no resource-based policy allows the lambda:GetLayerVersion action",
            scope.account
        )));
    }
    let found = call.catalog().get_layer_version(&arn.name, arn.version);
    let version = found.and_then(|version| {
        // Of another region is as good as not there.
        let there = arn.region == scope.region;
        there.then_some(version).ok_or_else(missing)
    })?;
    ok(&shapes::layer(call, &version))
}

fn missing() -> engine::catalog::ControlError {
    engine::catalog::ControlError::NotFound {
        message: "The resource you requested does not exist.".to_owned(),
    }
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let filter = filter(call)?;
    let page = call.catalog().list_layers(&filter, &call.paging(50)?)?;
    let items = page.items.iter().map(|version| {
        json!({
            "LayerName": version.arn.name,
            "LayerArn": call.scope().layer_arn(&version.arn.name),
            "LatestMatchingVersion": shapes::layer_item(version),
        })
    });
    ok(&shapes::page("Layers", items.collect(), page.next_marker))
}

pub(crate) fn list_versions(call: &Call<'_>, name: &str) -> Answer {
    let (name, filter) = (layer(name)?, filter(call)?);
    let paging = call.paging(50)?;
    let page = call
        .catalog()
        .list_layer_versions(&name, &filter, &paging)?;
    let items = page.items.iter();
    let items = items
        .map(|version: &std::sync::Arc<LayerVersion>| Value::from(shapes::layer_item(version)));
    ok(&shapes::page(
        "LayerVersions",
        items.collect(),
        page.next_marker,
    ))
}

fn filter(call: &Call<'_>) -> Result<LayerFilter, ApiError> {
    let filter = LayerFilter {
        runtime: call.query("CompatibleRuntime"),
        architecture: call.query("CompatibleArchitecture"),
    };
    let mut faults = Faults::default();
    if let Some(runtime) = filter.runtime.as_deref().filter(|r| !is_runtime(r)) {
        faults.add(
            runtime,
            "compatibleRuntime",
            "Member must satisfy enum value set: [nodejs*, python*, java*, dotnet*, ruby*, provided*]",
        );
    }
    if let Some(architecture) = &filter.architecture {
        faults.one_of(architecture, "compatibleArchitecture", &ARCHITECTURES);
    }
    faults.none()?;
    Ok(filter)
}

pub(crate) async fn delete(call: &Call<'_>, name: &str, number: &str) -> Answer {
    let (name, number) = (layer(name)?, layer_number(number)?);
    call.catalog().delete_layer_version(name, number).await?;
    no_content()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LayerPermissionMembers {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    organization_id: Option<String>,
}

pub(crate) async fn add_permission(call: &Call<'_>, name: &str, number: &str) -> Answer {
    let (name, number) = (layer(name)?, layer_number(number)?);
    let members: LayerPermissionMembers = call.members()?;
    let mut faults = Faults::default();
    let sid = faults.required(members.statement_id, "statementId");
    let action = faults.required(members.action, "action");
    let principal = faults.required(members.principal, "principal");
    if let Some(sid) = &sid {
        faults.max_length(sid, "statementId", 100);
        faults.pattern(sid, "statementId", is_word(sid, "-_"), "([a-zA-Z0-9-_]+)");
    }
    if let Some(action) = &action {
        let fits = action == "lambda:GetLayerVersion";
        faults.pattern(action, "action", fits, "lambda:GetLayerVersion");
    }
    let principal_json = principal
        .as_deref()
        .map(|text| principal_of(&mut faults, text));
    faults.none()?;
    let (statement, revision) = call
        .catalog()
        .add_layer_permission(
            name,
            number,
            present(sid)?,
            present(principal_json)?,
            members.organization_id,
            call.query("RevisionId"),
        )
        .await?;
    created(&json!({ "Statement": shapes::text(&statement), "RevisionId": revision }))
}

fn principal_of(faults: &mut Faults, text: &str) -> Value {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let is_root = text.starts_with("arn:aws") && text.ends_with(":root");
    let pattern = r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root";
    faults.pattern(
        text,
        "principal",
        text == "*" || is_account || is_root,
        pattern,
    );
    match text {
        "*" => json!("*"),
        _ if is_account => json!({ "AWS": format!("arn:aws:iam::{text}:root") }),
        _ => json!({ "AWS": text }),
    }
}

pub(crate) fn get_policy(call: &Call<'_>, name: &str, number: &str) -> Answer {
    let (name, number) = (layer(name)?, layer_number(number)?);
    let (statements, revision) = call.catalog().layer_policy(&name, number)?;
    ok(&json!({ "Policy": shapes::policy(&statements), "RevisionId": revision }))
}

pub(crate) async fn remove_permission(
    call: &Call<'_>,
    name: &str,
    number: &str,
    sid: &str,
) -> Answer {
    let (name, number): (LayerName, u64) = (layer(name)?, layer_number(number)?);
    let revision = call.query("RevisionId");
    call.catalog()
        .remove_layer_permission(name, number, sid.to_owned(), revision)
        .await?;
    no_content()
}

fn is_runtime(text: &str) -> bool {
    let known = RUNTIME_FAMILIES
        .iter()
        .any(|family| text.starts_with(family));
    known && is_word(text, ".-")
}
