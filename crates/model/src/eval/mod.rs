//! Variables of a formula, computed from the columns of the data. What a formula may
//! call is here; everything else is left to R.
//!
//! Reading order: `vector` is what an expression gives, `node` an expression made ready,
//! `compile` makes it ready, `constant` what is known before there are data.

pub(crate) mod basis;
pub(crate) mod call;
pub(crate) mod compile;
pub(crate) mod compile_basis;
mod compile_factor;
pub(crate) mod constant;
pub(crate) mod convert;
mod cut;
mod factor;
pub(crate) mod math;
mod matrix;
pub(crate) mod node;
#[cfg(test)]
mod tests;
pub(crate) mod vector;

pub(crate) use compile::{Compiler, Need, Wanted};
pub(crate) use constant::Constant;
pub(crate) use node::{Data, Node};
pub(crate) use vector::{Labels, Matrix, Vector};
