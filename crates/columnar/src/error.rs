//! What can be wrong with a Parquet or Arrow file.

use std::error::Error as StdError;
use std::io;

use arrow_schema::{ArrowError, DataType};
use parquet::errors::ParquetError;

use crate::Format;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("cannot read the file")]
    Read(#[source] io::Error),
    #[error("cannot write the file")]
    Write(#[source] io::Error),
    #[error("this is not {format}: it {why}")]
    NotIt { format: Format, why: &'static str },
    /// Damaged, or made in a way that the library does not know.
    #[error("the {format} file cannot be read")]
    Broken {
        format: Format,
        #[source]
        cause: Box<dyn StdError + Send + Sync>,
    },
    #[error("the {format} file is damaged: {detail}")]
    Damaged {
        format: Format,
        detail: &'static str,
    },
    #[error("there is no column {name:?}; there are {}", list(there))]
    NoColumn { name: String, there: Vec<String> },
    #[error("there are several columns {name:?}")]
    Twice { name: String },
    #[error("column {column:?}: values of type {kind} cannot be used")]
    Unsupported { column: String, kind: DataType },
    /// What must be in memory in one piece is more than may be.
    #[error("the {format} file has a block of {bytes} bytes, and at most {limit} may be in memory")]
    TooLarge {
        format: Format,
        bytes: u64,
        limit: u64,
    },
    #[error("the {format} file cannot be made")]
    Encode {
        format: Format,
        #[source]
        cause: Box<dyn StdError + Send + Sync>,
    },
}

/// Names that are listed before the rest is counted.
const LISTED: usize = 20;

impl Error {
    pub(crate) fn reading_parquet(error: ParquetError) -> Self {
        match into_io(error) {
            // Those that unpack have errors of the same type, but without a code of
            // the system.
            Ok(error) if error.raw_os_error().is_some() => Self::Read(error),
            Ok(error) => Self::broken(Format::Parquet, error),
            Err(cause) => Self::broken(Format::Parquet, cause),
        }
    }

    pub(crate) fn reading_arrow(error: ArrowError) -> Self {
        Self::broken(Format::Arrow, error)
    }

    /// Of reading a part of the file, when what the file says may be wrong.
    pub(crate) fn reading_part(format: Format, error: io::Error) -> Self {
        if error.raw_os_error().is_some() {
            return Self::Read(error);
        }
        Self::broken(format, error)
    }

    fn broken(format: Format, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let cause = cause.into();
        Self::Broken { format, cause }
    }

    pub(crate) fn writing_parquet(error: ParquetError) -> Self {
        match into_io(error) {
            Ok(error) => Self::Write(error),
            Err(cause) => Self::Encode {
                format: Format::Parquet,
                cause,
            },
        }
    }

    pub(crate) fn writing_arrow(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Write(error),
            error => Self::Encode {
                format: Format::Arrow,
                cause: error.into(),
            },
        }
    }
}

/// The error of the disk or pipe that a library wrapped, if it is one.
fn into_io(error: ParquetError) -> Result<io::Error, Box<dyn StdError + Send + Sync>> {
    match error {
        ParquetError::External(cause) => cause.downcast::<io::Error>().map(|error| *error),
        error => Err(error.into()),
    }
}

fn list(names: &[String]) -> String {
    let listed = names.iter().take(LISTED);
    let shown: Vec<_> = listed.map(|name| format!("{name:?}")).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
