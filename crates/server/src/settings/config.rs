//! The shape of `engine.toml`, with the defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use rules::Missed;
use serde::{Deserialize, Deserializer, Serialize};
use types::limits::Limits;
use types::{AccountId, Region};

/// What `engine.toml` may say. Environment variables and flags go by the same names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the AWS endpoint listens; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub api: SocketAddr,
    /// Where function URLs are served.
    #[serde(deserialize_with = "address")]
    pub gateway: SocketAddr,
    pub region: Region,
    pub account: AccountId,
    pub durability: Durability,
    pub isolation: Isolation,
    /// Folders that are searched for Python interpreters before the machine's own.
    pub python_folders: Vec<PathBuf>,
    /// Library folders that every Python function sees, behind its own.
    pub python_packages: Vec<PathBuf>,
    /// Folders that are searched for R before the machine's own.
    pub r_folders: Vec<PathBuf>,
    /// Who functions run as when the engine runs as root.
    pub function_uid: u32,
    pub function_gid: u32,
    /// How long an instance without work stays warm.
    pub idle_seconds: u64,
    /// How long a function may take to load.
    pub init_seconds: u64,
    /// Pause before the first retry of an event; the second waits twice as long.
    pub event_retry_seconds: u64,
    /// Events that are worked on at one time.
    pub event_workers: usize,
    /// What schedules and the expiry of objects go by.
    pub clock: ClockKind,
    /// What becomes of schedules that were due while the engine was stopped.
    pub missed_schedules: Missed,
    /// Whether `rate()` takes seconds, which it does not on AWS.
    pub schedule_seconds: bool,
    /// Memory that all templates together may take before the oldest is dropped.
    pub template_memory_mb: u64,
    pub max_connections: usize,
    /// How long a connection may wait for the head of its next request.
    pub header_seconds: u64,
    /// A body that brings nothing for this long is given up.
    pub body_stall_seconds: u64,
    /// A client that takes nothing of its answer for this long is cut off.
    pub answer_stall_seconds: u64,
    /// Memory for the bodies of large requests that are read or worked on at one time.
    pub request_memory_mb: u64,
    /// The most that a table sent to a route may have.
    pub map_body_bytes: u64,
    /// Memory for the items of one table; more of it waits on disk.
    pub map_memory_mb: u64,
    /// Tables that are worked on at one time while their clients wait.
    pub map_requests: usize,
    /// How long a client may wait for its table.
    pub map_seconds: u64,
    /// Tables that are worked on at one time and that nobody waits for.
    pub map_jobs: usize,
    /// Tables that nobody waits for and that are not done.
    pub map_queued_jobs: usize,
    /// How long a stop waits for what is running.
    pub shutdown_seconds: u64,
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api: SocketAddr::from(([127, 0, 0, 1], 4566)),
            gateway: SocketAddr::from(([127, 0, 0, 1], 8080)),
            region: "us-east-1"
                .parse()
                .expect("us-east-1 has the form of a region"),
            account: "000000000000"
                .parse()
                .expect("twelve zeros have the form of an account"),
            durability: Durability::Full,
            isolation: Isolation::Auto,
            python_folders: Vec::new(),
            python_packages: Vec::new(),
            r_folders: Vec::new(),
            function_uid: 65_534,
            function_gid: 65_534,
            idle_seconds: 600,
            init_seconds: 60,
            event_retry_seconds: 60,
            event_workers: 64,
            clock: ClockKind::System,
            missed_schedules: Missed::Once,
            schedule_seconds: false,
            template_memory_mb: 4096,
            max_connections: 4096,
            header_seconds: 60,
            body_stall_seconds: 30,
            answer_stall_seconds: 300,
            request_memory_mb: 1024,
            map_body_bytes: 4 << 30,
            map_memory_mb: 256,
            map_requests: 16,
            map_seconds: 900,
            map_jobs: 2,
            map_queued_jobs: 1000,
            shutdown_seconds: 20,
            limits: Limits::default(),
        }
    }
}

/// Whether an acknowledged write survives a power loss, or a killed engine only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Full,
    Relaxed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Everything that this machine offers; a start without namespaces is refused.
    Auto,
    /// Plain processes, for systems without namespaces.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    System,
    /// Stands still until it is told to go on, for tests.
    Manual,
}

/// Reads `ADDRESS:PORT`; `localhost` stands for 127.0.0.1.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let plain = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    plain
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| format!("{text:?} is not an address with a port, such as 127.0.0.1:4566"))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_address(&text).map_err(serde::de::Error::custom)
}

/// The largest body that any call may send under these limits.
pub(crate) fn largest_body(limits: &Limits) -> u64 {
    base64_len(limits.zip_bytes)
        .max(limits.sync_payload_bytes)
        .max(limits.async_payload_bytes)
        .max(limits.gateway_body_bytes)
        .max(crate::http::CONTROL_BODY_BYTES)
}

/// What `bytes` become inside JSON, as AWS counts: 50 MB are 69,905,067.
pub(crate) fn base64_len(bytes: u64) -> u64 {
    bytes.saturating_mul(4).div_ceil(3)
}
