//! Which service and which operation is asked for.

use std::fmt;
use std::sync::Arc;

use aws_wire::Body;
use aws_wire::error::respond;
use bytes::Bytes;
use engine::iam::Iam;
use http::{Request, Response, StatusCode};
use rules::Rules;
use serde_json::Value;

use crate::{events, scheduler};

/// Answers for `events` and `scheduler`.
#[derive(Clone)]
pub struct EventsApi {
    pub(crate) rules: Arc<Rules>,
    /// Who may what. Without it, everybody may everything.
    pub(crate) iam: Option<Arc<Iam>>,
}

impl fmt::Debug for EventsApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsApi").finish_non_exhaustive()
    }
}

impl EventsApi {
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules, iam: None }
    }

    /// Holds roles to their policies.
    #[must_use]
    pub fn with_iam(mut self, iam: Arc<Iam>) -> Self {
        self.iam = Some(iam);
        self
    }

    /// One request of a client whose signature was checked. `X-Amz-Target` tells
    /// EventBridge from the Scheduler, which has paths.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let target = request.headers().get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        let Some(target) = target.map(str::to_owned) else {
            let answer = match self.permit_scheduler(&request) {
                Ok(()) => scheduler::operation(self, &request).await,
                Err(error) => Err(error),
            };
            return match answer {
                Ok(answer) => ok("application/json", &answer),
                Err(error) => error.respond(),
            };
        };
        let operation = target.strip_prefix("AWSEvents.").unwrap_or_default();
        let trace = request.headers().get("x-amzn-trace-id");
        let trace = trace
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let answer = match self.permit_events(operation, &request) {
            Ok(()) => events::operation(self, operation, request.body(), trace).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => ok("application/x-amz-json-1.1", &answer),
            Err(error) => error.respond(),
        }
    }
}

fn ok(kind: &'static str, answer: &Value) -> Response<Body> {
    let text = match answer {
        Value::Null => String::new(),
        answer => answer.to_string(),
    };
    respond(StatusCode::OK, kind, text)
}
