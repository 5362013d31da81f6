//! R's values without R: what `saveRDS` and `serialize` write, read and written, and
//! the same values as JSON.
//!
//! Reading order: [`value`] is what a value is, `envelope` takes off the compression,
//! `read` and `write` are R's serialization, `number` is how R prints doubles, and
//! [`json`] is the values that functions in R get and return.

mod envelope;
pub mod json;
mod number;
mod read;
pub mod value;
mod write;

pub use read::{Limits, ReadError, read};
pub use value::{Closure, Data, Member, Value};
pub use write::{Version, WriteError, gzip, write, write_rds};
