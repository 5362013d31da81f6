//! Functions in R: their packages as a layer, and R itself as a layer for AWS, which has
//! no runtime of this language.
//!
//! Reading order: `function` is the way from a function in R to its package. [`build_r`]
//! makes the layer with R of its `content`, `packages` that of the packages: `wanted` says which these are,
//! `find` where each comes from (`home` is this machine's R, then `cran` and `debian`),
//! `copy` what of it is taken along, and `libraries` which shared libraries have to go
//! with it. `trial` starts a layer where there is no R beside it.

mod base;
mod content;
mod copy;
mod cran;
mod debian;
mod description;
mod find;
mod function;
mod home;
mod libraries;
mod packages;
mod trial;
mod wanted;

pub use base::{Part, RLayer, build_r};

/// Where things are inside a layer, below `/opt`.
const LIBRARIES: &str = "r/lib";
const PACKAGES: &str = "r/site-library";
