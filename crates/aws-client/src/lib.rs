//! An AWS client like any other: finds endpoint, keys and region as the aws CLI does,
//! signs, sends, retries what AWS says to retry, and reads errors. The engine and AWS
//! are two places of the same client.
//!
//! Reading order: [`find`] makes a client of what was asked for, the environment and
//! the [`profile`] files; [`client`] signs and sends; [`protocol`] has a method for each
//! protocol of AWS, which tries again as [`retry`] says and reads answers by [`xml`]
//! and [`error`]. Below: [`endpoint`] where services are, [`keys`] whose requests these
//! are and how keys are got anew, [`pool`] connections, [`proxy`] what may stand between, [`tls`] how these are made safe.

mod client;
mod endpoint;
mod error;
mod find;
mod keys;
mod pool;
mod profile;
mod protocol;
mod proxy;
mod retry;
mod tls;
pub mod web;
mod xml;

pub use client::{Answer, Call, Client};
pub use endpoint::{Endpoint, Origin};
pub use error::ClientError;
pub use find::Asked;
pub use pool::{Patience, Pool, Reply, TransportError};
pub use profile::Variable;
pub use protocol::JsonVersion;
pub use xml::Xml;

#[cfg(test)]
mod tests;
