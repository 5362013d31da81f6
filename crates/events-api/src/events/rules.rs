//! Rules on the wire.

use rules::NewRule;
use rules::model::{Rule, RunState};
use rules::pattern::Pattern;
use serde::Deserialize;
use serde_json::{Value, json};
use types::Scope;

use super::{Answer, Tag, bad_token, bus_name, done, place, set, tags};
use crate::api::EventsApi;
use crate::error::EventsError;
use crate::paging;
use crate::validate::{NAME, Problems};

/// What an event must have before AWS compares it with a pattern.
const NEEDED: [&str; 6] = ["id", "account", "source", "time", "region", "detail-type"];
const STATES: [&str; 3] = [
    "ENABLED",
    "DISABLED",
    "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRule {
    name: Option<String>,
    event_bus_name: Option<String>,
    schedule_expression: Option<String>,
    event_pattern: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneRule {
    name: Option<String>,
    event_bus_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRules {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TestPattern {
    event_pattern: Option<String>,
    event: Option<String>,
}

pub(super) async fn put(api: &EventsApi, input: PutRule) -> Answer {
    let mut problems = Problems::default();
    let name = problems.name("name", input.name.as_deref(), NAME);
    let bus = bus_name(&mut problems, input.event_bus_name.as_deref());
    problems.length(
        "scheduleExpression",
        input.schedule_expression.as_deref(),
        0,
        256,
    );
    problems.length("eventPattern", input.event_pattern.as_deref(), 0, 4096);
    problems.length("description", input.description.as_deref(), 0, 512);
    problems.length("roleArn", input.role_arn.as_deref(), 1, 1600);
    problems.one_of("state", input.state.as_deref(), &STATES);
    let (name, bus) = done(problems, name.zip(bus))?;
    let rule = api
        .rules
        .put_rule(NewRule {
            name,
            bus,
            description: input.description,
            state: match input.state.as_deref() {
                Some("DISABLED") => RunState::Disabled,
                _ => RunState::Enabled,
            },
            pattern: input.event_pattern.filter(|text| !text.is_empty()),
            schedule: input.schedule_expression.filter(|text| !text.is_empty()),
            role: input.role_arn,
            tags: tags(input.tags),
        })
        .await?;
    Ok(json!({ "RuleArn": rule.arn(api.rules.scope()) }))
}

pub(super) fn describe(api: &EventsApi, input: &OneRule) -> Answer {
    let (bus, name) = place(
        "name",
        input.name.as_deref(),
        input.event_bus_name.as_deref(),
    )?;
    let rule = api.rules.rule(&bus, &name)?;
    let scope = api.rules.scope();
    let mut shown = show(&rule, scope);
    shown["CreatedBy"] = scope.account.as_str().into();
    Ok(shown)
}

pub(super) async fn delete(api: &EventsApi, input: &OneRule) -> Answer {
    let (bus, name) = place(
        "name",
        input.name.as_deref(),
        input.event_bus_name.as_deref(),
    )?;
    api.rules.delete_rule(&bus, &name).await?;
    Ok(Value::Null)
}

pub(super) async fn enable(api: &EventsApi, input: &OneRule) -> Answer {
    set_state(api, input, RunState::Enabled).await
}

pub(super) async fn disable(api: &EventsApi, input: &OneRule) -> Answer {
    set_state(api, input, RunState::Disabled).await
}

async fn set_state(api: &EventsApi, input: &OneRule, to: RunState) -> Answer {
    let (bus, name) = place(
        "name",
        input.name.as_deref(),
        input.event_bus_name.as_deref(),
    )?;
    api.rules.set_rule_state(&bus, &name, to).await?;
    Ok(Value::Null)
}

pub(super) fn list(api: &EventsApi, input: &ListRules) -> Answer {
    let mut problems = Problems::default();
    let bus = bus_name(&mut problems, input.event_bus_name.as_deref());
    problems.number("limit", input.limit, 1, 100);
    let bus = done(problems, bus)?;
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let rules = api.rules.rules(&bus, prefix)?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let page = paging::cut(
        rules,
        |rule| rule.name.to_string(),
        input.next_token.as_deref(),
        limit,
    )
    .ok_or_else(bad_token)?;
    let shown: Vec<Value> = page
        .items
        .iter()
        .map(|rule| show(rule, api.rules.scope()))
        .collect();
    let mut answer = json!({ "Rules": shown });
    set(&mut answer, "NextToken", page.next);
    Ok(answer)
}

pub(super) fn test_pattern(input: &TestPattern) -> Answer {
    let mut problems = Problems::default();
    let pattern = problems.required("eventPattern", input.event_pattern.as_deref());
    let event = problems.required("event", input.event.as_deref());
    let (pattern, event) = done(problems, pattern.zip(event))?;
    let pattern = Pattern::parse(pattern)?;
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    if !event.is_object() {
        return Err(EventsError::invalid("Parameter Event is not valid."));
    }
    if NEEDED.iter().any(|name| event.get(name).is_none()) {
        return Err(EventsError::invalid(
            "Parameter Event is not valid. Reason: it needs id, account, source, time, region and detail-type.",
        ));
    }
    Ok(json!({ "Result": pattern.matches(&event) }))
}

fn show(rule: &Rule, scope: &Scope) -> Value {
    let mut shown = json!({
        "Name": rule.name.as_str(),
        "Arn": rule.arn(scope),
        "State": show_state(rule.state),
        "EventBusName": rule.bus.as_str(),
    });
    set(&mut shown, "Description", rule.description.as_deref());
    set(&mut shown, "RoleArn", rule.role.as_deref());
    set(
        &mut shown,
        "EventPattern",
        rule.pattern.as_ref().map(Pattern::as_str),
    );
    let schedule = rule.schedule.as_ref().map(ToString::to_string);
    set(&mut shown, "ScheduleExpression", schedule);
    shown
}

pub(crate) fn show_state(state: RunState) -> &'static str {
    match state {
        RunState::Enabled => "ENABLED",
        RunState::Disabled => "DISABLED",
    }
}
