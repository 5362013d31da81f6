//! Why a request about HTTP APIs was refused.

use store::StoreError;

/// The text of each variant is for the client; the wire crate adds code and status.
#[derive(Debug, thiserror::Error)]
pub enum HttpApiError {
    #[error("Invalid {what} identifier specified {id}")]
    NotFound { what: &'static str, id: String },
    #[error("Unable to find Route by key {0} within the provided RouteSettings")]
    NoRoute(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    #[error("Maximum number of {what} has been reached: {most}")]
    TooMany { what: &'static str, most: usize },
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
    #[error("there is no randomness: {0}")]
    Random(getrandom::Error),
}

impl HttpApiError {
    pub(super) fn not_found(what: &'static str, id: &str) -> Self {
        // A hostile id can be kilobytes long; a message must not be.
        let id = id.chars().take(100).collect();
        Self::NotFound { what, id }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}
