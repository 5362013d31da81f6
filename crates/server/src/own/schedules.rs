//! `/_squall/schedules` and `/_squall/clock`: what runs by itself and when, running
//! it now, and moving the time that it goes by.

use std::time::Duration;

use aws_wire::Body;
use buckets::Buckets;
use bytes::Bytes;
use http::{Response, StatusCode};
use rules::{AdvanceError, Rules, RunError, RunKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use store::AcceptError;

use super::{Page, Refused, answer};

/// A hundred years: past it, what is due would never end.
const FURTHEST: Duration = Duration::from_hours(24 * 366 * 100);

pub(super) fn list(rules: &Rules) -> Response<Body> {
    answer(&json!({ "schedules": rules.upcoming() }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    name: String,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    group: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Rule,
    Schedule,
}

/// Runs a rule or a schedule once, now.
pub(super) async fn run(rules: &Rules, body: &Bytes) -> Page {
    let run: Run = read(body)?;
    let kind = run.kind.map(|kind| match kind {
        Kind::Rule => RunKind::Rule,
        Kind::Schedule => RunKind::Schedule,
    });
    let ran = rules.run_now(&run.name, kind, run.group.as_deref()).await;
    ran.map(|ran| answer(&ran)).map_err(|error| match &error {
        RunError::NotFound(_) => Refused::not_found(error.to_string()),
        RunError::Ambiguous(_) => Refused::invalid(error.to_string()),
        RunError::Accept(error) => not_accepted(error),
    })
}

pub(super) fn clock(rules: &Rules) -> Response<Body> {
    let clock = rules.clock();
    answer(&json!({ "now": clock.now(), "manual": clock.is_manual() }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

/// Answers when all that became due is accepted, and what is over is gone.
pub(super) async fn advance(rules: &Rules, buckets: &Buckets, body: &Bytes) -> Page {
    let Advance { advance_seconds } = read(body)?;
    let by = Duration::from_secs(advance_seconds);
    if by > FURTHEST {
        return Err(Refused::invalid(
            "The clock moves by a hundred years at most.",
        ));
    }
    let advanced = rules.advance(by).await.map_err(|error| match &error {
        AdvanceError::NotManual => Refused::invalid(
            "The clock is the system's. Only a manual clock can be moved: start with --clock manual.",
        ),
        AdvanceError::Accept(error) => not_accepted(error),
    })?;
    let expired = buckets.expire(advanced.now).await;
    let expired = expired.map_err(|error| Refused::failed(&error))?;
    Ok(answer(&json!({
        "now": advanced.now,
        "manual": true,
        "ran": advanced.ran,
        "expired": expired,
    })))
}

fn not_accepted(error: &AcceptError) -> Refused {
    match error {
        AcceptError::Full => Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "The queue of accepted events is full.",
        ),
        AcceptError::Store(error) => Refused::failed(error),
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body)
        .map_err(|error| Refused::invalid(format!("The body is not valid: {error}.")))
}
