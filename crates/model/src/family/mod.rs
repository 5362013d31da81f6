//! Families and links of generalised linear models, with the clamps that R has.
//!
//! [`link`] turns means into linear predictors and back, [`variance`] holds what belongs
//! to a family, [`name`] what R calls them.

mod link;
mod name;
mod variance;

pub use name::UnknownFamily;
pub use variance::Start;
