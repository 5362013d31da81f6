//! EventBridge (JSON 1.1) and EventBridge Scheduler (REST JSON) on the wire; what
//! they mean is `rules`'s business.
//!
//! [`api`] finds out which of the two is asked; `events` and `scheduler` have a
//! module for each family of operations; [`validate`] checks members as AWS does;
//! `permit` asks whether a role may; [`error`] is what both refuse.

mod api;
mod error;
mod paging;
mod permit;
mod validate;

mod events;
mod scheduler;

pub use api::EventsApi;

#[cfg(test)]
mod tests;
