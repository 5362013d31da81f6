//! Why a request about API keys was refused.

use store::StoreError;

/// The text of each variant is what AWS tells its clients; the wire crate adds the code.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    #[error("Invalid API Key identifier specified")]
    NotFound,
    #[error("API Key already exists")]
    AlreadyExists,
    #[error("the account has {0} API keys, which is all that it can have")]
    TooMany(usize),
    /// A part of the request of the wrong form.
    #[error("{0}")]
    Invalid(String),
    #[error("there is no entropy: {0}")]
    Random(getrandom::Error),
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
}

/// Why a call with a key, or without one, is not let in. Who calls is told none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLetIn {
    #[error("no key came")]
    Missing,
    #[error("there is no such key")]
    Unknown,
    #[error("the key is disabled")]
    Disabled,
    #[error("the key's time is over")]
    Expired,
    #[error("the key is for other routes")]
    OutOfScope,
}
