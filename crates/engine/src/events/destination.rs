//! What a destination is told of an event that ended: another function, or a
//! bucket in which the record is kept.

use buckets::{Attributes, BucketError, Origin, Write, WriteKind};
use bytes::Bytes;
use policy::Context;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::{Event, Precondition, StoreError};
use types::{FunctionRef, Invocation, InvokeError, Timestamp};

use super::attempt::End;
use crate::engine::Engine;
use crate::iam::{Ask, Denied};
use crate::lineage::Trace;

/// Why a destination does not hear of an event's end.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("it is neither a function nor a bucket")]
    Unknown,
    #[error("the function's role does not permit it: {0}")]
    Denied(#[from] Denied),
    #[error(transparent)]
    Function(#[from] InvokeError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) async fn tell(engine: &Engine, event: &Event, end: &End, arn: &str) {
    let told = if let Ok(target) = arn.parse::<FunctionRef>() {
        tell_function(engine, event, end, target).await
    } else if let Some(bucket) = arn.strip_prefix("arn:aws:s3:::") {
        tell_bucket(engine, event, end, bucket).await
    } else {
        Err(Untold::Unknown)
    };
    if let Err(error) = told {
        let request = event.event.request_id;
        tracing::warn!(%request, arn, %error, "a destination did not take the event's end");
    }
}

async fn tell_function(
    engine: &Engine,
    event: &Event,
    end: &End,
    target: FunctionRef,
) -> Result<(), Untold> {
    let arn = engine
        .catalog()
        .arn(&target.name, target.qualifier.as_ref());
    check_role(engine, event, "lambda:InvokeFunction", &arn)?;
    let mut invocation = Invocation::new(target.name, record(engine, event, end));
    invocation.qualifier = target.qualifier;
    invocation.trace_id = Some(trace(event, end));
    // Called by its own name, the future would contain itself.
    Box::pin(engine.invoke_async(invocation)).await?;
    Ok(())
}

async fn tell_bucket(
    engine: &Engine,
    event: &Event,
    end: &End,
    bucket: &str,
) -> Result<(), Untold> {
    let function = &event.event.function;
    let now = Timestamp::now();
    let key = format!(
        "aws/lambda/async/{function}/{}/{}-{}",
        now.day_path(),
        now.rfc3339()[..19].replace(':', "."),
        uuid::Uuid::new_v4()
    );
    check_role(
        engine,
        event,
        "s3:PutObject",
        &format!("arn:aws:s3:::{bucket}/{key}"),
    )?;
    let no_bucket = |_| BucketError::NoSuchBucket { bucket: None };
    let buckets = engine.catalog().buckets();
    let bucket = buckets.bucket(&bucket.parse().map_err(no_bucket)?)?;
    let record = record(engine, event, end);
    let mut content = buckets.writer(Some(record.len() as u64));
    content.write(record).await?;
    let mut attributes = Attributes::default();
    attributes.headers.content_type = Some("application/json".to_owned());
    let write = Write {
        key: key.parse().expect("a function's name makes a short key"),
        content: Box::pin(content.finish()).await?,
        attributes,
        precondition: Precondition::default(),
        kind: WriteKind::Put,
        origin: Origin {
            principal: principal(engine, event),
            request_id: event.event.request_id.to_string(),
            trace_id: Some(trace(event, end)),
            ..Origin::default()
        },
    };
    Box::pin(buckets.put(&bucket, write)).await?;
    Ok(())
}

/// On AWS it is the function's role that must be allowed to tell a destination.
fn check_role(engine: &Engine, event: &Event, action: &str, resource: &str) -> Result<(), Denied> {
    engine.iam().authorize(&Ask {
        principal_arn: &principal(engine, event),
        action,
        resource,
        resource_policy: None,
        context: &Context::new(),
    })
}

/// As whom the function runs. One that is gone has no role left to ask for.
fn principal(engine: &Engine, event: &Event) -> String {
    let details = &event.event;
    let function = &details.function;
    let found = engine
        .catalog()
        .get_function(function, details.qualifier.as_ref());
    let role = found.map_or_else(|_| String::new(), |entry| entry.config.role.clone());
    engine.iam().session_arn(&role, function.as_str())
}

/// Functions that are each other's destinations are a loop as well.
fn trace(event: &Event, end: &End) -> String {
    let details = &event.event;
    let trace = Trace::of(details.trace_id.as_deref(), details.request_id);
    match end {
        End::Success(_) | End::Exhausted(_) => trace.entered(&details.function),
        End::TooOld | End::Looped | End::Impossible(_) => trace.header(),
    }
}

/// The record that AWS sends to destinations.
fn record(engine: &Engine, event: &Event, end: &End) -> Bytes {
    let details = &event.event;
    let (condition, response) = match end {
        End::Success(outcome) => ("Success", Some(outcome)),
        End::Exhausted(outcome) => ("RetriesExhausted", Some(outcome)),
        End::TooOld => ("EventAgeExceeded", None),
        // AWS has not said how it calls this one.
        End::Looped => ("RecursiveInvocation", None),
        End::Impossible(_) => ("RetriesExhausted", None),
    };
    let arn = match &details.qualifier {
        Some(qualifier) => engine.scope().qualified_arn(&details.function, qualifier),
        None => format!("{}:$LATEST", engine.scope().function_arn(&details.function)),
    };
    let attempts = match end {
        End::TooOld | End::Looped => event.attempts,
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
