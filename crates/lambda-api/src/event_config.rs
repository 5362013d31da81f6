//! How asynchronous invocations are retried and where their outcome goes.

use engine::catalog::{EventConfigPatch, EventInvokeConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use types::{FunctionName, Qualifier, Version};

use crate::request::{Answer, Call, no_content, ok};
use crate::shapes;
use crate::validate::Faults;

const DESTINATION_PATTERN: &str = r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventConfigMembers {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
    destination_config: Option<DestinationMembers>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationMembers {
    on_success: Option<Destination>,
    on_failure: Option<Destination>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    destination: Option<String>,
}

impl EventConfigMembers {
    fn check(self, faults: &mut Faults) -> EventConfigPatch {
        let mut number = |value: Option<i64>, field, min, max| {
            value.and_then(|value| faults.range(value, field, min, max))
        };
        let max_retries = number(self.maximum_retry_attempts, "maximumRetryAttempts", 0, 2);
        let max_age_seconds = number(
            self.maximum_event_age_in_seconds,
            "maximumEventAgeInSeconds",
            60,
            21_600,
        );
        let destinations = self.destination_config.is_some();
        let (success, failure) = self.destination_config.map_or((None, None), |config| {
            (config.on_success, config.on_failure)
        });
        let mut arn = |destination: Option<Destination>, field: &str| {
            // A destination without an ARN is one that is taken away.
            let arn = destination.map(|d| d.destination.unwrap_or_default())?;
            faults.pattern(&arn, field, is_destination(&arn), DESTINATION_PATTERN);
            Some(arn)
        };
        EventConfigPatch {
            max_retries,
            max_age_seconds,
            on_success: arn(success, "destinationConfig.onSuccess.destination"),
            on_failure: arn(failure, "destinationConfig.onFailure.destination"),
            destinations,
        }
    }
}

fn is_destination(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match parts.as_slice() {
        [""] => true,
        ["arn", partition, service, region, account, _] => {
            partition.starts_with("aws")
                && [partition, service, region, account]
                    .iter()
                    .all(|part| word(part))
                && !service.is_empty()
        }
        _ => false,
    }
}

pub(crate) async fn put(call: &Call<'_>, name: &str, merge: bool) -> Answer {
    let target = call.target(name)?;
    let members: EventConfigMembers = call.members()?;
    let mut faults = Faults::default();
    let patch = members.check(&mut faults);
    faults.none()?;
    let config = call
        .catalog()
        .put_event_config(target.name.clone(), target.qualifier.clone(), patch, merge)
        .await?;
    ok(&shape(
        call,
        &target.name,
        target.qualifier.as_ref(),
        &config,
    ))
}

pub(crate) fn get(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    let qualifier = target.qualifier.as_ref();
    let config = call.catalog().get_event_config(&target.name, qualifier)?;
    ok(&shape(call, &target.name, qualifier, &config))
}

pub(crate) fn list(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function_ref(name)?.name;
    let page = call
        .catalog()
        .list_event_configs(&name, &call.paging(50)?)?;
    let items = page
        .items
        .iter()
        .map(|(qualifier, config)| shape(call, &name, Some(qualifier), config));
    ok(&shapes::page(
        "FunctionEventInvokeConfigs",
        items.collect(),
        page.next_marker,
    ))
}

pub(crate) async fn delete(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    call.catalog()
        .delete_event_config(target.name, target.qualifier)
        .await?;
    no_content()
}

fn shape(
    call: &Call<'_>,
    name: &FunctionName,
    qualifier: Option<&Qualifier>,
    config: &EventInvokeConfig,
) -> Value {
    let latest = Qualifier::Version(Version::Latest);
    let destination = |arn: &Option<String>| match arn {
        None => json!({}),
        Some(arn) => json!({ "Destination": arn }),
    };
    let mut shape = json!({
        "FunctionArn": call.scope().qualified_arn(name, qualifier.unwrap_or(&latest)),
        "LastModified": config.last_modified.seconds(),
        "DestinationConfig": {
            "OnSuccess": destination(&config.on_success),
            "OnFailure": destination(&config.on_failure),
        },
    });
    if let Some(retries) = config.max_retries {
        shape["MaximumRetryAttempts"] = retries.into();
    }
    if let Some(age) = config.max_age_seconds {
        shape["MaximumEventAgeInSeconds"] = age.into();
    }
    shape
}
