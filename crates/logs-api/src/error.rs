//! Refusals on the wire: one place says which code and status each has.

use aws_wire::{Body, error};
use http::{Response, StatusCode};
use store::{LogError, StoreError};

#[derive(Debug)]
pub(crate) enum ApiError {
    UnknownOperation,
    /// The body is not the JSON of the operation.
    Unreadable(String),
    Invalid(String),
    Denied(String),
    NotFound(&'static str),
    Exists(&'static str),
    Internal(String),
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NoSuchGroup { .. } => {
                Self::NotFound("The specified log group does not exist.")
            }
            LogError::NoSuchStream { .. } => {
                Self::NotFound("The specified log stream does not exist.")
            }
            LogError::GroupExists { .. } => Self::Exists("The specified log group already exists"),
            LogError::StreamExists { .. } => {
                Self::Exists("The specified log stream already exists")
            }
            LogError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub fn missing(parameter: &str) -> Self {
        Self::Invalid(format!(
            "1 validation error detected: Value null at '{parameter}' failed to satisfy constraint: Member must not be null"
        ))
    }

    pub fn respond(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::UnknownOperation => (
                StatusCode::BAD_REQUEST,
                "UnknownOperationException",
                String::new(),
            ),
            Self::Unreadable(detail) => (StatusCode::BAD_REQUEST, "SerializationException", detail),
            Self::Invalid(message) => (
                StatusCode::BAD_REQUEST,
                "InvalidParameterException",
                message,
            ),
            Self::Denied(message) => (StatusCode::BAD_REQUEST, "AccessDeniedException", message),
            Self::NotFound(message) => (
                StatusCode::BAD_REQUEST,
                "ResourceNotFoundException",
                message.to_owned(),
            ),
            Self::Exists(message) => (
                StatusCode::BAD_REQUEST,
                "ResourceAlreadyExistsException",
                message.to_owned(),
            ),
            Self::Internal(cause) => {
                tracing::error!(cause, "a log operation failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "ServiceUnavailableException",
                    "The service cannot complete the request.".to_owned(),
                )
            }
        };
        error::json11(status, code, &message)
    }
}
