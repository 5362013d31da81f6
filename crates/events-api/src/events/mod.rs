//! EventBridge: JSON 1.1, the operation is in `X-Amz-Target`.

mod buses;
mod put;
mod rules;
mod targets;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use types::{BusName, RuleName};

use crate::api::EventsApi;
use crate::error::EventsError;
use crate::validate::{BUS_NAME, NAME, Problems};

pub(crate) use put::seconds;
pub(crate) use rules::show_state;
pub(crate) use targets::{DeadLetter, Retry, show_retry};

pub(crate) type Answer = Result<Value, EventsError>;

pub(crate) async fn operation(
    api: &EventsApi,
    operation: &str,
    body: &Bytes,
    trace: Option<String>,
) -> Answer {
    match operation {
        "PutRule" => rules::put(api, read(body)?).await,
        "DescribeRule" => rules::describe(api, &read(body)?),
        "DeleteRule" => rules::delete(api, &read(body)?).await,
        "ListRules" => rules::list(api, &read(body)?),
        "EnableRule" => rules::enable(api, &read(body)?).await,
        "DisableRule" => rules::disable(api, &read(body)?).await,
        "TestEventPattern" => rules::test_pattern(&read(body)?),
        "PutTargets" => targets::put(api, read(body)?).await,
        "RemoveTargets" => targets::remove(api, read(body)?).await,
        "ListTargetsByRule" => targets::list(api, &read(body)?),
        "ListRuleNamesByTarget" => targets::rule_names(api, &read(body)?),
        "PutEvents" => put::put_events(api, read(body)?, trace).await,
        "CreateEventBus" => buses::create(api, read(body)?).await,
        "DescribeEventBus" => buses::describe(api, &read(body)?),
        "UpdateEventBus" => buses::update(api, read(body)?).await,
        "DeleteEventBus" => buses::delete(api, &read(body)?).await,
        "ListEventBuses" => buses::list(api, &read(body)?),
        "PutPermission" => buses::put_permission(api, read(body)?).await,
        "RemovePermission" => buses::remove_permission(api, read(body)?).await,
        "TagResource" => buses::tag(api, read(body)?).await,
        "UntagResource" => buses::untag(api, read(body)?).await,
        "ListTagsForResource" => buses::list_tags(api, &read(body)?),
        // There are none; tools ask for them when they look around.
        "ListArchives" => Ok(json!({ "Archives": [] })),
        "ListReplays" => Ok(json!({ "Replays": [] })),
        "ListConnections" => Ok(json!({ "Connections": [] })),
        "ListApiDestinations" => Ok(json!({ "ApiDestinations": [] })),
        "ListEventSources" => Ok(json!({ "EventSources": [] })),
        _ => Err(EventsError::UnknownOperation),
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, EventsError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| EventsError::Unreadable(error.to_string()))
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub key: String,
    pub value: String,
}

pub(crate) fn tags(list: Vec<Tag>) -> BTreeMap<String, String> {
    list.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

pub(crate) fn show_tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

/// A bus by its name or ARN; none is the default one.
fn bus_name(problems: &mut Problems, text: Option<&str>) -> Option<BusName> {
    let text = text.unwrap_or("default");
    let name = match text.split_once(":event-bus/") {
        Some((arn, name)) if arn.starts_with("arn:") => name,
        _ => text,
    };
    problems.name("eventBusName", Some(name), BUS_NAME)
}

/// The names that most operations have.
fn place(
    member: &str,
    name: Option<&str>,
    bus: Option<&str>,
) -> Result<(BusName, RuleName), EventsError> {
    let mut problems = Problems::default();
    let name = problems.name(member, name, NAME);
    let bus = bus_name(&mut problems, bus);
    done(problems, bus.zip(name))
}

/// What was parsed, or what was wrong with it.
fn done<T>(problems: Problems, parsed: Option<T>) -> Result<T, EventsError> {
    match (problems.message(), parsed) {
        (None, Some(parsed)) => Ok(parsed),
        (message, _) => Err(EventsError::Invalid(message.unwrap_or_default())),
    }
}

fn bad_token() -> EventsError {
    EventsError::invalid("Parameter NextToken is not valid.")
}

/// Puts a member in, if there is a value.
fn set(shape: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        shape[member] = value.into();
    }
}
