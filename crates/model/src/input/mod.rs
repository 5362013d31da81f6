//! Data as it comes, made into columns that models understand.
//!
//! Reading order: [`Field`] is what a model needs of each row, and [`Cell`] what a row
//! has there. [`csv`], [`json`] and [`columns`] read data for the fields of a model, and
//! [`InputError`] says what can be wrong with them; [`Table`] is a data set to fit a
//! model to, which finds out for itself what its columns hold and can be read again and
//! again; [`Rows`] are those of it that a fit goes over.

mod blocks;
mod cell;
pub mod columns;
pub mod csv;
mod error;
mod field;
pub mod json;
mod rows;
mod sink;
mod survey;
mod table;
#[cfg(test)]
mod tests;

pub use cell::Value;
pub use error::InputError;
pub use field::{Cell, Field, FieldKind};
pub use rows::Rows;
pub use table::{Batches, Blocks, Data, Kind, Known, Table};
