//! Why a fit is refused.

use std::sync::Arc;

/// Where R has a message for it, it is R's.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    #[error("0 (non-NA) cases")]
    NoRows,
    #[error("{0}")]
    Family(#[from] crate::family::UnknownFamily),
    /// A response that the family cannot have, or one that has no start.
    #[error("{0}")]
    Response(&'static str),
    #[error("the response has {0} columns; {1} takes one")]
    ResponseColumns(usize, &'static str),
    #[error(
        "for the '{0}' family, y must be a vector of 0 and 1's\nor a 2 column matrix where col 1 \
         is no. successes and col 2 is no. failures"
    )]
    BinomialColumns(&'static str),
    #[error("a formula without a response cannot be fitted")]
    NoResponse,
    #[error("the response {0} is text or a factor; {1} takes numbers")]
    ResponseClass(Arc<str>, &'static str),
    #[error("contrasts apply only to factors, and {0} is none")]
    Contrasts(Arc<str>),
    #[error("NA/NaN/Inf in '{0}'")]
    NotFinite(&'static str),
    #[error("missing or negative weights not allowed")]
    Weights,
    #[error("negative weights not allowed")]
    NegativeWeights,
    #[error("NAs in V(mu)")]
    VarianceMissing,
    #[error("0s in V(mu)")]
    VarianceZero,
    #[error("NAs in d(mu)/d(eta)")]
    SlopeMissing,
    #[error("cannot find valid starting values: please specify some")]
    NoStart,
    #[error("no valid set of coefficients has been found: please supply starting values")]
    NoCoefficients,
    #[error("no observations informative at iteration 1")]
    NotInformative,
    #[error("inner loop {0}; cannot correct step size")]
    Halving(u8),
    #[error("invalid fitted means in empty model")]
    Empty,
    #[error("the model matrix has {columns} columns; at most {limit} can be fitted")]
    TooManyColumns { columns: usize, limit: usize },
    #[error("{rows} rows of {columns} columns are too many to be kept")]
    TooMuchToKeep { rows: usize, columns: usize },
    /// The formula, or the data that it asks for.
    #[error(transparent)]
    Design(#[from] crate::design::DesignError),
    /// The data could not be read.
    #[error("{0}")]
    Read(String),
}
