//! Control groups: how much memory, processor and how many processes an
//! instance gets. Version 2 where it is delegated to us, version 1 where it is
//! writable, else none: then rlimits and watching have to do.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::process::{REMOVE_PAUSE, REMOVE_TRIES};

const MOUNT: &str = "/sys/fs/cgroup";
const V1_CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// AWS gives one processor for this much memory.
const MB_PER_CPU: u32 = 1769;
/// What all functions together weigh beside the machine's other work: as much as
/// eight ordinary programs.
const TOTAL_WEIGHT_V1: &str = "8192";
const TOTAL_WEIGHT_V2: &str = "800";

/// What a fork says when it has entered its group; anything else, and it waits again.
pub(crate) const ENTERED: &[u8] = b"in";
pub(crate) const NOT_ENTERED: &[u8] = b"out";

/// Where the engine may make control groups.
#[derive(Debug, Clone)]
pub enum Cgroups {
    V2 { root: Arc<Path> },
    V1 { roots: Arc<[PathBuf]> },
    None { reason: Arc<str> },
}

/// What a group is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Memory that the kernel enforces: the function's and what its `/tmp` may hold.
    pub memory_bytes: u64,
    /// The share of the processor, in AWS's measure of it.
    pub cpu_mb: u32,
    pub processes: u32,
}

impl GroupLimits {
    /// What loads a function gets a whole processor, as on AWS.
    #[must_use]
    pub fn loading(mut self) -> Self {
        self.cpu_mb = self.cpu_mb.max(MB_PER_CPU);
        self
    }
}

impl Cgroups {
    /// Finds what this process may use and makes a group named `name` for all
    /// that it starts; what an earlier engine of that name left is removed.
    pub fn detect(name: &str) -> Self {
        match Self::v2(name).or_else(|_| Self::v1(name)) {
            Ok(groups) => groups,
            Err(error) => Self::None {
                reason: error.to_string().into(),
            },
        }
    }

    fn v2(name: &str) -> io::Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = own
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .ok_or_else(|| io::Error::other("no unified control group"))?;
        let base = Path::new(MOUNT).join(own);
        let available = fs::read_to_string(base.join("cgroup.controllers"))?;
        if !["memory", "pids"]
            .iter()
            .all(|want| available.split_whitespace().any(|c| c == *want))
        {
            return Err(io::Error::other("memory and pids are not delegated"));
        }
        // A group with limits may hold no processes beside its children, so the
        // engine moves into a leaf of its own.
        let leaf = base.join(format!("{name}-engine"));
        make(&leaf)?;
        fs::write(leaf.join("cgroup.procs"), std::process::id().to_string())?;
        fs::write(base.join("cgroup.subtree_control"), "+memory +pids")?;
        let _ = fs::write(base.join("cgroup.subtree_control"), "+cpu");
        let root = base.join(name);
        remove_tree(&root);
        make(&root)?;
        fs::write(root.join("cgroup.subtree_control"), "+memory +pids")?;
        let _ = fs::write(root.join("cgroup.subtree_control"), "+cpu");
        let _ = fs::write(root.join("cpu.weight"), TOTAL_WEIGHT_V2);
        Ok(Self::V2 { root: root.into() })
    }

    fn v1(name: &str) -> io::Result<Self> {
        let mut roots = Vec::new();
        for controller in V1_CONTROLLERS {
            let root = Path::new(MOUNT).join(controller).join(name);
            remove_tree(&root);
            make(&root)?;
            roots.push(root);
        }
        // Without this a group counts only its own pages, not its children's.
        let _ = fs::write(roots[0].join("memory.use_hierarchy"), "1");
        let _ = fs::write(roots[2].join("cpu.shares"), TOTAL_WEIGHT_V1);
        Ok(Self::V1 {
            roots: roots.into(),
        })
    }

    /// One line for people: what was found.
    pub fn describe(&self) -> String {
        match self {
            Self::V2 { root } => format!("version 2, delegated at {}", root.display()),
            Self::V1 { .. } => "version 1, writable".to_owned(),
            Self::None { reason } => format!("not usable ({reason}); limits are watched"),
        }
    }

    /// Makes a group; `None` where there are no control groups.
    pub fn create(&self, name: &str, limits: GroupLimits) -> io::Result<Option<Cgroup>> {
        let cgroup = match self {
            Self::None { .. } => return Ok(None),
            Self::V2 { root } => Cgroup {
                version: 2,
                paths: vec![root.join(name)],
            },
            Self::V1 { roots } => Cgroup {
                version: 1,
                paths: roots.iter().map(|root| root.join(name)).collect(),
            },
        };
        for path in &cgroup.paths {
            make(path)?;
        }
        cgroup.limit(limits)?;
        Ok(Some(cgroup))
    }

    /// Removes what this engine made. Instances must have been ended: the last of their
    /// processes may still be on their way out, and are waited for.
    pub fn remove(&self) {
        let roots = self.roots();
        for _ in 0..REMOVE_TRIES {
            for root in &roots {
                remove_tree(root);
            }
            if roots.iter().all(|root| !root.exists()) {
                return;
            }
            thread::sleep(REMOVE_PAUSE);
        }
        tracing::debug!(?roots, "control groups still hold processes");
    }

    /// How many [`Cgroup::doors`] a group has.
    pub(crate) fn door_count(&self) -> usize {
        match self {
            Self::None { .. } | Self::V2 { .. } => 0,
            Self::V1 { roots } => roots.len(),
        }
    }

    /// The folders around all groups of this engine.
    pub fn roots(&self) -> Vec<&Path> {
        match self {
            Self::None { .. } => vec![],
            Self::V2 { root } => vec![root],
            Self::V1 { roots } => roots.iter().map(PathBuf::as_path).collect(),
        }
    }
}

/// One group, removed with its handle.
#[derive(Debug, Clone)]
pub struct Cgroup {
    version: u8,
    /// Version 1: one per controller, memory first.
    paths: Vec<PathBuf>,
}

impl Cgroup {
    /// Sets the limits, at the start or anew.
    pub fn limit(&self, limits: GroupLimits) -> io::Result<()> {
        if self.version == 2 {
            let path = &self.paths[0];
            fs::write(path.join("memory.max"), limits.memory_bytes.to_string())?;
            let _ = fs::write(path.join("memory.swap.max"), "0");
            fs::write(path.join("pids.max"), limits.processes.to_string())?;
            let weight = (100 * limits.cpu_mb / MB_PER_CPU).clamp(1, 10_000);
            let _ = fs::write(path.join("cpu.weight"), weight.to_string());
        } else {
            let bytes = limits.memory_bytes.to_string();
            // Absent where the kernel does not count swap. It may never be below
            // the limit without swap, so a higher one is set before it.
            let _ = fs::write(self.paths[0].join("memory.memsw.limit_in_bytes"), &bytes);
            fs::write(self.paths[0].join("memory.limit_in_bytes"), &bytes)?;
            let _ = fs::write(self.paths[0].join("memory.memsw.limit_in_bytes"), &bytes);
            fs::write(self.paths[1].join("pids.max"), limits.processes.to_string())?;
            let shares = (1024 * limits.cpu_mb / MB_PER_CPU).clamp(2, 262_144);
            fs::write(self.paths[2].join("cpu.shares"), shares.to_string())?;
        }
        Ok(())
    }

    /// Moves a process in; its later children are born here. The kernel waits for all
    /// processors before it lets anybody move another process: tens of milliseconds.
    pub fn attach(&self, pid: i32) -> io::Result<()> {
        for path in &self.paths {
            fs::write(path.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    /// Files through which a process moves itself in, by [`enter`]: nothing is waited for
    /// then. Version 2 has none, and [`Cgroup::attach`] is what there is.
    pub fn doors(&self) -> io::Result<Vec<File>> {
        if self.version == 2 {
            return Ok(vec![]);
        }
        let open = |path: &PathBuf| File::options().write(true).open(path.join("tasks"));
        self.paths.iter().map(open).collect()
    }

    /// Whether a process is in it.
    pub fn holds(&self, pid: i32) -> bool {
        let pid = pid.to_string();
        let held = |path: &PathBuf| {
            let listed = fs::read_to_string(path.join("cgroup.procs"));
            listed.is_ok_and(|pids| pids.lines().any(|line| line == pid))
        };
        self.paths.iter().all(held)
    }

    /// Private memory of all processes in the group, without files and `/tmp`.
    pub fn anonymous_bytes(&self) -> Option<u64> {
        let key = if self.version == 2 { "anon " } else { "rss " };
        let stat = fs::read_to_string(self.paths[0].join("memory.stat")).ok()?;
        stat.lines()
            .find_map(|line| line.strip_prefix(key))
            .and_then(|value| value.trim().parse().ok())
    }

    /// Whether the kernel has ended a process of this group for its memory.
    pub fn out_of_memory(&self) -> bool {
        let file = if self.version == 2 {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        fs::read_to_string(self.paths[0].join(file)).is_ok_and(|text| {
            text.lines()
                .filter_map(|line| line.strip_prefix("oom_kill "))
                .any(|count| count.trim() != "0")
        })
    }

    /// Removes the group; false while a process is left in it.
    pub fn try_remove(&self) -> bool {
        self.paths.iter().all(|path| match fs::remove_dir(path) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        })
    }
}

/// Moves this process, which has one thread, through [`Cgroup::doors`].
pub(crate) fn enter(doors: Vec<OwnedFd>) -> io::Result<()> {
    for door in doors {
        // Itself: the one move that the kernel makes at once.
        File::from(door).write_all(b"0")?;
    }
    Ok(())
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Removes a group and those below it; what still holds processes stays.
fn remove_tree(path: &Path) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}
