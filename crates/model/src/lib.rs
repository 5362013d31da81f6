//! Statistical models as R has them, without R: fitted, kept, read from what R saved,
//! and used for predictions.
//!
//! Reading order: [`expr`] is R's language as far as formulas need it, [`formula`] and
//! [`deparse`] are its text. [`frame`] is the data, [`input`] reads them, [`terms`] is what
//! a formula means for them and [`design`] the numbers that it makes of them. [`model`] is
//! a fitted model: [`fit`] makes one, [`from_r`] and [`file`] read one, [`predict`] uses it,
//! [`summary`] shows it, [`to_r`] gives it to R.

pub mod any;
pub mod deparse;
pub mod design;
pub mod distribution;
pub mod error;
mod eval;
pub mod expr;
pub mod family;
pub mod file;
pub mod fit;
pub mod formula;
pub mod frame;
pub mod from_r;
pub mod input;
mod lexer;
pub mod linalg;
pub mod linregress;
pub mod model;
pub mod needs_r;
pub mod predict;
pub mod summary;
pub mod terms;
pub mod to_r;
