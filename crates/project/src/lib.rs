//! The project of a data scientist: what `squall.toml` says, what a folder without one
//! is taken for, and how a new one is begun. Nothing here talks to a cloud or builds
//! a package; other crates ask [`Project`] what is wanted.
//!
//! Reading order: [`model`] is the whole of what a project says, for one stage; [`load`]
//! makes it of a folder, in the steps of the modules it uses: `tree` (the file, with
//! places), `check` (against [`spec`], which says what may stand there), `read` (with
//! `detect`, which looks around), `refer` (whether it fits together). [`schema`] tells
//! editors what `spec` says; [`begin`] makes new projects of [`templates`].

pub mod begin;
pub mod load;
pub mod model;
pub mod schema;
pub mod templates;
pub mod text;

mod check;
mod detect;
mod error;
mod nearest;
mod objects;
mod read;
mod refer;
mod runtime;
mod spec;
mod tree;

pub use error::{Mistake, ProjectError};
pub use load::{FILE, root_of};
pub use model::Project;
pub use text::Text;

/// Whether this names a package of R, alone or in one version: `jsonlite@1.8.4`.
pub fn is_r_package(text: &str) -> bool {
    (spec::R_PACKAGE.fits)(text)
}
