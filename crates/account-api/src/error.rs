//! Refusals on the wire: one place says which code and status each has.

use aws_wire::{Body, error};
use engine::iam::IamError;
use http::{Response, StatusCode};

use crate::answer::Service;

#[derive(Debug)]
pub(crate) enum ApiError {
    Iam(IamError),
    UnknownAction(String),
}

impl From<IamError> for ApiError {
    fn from(error: IamError) -> Self {
        Self::Iam(error)
    }
}

impl ApiError {
    pub fn validation(message: String) -> Self {
        Self::Iam(IamError::Validation(message))
    }

    pub fn unknown_action(action: &str, service: Service) -> Self {
        let action: String = action.chars().take(128).collect();
        Self::UnknownAction(format!(
            "Could not find operation {action} for version {}",
            service.version()
        ))
    }

    pub fn respond(&self, service: Service) -> Response<Body> {
        let (status, code) = self.status_and_code();
        let message = match self {
            Self::Iam(IamError::Store(cause)) => {
                tracing::error!(%cause, "a record could not be stored");
                "The request processing has failed because of an unknown error, exception or failure.".to_owned()
            }
            Self::Iam(error) => error.to_string(),
            Self::UnknownAction(message) => message.clone(),
        };
        error::query_xml(status, service.namespace(), code, &message)
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        let Self::Iam(error) = self else {
            return (StatusCode::BAD_REQUEST, "InvalidAction");
        };
        match error {
            IamError::NoSuchEntity(_) => (StatusCode::NOT_FOUND, "NoSuchEntity"),
            IamError::AlreadyExists(_) => (StatusCode::CONFLICT, "EntityAlreadyExists"),
            IamError::DeleteConflict(_) => (StatusCode::CONFLICT, "DeleteConflict"),
            IamError::MalformedDocument(_) => (StatusCode::BAD_REQUEST, "MalformedPolicyDocument"),
            IamError::LimitExceeded { .. } => (StatusCode::CONFLICT, "LimitExceeded"),
            IamError::Validation(_) => (StatusCode::BAD_REQUEST, "ValidationError"),
            IamError::InvalidInput(_) => (StatusCode::BAD_REQUEST, "InvalidInput"),
            IamError::Denied(_) => (StatusCode::FORBIDDEN, "AccessDenied"),
            IamError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "ServiceFailure"),
        }
    }
}
