//! What a schedule of the Scheduler calls, and with what.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{EventSource, NewEvent, RetryPolicy};
use types::{FunctionRef, RequestId, Scope, Timestamp};

use crate::model::{Schedule, ScheduleTarget};
use crate::rules::Rules;
use crate::wire_time;

/// The service on whose behalf schedules call functions.
pub(crate) const SCHEDULER: &str = "scheduler.amazonaws.com";
/// The target that is an API call; its input names the function.
const INVOKE: &str = "arn:aws:scheduler:::aws-sdk:lambda:invoke";
/// How old an event may become where nothing else is said, as for functions.
const LONGEST_AGE_SECONDS: u32 = 21_600;

/// The input of a target that is the API call `Invoke`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvokeInput {
    function_name: String,
    qualifier: Option<String>,
    invocation_type: Option<String>,
    payload: Option<Value>,
}

/// What may be named in an input.
struct Attributes {
    arn: String,
    time: String,
    execution: String,
}

/// The call of one run.
pub(crate) fn call(scope: &Scope, schedule: &Schedule, at: Timestamp) -> Result<NewEvent, String> {
    let attributes = Attributes {
        arn: schedule.arn(scope),
        time: wire_time(at),
        execution: RequestId::random().to_string(),
    };
    let (function, payload, retry) = resolve(&schedule.target, &attributes, scope)?;
    let mut event = NewEvent::new(RequestId::random(), function.name, payload);
    event.qualifier = function.qualifier;
    event.retry = retry;
    event.source = Some(EventSource {
        service: SCHEDULER.to_owned(),
        subject: format!("schedule {} at {}", schedule.name, attributes.time),
        role: Some(schedule.target.role.clone()),
        arn: attributes.arn,
    });
    Ok(event)
}

/// Whether a target is one that can be called, tried with some time.
pub(crate) fn check_target(rules: &Rules, target: &ScheduleTarget) -> Result<(), String> {
    let attributes = Attributes {
        arn: String::new(),
        time: wire_time(Timestamp(0)),
        execution: String::new(),
    };
    if target.arn != INVOKE {
        rules.function_arn(&target.arn)?;
    }
    resolve(target, &attributes, rules.scope()).map(drop)
}

fn resolve(
    target: &ScheduleTarget,
    attributes: &Attributes,
    scope: &Scope,
) -> Result<(FunctionRef, Bytes, Option<RetryPolicy>), String> {
    let input = target
        .input
        .as_deref()
        .map(|input| attributes.put_into(input));
    if target.arn != INVOKE {
        let function = target
            .arn
            .parse()
            .map_err(|_| "Provided Arn is not in correct format.")?;
        let payload = match input {
            Some(input) => {
                let json: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&input);
                json.map_err(|_| "The Input must be well-formed JSON.")?;
                input
            }
            None => default_input(attributes, scope).to_string(),
        };
        return Ok((function, payload.into(), None));
    }
    let input = input.ok_or("Input is required for the target lambda:invoke.")?;
    let call: InvokeInput = serde_json::from_str(&input)
        .map_err(|error| format!("The Input is not that of lambda:invoke: {error}"))?;
    let mut function: FunctionRef = call
        .function_name
        .parse()
        .map_err(|_| "The Input names no function.")?;
    if let Some(qualifier) = call.qualifier {
        let qualifier = qualifier
            .parse()
            .map_err(|_| "The Input has a bad Qualifier.")?;
        function.qualifier = Some(qualifier);
    }
    let payload = match call.payload {
        None => "{}".to_owned(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    // A synchronous call is over when the function answered, whatever it said.
    let retry = match call.invocation_type.as_deref() {
        Some("Event") => None,
        _ => Some(RetryPolicy {
            max_retries: 0,
            max_age_seconds: LONGEST_AGE_SECONDS,
        }),
    };
    Ok((function, payload.into(), retry))
}

/// What a function gets of a schedule that has no input.
fn default_input(attributes: &Attributes, scope: &Scope) -> Value {
    json!({
        "version": "0",
        "id": RequestId::random().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": scope.account.as_str(),
        "time": attributes.time,
        "region": scope.region.as_str(),
        "resources": [attributes.arn],
        // A text, and not an object as in events of rules.
        "detail": "{}",
    })
}

impl Attributes {
    fn put_into(&self, input: &str) -> String {
        if !input.contains("<aws.scheduler.") {
            return input.to_owned();
        }
        input
            .replace("<aws.scheduler.schedule-arn>", &self.arn)
            .replace("<aws.scheduler.scheduled-time>", &self.time)
            .replace("<aws.scheduler.execution-id>", &self.execution)
            // Retries are the function's affair, and give it the same payload.
            .replace("<aws.scheduler.attempt-number>", "1")
    }
}
