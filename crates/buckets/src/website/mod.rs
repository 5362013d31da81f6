//! A bucket as a website: how it is configured ([`config`]), and which page a
//! path means ([`resolve`]). Pure: what lies in the bucket is asked of the caller.

mod config;
mod resolve;

pub use config::{Pages, Protocol, Redirect, RoutingRule, Website};
pub(crate) use resolve::{Looked, resolve};
pub use resolve::{PageRequest, SiteAnswer, SiteError};
