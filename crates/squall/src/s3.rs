//! An S3 client like any other: what it knows of an engine is an endpoint.
//!
//! Reading order: [`call`] sends a request until it is answered for good; [`api`]
//! has one function for each operation; [`upload`] and [`download`] move files in
//! parts, in parallel and in bounded memory. Below: [`payload`] what is sent, [`checksum`] what vouches for it, [`xml`] documents,
//! [`error`] and [`backoff`].

mod api;
mod backoff;
mod call;
pub mod checksum;
mod download;
mod error;
mod payload;
mod upload;
mod xml;

#[cfg(test)]
mod tests;

pub use api::{DELETE_AT_ONCE, Headers};
pub use call::{S3, object_path};
pub use error::S3Error;
pub use upload::part_size;
pub use xml::{BucketLine, Doomed, Listed};
