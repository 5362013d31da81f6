//! S3 on the wire, by `s3s`; what it means is `buckets`'s business.
//!
//! Reading order: [`api`] is the way of a request. Before the protocol crate it
//! passes [`wire`] (what must hold of a request, and how answers look); within it
//! [`gate`] decides who is let in, by the table in [`actions`]; then [`service`]
//! hands it to the operation of its topic in [`ops`]. Forms of browsers go their
//! own way ([`form`]). All errors are in [`error`].

mod actions;
mod api;
mod caller;
mod checksum;
mod cors;
mod error;
mod form;
mod gate;
mod host;
mod ops;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub use api::{Deps, S3Api};
pub use host::{bucket_of_host, is_s3_host};
