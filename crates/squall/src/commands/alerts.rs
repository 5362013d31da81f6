//! `squall alerts`: rules about what happens, and who is told.

use aws_wire::form;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;
use watch::alerts::{Condition, Measure};

use crate::args::{AddAlertArgs, AlertsAction, AlertsArgs, Global};
use crate::client::{self, Answer, Call, Client};
use crate::commands::plans;
use crate::commands::schedules::get;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::span;

const PAGE: &str = "/_squall/alerts";

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub alerts: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Alert {
    pub name: String,
    pub when: String,
    over: u64,
    #[serde(default)]
    scope: Value,
    to: Value,
    pub state: String,
    since: Option<String>,
    pub shown: Option<String>,
    waiting: u64,
    problem: Option<String>,
    /// Only of one that was just made.
    secret: Option<String>,
}

pub async fn run(global: &Global, args: AlertsArgs) -> Result<(), Failure> {
    let client = client::find(global)?;
    match args.action {
        None | Some(AlertsAction::List) => list(global, &client).await,
        Some(AlertsAction::Add(args)) => add(global, &client, args).await,
        Some(AlertsAction::Remove { name }) => remove(global, &client, &name).await,
        Some(AlertsAction::Test { name }) => test(global, &client, &name).await,
    }
}

async fn list(global: &Global, client: &Client) -> Result<(), Failure> {
    let answer = client.send(get(PAGE)).await?;
    if global.json {
        output::json(&answer.json::<Value>()?["alerts"])?;
        return Ok(());
    }
    let page: Page = answer.json()?;
    if page.alerts.is_empty() {
        output::note("no alerts yet; squall alerts add --help says how to make one");
        return Ok(());
    }
    output::bytes(table(&page.alerts).render().as_bytes())?;
    for alert in &page.alerts {
        if let Some(problem) = &alert.problem {
            output::note(&format!(
                "{}: {} could not be told yet: {problem}",
                alert.name, alert.waiting
            ));
        }
    }
    Ok(())
}

fn table(alerts: &[Alert]) -> Table {
    let mut table = Table::new(&["ALERT", "WHEN", "OF", "OVER", "STATE", "NOW", "SINCE", "TO"]);
    for alert in alerts {
        table.row([
            alert.name.clone(),
            alert.when.clone(),
            first_text(&alert.scope).unwrap_or_else(|| "everything".to_owned()),
            span::shown(alert.over),
            alert.state.clone(),
            alert.shown.clone().unwrap_or_else(|| "-".to_owned()),
            alert.since.as_deref().map_or_else(|| "-".to_owned(), short),
            first_text(&alert.to).unwrap_or_default(),
        ]);
    }
    table
}

/// The value of the only member of an object.
fn first_text(object: &Value) -> Option<String> {
    let value = object.as_object()?.values().next()?;
    value.as_str().map(str::to_owned)
}

/// A moment to the second.
fn short(moment: &str) -> String {
    moment
        .get(..19)
        .map_or_else(|| moment.to_owned(), |text| text.replace('T', " "))
}

async fn add(global: &Global, client: &Client, args: AddAlertArgs) -> Result<(), Failure> {
    // Here the mistake is told without an engine.
    let condition: Condition = args.when.parse().map_err(Failure::mistake)?;
    let seconds = |text: &str| {
        span::seconds(text).ok_or_else(|| {
            Failure::mistake(format!("{text:?} is no span of time")).hint("such as 30s, 5m or 6h")
        })
    };
    let mut wish = json!({
        "name": args.name,
        "when": args.when,
        "over": seconds(&args.over)?,
    });
    let again = args.again.as_deref().map(seconds).transpose()?;
    let members = [
        ("route", args.route.map(Value::from)),
        ("function", args.function.map(Value::from)),
        ("key", args.key.map(Value::from)),
        ("to_function", args.to_function.map(|name| json!(name))),
        ("webhook", args.webhook.map(Value::from)),
        ("again", again.map(Value::from)),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            wish[name] = value;
        }
    }
    if let (Some(key), Measure::Quota) = (wish["key"].as_str(), condition.measure) {
        // The engine takes any name, and of a mistaken one it would never tell.
        plans::key_id(client, key).await?;
    }
    let call = Call {
        method: Method::PUT,
        headers: vec![("content-type", "application/json".to_owned())],
        body: wish.to_string().into(),
        ..get(PAGE)
    };
    let answer = client.send(call).await?;
    if global.json {
        output::json(&answer.json::<Value>()?)?;
        return Ok(());
    }
    let made: Alert = answer.json()?;
    if let Some(secret) = &made.secret {
        output::line(secret)?;
        output::note(&format!(
            "this signs what the webhook gets (squall-signature); it is not shown again. \
             Try it: squall alerts test {}",
            made.name
        ));
    } else {
        output::note(&format!("made; try it: squall alerts test {}", made.name));
    }
    Ok(())
}

async fn remove(global: &Global, client: &Client, name: &str) -> Result<(), Failure> {
    let answer = named(client, Method::DELETE, PAGE, name).await?;
    let removed: Value = answer.json()?;
    if global.json {
        output::json(&removed)?;
    }
    Ok(())
}

async fn test(global: &Global, client: &Client, name: &str) -> Result<(), Failure> {
    let answer = named(client, Method::POST, &format!("{PAGE}/test"), name).await?;
    let event: Value = answer.json()?;
    if global.json {
        output::json(&event)?;
    } else {
        let moment = Timestamp::now().rfc3339();
        output::note(&format!("told at {}", short(&moment)));
    }
    Ok(())
}

async fn named(client: &Client, method: Method, page: &str, name: &str) -> Result<Answer, Failure> {
    let call = Call {
        method,
        target: format!("{page}?name={}", form::encode(name)),
        ..get(PAGE)
    };
    let answer = client.send(call).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(Failure::from(answer.refusal()).hint("squall alerts lists what is there"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_a_row() {
        let alerts = json!([
            {"name": "slow", "when": "p99 > 300ms", "over": 300, "scope": {"route": "/fit"},
             "to": {"function": "tell"}, "state": "firing", "since": "2026-11-21T18:00:00.123Z",
             "shown": "512ms", "waiting": 0, "problem": null},
            {"name": "idle", "when": "requests < 1", "over": 60, "scope": {},
             "to": {"webhook": "https://x.example/"}, "state": "quiet", "since": null,
             "shown": null, "waiting": 1, "problem": "no answer"},
        ]);
        let alerts: Vec<Alert> = serde_json::from_value(alerts).unwrap();
        assert_eq!(
            table(&alerts).render(),
            "\
ALERT  WHEN          OF          OVER  STATE   NOW    SINCE                TO
slow   p99 > 300ms   /fit        5 m   firing  512ms  2026-11-21 18:00:00  tell
idle   requests < 1  everything  1 m   quiet   -      -                    https://x.example/
"
        );
    }
}
