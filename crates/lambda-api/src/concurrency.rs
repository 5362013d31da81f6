//! Reserved and provisioned concurrency.

use engine::catalog::ProvisionedConfig;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use types::{FunctionName, Qualifier};

use crate::error::ApiError;
use crate::request::{Answer, Call, json as answer, no_content, ok};
use crate::shapes;
use crate::validate::{Faults, present};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReserveMembers {
    reserved_concurrent_executions: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProvisionMembers {
    provisioned_concurrent_executions: Option<i64>,
}

pub(crate) async fn reserve(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    let members: ReserveMembers = call.members()?;
    let mut faults = Faults::default();
    let field = "reservedConcurrentExecutions";
    let number = faults.required(members.reserved_concurrent_executions, field);
    let number = number.and_then(|number| faults.range(number, field, 0, u32::MAX));
    faults.none()?;
    let reserved = call.catalog().reserve(name, present(number)?).await?;
    ok(&json!({ "ReservedConcurrentExecutions": reserved }))
}

pub(crate) async fn unreserve(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    call.catalog().unreserve(name).await?;
    no_content()
}

pub(crate) fn get_reserved(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    match call.catalog().get_reserved(&name)? {
        None => ok(&json!({})),
        Some(reserved) => ok(&json!({ "ReservedConcurrentExecutions": reserved })),
    }
}

pub(crate) async fn provision(call: &Call<'_>, name: &str) -> Answer {
    let (name, qualifier) = provisionable(call, name)?;
    let members: ProvisionMembers = call.members()?;
    let mut faults = Faults::default();
    let field = "provisionedConcurrentExecutions";
    let number = faults.required(members.provisioned_concurrent_executions, field);
    let number = number.and_then(|number| faults.range(number, field, 1, u32::MAX));
    faults.none()?;
    let config = call
        .catalog()
        .provision(name, qualifier, present(number)?)
        .await?;
    answer(StatusCode::ACCEPTED, &shape(&config, 0))
}

pub(crate) fn get_provisioned(call: &Call<'_>, name: &str) -> Answer {
    let (name, qualifier) = provisionable(call, name)?;
    let config = call.catalog().get_provisioned(&name, &qualifier)?;
    let ready = call.api.engine.provisioned_ready(&name, &qualifier);
    ok(&shape(&config, ready))
}

pub(crate) fn list_provisioned(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    let page = call.catalog().list_provisioned(&name, &call.paging(50)?)?;
    let items = page.items.iter().map(|(qualifier, config)| {
        let ready = call.api.engine.provisioned_ready(&name, qualifier);
        let mut shape = shape(config, ready);
        shape["FunctionArn"] = call.scope().qualified_arn(&name, qualifier).into();
        shape
    });
    ok(&shapes::page(
        "ProvisionedConcurrencyConfigs",
        items.collect(),
        page.next_marker,
    ))
}

pub(crate) async fn unprovision(call: &Call<'_>, name: &str) -> Answer {
    let (name, qualifier) = provisionable(call, name)?;
    call.catalog().unprovision(name, qualifier).await?;
    no_content()
}

/// These operations need a qualifier.
fn provisionable(call: &Call<'_>, name: &str) -> Result<(FunctionName, Qualifier), ApiError> {
    let target = call.target(name)?;
    let mut faults = Faults::default();
    let qualifier = faults.required(target.qualifier, "qualifier");
    faults.none()?;
    Ok((target.name, present(qualifier)?))
}

fn shape(config: &ProvisionedConfig, ready: u32) -> Value {
    let ready = ready.min(config.requested);
    let status = if ready == config.requested {
        "READY"
    } else {
        "IN_PROGRESS"
    };
    json!({
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": ready,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "Status": status,
        "LastModified": config.last_modified.lambda_form(),
    })
}
