//! Plain requests in, plain answers out: function URLs, and the websites of
//! buckets.
//!
//! Reading order: [`Gateway`] walks a request through; `target` says which
//! function it is for, `cors` and `access` whether it may pass, `event` what the
//! function sees, `answer` and `stream` what the client gets back. [`Website`]
//! does the same for pages.

mod access;
mod answer;
mod cors;
mod event;
mod gateway;
mod refusal;
mod site;
mod stream;
mod target;

pub use gateway::Gateway;
pub use site::Website;
