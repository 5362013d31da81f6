//! Schedules on the wire.

use rules::model::{RunState, Schedule};
use rules::schedule::Zone;
use rules::{NewSchedule, NewScheduleTarget};
use serde::Deserialize;
use serde_json::{Value, json};
use types::{GroupName, ScheduleName, Scope};

use super::{Answer, Query, bad_token, done, set};
use crate::api::EventsApi;
use crate::error::SchedulerError;
use crate::events::{DeadLetter, Retry, seconds, show_retry, show_state};
use crate::paging;
use crate::validate::{Problems, SCHEDULE_NAME};

const STATES: [&str; 2] = ["ENABLED", "DISABLED"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ScheduleText {
    group_name: Option<String>,
    schedule_expression: Option<String>,
    schedule_expression_timezone: Option<String>,
    start_date: Option<f64>,
    end_date: Option<f64>,
    description: Option<String>,
    state: Option<String>,
    kms_key_arn: Option<String>,
    target: Option<TargetText>,
    flexible_time_window: Option<Window>,
    action_after_completion: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetText {
    arn: Option<String>,
    role_arn: Option<String>,
    input: Option<String>,
    dead_letter_config: Option<DeadLetter>,
    retry_policy: Option<Retry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Window {
    mode: Option<String>,
    maximum_window_in_minutes: Option<i64>,
}

pub(super) async fn create(api: &EventsApi, name: &str, input: ScheduleText) -> Answer {
    let schedule = api.rules.create_schedule(parse(name, input)?).await?;
    Ok(json!({ "ScheduleArn": schedule.arn(api.rules.scope()) }))
}

pub(super) async fn update(api: &EventsApi, name: &str, input: ScheduleText) -> Answer {
    let schedule = api.rules.update_schedule(parse(name, input)?).await?;
    Ok(json!({ "ScheduleArn": schedule.arn(api.rules.scope()) }))
}

pub(super) fn get(api: &EventsApi, name: &str, query: Query<'_>) -> Answer {
    let (group, name) = place(name, query)?;
    let schedule = api.rules.schedule(&group, &name)?;
    Ok(show(&schedule, api.rules.scope()))
}

pub(super) async fn delete(api: &EventsApi, name: &str, query: Query<'_>) -> Answer {
    let (group, name) = place(name, query)?;
    api.rules.delete_schedule(&group, &name).await?;
    Ok(json!({}))
}

pub(super) fn list(api: &EventsApi, query: Query<'_>) -> Answer {
    let mut problems = Problems::default();
    let most = query.most(&mut problems);
    let group = query.get("ScheduleGroup");
    let group: Option<GroupName> =
        group.and_then(|group| problems.name("groupName", Some(&group), SCHEDULE_NAME));
    let state = query.get("State");
    problems.one_of("state", state.as_deref(), &STATES);
    done(problems, Some(()))?;
    let state = state.map(|state| run_state(Some(&state)));
    let prefix = query.get("NamePrefix").unwrap_or_default();
    let schedules = api.rules.schedules(group.as_ref(), &prefix, state)?;
    let page = paging::cut(
        schedules,
        // Sorted by both names, which no name sorts in between: a slash comes
        // before letters and digits, but not before a dot or a dash.
        |schedule| format!("{}\u{1}{}", schedule.group, schedule.name),
        query.get("NextToken").as_deref(),
        most,
    )
    .ok_or_else(bad_token)?;
    let scope = api.rules.scope();
    let shown: Vec<Value> = page
        .items
        .iter()
        .map(|schedule| summary(schedule, scope))
        .collect();
    let mut answer = json!({ "Schedules": shown });
    set(&mut answer, "NextToken", page.next);
    Ok(answer)
}

fn place(name: &str, query: Query<'_>) -> Result<(GroupName, ScheduleName), SchedulerError> {
    let mut problems = Problems::default();
    let name = problems.name("name", Some(name), SCHEDULE_NAME);
    let group = query.get("groupName");
    let group = group.as_deref().unwrap_or("default");
    let group = problems.name("groupName", Some(group), SCHEDULE_NAME);
    done(problems, group.zip(name))
}

fn parse(name: &str, input: ScheduleText) -> Result<NewSchedule, SchedulerError> {
    let mut problems = Problems::default();
    let name = problems.name("name", Some(name), SCHEDULE_NAME);
    let group = input.group_name.as_deref().unwrap_or("default");
    let group = problems.name("groupName", Some(group), SCHEDULE_NAME);
    problems.length("description", input.description.as_deref(), 0, 512);
    problems.length(
        "scheduleExpression",
        input.schedule_expression.as_deref(),
        1,
        256,
    );
    let zone = input.schedule_expression_timezone;
    problems.length("scheduleExpressionTimezone", zone.as_deref(), 1, 50);
    problems.one_of("state", input.state.as_deref(), &STATES);
    let after = input.action_after_completion.as_deref();
    problems.one_of("actionAfterCompletion", after, &["NONE", "DELETE"]);
    let expression = problems.required("scheduleExpression", input.schedule_expression);
    let window = problems.required("flexibleTimeWindow", input.flexible_time_window);
    let window = window.and_then(|window| parse_window(&mut problems, &window));
    let target = problems.required("target", input.target);
    let target = target.and_then(|target| parse_target(&mut problems, target));
    let names = group.zip(name).zip(expression);
    let (((group, name), expression), (window_minutes, target)) =
        done(problems, names.zip(window.zip(target)))?;
    Ok(NewSchedule {
        name,
        group,
        description: input.description,
        state: run_state(input.state.as_deref()),
        expression,
        zone,
        start: input.start_date.and_then(seconds),
        end: input.end_date.and_then(seconds),
        window_minutes: window_minutes?,
        delete_when_complete: after == Some("DELETE"),
        target,
        kms_key: input.kms_key_arn.filter(|arn| !arn.is_empty()),
    })
}

type WindowMinutes = Result<Option<u32>, SchedulerError>;

fn parse_window(problems: &mut Problems, window: &Window) -> Option<WindowMinutes> {
    let mode = window.mode.as_deref();
    problems.one_of("flexibleTimeWindow.mode", mode, &["OFF", "FLEXIBLE"]);
    let minutes = window.maximum_window_in_minutes;
    problems.number(
        "flexibleTimeWindow.maximumWindowInMinutes",
        minutes,
        1,
        1440,
    );
    let mode = problems.required("flexibleTimeWindow.mode", mode)?;
    let minutes = minutes.and_then(|minutes| u32::try_from(minutes).ok());
    Some(match (mode, minutes) {
        ("FLEXIBLE", Some(minutes)) => Ok(Some(minutes)),
        ("FLEXIBLE", None) => Err(SchedulerError::invalid(
            "MaximumWindowInMinutes must be provided when the flexible time window is FLEXIBLE.",
        )),
        (_, Some(_)) => Err(SchedulerError::invalid(
            "MaximumWindowInMinutes must not be provided when the flexible time window is OFF.",
        )),
        (_, None) => Ok(None),
    })
}

fn parse_target(problems: &mut Problems, target: TargetText) -> Option<NewScheduleTarget> {
    problems.length("target.arn", target.arn.as_deref(), 1, 1600);
    problems.length("target.roleArn", target.role_arn.as_deref(), 1, 1600);
    problems.length("target.input", target.input.as_deref(), 1, usize::MAX);
    if let Some(retry) = target.retry_policy {
        retry.check(problems, "target.retryPolicy");
    }
    let arn = problems.required("target.arn", target.arn);
    let role = problems.required("target.roleArn", target.role_arn);
    Some(NewScheduleTarget {
        arn: arn?,
        role: role?,
        input: target.input,
        retry: target.retry_policy.map(Retry::text),
        dead_letter: target.dead_letter_config.and_then(|config| config.arn),
    })
}

fn run_state(text: Option<&str>) -> RunState {
    match text {
        Some("DISABLED") => RunState::Disabled,
        _ => RunState::Enabled,
    }
}

fn summary(schedule: &Schedule, scope: &Scope) -> Value {
    json!({
        "Arn": schedule.arn(scope),
        "Name": schedule.name.as_str(),
        "GroupName": schedule.group.as_str(),
        "State": show_state(schedule.state),
        "CreationDate": schedule.created.seconds(),
        "LastModificationDate": schedule.updated.seconds(),
        "Target": { "Arn": schedule.target.arn },
    })
}

fn show(schedule: &Schedule, scope: &Scope) -> Value {
    let mut shown = summary(schedule, scope);
    shown["ScheduleExpression"] = schedule.expression.as_str().into();
    let zone = schedule.zone.as_ref().map_or("UTC", Zone::name);
    shown["ScheduleExpressionTimezone"] = zone.into();
    shown["FlexibleTimeWindow"] = match schedule.window_minutes {
        Some(minutes) => json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes }),
        None => json!({ "Mode": "OFF" }),
    };
    let after = if schedule.delete_when_complete {
        "DELETE"
    } else {
        "NONE"
    };
    shown["ActionAfterCompletion"] = after.into();
    set(&mut shown, "Description", schedule.description.as_deref());
    set(&mut shown, "KmsKeyArn", schedule.kms_key.as_deref());
    set(
        &mut shown,
        "StartDate",
        schedule.start.map(types::Timestamp::seconds),
    );
    set(
        &mut shown,
        "EndDate",
        schedule.end.map(types::Timestamp::seconds),
    );
    let target = &schedule.target;
    shown["Target"]["RoleArn"] = target.role.as_str().into();
    set(&mut shown["Target"], "Input", target.input.as_deref());
    // What AWS holds to where nothing is said.
    let retry = target.retry.map_or_else(
        || json!({ "MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400 }),
        show_retry,
    );
    shown["Target"]["RetryPolicy"] = retry;
    let dead_letter = target.dead_letter.as_ref().map(|arn| json!({ "Arn": arn }));
    set(&mut shown["Target"], "DeadLetterConfig", dead_letter);
    shown
}
