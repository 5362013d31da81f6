//! Refusals on the wire: one place says which code and status each has.

use aws_wire::{Body, error};
use engine::api_keys::ApiKeyError;
use engine::http_apis::HttpApiError;
use engine::usage::{PlanError, StoreError};
use http::{Response, StatusCode};

/// What is refused.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// An operation that API Gateway has and Squall has not.
    NotBuilt(String),
    Invalid(String),
    Denied(String),
    Refused(HttpApiError),
    Key(ApiKeyError),
    Plan(PlanError),
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Plan(error.into())
    }
}

impl From<ApiKeyError> for ApiError {
    fn from(error: ApiKeyError) -> Self {
        Self::Key(error)
    }
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
                HttpApiError::NotFound { .. } | HttpApiError::NoRoute(_) => (
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
                HttpApiError::Store(_) | HttpApiError::Random(_) => failed(&error),
            },
            Self::Plan(error) => match &error {
                PlanError::NotFound | PlanError::NoKey | PlanError::HasNotKey => (
                    StatusCode::NOT_FOUND,
                    "NotFoundException",
                    error.to_string(),
                ),
                PlanError::HasKey | PlanError::TwoPlans(_, _) => {
                    (StatusCode::CONFLICT, "ConflictException", error.to_string())
                }
                PlanError::TooMany(_) | PlanError::Invalid(_) | PlanError::HasStages => {
                    bad(error.to_string())
                }
                PlanError::Store(_) | PlanError::Random(_) => failed(&error),
            },
            Self::Key(error) => match &error {
                ApiKeyError::NotFound => (
                    StatusCode::NOT_FOUND,
                    "NotFoundException",
                    error.to_string(),
                ),
                ApiKeyError::AlreadyExists => {
                    (StatusCode::CONFLICT, "ConflictException", error.to_string())
                }
                ApiKeyError::TooMany(_) | ApiKeyError::Invalid(_) => bad(error.to_string()),
                ApiKeyError::Store(_) | ApiKeyError::Random(_) => failed(&error),
            },
        };
        error::rest_json(status, code, &message, &[])
    }
}

/// What the client cannot help goes to the log.
fn failed(error: &(dyn std::error::Error + 'static)) -> (StatusCode, &'static str, String) {
    tracing::error!(error, "an operation of API Gateway failed");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerErrorException",
        "Internal server error".to_owned(),
    )
}

fn bad(message: String) -> (StatusCode, &'static str, String) {
    (StatusCode::BAD_REQUEST, "BadRequestException", message)
}
