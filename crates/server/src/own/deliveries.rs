//! `/_squall/events`: what happened in buckets, rules and schedules, and what it
//! ran.

use serde::Serialize;
use serde_json::{Value, json};
use store::{Delivery, DeliveryState, Store, StoreError};
use types::Timestamp;

/// How many are told when nobody says, and at most: as many as are kept.
const SHOWN: usize = 100;
const KEPT: usize = 10_000;

/// A record's word for an invocation that did not fail.
const SUCCEEDED: &str = "ok";

#[derive(Debug, Serialize)]
struct Shown<'a> {
    time: Timestamp,
    service: &'a str,
    source: &'a str,
    subject: &'a str,
    function: Option<&'a str>,
    request_id: Option<String>,
    state: &'a str,
    attempts: Option<u32>,
    /// When it is tried next.
    due: Option<Timestamp>,
    duration_ms: Option<f64>,
    error: Option<&'a str>,
}

/// The newest `limit`, the oldest of them first.
pub async fn page(store: &Store, limit: Option<usize>) -> Result<Value, StoreError> {
    let limit = limit.unwrap_or(SHOWN).min(KEPT);
    let deliveries = store.deliveries().recent(limit).await?;
    let shown: Vec<Shown<'_>> = deliveries.iter().rev().map(show).collect();
    Ok(json!({ "events": shown }))
}

fn show(delivery: &Delivery) -> Shown<'_> {
    let mut shown = Shown {
        time: delivery.time,
        service: &delivery.source.service,
        source: &delivery.source.arn,
        subject: &delivery.source.subject,
        function: delivery.function.as_ref().map(AsRef::as_ref),
        request_id: delivery.request_id.as_ref().map(ToString::to_string),
        state: "",
        attempts: None,
        due: None,
        duration_ms: None,
        error: None,
    };
    shown.state = match &delivery.state {
        DeliveryState::Waiting { attempts, due } => {
            shown.attempts = Some(*attempts);
            shown.due = Some(*due);
            "waiting"
        }
        DeliveryState::Done {
            status,
            duration_us,
        } => {
            shown.duration_ms = Some(millis(*duration_us));
            if status == SUCCEEDED {
                "done"
            } else {
                shown.error = Some(status);
                "failed"
            }
        }
        DeliveryState::Ended => "done",
        DeliveryState::Refused => "refused",
        DeliveryState::Looped => "looped",
        DeliveryState::NoTarget => "no target",
        DeliveryState::Failed { reason } => {
            shown.error = Some(reason);
            "failed"
        }
    };
    shown
}

#[expect(clippy::cast_precision_loss, reason = "exact for some 285 years")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
