//! Asynchronous invocations: the worker behind the durable queue. An accepted
//! event is run at least once, retried as AWS retries, and ends in a
//! destination where the function names one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::Event;
use tokio::sync::Semaphore;
use types::{FunctionRef, Invocation, Invoke, InvokeError, Outcome, Timestamp};

use crate::catalog::EventConfig;
use crate::engine::Engine;

/// How long a throttled event waits at first and at most.
const THROTTLE_FIRST: Duration = Duration::from_secs(1);
const THROTTLE_MOST: Duration = Duration::from_mins(5);
/// The worker looks at the queue at least this often.
const LOOK: Duration = Duration::from_mins(1);

/// Takes what is due and runs it, until the engine closes.
pub(crate) async fn work(engine: Engine) {
    let workers = engine.inner.context.settings.event_workers;
    let slots = Arc::new(Semaphore::new(workers));
    loop {
        let free = slots.available_permits();
        let due = if free == 0 {
            vec![]
        } else {
            engine.store().events().due(Timestamp::now(), free).await
        };
        let found = !due.is_empty();
        for event in due {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let engine_of_task = engine.clone();
            engine.run_beside(async move {
                run(&engine_of_task, event).await;
                drop(slot);
                // A slot is free: there may be more to do.
                engine_of_task.inner.accepted.notify_one();
            });
        }
        if found && slots.available_permits() > 0 {
            continue;
        }
        let pause = pause(&engine, slots.available_permits()).await;
        tokio::select! {
            () = engine.closing() => return,
            () = engine.inner.accepted.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How long nothing will be due.
async fn pause(engine: &Engine, free: usize) -> Duration {
    if free == 0 {
        return LOOK;
    }
    match engine.store().events().next_due().await {
        None => LOOK,
        Some(due) => {
            let millis = (due.0 - Timestamp::now().0).max(1);
            LOOK.min(Duration::from_millis(millis.unsigned_abs()))
        }
    }
}

/// One attempt at an event.
async fn run(engine: &Engine, event: Event) {
    let details = &event.event;
    let config = engine
        .catalog()
        .event_config(&details.function, details.qualifier.as_ref());
    let age_ms = Timestamp::now().0 - details.accepted.0;
    if age_ms > i64::from(config.max_age_seconds) * 1000 {
        finish(engine, &event, &config, &End::TooOld).await;
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
        })
        .await;
    match outcome {
        Ok(outcome) if outcome.result.is_ok() => {
            finish(engine, &event, &config, &End::Success(outcome)).await;
        }
        Ok(outcome) if event.attempts >= config.max_retries => {
            finish(engine, &event, &config, &End::Exhausted(outcome)).await;
        }
        Ok(_) => {
            let pause = engine.inner.context.settings.event_retry * (event.attempts + 1);
            retry(engine, &event, pause, event.attempts + 1).await;
        }
        // Waiting for room or for the engine's next start is not an attempt.
        Err(InvokeError::Throttled { .. }) => {
            let waited = u32::try_from(age_ms / 1000).unwrap_or(u32::MAX);
            let pause = THROTTLE_FIRST
                .saturating_mul(waited.max(1))
                .min(THROTTLE_MOST);
            retry(engine, &event, pause, event.attempts).await;
        }
        Err(InvokeError::ShuttingDown) => {}
        Err(error) => {
            tracing::warn!(request = %details.request_id, %error, "an event cannot be run");
            finish(engine, &event, &config, &End::Impossible).await;
        }
    }
}

async fn retry(engine: &Engine, event: &Event, pause: Duration, attempts: u32) {
    let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    let due = Timestamp::now().plus_millis(millis);
    engine.store().events().retry(event.id, due, attempts).await;
    engine.inner.accepted.notify_one();
}

/// How an event ended.
enum End {
    Success(Outcome),
    Exhausted(Outcome),
    TooOld,
    /// It could not be run at all.
    Impossible,
}

/// Tells the destination, then forgets the event: in this order, so that a
/// crash in between tells twice rather than never.
async fn finish(engine: &Engine, event: &Event, config: &EventConfig, end: &End) {
    let destination = match end {
        End::Success(_) => config.on_success.as_deref(),
        _ => config.on_failure.as_deref(),
    };
    if let Some(arn) = destination {
        tell(engine, event, end, arn).await;
    }
    engine.store().events().done(event.id).await;
}

async fn tell(engine: &Engine, event: &Event, end: &End, arn: &str) {
    let Ok(target) = arn.parse::<FunctionRef>() else {
        tracing::warn!(arn, "a destination that is not a function is passed over");
        return;
    };
    let mut invocation = Invocation::new(target.name, destination_record(engine, event, end));
    invocation.qualifier = target.qualifier;
    // Called by its own name, the future would contain itself.
    let accepted = Box::pin(engine.invoke_async(invocation)).await;
    if let Err(error) = accepted {
        tracing::warn!(arn, %error, "a destination did not take the event's end");
    }
}

/// The record that AWS sends to destinations.
fn destination_record(engine: &Engine, event: &Event, end: &End) -> Bytes {
    let details = &event.event;
    let (condition, response) = match end {
        End::Success(outcome) => ("Success", Some(outcome)),
        End::Exhausted(outcome) => ("RetriesExhausted", Some(outcome)),
        End::TooOld => ("EventAgeExceeded", None),
        End::Impossible => ("RetriesExhausted", None),
    };
    let arn = match &details.qualifier {
        Some(qualifier) => engine.scope().qualified_arn(&details.function, qualifier),
        None => format!("{}:$LATEST", engine.scope().function_arn(&details.function)),
    };
    let attempts = match end {
        End::TooOld => event.attempts,
        _ => event.attempts + 1,
    };
    let mut record = json!({
        "version": "1.0",
        "timestamp": Timestamp::now().rfc3339(),
        "requestContext": {
            "requestId": details.request_id.to_string(),
            "functionArn": arn,
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": parsed(&details.payload),
    });
    if let Some(outcome) = response {
        let (payload, error) = match &outcome.result {
            Ok(payload) => (payload, None),
            Err(error) => (&error.payload, Some("Unhandled")),
        };
        record["responseContext"] = json!({
            "statusCode": 200,
            "executedVersion": outcome.version.to_string(),
        });
        if let Some(error) = error {
            record["responseContext"]["functionError"] = error.into();
        }
        record["responsePayload"] = parsed(payload);
    }
    record.to_string().into()
}

/// A payload as JSON; what is not stays text.
fn parsed(payload: &[u8]) -> Value {
    if serde_json::from_slice::<&RawValue>(payload).is_err() {
        return Value::String(String::from_utf8_lossy(payload).into_owned());
    }
    serde_json::from_slice(payload).unwrap_or_default()
}
