//! The sandbox as a whole: what it was told and what the machine gives.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nix::unistd::Uid;

use tokio::sync::Semaphore;

use crate::aws_sdk::AwsSdk;
use crate::cgroup::Cgroups;
use crate::client::Client;
use crate::guest;
use crate::process::SandboxError;
use crate::python::Interpreter;
use crate::spec::{Backstop, Bind, JailSpec, Network, Role, RootSpec};

/// Inside a jail: the function's code, its layers, and our runtime client.
const TASK: &str = "/var/task";
const OPT: &str = "/opt";
const RUNTIME: &str = "/var/runtime";

/// Top directories that make up an operating system.
const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin",
];

/// Instances of one function for which the processes of a backstop suffice.
const INSTANCES_BEHIND_BACKSTOP: u64 = 1000;

/// Threads that may wait for the kernel's locks over control groups.
const GROUP_TURNS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    Namespaces,
    /// No walls at all: for systems without namespaces.
    None,
}

#[derive(Debug, Clone)]
pub struct SandboxSettings {
    pub isolation: Isolation,
    /// The program that is started with `__jail`; usually this one.
    pub helper: PathBuf,
    /// Uid and gid of functions when the engine runs as root.
    pub unprivileged: (u32, u32),
    /// Where the guests' files are written.
    pub guest_directory: PathBuf,
    /// Distinguishes this engine's control groups from others'.
    pub group_name: String,
    pub open_files: u32,
    pub processes: u32,
    /// Library folders that every Python function sees, behind its own.
    pub python_packages: Vec<PathBuf>,
}

/// Makes jails. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: SandboxSettings,
    pub(crate) cgroups: Cgroups,
    /// The folder with a folder of files for each guest.
    guests: PathBuf,
    /// A file with this program, made when it is first needed.
    pub(crate) own_program: OnceLock<PathBuf>,
    drop_to: Option<(u32, u32)>,
    next: AtomicU64,
    /// Who may change control groups now.
    pub(crate) group_turns: Semaphore,
}

/// A kernel keeps what is known of each group for as long as the group is there.
impl Drop for Inner {
    fn drop(&mut self) {
        self.cgroups.remove();
    }
}

/// What of a function version the sandbox needs to know.
#[derive(Debug, Clone)]
pub struct FunctionFiles {
    pub code: PathBuf,
    pub layers: Vec<PathBuf>,
    pub tmp_mb: u32,
    pub memory_mb: u32,
}

impl Sandbox {
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let guests =
            guest::install(&settings.guest_directory).map_err(|source| SandboxError::Io {
                what: "write the runtime clients",
                source,
            })?;
        let isolated = settings.isolation == Isolation::Namespaces;
        let drop_to = (isolated && Uid::effective().is_root()).then_some(settings.unprivileged);
        let cgroups = Cgroups::detect(&settings.group_name);
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                cgroups,
                guests,
                own_program: OnceLock::new(),
                drop_to,
                next: AtomicU64::new(1),
                group_turns: Semaphore::new(GROUP_TURNS),
            }),
        })
    }

    /// Puts the AWS SDK for Python in sight of all functions, as AWS does. Copying
    /// it the first time takes a moment.
    pub fn provide(&self, sdk: &AwsSdk) -> Result<(), SandboxError> {
        sdk.install(&self.inner.guests.join("python"))
            .map_err(|source| SandboxError::Io {
                what: "copy the AWS SDK for Python",
                source,
            })
    }

    pub fn isolation(&self) -> Isolation {
        self.inner.settings.isolation
    }

    pub fn cgroups(&self) -> &Cgroups {
        &self.inner.cgroups
    }

    /// A name for a control group, unique in this engine.
    pub(crate) fn next_name(&self) -> String {
        self.inner.next.fetch_add(1, Ordering::Relaxed).to_string()
    }

    pub(crate) fn isolated(&self) -> bool {
        self.isolation() == Isolation::Namespaces
    }

    /// Where the guest finds its code: `LAMBDA_TASK_ROOT`.
    pub fn task_root(&self, files: &FunctionFiles) -> PathBuf {
        if self.isolated() {
            TASK.into()
        } else {
            files.code.clone()
        }
    }

    /// `LAMBDA_RUNTIME_DIR` of programs, and of Python.
    pub fn runtime_directory(&self) -> PathBuf {
        self.directory_of(None)
    }

    /// `LAMBDA_RUNTIME_DIR`
    pub fn directory_of(&self, client: Option<Client<'_>>) -> PathBuf {
        if self.isolated() {
            RUNTIME.into()
        } else {
            self.guest(client)
        }
    }

    /// The files of a client; a program that is nobody's sees Python's.
    fn guest(&self, client: Option<Client<'_>>) -> PathBuf {
        let folder = client.as_ref().map_or("python", Client::folder);
        self.inner.guests.join(folder)
    }

    /// Where the layers' files are: `/opt`, or without walls each layer's own
    /// folder, the last one first.
    pub fn layer_roots(&self, files: &FunctionFiles) -> Vec<PathBuf> {
        if self.isolated() {
            vec![OPT.into()]
        } else {
            files.layers.iter().rev().cloned().collect()
        }
    }

    /// Where the additional library folders are for a function.
    pub fn package_roots(&self) -> Vec<PathBuf> {
        let packages = self.inner.settings.python_packages.iter().enumerate();
        packages
            .map(|(index, path)| {
                if self.isolated() {
                    package_target(index)
                } else {
                    path.clone()
                }
            })
            .collect()
    }

    /// The command line of our Python runtime client.
    pub(crate) fn python_program(
        &self,
        interpreter: &Interpreter,
        files: &FunctionFiles,
        role: Role,
    ) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let join = |paths: Vec<PathBuf>| {
            paths
                .iter()
                .map(|path| text(path))
                .collect::<Vec<_>>()
                .join(":")
        };
        let mut program = vec![text(&interpreter.executable)];
        // Isolated from the machine's settings and site-packages: a function
        // sees its own libraries and nothing else, as on AWS.
        program.extend(["-I", "-S", "-B", "-X", "utf8"].map(str::to_owned));
        program.push(text(&self.runtime_directory().join("bootstrap.py")));
        program.push(role.word().to_owned());
        program.push(text(&self.task_root(files)));
        program.push(join(self.layer_roots(files)));
        program.push(join(self.package_roots()));
        program
    }

    pub(crate) fn spec(
        &self,
        files: &FunctionFiles,
        client: Option<Client<'_>>,
        role: Role,
        network: Network,
        program: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> JailSpec {
        let settings = &self.inner.settings;
        let root = self.isolated().then(|| self.root(files, client));
        let watched = matches!(self.inner.cgroups, Cgroups::None { .. });
        JailSpec {
            root,
            drop_to: self.inner.drop_to,
            network: if self.isolated() {
                network
            } else {
                Network::Host
            },
            role,
            program,
            environment,
            working_directory: self.task_root(files),
            open_files: settings.open_files.into(),
            backstop: watched.then(|| Backstop {
                processes: u64::from(settings.processes) + INSTANCES_BEHIND_BACKSTOP * 4,
                // Private mappings are reserved more freely than they are used;
                // this only stops what would race past the watch.
                data_bytes: (u64::from(files.memory_mb) * 4 + 4096) << 20,
            }),
            doors: self.inner.cgroups.door_count(),
        }
    }

    fn root(&self, files: &FunctionFiles, client: Option<Client<'_>>) -> RootSpec {
        let bind = |source: &Path, target: &str| Bind {
            source: source.to_owned(),
            target: target.into(),
        };
        let mut binds = vec![bind(&files.code, TASK), bind(&self.guest(client), RUNTIME)];
        if let Some(client) = client {
            binds.extend(client.binds());
            binds.extend(self.program_bind(client));
        }
        for (index, path) in self.inner.settings.python_packages.iter().enumerate() {
            binds.push(Bind {
                source: path.clone(),
                target: package_target(index),
            });
        }
        RootSpec {
            system: SYSTEM.iter().map(PathBuf::from).collect(),
            binds,
            layers: files.layers.clone(),
            tmp_mb: files.tmp_mb,
        }
    }
}

/// Where an additional library folder appears inside.
fn package_target(index: usize) -> PathBuf {
    PathBuf::from(format!("/var/lang/packages/{index}"))
}
