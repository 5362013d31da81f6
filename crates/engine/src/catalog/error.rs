//! Why a control operation was refused.

use store::StoreError;

/// The text of each variant is what AWS tells its clients, word for word, since
/// tools match on it; the wire crate adds code, status and shape.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The function, or the version or alias that a qualified ARN names.
    #[error("Function not found: {arn}")]
    FunctionNotFound { arn: String },
    #[error("Cannot find alias arn: {arn}")]
    AliasNotFound { arn: String },
    /// Anything else that is not there.
    #[error("{message}")]
    NotFound { message: String },
    #[error("No Provisioned Concurrency Config found for this function")]
    ProvisionedNotFound,
    #[error("{message}")]
    Conflict { message: String },
    #[error("{message}")]
    InvalidParameter { message: String },
    /// A `RevisionId` that is no longer the latest.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the {api} API to retrieve the latest Revision Id"
    )]
    StaleRevision { api: &'static str },
    #[error("Code storage limit exceeded.")]
    CodeStorageExceeded { limit: u64 },
    #[error("The final policy size ({bytes}) is bigger than the limit ({limit}).")]
    PolicyTooLong { bytes: usize, limit: usize },
    #[error("Zipped size must be smaller than {limit} bytes")]
    ZipTooLarge { limit: u64 },
    /// A layer of another account: there are none that could be read.
    #[error(
        "User: arn:aws:iam::{account}:root is not authorized to perform: lambda:GetLayerVersion on resource: {arn} because no resource-based policy allows the lambda:GetLayerVersion action"
    )]
    ForeignLayer { account: String, arn: String },
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
    /// A bug of ours; the detail is for the log.
    #[error("internal error: {detail}")]
    Internal { detail: String },
}

impl ControlError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidParameter {
            message: message.into(),
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound {
            message: message.into(),
        }
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict {
            message: message.into(),
        }
    }

    /// What most reads of a missing sub-resource say.
    pub(super) fn no_such_resource() -> Self {
        Self::not_found("The resource you requested does not exist.")
    }
}
