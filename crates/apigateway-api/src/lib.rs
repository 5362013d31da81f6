//! API Gateway v2 (REST JSON) on the wire: HTTP APIs, their routes, integrations, stages
//! and deployments. What is kept of them is the engine's business, what they serve the
//! gateway's.
//!
//! [`api`] finds out which operation is asked for; `apis`, `routes`, `integrations`,
//! `stages`, `deployments` and `tags` have one each of the families of operations, `keys`
//! and `plans` those of API keys and usage plans, which belong to the first version of
//! the protocol and change things by `patch`;
//! `members` reads and checks what they bring; `permit` asks whether a role may;
//! `error` is what is refused.

mod api;
mod apis;
mod deployments;
mod error;
mod integrations;
mod keys;
mod members;
mod paging;
mod patch;
mod permit;
mod plans;
mod routes;
mod stages;
mod tags;

pub use api::{ApigatewayApi, MapCheck, Parts};

#[cfg(test)]
mod tests;
