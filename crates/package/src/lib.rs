//! Packages: what of a project's folder and of its requirements goes to a function, as
//! small reproducible zips. Requirements become a layer of their own, resolved for the
//! target and not for this machine.
//!
//! Reading order: [`build`](build()) is the way from a function to its package;
//! `files` chooses the code and `entry` what is called, and
//! `check` whether it is there; `requirements` says what is
//! wanted, `resolver` installs it for a `target`, `layer` makes a layer of it (with
//! `prune`, `strip` and `bytecode`); `slim` drops what is never opened; `r` is all of this for functions in R; `trial` starts
//! the package once in a jail, and `missing` says what to do where a module is not
//! there; `archive` writes zips, `cache` keeps what was made, `report` tells what is
//! large.

#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "to Python and to loaders, X.PY is no module and X.SO no library"
)]

mod archive;
mod build;
mod bytecode;
mod cache;
mod check;
mod elf;
mod entry;
mod error;
mod files;
mod imports;
mod installed;
mod layer;
mod machine;
mod missing;
mod options;
mod origin;
mod prune;
mod r;
mod report;
mod requirements;
mod resolver;
mod slim;
mod strip;
mod target;
#[cfg(test)]
mod testing;
mod trial;

pub use archive::Artifact;
pub use build::{LayerKind, LayerPackage, Package, build};
pub use error::{Blame, PackageError};
pub use files::SECRETS;
pub use installed::Distribution;
pub use options::{Options, Place, Say, Test};
pub use prune::{Dropped, Reason};
pub use r::{Part, RLayer, build_r};
pub use report::{Report, size};
