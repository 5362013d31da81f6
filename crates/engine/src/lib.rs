//! The engine: functions, their instances, their queues, their logs.
//!
//! Reading order: [`catalog`] is the control plane, what exists; [`invoke`] the
//! walk of one invocation; [`fleet`] the instances of one function version and
//! the template behind them; [`instance`] one of them and the conversation with
//! it; [`runtime_api`] that conversation over HTTP; [`events`] the asynchronous
//! queue. [`Engine`] ties them together and is what the layers above see.

pub mod api_keys;
mod book;
pub mod catalog;
mod concurrency;
mod context;
mod engine;
mod environment;
mod events;
mod failure;
mod fleet;
pub mod http_apis;
pub mod iam;
mod in_process;
mod instance;
mod invocation_log;
mod invoke;
mod kept;
mod lineage;
mod listing;
pub mod parameters;
mod runtime_api;
mod settings;
mod told;
pub mod usage;

pub use context::Door;
pub use engine::{Engine, StartError};
pub use in_process::InProcess;
pub use invoke::{ResponseStream, StreamEvent};
pub use listing::{InstanceInfo, TemplateInfo};
pub use settings::EngineSettings;
