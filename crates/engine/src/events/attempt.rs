//! One attempt at an event, and what follows from how it went.

use std::time::Duration;

use store::{Delivery, DeliveryState, Event};
use types::{Invocation, Invoke, InvokeError, Outcome, Timestamp};

use super::{Turns, destination, permission};
use crate::catalog::EventConfig;
use crate::engine::Engine;

/// How long a throttled event waits at first, and any event at most.
const THROTTLE_FIRST: Duration = Duration::from_secs(1);
const WAIT_MOST: Duration = Duration::from_mins(5);

/// How an event ended.
pub(super) enum End {
    Success(Outcome),
    Exhausted(Outcome),
    TooOld,
    /// The function was in the event's chain of requests once too often.
    Looped,
    /// It could not be run at all.
    Impossible(InvokeError),
}

pub(super) async fn run(engine: &Engine, turns: &Turns, event: Event) {
    let details = &event.event;
    let config = config(engine, &event);
    if let Err(refused) = permission::check(engine, &event) {
        refused.report(&event);
        note(engine, &event, DeliveryState::Refused).await;
        turns.over(&event);
        engine.store().events().done(event.id).await;
        return;
    }
    let age_ms = turns.age_ms(&event, Timestamp::now());
    if age_ms > i64::from(config.max_age_seconds) * 1000 {
        finish(engine, turns, &event, &config, &End::TooOld).await;
        return;
    }
    let outcome = engine
        .invoke(Invocation {
            function: details.function.clone(),
            qualifier: details.qualifier.clone(),
            request_id: details.request_id,
            payload: details.payload.clone(),
            client_context: details.client_context.clone(),
            trace_id: details.trace_id.clone(),
            tally: None,
        })
        .await;
    let end = match outcome {
        Ok(outcome) if outcome.result.is_ok() => End::Success(outcome),
        Ok(outcome) if event.attempts >= config.max_retries => End::Exhausted(outcome),
        Ok(_) => {
            let pause = engine.inner.context.settings.event_retry * (event.attempts + 1);
            retry(engine, &event, pause.min(WAIT_MOST), event.attempts + 1).await;
            return;
        }
        // Waiting for room or for the engine's next start is not an attempt.
        Err(InvokeError::Throttled { .. }) => {
            let waited = u32::try_from(age_ms / 1000).unwrap_or(u32::MAX);
            let pause = THROTTLE_FIRST.saturating_mul(waited.max(1));
            retry(engine, &event, pause.min(WAIT_MOST), event.attempts).await;
            return;
        }
        Err(InvokeError::ShuttingDown) => return,
        Err(InvokeError::Looped { .. }) => End::Looped,
        Err(error) => End::Impossible(error),
    };
    finish(engine, turns, &event, &config, &end).await;
}

/// What the event's source asks for goes before what the function is set to.
fn config(engine: &Engine, event: &Event) -> EventConfig {
    let details = &event.event;
    let config = engine
        .catalog()
        .event_config(&details.function, details.qualifier.as_ref());
    match details.retry {
        None => config,
        Some(retry) => EventConfig {
            max_age_seconds: retry.max_age_seconds,
            max_retries: retry.max_retries,
            ..config
        },
    }
}

async fn retry(engine: &Engine, event: &Event, pause: Duration, attempts: u32) {
    let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    let due = Timestamp::now().plus_millis(millis);
    engine.store().events().retry(event.id, due, attempts).await;
}

/// Says what no record will say of an event that something caused.
async fn note(engine: &Engine, event: &Event, state: DeliveryState) {
    let details = &event.event;
    let Some(source) = &details.source else {
        return;
    };
    let delivery = Delivery {
        time: details.accepted,
        source: source.clone(),
        function: Some(details.function.clone()),
        request_id: Some(details.request_id),
        state,
    };
    engine.store().deliveries().note(delivery).await;
}

fn failed(reason: &str) -> DeliveryState {
    DeliveryState::Failed {
        reason: reason.to_owned(),
    }
}

/// Tells the destination, then forgets the event: in this order, so that a
/// crash in between tells twice rather than never.
async fn finish(engine: &Engine, turns: &Turns, event: &Event, config: &EventConfig, end: &End) {
    let request = event.event.request_id;
    match end {
        End::Success(_) | End::Exhausted(_) => {}
        End::TooOld => {
            tracing::warn!(%request, "an event was not run before it was too old");
            note(engine, event, failed("too old")).await;
        }
        // The log of the function says it already.
        End::Looped => note(engine, event, DeliveryState::Looped).await,
        End::Impossible(error) => {
            tracing::warn!(%request, %error, "an event cannot be run");
            note(engine, event, failed(&error.to_string())).await;
        }
    }
    let destination = match end {
        End::Success(_) => config.on_success.as_deref(),
        _ => config.on_failure.as_deref(),
    };
    if let Some(arn) = destination {
        destination::tell(engine, event, end, arn).await;
    }
    turns.over(event);
    engine.store().events().done(event.id).await;
}
