//! R's values without R: what `saveRDS` and `serialize` write, read and written, and
//! the same values as JSON.
//!
//! Reading order: [`value`] is what a value is.

pub mod value;

pub use value::{Data, Member, Value};
