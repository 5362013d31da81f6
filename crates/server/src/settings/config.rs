//! The shape of `engine.toml`, with the defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use engine::http_apis::IpRange;
use rules::Missed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use types::limits::Limits;
use types::{AccountId, Region};

use super::Headers;

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
    /// Where the gateway is served over TLS, and the AWS endpoint; `None` is nowhere.
    #[serde(deserialize_with = "perhaps_address", serialize_with = "or_off")]
    pub gateway_tls: Option<SocketAddr>,
    #[serde(deserialize_with = "perhaps_address", serialize_with = "or_off")]
    pub api_tls: Option<SocketAddr>,
    /// A file in PEM form, or a folder of pairs; empty takes certificates of our own.
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
    /// Names and addresses that our own certificates hold for besides the usual ones.
    pub tls_hosts: Vec<String>,
    /// Names under which the ports may be asked besides those that are known.
    pub hosts: Vec<String>,
    /// Whose word is taken for whom they speak for.
    pub trusted_proxies: Vec<IpRange>,
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
    /// Whether a line is kept of each request of the gateway.
    pub access_log: Switch,
    /// Files of it that are kept, and how large one of them may become.
    pub access_log_files: usize,
    pub access_log_file_mb: u64,
    /// Where Prometheus finds what is counted; `None` is nowhere.
    #[serde(deserialize_with = "perhaps_address", serialize_with = "or_off")]
    pub metrics: Option<SocketAddr>,
    /// The collector that spans of traces are sent to; empty is none.
    pub otlp_endpoint: String,
    /// What is said to it beside: `name=value,...`, or a table. Secrets.
    pub otlp_headers: Headers,
    /// How much of the traces that begin here is recorded.
    pub trace_sample: f64,
    /// How long a stop waits for what is running.
    pub shutdown_seconds: u64,
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api: SocketAddr::from(([127, 0, 0, 1], 4566)),
            gateway: SocketAddr::from(([127, 0, 0, 1], 8080)),
            gateway_tls: None,
            api_tls: None,
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            tls_hosts: Vec::new(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
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
            max_connections: 16_384,
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
            access_log: Switch::On,
            access_log_files: 4,
            access_log_file_mb: 64,
            metrics: None,
            otlp_endpoint: String::new(),
            otlp_headers: Headers::None,
            trace_sample: 1.0,
            shutdown_seconds: 20,
            limits: Limits::default(),
        }
    }
}

/// Whether something is done at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    On,
    Off,
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

/// What stands for no address.
const OFF: &str = "off";

/// Reads `ADDRESS:PORT`, or `off`.
pub fn parse_perhaps_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == OFF {
        return Ok(None);
    }
    parse_address(text).map(Some)
}

fn perhaps_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_perhaps_address(&text).map_err(serde::de::Error::custom)
}

#[expect(clippy::ref_option, reason = "serde hands it over so")]
fn or_off<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str(OFF),
    }
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
