//! Refusals on the wire: for each of the two services one place says which code
//! and status each has.

use aws_wire::{Body, error};
use http::{Response, StatusCode};
use rules::pattern::BadPattern;
use rules::{RuleError, ScheduleError};
use serde_json::Value;

/// What EventBridge refuses.
#[derive(Debug)]
pub(crate) enum EventsError {
    UnknownOperation,
    /// The body is not the JSON of the operation.
    Unreadable(String),
    Invalid(String),
    Denied(String),
    Rule(RuleError),
    Internal(String),
}

/// What the Scheduler refuses.
#[derive(Debug)]
pub(crate) enum SchedulerError {
    UnknownOperation,
    Unreadable(String),
    Invalid(String),
    Denied(String),
    Schedule(ScheduleError),
}

impl From<RuleError> for EventsError {
    fn from(error: RuleError) -> Self {
        Self::Rule(error)
    }
}

impl From<BadPattern> for EventsError {
    fn from(error: BadPattern) -> Self {
        Self::Rule(error.into())
    }
}

impl From<ScheduleError> for SchedulerError {
    fn from(error: ScheduleError) -> Self {
        Self::Schedule(error)
    }
}

impl EventsError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub fn respond(self) -> Response<Body> {
        let (code, message) = match self {
            Self::UnknownOperation => ("UnknownOperationException", String::new()),
            Self::Unreadable(detail) => ("SerializationException", detail),
            Self::Invalid(message) => ("ValidationException", message),
            Self::Denied(message) => ("AccessDeniedException", message),
            Self::Rule(error) => match &error {
                RuleError::NoBus(_) | RuleError::NoRule { .. } | RuleError::NoStatement => {
                    ("ResourceNotFoundException", error.to_string())
                }
                RuleError::BusExists(_) => ("ResourceAlreadyExistsException", error.to_string()),
                RuleError::TooMany => ("LimitExceededException", error.to_string()),
                RuleError::Invalid(_) => ("ValidationException", error.to_string()),
                RuleError::Pattern(_) => ("InvalidEventPatternException", error.to_string()),
                RuleError::Store(_) => return internal_events(&error.to_string()),
            },
            Self::Internal(cause) => return internal_events(&cause),
        };
        error::json11(StatusCode::BAD_REQUEST, code, &message)
    }
}

fn internal_events(cause: &str) -> Response<Body> {
    tracing::error!(cause, "an operation on rules failed");
    error::json11(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalException",
        "This exception occurs due to unexpected causes.",
    )
}

impl SchedulerError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub fn respond(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::UnknownOperation => (
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                String::new(),
            ),
            Self::Unreadable(detail) => (StatusCode::BAD_REQUEST, "SerializationException", detail),
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, "ValidationException", message),
            Self::Denied(message) => (StatusCode::FORBIDDEN, "AccessDeniedException", message),
            Self::Schedule(error) => match &error {
                ScheduleError::NoSchedule(_) | ScheduleError::NoGroup(_) => (
                    StatusCode::NOT_FOUND,
                    "ResourceNotFoundException",
                    error.to_string(),
                ),
                ScheduleError::ScheduleExists(_) | ScheduleError::GroupExists(_) => {
                    (StatusCode::CONFLICT, "ConflictException", error.to_string())
                }
                ScheduleError::TooMany(_) => (
                    StatusCode::PAYMENT_REQUIRED,
                    "ServiceQuotaExceededException",
                    error.to_string(),
                ),
                ScheduleError::Invalid(_) => (
                    StatusCode::BAD_REQUEST,
                    "ValidationException",
                    error.to_string(),
                ),
                ScheduleError::Store(cause) => {
                    tracing::error!(
                        error = cause as &dyn std::error::Error,
                        "an operation on schedules failed"
                    );
                    (
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "InternalServerException",
                        "Unexpected error encountered while processing the request.".to_owned(),
                    )
                }
            },
        };
        // These shapes spell it with a capital.
        let extra = [("Message", Value::from(message.clone()))];
        error::rest_json(status, code, &message, &extra)
    }
}
