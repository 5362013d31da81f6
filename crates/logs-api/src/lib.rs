//! CloudWatch Logs over JSON 1.1: `X-Amz-Target` names the operation. The lines
//! are `store::Logs`'s; here is only how they look on the wire.

mod api;
mod error;
mod events;
mod groups;
mod json_pattern;
mod pattern;
mod permit;
mod streams;
mod tags;

pub use api::LogsApi;

#[cfg(test)]
mod tests;
