//! Why a request about parameters was refused.

use store::StoreError;

/// The text of each variant is what AWS tells its clients; the wire crate adds the code.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    #[error("Parameter {0} not found.")]
    NotFound(String),
    #[error(
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
    )]
    AlreadyExists,
    #[error(
        "You have exceeded the maximum number of parameters for this AWS account. Delete one or more parameters, and then try again."
    )]
    TooMany,
    #[error("The parameter has more tags than the limit of 50.")]
    TooManyTags,
    /// A parameter of the request of the wrong form.
    #[error("{0}")]
    Invalid(String),
    /// The key of the data directory is another one than that of the value.
    #[error(
        "Secrets of this data directory were sealed with another key than that in its secrets-key.json. Put the file back, or remove these secrets and set them anew."
    )]
    Unsealable,
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
}
