//! Why a request about roles or policies was refused.

use store::StoreError;

/// The text of each variant is what AWS tells its clients; the wire crate adds
/// code and status.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    #[error("{0}")]
    NoSuchEntity(String),
    #[error("{0}")]
    AlreadyExists(String),
    #[error("{0}")]
    DeleteConflict(&'static str),
    #[error("{0}")]
    MalformedDocument(String),
    #[error("Cannot exceed quota for {quota}: {limit}")]
    LimitExceeded { quota: &'static str, limit: usize },
    /// A parameter of the wrong form.
    #[error("{0}")]
    Validation(String),
    /// A parameter of the right form that does not fit.
    #[error("{0}")]
    InvalidInput(String),
    /// What AWS keeps for itself, such as changing its own policies.
    #[error("{0}")]
    Denied(String),
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
}

impl IamError {
    pub(super) fn no_role(name: &str) -> Self {
        Self::NoSuchEntity(format!("The role with name {name} cannot be found."))
    }

    pub(super) fn no_policy(arn: &str) -> Self {
        Self::NoSuchEntity(format!("Policy {arn} was not found."))
    }
}
