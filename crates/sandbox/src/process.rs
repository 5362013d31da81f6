//! The engine's handle on a jailed process: its log, its channel, its end.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::Stdio;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::cgroup::{Cgroup, ENTERED, GroupLimits};
use crate::client::Client;
use crate::control::{Control, LogPipe};
use crate::python::Interpreter;
use crate::settings::{FunctionFiles, Sandbox};
use crate::spec::{Bind, HelperMessage, JailSpec, Network, Role};

/// How often the removal of a control group is tried while its last process dies.
pub(crate) const REMOVE_TRIES: u32 = 50;
pub(crate) const REMOVE_PAUSE: Duration = Duration::from_millis(20);
/// How long a fork may take to enter its group: far longer than it does under load.
const ENTER_PATIENCE: Duration = Duration::from_secs(20);
/// Processes that are looked at when an instance's memory is added up.
const COUNTED_PROCESSES: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot {what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot enter the jail: {step}: {error}")]
    Jail { step: String, error: String },
    #[error("the process ended before it was ready")]
    Ended,
    #[error("the template cannot fork: {reason}")]
    Fork { reason: String },
}

/// Names what was being done when the kernel said no.
pub(crate) trait What<T> {
    fn what(self, what: &'static str) -> Result<T, SandboxError>;
}

impl<T> What<T> for io::Result<T> {
    fn what(self, what: &'static str) -> Result<T, SandboxError> {
        self.map_err(|source| SandboxError::Io { what, source })
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// It was ended from outside, with everything around it.
    Killed,
}

impl Exit {
    pub(crate) fn from_status(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Code((status >> 8) & 0xff),
            signal => Self::Signal(signal),
        }
    }
}

/// A running instance, forked or started.
#[derive(Debug)]
pub struct Process {
    /// The channel to our own runtime client; `None` for programs that speak
    /// the Runtime API over HTTP.
    pub runtime: Option<UnixStream>,
    pub logs: LogPipe,
    /// Listeners inside the instance's own network, in the order of the ports asked for.
    pub listeners: Vec<std::net::TcpListener>,
    control: Control,
    /// Ends the process with everything below it when killed.
    handle: OwnedFd,
    pid: i32,
    cgroup: Option<Cgroup>,
    /// Reaps the keeper of a started process.
    _keeper: Option<Child>,
}

impl Process {
    pub(crate) fn forked(
        control: Control,
        handle: OwnedFd,
        runtime: UnixStream,
        logs: LogPipe,
        cgroup: Option<Cgroup>,
    ) -> Result<Self, SandboxError> {
        let pid = match pid_of(&handle) {
            Ok(pid) => pid,
            Err(error) => {
                if let Some(cgroup) = cgroup {
                    remove_later(cgroup);
                }
                return Err(error).what("find the fork's process id");
            }
        };
        Ok(Self {
            runtime: Some(runtime),
            logs,
            listeners: vec![],
            control,
            handle,
            pid,
            cgroup,
            _keeper: None,
        })
    }

    /// Lets a fork go on, in its control group. It waits for this word before it makes
    /// the process that runs the function, so that nothing of the function runs unlimited.
    pub(crate) async fn release(&self, turns: &Semaphore) -> Result<(), SandboxError> {
        let doors = match &self.cgroup {
            Some(cgroup) => cgroup.doors().what("open the control group")?,
            None => vec![],
        };
        if doors.is_empty() {
            self.attach(turns).await?;
        }
        let fds: Vec<RawFd> = doors.iter().map(AsRawFd::as_raw_fd).collect();
        let released = self.control.send(b"go", &fds).await;
        released.what("release the fork")?;
        if doors.is_empty() {
            return Ok(());
        }
        drop(doors);
        let answer = tokio::time::timeout(ENTER_PATIENCE, self.control.receive()).await;
        let answer = answer.map_err(|_| SandboxError::Ended)?;
        let (word, _) = answer.what("wait for the fork")?;
        // Code of the function has run in there: what it says is not enough.
        let is_in = |cgroup: &Cgroup| word == ENTERED && cgroup.holds(self.pid);
        if self.cgroup.as_ref().is_some_and(is_in) {
            return Ok(());
        }
        self.attach(turns).await?;
        let released = self.control.send(b"go", &[]).await;
        released.what("release the fork")
    }

    /// Moves it into its control group, from outside.
    async fn attach(&self, turns: &Semaphore) -> Result<(), SandboxError> {
        let Some(cgroup) = self.cgroup.clone() else {
            return Ok(());
        };
        let pid = self.pid;
        // The kernel does this one after the other anyway, and may take its time.
        let _turn = turns.acquire().await;
        tokio::task::spawn_blocking(move || cgroup.attach(pid).what("limit the fork"))
            .await
            .map_err(|_| SandboxError::Ended)?
    }

    /// Process 1 of the instance, as the engine's machine counts.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for the end. Safe to drop and call again.
    pub async fn exited(&self) -> Exit {
        loop {
            match self.control.receive().await {
                Ok((bytes, _)) if bytes.is_empty() => return Exit::Killed,
                Err(_) => return Exit::Killed,
                Ok((bytes, _)) => {
                    if let Ok(HelperMessage::Exited { status }) = serde_json::from_slice(&bytes) {
                        return Exit::from_status(status);
                    }
                }
            }
        }
    }

    /// Whether it has not ended yet, as far as the kernel has got to.
    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }

    /// Ends it and everything it started, now.
    pub fn kill(&self) {
        kill_pidfd(&self.handle);
    }

    /// Whether the kernel ended one of its processes for using too much memory.
    pub fn out_of_memory(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::out_of_memory)
    }

    /// Private memory in use, in bytes: what the function's memory size limits.
    pub fn memory_bytes(&self) -> u64 {
        let processes = anonymous_of_tree(self.pid);
        match self.cgroup.as_ref().and_then(Cgroup::anonymous_bytes) {
            // Pages shared with the template count for the largest process, as
            // they would on a machine of its own.
            Some(private) => private.max(processes.iter().copied().max().unwrap_or(0)),
            None => processes.iter().sum(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(cgroup) = self.cgroup.take() {
            remove_later(cgroup);
        }
    }
}

impl Sandbox {
    /// Starts a client of ours as an instance of its own.
    pub async fn spawn_client(
        &self,
        client: Client<'_>,
        files: &FunctionFiles,
        environment: Vec<(String, String)>,
        network: Network,
    ) -> Result<Process, SandboxError> {
        let program = self.client_program(client, files, Role::Instance)?;
        let spec = self.spec(
            files,
            Some(client),
            Role::Instance,
            network,
            program,
            environment,
        );
        if !client.is_direct() {
            return self.start_instance(&spec, files, None).await;
        }
        let (ours, theirs) = UnixStream::pair().what("make the runtime channel")?;
        let theirs = theirs
            .into_std()
            .and_then(|stream| stream.set_nonblocking(false).map(|()| stream))
            .what("make the runtime channel")?;
        let mut process = self
            .start_instance(&spec, files, Some(theirs.into()))
            .await?;
        process.runtime = Some(ours);
        Ok(process)
    }

    /// Starts a program that brings its own runtime client.
    pub async fn spawn_program(
        &self,
        program: Vec<String>,
        files: &FunctionFiles,
        environment: Vec<(String, String)>,
        network: Network,
    ) -> Result<Process, SandboxError> {
        let spec = self.spec(files, None, Role::Instance, network, program, environment);
        self.start_instance(&spec, files, None).await
    }

    /// Starts a program that sees nothing of the machine's system but these files, for
    /// trying out what is to run elsewhere.
    pub async fn spawn_bare(
        &self,
        program: Vec<String>,
        files: &FunctionFiles,
        environment: Vec<(String, String)>,
        network: Network,
        shown: Vec<Bind>,
    ) -> Result<Process, SandboxError> {
        let mut spec = self.spec(files, None, Role::Instance, network, program, environment);
        if let Some(root) = &mut spec.root {
            root.system.clear();
            root.binds.extend(shown);
        }
        self.start_instance(&spec, files, None).await
    }

    /// Runs a program of an interpreter's, with what our Python client sees: for
    /// looking at a package, not for serving with it.
    pub async fn spawn_script(
        &self,
        interpreter: &Interpreter,
        arguments: Vec<String>,
        files: &FunctionFiles,
        environment: Vec<(String, String)>,
        network: Network,
    ) -> Result<Process, SandboxError> {
        let mut program = vec![interpreter.executable.display().to_string()];
        program.extend(arguments);
        let role = Role::Instance;
        let python = Some(Client::Python(interpreter));
        let spec = self.spec(files, python, role, network, program, environment);
        self.start_instance(&spec, files, None).await
    }

    async fn start_instance(
        &self,
        spec: &JailSpec,
        files: &FunctionFiles,
        guest: Option<OwnedFd>,
    ) -> Result<Process, SandboxError> {
        let started = self.start(spec, files, guest).await?;
        let pid = started.keeper.id().map_or(0, u32::cast_signed);
        Ok(Process {
            runtime: None,
            logs: started.logs,
            listeners: started.listeners,
            control: started.control,
            handle: pidfd_open(pid).what("watch the keeper")?,
            pid,
            cgroup: started.cgroup,
            _keeper: Some(started.keeper),
        })
    }

    /// Starts the helper and waits until it has entered the jail.
    pub(crate) async fn start(
        &self,
        spec: &JailSpec,
        files: &FunctionFiles,
        guest: Option<OwnedFd>,
    ) -> Result<Started, SandboxError> {
        let limits = match spec.role {
            Role::Template => self.limits(files).loading(),
            Role::Instance => self.limits(files),
        };
        let cgroup = self.group(limits)?;
        let (control, theirs) = Control::pair().what("make the control socket")?;
        let (logs, log_writer) = LogPipe::new().what("make the log pipe")?;
        let keeper = Command::new(&self.inner.settings.helper)
            .arg("__jail")
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .what("start the jail's helper")?;
        let pid = keeper.id().ok_or(SandboxError::Ended)?.cast_signed();
        let doors = match &cgroup {
            Some(cgroup) => cgroup.doors().what("open the control group")?,
            None => vec![],
        };
        if let (Some(cgroup), true) = (&cgroup, doors.is_empty()) {
            cgroup.attach(pid).what("limit the helper")?;
        }
        let bytes = serde_json::to_vec(spec).expect("a jail's description is plain data");
        let mut fds: Vec<RawFd> = doors.iter().map(AsRawFd::as_raw_fd).collect();
        fds.push(log_writer.as_raw_fd());
        fds.extend(guest.as_ref().map(AsRawFd::as_raw_fd));
        control.send(&bytes, &fds).await.what("describe the jail")?;
        drop((doors, log_writer, guest));
        let listeners = entered(&control).await?;
        Ok(Started {
            keeper,
            control,
            logs,
            cgroup,
            listeners,
        })
    }

    pub(crate) fn limits(&self, files: &FunctionFiles) -> GroupLimits {
        GroupLimits {
            memory_bytes: u64::from(files.memory_mb + files.tmp_mb) << 20,
            cpu_mb: files.memory_mb,
            processes: self.inner.settings.processes,
        }
    }

    pub(crate) fn group(&self, limits: GroupLimits) -> Result<Option<Cgroup>, SandboxError> {
        self.inner
            .cgroups
            .create(&self.next_name(), limits)
            .what("make a control group")
    }
}

/// A helper that has entered its jail.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) keeper: Child,
    pub(crate) control: Control,
    pub(crate) logs: LogPipe,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) listeners: Vec<std::net::TcpListener>,
}

async fn entered(control: &Control) -> Result<Vec<std::net::TcpListener>, SandboxError> {
    let (bytes, fds) = control.receive().await.what("wait for the jail")?;
    match serde_json::from_slice(&bytes) {
        Ok(HelperMessage::Entered) => Ok(fds.into_iter().map(Into::into).collect()),
        Ok(HelperMessage::Failed { step, error }) => Err(SandboxError::Jail { step, error }),
        _ => Err(SandboxError::Ended),
    }
}

/// Removes a group once its last process has gone.
pub(crate) fn remove_later(cgroup: Cgroup) {
    if cgroup.try_remove() {
        return;
    }
    // Without a runtime the engine is on its way out, and removes the whole
    // tree when it starts again.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            for _ in 0..REMOVE_TRIES {
                tokio::time::sleep(REMOVE_PAUSE).await;
                if cgroup.try_remove() {
                    return;
                }
            }
            tracing::debug!(?cgroup, "a control group still holds processes");
        });
    }
}

pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(fd).expect("descriptors are small");
    // SAFETY: the call made a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn kill_pidfd(handle: &OwnedFd) {
    // SAFETY: the call takes integers and a null pointer, which it allows. That
    // the process has ended already is the only expected failure.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            handle.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        );
    }
}

/// The process id behind a pidfd, in this process' own pid namespace.
pub(crate) fn pid_of(handle: &OwnedFd) -> io::Result<i32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd()))?;
    info.lines()
        .find_map(|line| line.strip_prefix("Pid:"))
        .and_then(|pid| pid.trim().parse().ok())
        .filter(|pid| *pid > 0)
        .ok_or_else(|| io::Error::other("the process has ended"))
}

/// Private memory of the largest process in a tree: what the function itself
/// uses, wherever its reaper stands.
pub fn memory_of_tree(pid: i32) -> u64 {
    anonymous_of_tree(pid).into_iter().max().unwrap_or(0)
}

fn anonymous_of_tree(pid: i32) -> Vec<u64> {
    process_tree(pid)
        .into_iter()
        .filter_map(|pid| anonymous_bytes(pid).ok())
        .collect()
}

/// A process and all below it, up to a bound.
pub fn process_tree(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() && found.len() < COUNTED_PROCESSES {
        let pid = found[next];
        next += 1;
        if let Ok(children) = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            );
        }
    }
    found
}

fn anonymous_bytes(pid: i32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|value| value.trim().strip_suffix(" kB"))
        .and_then(|kb| kb.trim().parse::<u64>().ok())
        .map(|kb| kb * 1024)
        .ok_or_else(|| io::Error::other("no RssAnon"))
}
