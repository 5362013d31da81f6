//! `squall schedules`: what runs when, and running it now.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;

use crate::args::{Global, SchedulesAction, SchedulesArgs};
use crate::client::{self, Call, Client};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::span;

#[derive(Debug, Deserialize)]
struct Page {
    schedules: Vec<Schedule>,
}

#[derive(Debug, Deserialize)]
struct Schedule {
    name: String,
    /// `rule` or `schedule`.
    kind: String,
    group: Option<String>,
    expression: String,
    zone: Option<String>,
    state: String,
    next: Option<Timestamp>,
    last: Option<Timestamp>,
    #[serde(default)]
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Clock {
    now: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Ran {
    #[serde(default)]
    request_ids: Vec<String>,
}

pub async fn run(global: &Global, args: SchedulesArgs) -> Result<(), Failure> {
    let client = client::find(global)?;
    match args.action {
        None => list(global, &client).await,
        Some(SchedulesAction::Run { name }) => run_now(global, &client, &name).await,
    }
}

async fn list(global: &Global, client: &Client) -> Result<(), Failure> {
    let answer = client.send(get("/_squall/schedules")).await?;
    if global.json {
        output::json(&answer.json::<Value>()?["schedules"])?;
        return Ok(());
    }
    let page: Page = answer.json()?;
    if page.schedules.is_empty() {
        output::note(
            "no schedules yet; make one with boto3 or: aws events put-rule, aws scheduler create-schedule",
        );
        return Ok(());
    }
    let clock: Clock = client.send(get("/_squall/clock")).await?.json()?;
    output::bytes(table(&page.schedules, clock.now).render().as_bytes())?;
    Ok(())
}

async fn run_now(global: &Global, client: &Client, name: &str) -> Result<(), Failure> {
    let answer = client
        .send(Call {
            service: "squall",
            method: Method::POST,
            target: "/_squall/schedules/run".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: json!({ "name": name }).to_string().into(),
        })
        .await?;
    if answer.status == http::StatusCode::NOT_FOUND {
        return Err(Failure::from(answer.refusal()).hint("squall schedules lists what is there"));
    }
    if global.json {
        output::json(&answer.json::<Value>()?)?;
        return Ok(());
    }
    let ran: Ran = answer.json()?;
    match ran.request_ids.as_slice() {
        [] => output::note(&format!("{name} has no target: nothing runs")),
        ids => output::note(&format!(
            "accepted as {}; squall events shows what becomes of it",
            ids.join(", ")
        )),
    }
    Ok(())
}

pub fn get(target: &str) -> Call<'static> {
    Call {
        service: "squall",
        method: Method::GET,
        target: target.to_owned(),
        headers: vec![],
        body: Bytes::new(),
    }
}

fn table(schedules: &[Schedule], now: Timestamp) -> Table {
    let titles = [
        "NAME",
        "KIND",
        "EXPRESSION",
        "ZONE",
        "STATE",
        "NEXT",
        "LAST",
        "TARGET",
    ];
    let mut table = Table::new(&titles);
    for schedule in schedules {
        let name = match schedule.group.as_deref() {
            None | Some("default") => schedule.name.clone(),
            Some(group) => format!("{group}/{}", schedule.name),
        };
        let dash = || "-".to_owned();
        table.row([
            name,
            schedule.kind.clone(),
            schedule.expression.clone(),
            schedule.zone.clone().unwrap_or_else(dash),
            schedule.state.to_lowercase(),
            schedule.next.map_or_else(dash, |next| moment(next, now)),
            schedule.last.map_or_else(dash, |last| moment(last, now)),
            targets(&schedule.targets),
        ]);
    }
    table
}

/// `in 5 m`, `2 h ago`: how far it is tells more than the date.
fn moment(at: Timestamp, now: Timestamp) -> String {
    let away = span::shown(at.0.abs_diff(now.0) / 1_000);
    if at >= now {
        format!("in {away}")
    } else {
        format!("{away} ago")
    }
}

/// The function, of an ARN; the first, and how many more.
fn targets(arns: &[String]) -> String {
    let Some(first) = arns.first() else {
        return "-".to_owned();
    };
    let name = short_target(first);
    match arns.len() - 1 {
        0 => name,
        more => format!("{name} and {more} more"),
    }
}

/// `fit` or `fit:live` of a function's ARN; others as they are.
fn short_target(arn: &str) -> String {
    match arn.split_once(":function:") {
        Some((_, name)) => name.to_owned(),
        None => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_row() {
        let page = json!({"schedules": [
            {"name": "nightly", "kind": "schedule", "group": "default", "expression": "cron(0 3 * * ? *)",
             "zone": "Europe/Berlin", "state": "ENABLED", "next": 7_500_000, "last": null,
             "targets": ["arn:aws:lambda:us-east-1:000000000000:function:fit:live"]},
            {"name": "warm", "kind": "rule", "group": null, "expression": "rate(5 minutes)",
             "zone": null, "state": "disabled", "next": null, "last": 0,
             "targets": ["arn:aws:lambda:us-east-1:000000000000:function:a", "x"], "new": 1},
        ]});
        let page: Page = serde_json::from_value(page).unwrap();
        assert_eq!(
            table(&page.schedules, Timestamp(60_000)).render(),
            "\
NAME     KIND      EXPRESSION         ZONE           STATE     NEXT        LAST     TARGET
nightly  schedule  cron(0 3 * * ? *)  Europe/Berlin  enabled   in 2 h 4 m  -        fit:live
warm     rule      rate(5 minutes)    -              disabled  -           1 m ago  a and 1 more
"
        );
    }
}
