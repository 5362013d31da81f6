//! What a jail is made of. The engine writes a [`JailSpec`], the helper process
//! reads it as its first message.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything the helper needs to know to enter the jail and start the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailSpec {
    /// `None`: no namespaces, the guest sees the machine as the engine does.
    pub root: Option<RootSpec>,
    /// Host uid and gid to take on first; set when the engine runs as root.
    pub drop_to: Option<(u32, u32)>,
    pub network: Network,
    pub role: Role,
    pub program: Vec<String>,
    /// The whole environment: nothing of the engine's own leaks in.
    pub environment: Vec<(String, String)>,
    pub working_directory: PathBuf,
    pub open_files: u64,
    /// What stands in for control groups where there are none.
    pub backstop: Option<Backstop>,
    /// How many of the descriptors that come along lead into control groups.
    pub doors: usize,
}

/// Limits of processes where the kernel cannot limit an instance as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backstop {
    /// Processes and threads of all instances of the function together: they
    /// share a user namespace, in which the kernel counts them.
    pub processes: u64,
    /// Private memory that one process may reserve.
    pub data_bytes: u64,
}

/// The file system that the guest sees, read-only but for `/tmp` and `/dev/shm`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSpec {
    /// Host paths that appear read-only at the same path inside.
    pub system: Vec<PathBuf>,
    pub binds: Vec<Bind>,
    /// Become `/opt`; a later layer covers an earlier one.
    pub layers: Vec<PathBuf>,
    pub tmp_mb: u32,
}

/// A host directory or file, read-only at another path inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    pub source: PathBuf,
    pub target: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// As on AWS: whatever the machine reaches.
    Host,
    /// A network of its own with nothing but listeners on these loopback ports,
    /// which are handed to the engine.
    Isolated { ports: Vec<u16> },
}

/// What the guest is to the jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Loads the function and is forked later: keeps the one capability that the
    /// forks need to build their own namespaces, and gives it up in each of them.
    Template,
    /// Runs invocations itself: keeps nothing. A reaper is process 1 above it.
    Instance,
}

impl Role {
    /// How a client is told what it is.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Instance => "instance",
        }
    }
}

/// The first and only word from the helper to the engine before the guest runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelperMessage {
    /// The jail could not be entered; nothing of the guest has run.
    Failed { step: String, error: String },
    /// The jail stands; file descriptors of the network's listeners come along.
    Entered,
    /// The guest of role `Instance` ended, with its wait status.
    Exited { status: i32 },
}
