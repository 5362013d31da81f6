//! What a job may be asked for.

use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use types::{FunctionName, Qualifier};

/// How the function wants each item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// `pandas.Series`, named after the value column.
    Series,
    /// `numpy.ndarray`.
    Array,
    List,
    /// `pandas.DataFrame` of all columns.
    Frame,
    /// `{"id", "values", "name"}`.
    Dict,
    /// The line of a file of JSON lines.
    Json,
}

impl ItemKind {
    pub const ALL: [Self; 6] = [
        Self::Series,
        Self::Array,
        Self::List,
        Self::Frame,
        Self::Dict,
        Self::Json,
    ];

    /// As people write it, and as functions are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::Array => "array",
            Self::List => "list",
            Self::Frame => "frame",
            Self::Dict => "dict",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no kind of items is called \"{0}\": there are series, array, list, frame, dict and json")]
pub struct NoSuchKind(String);

impl FromStr for ItemKind {
    type Err = NoSuchKind;

    fn from_str(name: &str) -> Result<Self, NoSuchKind> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == name);
        named.ok_or_else(|| NoSuchKind(name.to_owned()))
    }
}

/// How items are written into a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    /// JSON, compressed by zlib, in base64.
    Zlib,
    /// Columns of plain numbers in base64; for guests that have numpy.
    Columns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChunkSize {
    /// Learned from the first chunks.
    #[default]
    Auto,
    Items(NonZeroU32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// No more chunks are sent after the first item that failed.
    #[default]
    Stop,
    Collect,
}

/// How many chunks are under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Fixed(NonZeroUsize),
    /// Begins with one for each core, and grows up to `most` while functions wait
    /// more than they compute.
    Learned {
        cores: NonZeroUsize,
        most: NonZeroUsize,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub function: FunctionName,
    pub qualifier: Option<Qualifier>,
    pub item: ItemKind,
    pub format: Format,
    pub chunk: ChunkSize,
    pub width: Width,
    /// How often an item whose function raised is tried again.
    pub retries: u32,
    /// A chunk that takes this many times the median is sent a second time.
    pub backup_after: Option<f64>,
    pub on_error: OnError,
    pub max_time: Option<Duration>,
    /// In dollars, by the prices of AWS.
    pub max_cost: Option<f64>,
}
