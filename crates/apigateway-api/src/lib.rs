//! API Gateway v2 (REST JSON) on the wire: HTTP APIs, their routes, integrations,
//! authorizers, stages and deployments, and domain names. What is kept of them is the
//! engine's business, what they serve the gateway's.
//!
//! [`api`] finds out which operation is asked for; `apis`, `routes`, `integrations` (with
//! `targets`, which are Squall's own), `authorizers`, `stages`, `deployments`, `domains`,
//! `exports` and `tags` have one each of the families of operations, `keys` and `plans` those of
//! API keys and usage plans, which belong to the first version of the protocol and change
//! things by `patch`;
//! `members` reads and checks what they bring; `permit` asks whether a role may;
//! `error` is what is refused.

mod api;
mod apis;
mod authorizers;
mod deployments;
mod domains;
mod error;
mod exports;
mod integrations;
mod keys;
mod members;
mod paging;
mod patch;
mod permit;
mod plans;
mod position;
mod routes;
mod stages;
mod tags;
mod targets;

pub use api::{ApigatewayApi, Export, MapCheck, Parts};

#[cfg(test)]
mod tests;
