//! SSM's parameters over JSON 1.1: `X-Amz-Target` names the operation. The parameters
//! are `engine::parameters`'s; here is only how they look on the wire.

mod api;
mod error;
mod listing;
mod permit;
mod read;
mod write;

pub use api::SsmApi;

#[cfg(test)]
mod tests;
