//! From settings to a running server, and in order back.
//!
//! Reading order: [`settings`] is what a server is told; [`files`] what it keeps
//! for the clients of this machine; [`opening`] opens the crates below as the
//! settings have it, [`running`] puts them together; [`entrances`] are the listeners, [`tls`] their certificates;
//! [`http`] is connections and bodies; [`route`] and [`api_port`] find the service that a request is for, and
//! [`own`] answers where that is none of AWS; [`gateway_port`] serves function
//! URLs and websites, and [`requests`] remembers the last of what it answered; [`watching`] listens to what is told of all this, and
//! [`alerts`] tell others of it.

mod alerts;
mod api_port;
mod entrances;
pub mod files;
mod gateway_port;
mod http;
mod keys;
mod opening;
mod own;
mod requests;
mod route;
mod running;
mod settings;
mod start_error;
mod tls;
mod watching;

pub use http::Hosts;
pub use running::{Running, Server};
pub use settings::{
    ClockKind, Config, DEFAULT_DATA, Durability, Flags, Isolation, Settings, SettingsError,
    parse_address, parse_perhaps_address,
};
pub use start_error::StartError;
