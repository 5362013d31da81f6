//! IAM and STS over the query protocol: a form in, XML out. The records are
//! `engine::iam`'s; here is only how they look on the wire.

mod answer;
mod api;
mod error;
mod page;
mod permit;
mod policies;
mod roles;
mod sts;

pub use api::AccountApi;

#[cfg(test)]
mod tests;
