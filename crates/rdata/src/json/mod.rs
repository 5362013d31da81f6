//! JSON as values of R and back, without R: it is a thousand times slower there.
//!
//! Arrays of scalars become vectors, arrays of objects of scalars data frames, all else
//! lists. Back, vectors of length one are scalars unless they are `I(x)`, numbers keep
//! all digits, NA is null, data frames are arrays of their rows. The client in base R
//! has the same rules.

mod from;
mod to;

use thiserror::Error;

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        // The only error that is not the parser's.
        if error.is_data() {
            Self::TooManyCells(error)
        } else {
            Self::NotJson(error)
        }
    }
}

pub use from::from_json;
pub use to::{to_json, to_json_within};

#[derive(Debug, Error)]
pub enum JsonError {
    #[error("this is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON, but of a size that would not fit.
    #[error("{0}")]
    TooManyCells(#[source] serde_json::Error),
    #[error("a value of the type {kind} cannot be JSON")]
    NoJson { kind: &'static str },
    #[error("column {column} is not as long as its data frame")]
    Ragged { column: String },
    #[error("the JSON would be longer than {most} bytes")]
    TooLong { most: usize },
}
