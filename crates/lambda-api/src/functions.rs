//! Reading, publishing and deleting functions.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use types::{Qualifier, Version};

use crate::error::ApiError;
use crate::request::{Answer, Call, created, json, no_content, ok};
use crate::shapes::{self, Phase};
use crate::validate::Faults;

pub(crate) fn get(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    let catalog = call.catalog();
    let entry = catalog.get_function(&target.name, target.qualifier.as_ref())?;
    let tags = catalog.tags(&target.name)?;
    let mut shape = json!({
        "Configuration": shapes::configuration(
            call.scope(),
            &entry,
            target.qualifier.as_ref(),
            Phase::Settled,
        ),
        "Code": {
            "RepositoryType": "S3",
            "Location": call.code_location(&entry.config.code.sha256),
        },
    });
    if !tags.is_empty() {
        shape["Tags"] = json!(tags);
    }
    if let Some(reserved) = catalog.reserved_concurrency(&target.name) {
        shape["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    ok(&shape)
}

pub(crate) fn get_configuration(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    let qualifier = target.qualifier.as_ref();
    let entry = call.catalog().get_function(&target.name, qualifier)?;
    ok(&shapes::configuration(
        call.scope(),
        &entry,
        qualifier,
        Phase::Settled,
    ))
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let all = match call.query("FunctionVersion") {
        None => false,
        Some(text) => {
            let mut faults = Faults::default();
            faults.one_of(&text, "functionVersion", &[("ALL", ())]);
            faults.none()?;
            true
        }
    };
    let page = call.catalog().list_functions(all, &call.paging(10_000)?)?;
    let items = page.items.iter().map(|entry| {
        let qualifier = Qualifier::Version(entry.config.version);
        let shown = all.then_some(&qualifier);
        Value::from(shapes::configuration(
            call.scope(),
            entry,
            shown,
            Phase::Listed,
        ))
    });
    ok(&shapes::page(
        "Functions",
        items.collect(),
        page.next_marker,
    ))
}

pub(crate) fn list_versions(call: &Call<'_>, name: &str) -> Answer {
    let target = call.function_ref(name)?;
    let paging = call.paging(10_000)?;
    let page = call.catalog().list_versions(&target.name, &paging)?;
    let items = page.items.iter().map(|entry| {
        let qualifier = Qualifier::Version(entry.config.version);
        let shape = shapes::configuration(call.scope(), entry, Some(&qualifier), Phase::Listed);
        Value::from(shape)
    });
    ok(&shapes::page("Versions", items.collect(), page.next_marker))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishMembers {
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

pub(crate) async fn publish(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    let members: PublishMembers = call.members()?;
    let mut faults = Faults::default();
    if let Some(description) = &members.description {
        faults.max_length(description, "description", 256);
    }
    faults.none()?;
    let entry = call
        .catalog()
        .publish_version(
            name,
            members.description,
            members.code_sha256.filter(|sha| !sha.is_empty()),
            members.revision_id,
        )
        .await?;
    let qualifier = Qualifier::Version(entry.config.version);
    created(&shapes::configuration(
        call.scope(),
        &entry,
        Some(&qualifier),
        Phase::Settled,
    ))
}

pub(crate) async fn delete(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    call.catalog()
        .delete_function(target.name, target.qualifier)
        .await?;
    no_content()
}

/// What update operations answer: `$LATEST` in transition, or the version that
/// was published at once.
pub(crate) fn updated(call: &Call<'_>, entry: &engine::catalog::VersionEntry) -> Answer {
    let qualifier = Qualifier::Version(entry.config.version);
    let (qualifier, phase) = match entry.config.version {
        Version::Latest => (None, Phase::Updating),
        Version::Number(_) => (Some(&qualifier), Phase::Creating),
    };
    ok(&shapes::configuration(
        call.scope(),
        entry,
        qualifier,
        phase,
    ))
}

/// The answer of `CreateFunction`.
pub(crate) fn fresh(call: &Call<'_>, entry: &engine::catalog::VersionEntry) -> Answer {
    json(
        StatusCode::CREATED,
        &shapes::configuration(call.scope(), entry, None, Phase::Creating),
    )
}

/// For operations whose function must be there, and that do nothing else with it.
pub(crate) fn must_exist(call: &Call<'_>, name: &str) -> Result<types::FunctionName, ApiError> {
    let name = call.function(name)?;
    call.catalog().get_function(&name, None)?;
    Ok(name)
}
