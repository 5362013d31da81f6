//! What clients get of an HTTP API where no function answers, in the words of AWS.

use aws_wire::{Body, error};
use engine::usage::NotServed;
use http::{Response, StatusCode};
use types::InvokeError;

use super::door::Shut;

/// Why a request got no answer from its function.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiRefusal {
    #[error("no route for this request")]
    NotFound,
    /// The route leads nowhere.
    #[error("the route has no target")]
    NoTarget,
    #[error("no key that lets in came with the request")]
    NoKey,
    #[error("the key's plan has no room for the call")]
    NoRoom,
    #[error("the key's quota is used up")]
    OverQuota,
    #[error("what the key used cannot be read")]
    NotMetered,
    #[error("no policy lets API Gateway invoke the function")]
    NotPermitted,
    #[error("the function gave no answer in time")]
    TooSlow,
    /// The function failed, or answered what is no HTTP response.
    #[error("the function gave no answer")]
    BadAnswer,
    #[error("the function was not run")]
    NotRun(#[source] InvokeError),
    #[error("the body is too large")]
    TooLarge,
    #[error("the body did not come")]
    Stalled,
    #[error("the body broke off")]
    Broken,
    #[error("there is no room for the body")]
    Busy,
}

impl From<&Shut> for ApiRefusal {
    fn from(shut: &Shut) -> Self {
        match shut {
            Shut::Key(_) | Shut::Usage(NotServed::NoPlan) => Self::NoKey,
            Shut::Usage(NotServed::Throttled { .. }) => Self::NoRoom,
            Shut::Usage(NotServed::OverQuota { .. }) => Self::OverQuota,
            Shut::Usage(NotServed::Store(error)) => {
                tracing::error!(%error, "what a key used cannot be read");
                Self::NotMetered
            }
        }
    }
}

impl ApiRefusal {
    pub fn respond(self) -> Response<Body> {
        const FAILED: (StatusCode, &str) =
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        const UNAVAILABLE: (StatusCode, &str) =
            (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
        const TOO_LARGE: (StatusCode, &str) =
            (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        let (status, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
            Self::NoTarget | Self::NotPermitted | Self::BadAnswer | Self::NotMetered => FAILED,
            Self::NoRoom => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
            Self::OverQuota => (StatusCode::TOO_MANY_REQUESTS, "Limit Exceeded"),
            Self::NoKey => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::TooSlow | Self::Busy => UNAVAILABLE,
            Self::TooLarge => TOO_LARGE,
            Self::Stalled => (StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            Self::Broken => (StatusCode::BAD_REQUEST, "Bad Request"),
            Self::NotRun(error) => match &error {
                InvokeError::PayloadTooLarge { .. } => TOO_LARGE,
                InvokeError::Throttled { .. }
                | InvokeError::ShuttingDown
                | InvokeError::QueueFull => UNAVAILABLE,
                InvokeError::NotFound { .. } | InvokeError::Looped { .. } => FAILED,
                InvokeError::InvalidPayload { .. }
                | InvokeError::Unreachable { .. }
                | InvokeError::Refused { .. }
                | InvokeError::Internal { .. } => {
                    tracing::error!(%error, "an API's request failed");
                    FAILED
                }
            },
        };
        error::rest_json(status, "", message, &[])
    }
}
