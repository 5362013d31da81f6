//! Pure computing on data: no runtime, no network, no `unsafe`.
//!
//! [`csv`] reads text as pandas' `read_csv` understands it: it cuts the input into
//! blocks of whole records, which several threads take apart. [`groups`] brings rows
//! of one id together and aggregates them without keeping them. [`Groups::write`]
//! puts the answer into the bytes that pandas' `to_csv` would write.
//!
//! Results do not depend on the number of threads: every group is computed from its
//! rows in their order, with the formulas that pandas uses, so that they are equal
//! bit by bit.

mod csv;
mod error;
mod groups;

pub use error::{Error, Problem};
pub use groups::{Aggregate, Groups, Ids, Plan, Results, Spelling, Summary, aggregate};
