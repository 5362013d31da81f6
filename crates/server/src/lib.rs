//! From settings to a running server, and in order back.
//!
//! Reading order: [`settings`] is what a server is told; [`files`] what it keeps
//! for the clients of this machine; [`running`] puts the crates below together;
//! [`http`] is connections and bodies; [`route`] and [`api_port`] find the service
//! that a request is for; [`gateway_port`] serves function URLs.

mod api_port;
pub mod files;
mod gateway_port;
mod http;
mod keys;
mod own;
mod route;
mod running;
mod settings;

pub use running::{Running, Server, StartError};
pub use settings::{
    Config, DEFAULT_DATA, Durability, Flags, Isolation, Settings, SettingsError, parse_address,
};
