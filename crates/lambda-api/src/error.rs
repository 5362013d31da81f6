//! What clients are told when an operation is refused: code, status and shape of
//! each error, in one place.

use aws_wire::{Body, error as wire};
use engine::catalog::ControlError;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use types::{InvokeError, ThrottleReason};

/// Seconds after which a throttled client may try again.
const RETRY_AFTER: &str = "1";

/// Why a request was refused.
#[derive(Debug)]
pub(crate) enum ApiError {
    Control(ControlError),
    Invoke(InvokeError),
    /// Members that break the constraints of their shapes.
    Validation(Vec<String>),
    /// A semantic fault that was seen at the edge already.
    InvalidParameter(String),
    /// A body that is not JSON, or not of the expected types.
    Serialization(String),
    /// A payload or client context that cannot be used.
    InvalidContent(String),
    PayloadTooLarge {
        size: u64,
        limit: u64,
        kind: &'static str,
    },
    RequestTooLarge {
        limit: u64,
        operation: &'static str,
    },
    NotFound(String),
    /// A function of another account.
    AccessDenied(String),
    UnknownOperation,
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

impl From<InvokeError> for ApiError {
    fn from(error: InvokeError) -> Self {
        Self::Invoke(error)
    }
}

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidParameter(message.into())
    }

    pub fn into_response(self) -> Response<Body> {
        match self {
            Self::Control(error) => control(&error),
            Self::Invoke(error) => invoke(&error),
            Self::Validation(faults) => validation(&faults),
            Self::InvalidParameter(message) => user(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                &message,
            ),
            Self::Serialization(message) => wire::rest_json(
                StatusCode::BAD_REQUEST,
                "SerializationException",
                &message,
                &[],
            ),
            Self::InvalidContent(message) => user(
                StatusCode::BAD_REQUEST,
                "InvalidRequestContentException",
                &message,
            ),
            Self::PayloadTooLarge { size, limit, kind } => user(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                &format!(
                    "{size} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
                ),
            ),
            Self::RequestTooLarge { limit, operation } => wire::rest_json(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLargeException",
                &format!(
                    "Request must be smaller than {limit} bytes for the {operation} operation"
                ),
                &[],
            ),
            Self::NotFound(message) => not_found(&message),
            Self::AccessDenied(message) => denied(&message),
            Self::UnknownOperation => wire::rest_json(
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                "The requested operation is not part of this API.",
                &[],
            ),
        }
    }
}

fn control(error: &ControlError) -> Response<Body> {
    let message = error.to_string();
    let bad_request = |code| user(StatusCode::BAD_REQUEST, code, &message);
    match error {
        ControlError::FunctionNotFound { .. }
        | ControlError::AliasNotFound { .. }
        | ControlError::NotFound { .. } => not_found(&message),
        ControlError::ProvisionedNotFound => user(
            StatusCode::NOT_FOUND,
            "ProvisionedConcurrencyConfigNotFoundException",
            &message,
        ),
        ControlError::Conflict { .. } => {
            user(StatusCode::CONFLICT, "ResourceConflictException", &message)
        }
        ControlError::InvalidParameter { .. } => bad_request("InvalidParameterValueException"),
        ControlError::StaleRevision { .. } => user(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailedException",
            &message,
        ),
        ControlError::CodeStorageExceeded { .. } => bad_request("CodeStorageExceededException"),
        ControlError::PolicyTooLong { .. } => bad_request("PolicyLengthExceededException"),
        ControlError::ZipTooLarge { .. } => wire::rest_json(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            &message,
            &[],
        ),
        ControlError::ForeignLayer { .. } => denied(&message),
        ControlError::Store(_) | ControlError::Internal { .. } => internal(error),
    }
}

fn invoke(error: &InvokeError) -> Response<Body> {
    match error {
        InvokeError::NotFound { arn } => not_found(&format!("Function not found: {arn}")),
        InvokeError::Throttled { reason } => throttled(*reason),
        InvokeError::QueueFull => throttled(ThrottleReason::CallerRateLimitExceeded),
        InvokeError::Looped { .. } => user(
            StatusCode::BAD_REQUEST,
            "RecursiveInvocationException",
            "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.",
        ),
        InvokeError::PayloadTooLarge { size, limit } => ApiError::PayloadTooLarge {
            size: *size,
            limit: *limit,
            kind: "RequestResponse",
        }
        .into_response(),
        InvokeError::InvalidPayload { detail } => {
            ApiError::InvalidContent(unparsable(detail)).into_response()
        }
        // The engine in this process is neither out of reach nor does it refuse.
        InvokeError::ShuttingDown
        | InvokeError::Unreachable { .. }
        | InvokeError::Refused { .. }
        | InvokeError::Internal { .. } => internal(error),
    }
}

/// The message for a payload that is not JSON.
pub(crate) fn unparsable(detail: &str) -> String {
    format!("Could not parse request body into json: Could not parse payload into json: {detail}")
}

fn throttled(reason: ThrottleReason) -> Response<Body> {
    let extra = [("Type", "User".into()), ("Reason", reason.as_str().into())];
    let mut response = wire::rest_json(
        StatusCode::TOO_MANY_REQUESTS,
        "TooManyRequestsException",
        "Rate Exceeded.",
        &extra,
    );
    response.headers_mut().insert(
        http::header::RETRY_AFTER,
        HeaderValue::from_static(RETRY_AFTER),
    );
    response
}

fn validation(faults: &[String]) -> Response<Body> {
    let errors = if faults.len() == 1 { "error" } else { "errors" };
    let message = format!(
        "{} validation {errors} detected: {}",
        faults.len(),
        faults.join("; ")
    );
    wire::rest_json(
        StatusCode::BAD_REQUEST,
        "ValidationException",
        &message,
        &[],
    )
}

fn user(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    wire::rest_json(status, code, message, &[("Type", "User".into())])
}

/// This shape, unlike the others, spells its message with a capital.
fn not_found(message: &str) -> Response<Body> {
    let extra = [("Type", Value::from("User")), ("Message", message.into())];
    wire::rest_json(
        StatusCode::NOT_FOUND,
        "ResourceNotFoundException",
        message,
        &extra,
    )
}

fn denied(message: &str) -> Response<Body> {
    let extra = [("Message", message.into())];
    wire::rest_json(
        StatusCode::FORBIDDEN,
        "AccessDeniedException",
        message,
        &extra,
    )
}

/// The detail is for the log; the client cannot act on it.
fn internal(error: &(dyn std::error::Error + 'static)) -> Response<Body> {
    tracing::error!(error, "an operation failed");
    let extra = [
        ("Type", Value::from("Service")),
        ("Message", "Internal service error.".into()),
    ];
    wire::rest_json(
        StatusCode::INTERNAL_SERVER_ERROR,
        "ServiceException",
        "Internal service error.",
        &extra,
    )
}
