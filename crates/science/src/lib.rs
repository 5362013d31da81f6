//! Pure computing on data: no runtime, no network, no `unsafe`.
//!
//! [`csv`] reads text as pandas' `read_csv` understands it: it cuts the input into
//! blocks of whole records, which several threads take apart. [`parse`] makes batches of
//! rows of it, and of other inputs; [`groups`] brings rows of one id together.
//! [`items`] keeps them, on disk if they are many, for functions that are somewhere
//! else; [`mod@aggregate`] computes simple functions at once. [`table`] hands out rows
//! cell by cell. [`csv_text`] writes what pandas' `to_csv` would write.
//!
//! Results do not depend on the number of threads: every group is computed from its
//! rows in their order, with the formulas that pandas uses, so that they are equal
//! bit by bit.

mod aggregate;
mod csv;
pub mod csv_text;
mod error;
mod groups;
pub mod items;
mod parse;
pub mod table;

pub use aggregate::{Aggregate, Groups, Plan, Results, aggregate, aggregate_tables};
pub use error::{Error, Problem};
pub use groups::{Ids, Spelling, Summary};
