//! Telling functions and rules what happened to an object: who is to be told
//! ([`config`]), and in which words ([`event`]).

mod config;
mod event;

pub use config::{FunctionNotification, Notifications};
pub(crate) use event::{Happening, Kind, Removal, Scene};
