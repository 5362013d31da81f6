//! From blocks of input to batches for the partitions.
//!
//! Reading order: [`batch`] is what comes out; [`sorter`] puts rows into batches by
//! their id, whose [`key`] says what is equal; [`walk`] finds the rows in CSV, of which
//! [`value`] takes one column, and [`frame`] all; [`lines`] are of JSON, each read by
//! [`object`].

mod batch;
mod frame;
mod key;
mod lines;
mod object;
mod sorter;
mod value;
mod walk;

pub use batch::{BadRow, Batch, Facts, to_float};
pub use frame::{Field, Frame, Kind, Survey};
pub use key::Key;
pub use lines::{Fields, Liner, Looker, OfLine};
pub use sorter::Sorter;
pub use value::{Value, excerpt};
pub use walk::{Take, Walker};
