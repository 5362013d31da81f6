//! The way to an engine or to AWS, which are the same thing at two places: one wire
//! client for all that is sent.
//!
//! Reading order: [`endpoint`] where requests go, [`profile`] whose they are, [`pool`]
//! the connections they take, [`tls`] how these are made safe. For a map: [`function`]
//! what is known of a function before it runs, [`invoke`] running it, [`refusal`]
//! reading how that failed, [`exchange`] payloads that are too large to be sent.

mod endpoint;
pub mod profile;

mod exchange;
mod function;
mod invoke;
mod pool;
mod refusal;
mod tls;

#[cfg(test)]
mod tests;

pub use endpoint::Endpoint;
pub use exchange::S3Exchange;
pub use function::Function;
pub use invoke::LambdaInvoke;
pub use pool::{Patience, Pool, Reply, TransportError};
pub use profile::Profile;
