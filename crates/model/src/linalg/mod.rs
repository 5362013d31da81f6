//! Least squares as R computes it.
//!
//! [`accumulate`] takes rows block by block and keeps a triangle; [`pivoted`] decides
//! on that triangle, as LINPACK's changed `dqrdc2` does on the whole matrix, which
//! columns say nothing new. Both are Householder's method. The triangle has the column
//! norms of the whole matrix, so that the decisions are the same.

mod accumulate;
mod kernels;
mod pivoted;

pub use accumulate::Triangle;
pub use kernels::{PANEL_ROWS, add, dot, sum};
pub use pivoted::{Pivoted, variances};

#[cfg(test)]
mod tests;
