//! What the engine is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use types::{Limits, Scope};
use watch::Watch;

/// Validated by the caller; see `docs/settings.md` for what each means.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    pub scope: Scope,
    pub limits: Limits,
    /// Where the AWS endpoint listens: functions are told.
    pub api: SocketAddr,
    /// How long an instance stays warm without work.
    pub idle: Duration,
    /// How long a function may take to load.
    pub init_timeout: Duration,
    /// Private memory of all templates together; past it the least used go.
    pub template_memory_mb: u64,
    /// Pause before the first retry of a failed event; the second waits twice as long.
    pub event_retry: Duration,
    /// Events that are worked on at the same time.
    pub event_workers: usize,
    /// Folders in which Python interpreters are looked for, in order of preference.
    pub python_folders: Vec<PathBuf>,
    /// The same for R.
    pub r_folders: Vec<PathBuf>,
    /// Who hears of invocations.
    pub watch: Watch,
}
