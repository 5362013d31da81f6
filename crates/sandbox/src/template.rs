//! A template: a process that has loaded a function's code and waits to be
//! forked. Each fork becomes an instance.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::Mutex;

use crate::cgroup::Cgroup;
use crate::client::Client;
use crate::control::{Control, LogPipe};
use crate::filter;
use crate::process::{Process, SandboxError, What, memory_of_tree, pidfd_open, remove_later};
use crate::settings::{FunctionFiles, Isolation, Sandbox};
use crate::spec::{Network, Role};

/// How long a template may take to fork: far longer than it does under load.
const FORK_PATIENCE: Duration = Duration::from_secs(20);
/// What the kernel counts against a template for each of its forks, page tables
/// above all, and for how many of them there is to be room.
const FORK_BYTES: u64 = 1 << 20;
const FORKS: u64 = 2000;
/// Forks that have not been moved to a group of their own yet.
const FORKS_UNDER_WAY: u32 = 1000;
/// How long the end of a template may take to be known.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// What a template says when it has loaded the function, or could not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// `unsafe_to_fork` names what would not survive: threads, or a descriptor.
    Ready { unsafe_to_fork: Option<String> },
    /// The error object that AWS's runtime would report.
    InitError { error: serde_json::Value },
}

#[derive(Debug)]
pub struct Template {
    sandbox: Sandbox,
    files: FunctionFiles,
    /// One fork at a time: the answer belongs to the request before it.
    control: Mutex<Control>,
    pub logs: LogPipe,
    /// Listeners inside the template's own network, which its forks share.
    listeners: std::sync::Mutex<Vec<std::net::TcpListener>>,
    pid: i32,
    keeper: Mutex<Child>,
    cgroup: Option<Cgroup>,
    filters: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ForkRequest<'a> {
    environment: &'a BTreeMap<String, String>,
    tmp_mb: u32,
    isolated: bool,
    filters: &'a [String],
}

/// What a template answers: with `Forked` comes a handle on the fork.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ForkAnswer {
    Forked,
    Failed { reason: String },
}

impl Sandbox {
    /// Starts a template; it loads the function in the background.
    pub async fn start_template<'a>(
        &self,
        client: impl Into<Client<'a>>,
        files: &FunctionFiles,
        environment: Vec<(String, String)>,
        network: Network,
    ) -> Result<Template, SandboxError> {
        let client = client.into();
        let program = self.client_program(client, files, Role::Template)?;
        let spec = self.spec(
            files,
            Some(client),
            Role::Template,
            network,
            program,
            environment,
        );
        let started = self.start(&spec, files, None).await?;
        let filters = filter::encoded(Role::Instance).map_err(|error| SandboxError::Jail {
            step: "compile the system call filter".to_owned(),
            error: error.to_string(),
        })?;
        Ok(Template {
            sandbox: self.clone(),
            files: files.clone(),
            control: Mutex::new(started.control),
            logs: started.logs,
            listeners: std::sync::Mutex::new(started.listeners),
            pid: started.keeper.id().map_or(0, u32::cast_signed),
            keeper: Mutex::new(started.keeper),
            cgroup: started.cgroup,
            filters: filters
                .iter()
                .map(|bytes| BASE64_STANDARD.encode(bytes))
                .collect(),
        })
    }
}

impl Template {
    /// Waits until the function is loaded. To be called once, before any fork.
    pub async fn ready(&self) -> Result<Readiness, SandboxError> {
        let (bytes, _) = self
            .control
            .lock()
            .await
            .receive()
            .await
            .what("wait for a template")?;
        let readiness = serde_json::from_slice(&bytes).map_err(|_| SandboxError::Ended)?;
        if let (Readiness::Ready { .. }, Some(cgroup)) = (&readiness, &self.cgroup) {
            let mut limits = self.sandbox.limits(&self.files).loading();
            limits.memory_bytes += FORK_BYTES * FORKS;
            limits.processes = limits.processes.saturating_add(FORKS_UNDER_WAY);
            cgroup.limit(limits).what("make room for forks")?;
        }
        Ok(readiness)
    }

    /// Makes an instance.
    pub async fn fork(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<Process, SandboxError> {
        let (runtime, their_runtime) = UnixStream::pair().what("make the runtime channel")?;
        let their_runtime: OwnedFd = their_runtime
            .into_std()
            .and_then(|stream| stream.set_nonblocking(false).map(|()| stream))
            .what("make the runtime channel")?
            .into();
        let (logs, their_logs) = LogPipe::new().what("make the log pipe")?;
        let (control, their_control) = Control::pair().what("make the control socket")?;
        let request = serde_json::to_vec(&ForkRequest {
            environment,
            tmp_mb: self.files.tmp_mb,
            isolated: self.sandbox.isolation() == Isolation::Namespaces,
            filters: &self.filters,
        })
        .expect("a fork request is plain data");
        let fds = [&their_runtime, &their_logs, &their_control].map(AsRawFd::as_raw_fd);
        let asked = self.ask(&request, &fds);
        let (handle, cgroup) = tokio::join!(asked, self.new_group());
        drop((their_runtime, their_logs, their_control));
        let cgroup = cgroup?;
        let handle = match handle {
            Ok(handle) => handle,
            Err(error) => {
                if let Some(unused) = cgroup {
                    remove_later(unused);
                }
                return Err(error);
            }
        };
        let process = Process::forked(control, handle, runtime, logs, cgroup)?;
        process.release(&self.sandbox.inner.group_turns).await?;
        Ok(process)
    }

    /// Has the template fork; gives a handle on the fork.
    async fn ask(&self, request: &[u8], fds: &[RawFd]) -> Result<OwnedFd, SandboxError> {
        let template = self.control.lock().await;
        template.send(request, fds).await.what("ask for a fork")?;
        // Code of the function has run in there: it may have broken anything.
        let answer = tokio::time::timeout(FORK_PATIENCE, template.receive()).await;
        let answer = answer.map_err(|_| SandboxError::Ended)?;
        let (answer, fds) = answer.what("wait for a fork")?;
        match (serde_json::from_slice(&answer), fds.into_iter().next()) {
            (Ok(ForkAnswer::Forked), Some(handle)) => Ok(handle),
            (Ok(ForkAnswer::Failed { reason }), _) => Err(SandboxError::Fork { reason }),
            _ => Err(SandboxError::Ended),
        }
    }

    /// Makes a fork's control group, while the template is busy with the fork.
    async fn new_group(&self) -> Result<Option<Cgroup>, SandboxError> {
        let sandbox = self.sandbox.clone();
        let limits = self.sandbox.limits(&self.files);
        let _turn = self.sandbox.inner.group_turns.acquire().await;
        tokio::task::spawn_blocking(move || sandbox.group(limits))
            .await
            .map_err(|_| SandboxError::Ended)?
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// To be served by the engine; they are handed out once.
    pub fn take_listeners(&self) -> Vec<std::net::TcpListener> {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *listeners)
    }

    /// How a template that has ended did so; `None` where it was a signal.
    pub async fn exit_code(&self) -> Option<i32> {
        let mut keeper = self.keeper.lock().await;
        let status = tokio::time::timeout(END_PATIENCE, keeper.wait()).await;
        status.ok()?.ok()?.code()
    }

    /// Private memory of the template, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.cgroup
            .as_ref()
            .and_then(Cgroup::anonymous_bytes)
            .unwrap_or_else(|| memory_of_tree(self.pid))
    }

    /// Whether the kernel ended it for using too much memory.
    pub fn out_of_memory(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::out_of_memory)
    }

    /// Ends the template and every instance forked from it.
    pub fn kill(&self) {
        if let Ok(handle) = pidfd_open(self.pid()) {
            crate::process::kill_pidfd(&handle);
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        self.kill();
        if let Some(cgroup) = self.cgroup.take() {
            remove_later(cgroup);
        }
    }
}
