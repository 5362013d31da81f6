//! What a function URL answers when the function does not.

use aws_wire::sigv4::AuthError;
use aws_wire::{Body, error};
use http::{Response, StatusCode};
use types::InvokeError;

/// Why a request got no answer from its function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no function URL of this name")]
    NotFound,
    /// The policy lets nobody in who does not sign, or not who signed.
    #[error("no policy lets the caller in")]
    Forbidden,
    #[error("the signature does not hold")]
    Signature(#[source] AuthError),
    /// The function failed, or answered what is no HTTP response.
    #[error("the function gave no answer")]
    BadAnswer,
    #[error("the function was not run")]
    NotRun(#[source] InvokeError),
}

impl Refusal {
    pub fn respond(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                "Not Found".to_owned(),
            ),
            Self::Forbidden | Self::Signature(AuthError::Missing) => (
                StatusCode::FORBIDDEN,
                "AccessDeniedException",
                "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html".to_owned(),
            ),
            Self::Signature(error) => (error.status(), error.code(), error.to_string()),
            Self::BadAnswer => (
                StatusCode::BAD_GATEWAY,
                "InternalServerErrorException",
                "Internal Server Error".to_owned(),
            ),
            Self::NotRun(error) => not_run(&error),
        };
        error::rest_json(status, code, "", &[("Message", message.into())])
    }
}

fn not_run(error: &InvokeError) -> (StatusCode, &'static str, String) {
    match error {
        InvokeError::NotFound { .. } => (
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            "Not Found".to_owned(),
        ),
        InvokeError::Throttled { .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Rate Exceeded.".to_owned(),
        ),
        InvokeError::PayloadTooLarge { limit, .. } => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            format!("Request must be smaller than {limit} bytes for the InvokeFunction operation"),
        ),
        InvokeError::Looped { .. } => (
            StatusCode::BAD_REQUEST,
            "RecursiveInvocationException",
            "Recursive Invocation".to_owned(),
        ),
        InvokeError::ShuttingDown | InvokeError::QueueFull => (
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            "Service Unavailable".to_owned(),
        ),
        InvokeError::InvalidPayload { .. }
        | InvokeError::Unreachable { .. }
        | InvokeError::Refused { .. }
        | InvokeError::Internal { .. } => {
            tracing::error!(%error, "a function URL's request failed");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "ServiceException",
                "Internal Server Error".to_owned(),
            )
        }
    }
}
