//! `squall clock`: the time that schedules go by.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;

use super::schedules::get;
use crate::args::{ClockAction, ClockArgs, Global};
use crate::client::{self, Answer, Call, Client};
use crate::failure::Failure;
use crate::output;
use crate::span;
use crate::transfer::count;

#[derive(Debug, Deserialize)]
struct Clock {
    now: Timestamp,
    #[serde(default)]
    manual: bool,
    /// Schedules that became due, after an advance.
    ran: Option<u64>,
}

pub async fn run(global: &Global, args: ClockArgs) -> Result<(), Failure> {
    let client = client::find(global)?;
    let answer = match args.action {
        None => client.send(get("/_squall/clock")).await?,
        Some(ClockAction::Advance { by }) => advance(&client, &by).await?,
    };
    if global.json {
        output::json(&answer.json::<Value>()?)?;
        return Ok(());
    }
    let clock: Clock = answer.json()?;
    output::line(&clock.now.rfc3339())?;
    match clock.ran {
        Some(ran) => output::note(&format!("{} became due", count(ran, "schedule"))),
        None if clock.manual => output::note("it stands still; squall clock advance 1h moves it"),
        None => {}
    }
    Ok(())
}

async fn advance(client: &Client, by: &str) -> Result<Answer, Failure> {
    let seconds = span::seconds(by).ok_or_else(|| {
        Failure::mistake(format!("{by:?} is not a span of time"))
            .hint("say how far, such as 30s, 10m, 1h, 2d or 1h30m")
    })?;
    let answer = client
        .send(Call {
            service: "squall",
            method: Method::POST,
            target: "/_squall/clock".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: json!({ "advance_seconds": seconds }).to_string().into(),
        })
        .await?;
    if answer.status == http::StatusCode::BAD_REQUEST {
        return Err(Failure::from(answer.refusal())
            .hint("squall up --clock manual starts an engine whose time can be moved"));
    }
    Ok(answer)
}
