//! Refusals on the wire: one place says which code and status each has.

use aws_wire::{Body, error};
use engine::http_apis::HttpApiError;
use http::{Response, StatusCode};

/// What is refused.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// An operation that API Gateway has and Squall has not.
    NotBuilt(String),
    Invalid(String),
    Denied(String),
    Refused(HttpApiError),
}

impl From<HttpApiError> for ApiError {
    fn from(error: HttpApiError) -> Self {
        Self::Refused(error)
    }
}

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub fn respond(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::NotBuilt(what) => (
                StatusCode::BAD_REQUEST,
                "UnknownOperationException",
                format!("Squall does not provide {what} of API Gateway yet."),
            ),
            Self::Invalid(message) => bad(message),
            Self::Denied(message) => (StatusCode::FORBIDDEN, "AccessDeniedException", message),
            Self::Refused(error) => match &error {
                HttpApiError::NotFound { .. } => (
                    StatusCode::NOT_FOUND,
                    "NotFoundException",
                    error.to_string(),
                ),
                HttpApiError::Conflict(_) => {
                    (StatusCode::CONFLICT, "ConflictException", error.to_string())
                }
                // AWS has TooManyRequestsException for too many calls only: clients try
                // again what they get it for.
                HttpApiError::Invalid(_) | HttpApiError::TooMany { .. } => bad(error.to_string()),
                HttpApiError::Store(_) | HttpApiError::Random(_) => {
                    let cause = &error as &dyn std::error::Error;
                    tracing::error!(error = cause, "an operation on HTTP APIs failed");
                    (
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "InternalServerErrorException",
                        "Internal server error".to_owned(),
                    )
                }
            },
        };
        error::rest_json(status, code, &message, &[])
    }
}

fn bad(message: String) -> (StatusCode, &'static str, String) {
    (StatusCode::BAD_REQUEST, "BadRequestException", message)
}
