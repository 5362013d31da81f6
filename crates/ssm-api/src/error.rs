//! Refusals on the wire: one place says which code each has. SSM answers all of them
//! with 400.

use aws_wire::{Body, error};
use engine::parameters::ParameterError;
use http::{Response, StatusCode};

#[derive(Debug)]
pub(crate) enum ApiError {
    UnknownOperation,
    /// The body is not the JSON of the operation.
    Unreadable(String),
    Invalid(String),
    Denied(String),
    /// Another version of it than the last.
    NoVersion(String),
    /// What has tags is not there.
    NoResource(String),
    BadToken,
    Parameter(ParameterError),
}

impl From<ParameterError> for ApiError {
    fn from(error: ParameterError) -> Self {
        Self::Parameter(error)
    }
}

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub fn respond(self) -> Response<Body> {
        let status = match &self {
            Self::Parameter(ParameterError::Store(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let (code, message) = match self {
            Self::UnknownOperation => ("UnknownOperationException", String::new()),
            Self::Unreadable(detail) => ("SerializationException", detail),
            Self::Invalid(message) => ("ValidationException", message),
            Self::Denied(message) => ("AccessDeniedException", message),
            Self::NoVersion(message) => ("ParameterVersionNotFound", message),
            Self::NoResource(message) => ("InvalidResourceId", message),
            Self::BadToken => (
                "InvalidNextToken",
                "The specified token isn't valid.".into(),
            ),
            Self::Parameter(error) => of_parameter(&error),
        };
        error::json11(status, code, &message)
    }
}

fn of_parameter(error: &ParameterError) -> (&'static str, String) {
    let code = match error {
        ParameterError::NotFound(_) => "ParameterNotFound",
        ParameterError::AlreadyExists => "ParameterAlreadyExists",
        ParameterError::TooMany => "ParameterLimitExceeded",
        ParameterError::TooManyTags => "TooManyTagsError",
        ParameterError::Invalid(_) => "ValidationException",
        ParameterError::Unsealable => "InvalidKeyId",
        ParameterError::Store(cause) => {
            tracing::error!(%cause, "a parameter could not be stored");
            return (
                "InternalServerError",
                "An error occurred on the server side.".to_owned(),
            );
        }
    };
    (code, error.to_string())
}
