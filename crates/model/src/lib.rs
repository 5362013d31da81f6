//! Statistical models as R has them, without R: fitted, kept, read from what R saved,
//! and used for predictions.
//!
//! Reading order: [`expr`] is R's language as far as formulas need it, [`frame`] the
//! data, [`terms`] what a formula means for them, [`model`] a fitted model.

pub mod expr;
pub mod frame;
pub mod model;
pub mod terms;
