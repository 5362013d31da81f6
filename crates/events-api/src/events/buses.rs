//! Event buses, permissions and tags on the wire.

use rules::model::Bus;
use rules::{BusPatch, NewBus};
use serde::Deserialize;
use serde_json::{Value, json};
use types::Scope;

use super::targets::{DeadLetter, limit};
use super::{Answer, Tag, bad_token, bus_name, done, set, show_tags, tags};
use crate::api::EventsApi;
use crate::error::EventsError;
use crate::paging;
use crate::validate::{BUS_NAME, Problems};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BusText {
    name: Option<String>,
    event_source_name: Option<String>,
    description: Option<String>,
    kms_key_identifier: Option<String>,
    dead_letter_config: Option<DeadLetter>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneBus {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListBuses {
    name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutPermission {
    event_bus_name: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    statement_id: Option<String>,
    policy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemovePermission {
    event_bus_name: Option<String>,
    statement_id: Option<String>,
    #[serde(default)]
    remove_all_permissions: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tagged {
    #[serde(rename = "ResourceARN")]
    arn: Option<String>,
    #[serde(default, rename = "Tags")]
    tags: Vec<Tag>,
    #[serde(default, rename = "TagKeys")]
    keys: Vec<String>,
}

pub(super) async fn create(api: &EventsApi, input: BusText) -> Answer {
    let mut problems = Problems::default();
    let name = problems.name("name", input.name.as_deref(), BUS_NAME);
    problems.length("description", input.description.as_deref(), 0, 512);
    let name = done(problems, name)?;
    if input.event_source_name.is_some() {
        return Err(EventsError::invalid(
            "Partner event sources are not part of this engine.",
        ));
    }
    let bus = api
        .rules
        .create_bus(NewBus {
            name,
            description: input.description,
            kms_key: input.kms_key_identifier,
            dead_letter: input.dead_letter_config.and_then(|config| config.arn),
            tags: tags(input.tags),
        })
        .await?;
    let mut shown = settings(&bus);
    shown["EventBusArn"] = Bus::arn(&bus.name, api.rules.scope()).into();
    Ok(shown)
}

pub(super) fn describe(api: &EventsApi, input: &OneBus) -> Answer {
    let mut problems = Problems::default();
    let name = bus_name(&mut problems, input.name.as_deref());
    let bus = api.rules.bus(&done(problems, name)?)?;
    let mut shown = show(&bus, api.rules.scope());
    set(&mut shown, "KmsKeyIdentifier", bus.kms_key.as_deref());
    let dead_letter = bus.dead_letter.as_ref().map(|arn| json!({ "Arn": arn }));
    set(&mut shown, "DeadLetterConfig", dead_letter);
    Ok(shown)
}

pub(super) async fn update(api: &EventsApi, input: BusText) -> Answer {
    let mut problems = Problems::default();
    let name = bus_name(&mut problems, input.name.as_deref());
    problems.length("description", input.description.as_deref(), 0, 512);
    let name = done(problems, name)?;
    let patch = BusPatch {
        description: input.description,
        kms_key: input.kms_key_identifier,
        dead_letter: input.dead_letter_config.and_then(|config| config.arn),
    };
    let bus = api.rules.update_bus(&name, patch).await?;
    let mut shown = settings(&bus);
    shown["Name"] = bus.name.as_str().into();
    shown["Arn"] = Bus::arn(&bus.name, api.rules.scope()).into();
    Ok(shown)
}

pub(super) async fn delete(api: &EventsApi, input: &OneBus) -> Answer {
    let mut problems = Problems::default();
    let name = problems.name("name", input.name.as_deref(), BUS_NAME);
    api.rules.delete_bus(&done(problems, name)?).await?;
    Ok(Value::Null)
}

pub(super) fn list(api: &EventsApi, input: &ListBuses) -> Answer {
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let limit = limit(input.limit)?;
    let page = paging::cut(
        api.rules.buses(prefix),
        |bus| bus.name.to_string(),
        input.next_token.as_deref(),
        limit,
    )
    .ok_or_else(bad_token)?;
    let shown: Vec<Value> = page
        .items
        .iter()
        .map(|bus| show(bus, api.rules.scope()))
        .collect();
    let mut answer = json!({ "EventBuses": shown });
    set(&mut answer, "NextToken", page.next);
    Ok(answer)
}

pub(super) async fn put_permission(api: &EventsApi, input: PutPermission) -> Answer {
    let mut problems = Problems::default();
    let bus = bus_name(&mut problems, input.event_bus_name.as_deref());
    let bus = done(problems, bus)?;
    if let Some(policy) = input.policy {
        let statements = statements(&policy)
            .ok_or_else(|| EventsError::invalid("Parameter Policy is not valid."))?;
        api.rules.put_policy(&bus, statements).await?;
        return Ok(Value::Null);
    }
    let mut problems = Problems::default();
    let action = problems.required("action", input.action);
    let principal = problems.required("principal", input.principal);
    let id = problems.required("statementId", input.statement_id);
    let (action, (principal, id)) = done(problems, action.zip(principal.zip(id)))?;
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
    };
    let statement = json!({
        "Sid": id,
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": Bus::arn(&bus, api.rules.scope()),
    });
    api.rules.put_permission(&bus, id, statement).await?;
    Ok(Value::Null)
}

/// The statements of a policy by their ids; one without an id is numbered.
fn statements(policy: &str) -> Option<Vec<(String, Value)>> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let list = match policy.get("Statement")? {
        Value::Array(list) => list.clone(),
        one @ Value::Object(_) => vec![one.clone()],
        _ => return None,
    };
    let named = list.into_iter().enumerate().map(|(number, statement)| {
        let id = statement.get("Sid").and_then(Value::as_str);
        let id = id.map_or_else(|| number.to_string(), str::to_owned);
        statement.is_object().then_some((id, statement))
    });
    named.collect()
}

pub(super) async fn remove_permission(api: &EventsApi, input: RemovePermission) -> Answer {
    let mut problems = Problems::default();
    let bus = bus_name(&mut problems, input.event_bus_name.as_deref());
    let bus = done(problems, bus)?;
    let id = match input.statement_id {
        _ if input.remove_all_permissions => None,
        Some(id) => Some(id),
        None => {
            return Err(EventsError::invalid(
                "Parameter StatementId must be specified.",
            ));
        }
    };
    api.rules.remove_permission(&bus, id.as_deref()).await?;
    Ok(Value::Null)
}

pub(super) async fn tag(api: &EventsApi, input: Tagged) -> Answer {
    let arn = arn(input.arn)?;
    api.rules.tag(&arn, tags(input.tags)).await?;
    Ok(json!({}))
}

pub(super) async fn untag(api: &EventsApi, input: Tagged) -> Answer {
    let arn = arn(input.arn)?;
    api.rules.untag(&arn, &input.keys).await?;
    Ok(json!({}))
}

pub(super) fn list_tags(api: &EventsApi, input: &Tagged) -> Answer {
    let tags = api.rules.tags(&arn(input.arn.clone())?)?;
    Ok(json!({ "Tags": show_tags(&tags) }))
}

fn arn(arn: Option<String>) -> Result<String, EventsError> {
    let mut problems = Problems::default();
    let arn = problems.required("resourceARN", arn);
    done(problems, arn)
}

fn settings(bus: &Bus) -> Value {
    let mut shown = json!({});
    set(&mut shown, "Description", bus.description.as_deref());
    set(&mut shown, "KmsKeyIdentifier", bus.kms_key.as_deref());
    let dead_letter = bus.dead_letter.as_ref().map(|arn| json!({ "Arn": arn }));
    set(&mut shown, "DeadLetterConfig", dead_letter);
    shown
}

fn show(bus: &Bus, scope: &Scope) -> Value {
    let mut shown = json!({
        "Name": bus.name.as_str(),
        "Arn": Bus::arn(&bus.name, scope),
        "CreationTime": bus.created.seconds(),
        "LastModifiedTime": bus.updated.seconds(),
    });
    set(&mut shown, "Description", bus.description.as_deref());
    if !bus.statements.is_empty() {
        let statements: Vec<&Value> = bus.statements.values().collect();
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        shown["Policy"] = policy.to_string().into();
    }
    shown
}
