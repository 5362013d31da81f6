//! The HTTP side of functions: plain requests in, plain answers out. For now it
//! serves function URLs.
//!
//! Reading order: [`Gateway`] walks a request through; `target` says which
//! function it is for, `cors` and `access` whether it may pass, `event` what the
//! function sees, `answer` and `stream` what the client gets back.

mod access;
mod answer;
mod cors;
mod event;
mod gateway;
mod refusal;
mod stream;
mod target;

pub use gateway::Gateway;
