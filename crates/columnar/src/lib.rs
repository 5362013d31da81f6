//! Parquet and Arrow files in and out, as plain columns. The only crate that knows
//! the libraries for them, which are large.
//!
//! Reading order: [`Source`] is where a file lies; [`Batches`] reads it a few thousand
//! rows at a time, only the columns that are wanted, each of the same type from the
//! first batch to the last; [`write_parquet`] and [`write_arrow`] make files.
//!
//! Files come from anywhere. Whatever they claim of their own sizes is held against
//! what is there, and against a limit, before memory is taken for it.

mod error;
mod read;
mod source;
mod write;

use std::fmt;

pub use error::Error;
pub use read::{Batches, Names, Wanted};
pub use source::Source;
pub use write::{Field, write_arrow, write_parquet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Parquet,
    /// Arrow IPC, as a file or as a stream. Feather, since its second version, is
    /// the same.
    Arrow,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
        })
    }
}
