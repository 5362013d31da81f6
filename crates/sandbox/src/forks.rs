//! A template's own side of being forked, for guests that are this program: it waits
//! for the engine's requests, and each fork comes out of the wait as an instance.
//!
//! What `guests/python/squall_fork.py` does for Python; `Template::fork` is the
//! engine's side. The process must have a single thread.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use caps::{CapSet, Capability};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{self, ForkResult, Pid, fork};
use seccompiler::BpfProgram;
use serde::Deserialize;

use crate::cgroup::{self, ENTERED, NOT_ENTERED};
use crate::control;
use crate::filter;
use crate::jail::GUEST_FD;
use crate::process::pidfd_open;
use crate::spec::{HelperMessage, Role};
use crate::template::{ForkAnswer, Readiness};

/// When the machine runs out of memory, an instance goes before its template.
const FIRST_TO_GO: &str = "500";
/// A thread that has been joined is listed for another moment.
const THREAD_LOOKS: usize = 10;
const THREAD_PAUSE: Duration = Duration::from_millis(5);
/// Descriptors that a template may have: they mean the same in every fork.
const HARMLESS: &[&str] = &["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

/// The engine's end of the talk with a template.
#[derive(Debug)]
pub struct Forks {
    control: OwnedFd,
    /// Its own pid namespace, to come back to after a fork.
    home: OwnedFd,
    /// Compiled before the first fork: that one is waited for.
    walls: Vec<BpfProgram>,
}

/// An instance, as it comes out of [`Forks::wait`].
#[derive(Debug)]
pub struct Forked {
    /// The way to the engine; what comes over it is served.
    pub channel: UnixStream,
    /// What this instance has of its own; set already.
    pub environment: BTreeMap<String, String>,
}

/// The channel of an instance that the engine started without a template. To be called
/// once.
pub fn own_channel() -> UnixStream {
    given_descriptor().into()
}

/// What the engine started this process with: its channel, or its control socket. To be
/// called once.
fn given_descriptor() -> OwnedFd {
    // SAFETY: the engine starts its guests with this descriptor, and nothing else in this
    // process owns it.
    let given = unsafe { OwnedFd::from_raw_fd(GUEST_FD) };
    // Programs that the function starts have no business there. It fails only for what is
    // no descriptor, and then so does the first use.
    let _ = fcntl(&given, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    given
}

#[derive(Debug, Deserialize)]
struct Request {
    environment: BTreeMap<String, String>,
    tmp_mb: u32,
    isolated: bool,
}

impl Forks {
    /// To be called once, in the template that the engine started.
    pub fn new() -> io::Result<Self> {
        let control = given_descriptor();
        let walls = filter::programs(Role::Instance).map_err(io::Error::other)?;
        Ok(Self {
            control,
            home: File::open("/proc/self/ns/pid")?.into(),
            walls,
        })
    }

    /// Tells the engine whether the function is loaded.
    pub fn report(&self, readiness: &Readiness) -> io::Result<()> {
        let bytes = serde_json::to_vec(readiness)?;
        control::send(self.control.as_fd(), &bytes, &[])
    }

    /// What would not survive a fork, or nothing: threads, and descriptors whose place
    /// or connection all forks would share.
    pub fn hazard(&self) -> io::Result<Option<String>> {
        match live_threads()? {
            Some(found) => Ok(Some(found)),
            None => self.shared_descriptor(),
        }
    }

    fn shared_descriptor(&self) -> io::Result<Option<String>> {
        let own = [self.control.as_raw_fd(), self.home.as_raw_fd()];
        for entry in fs::read_dir("/proc/self/fd")? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let Some(number) = number.filter(|fd: &RawFd| *fd > 2 && !own.contains(fd)) else {
                continue;
            };
            // Gone: the one that listed the others.
            let Ok(target) = fs::read_link(entry.path()) else {
                continue;
            };
            let target = target.display().to_string();
            if HARMLESS.contains(&target.as_str()) {
                continue;
            }
            if !target.starts_with('/') {
                // "socket:[1234]", "pipe:[1234]", "anon_inode:[eventpoll]"
                let kind = target.trim_start_matches("anon_inode:");
                let kind = kind.trim_start_matches('[').trim_end_matches(']');
                let kind = kind.split(':').next().unwrap_or(kind);
                return Ok(Some(format!("open {kind}")));
            }
            if !is_harmless_file(number, &entry.path()) {
                return Ok(Some(format!("open file {target}")));
            }
        }
        Ok(None)
    }

    /// Makes forks until the engine is gone, which is `None`. Each fork returns from
    /// here as well, as the instance that it is by then.
    pub fn wait(self) -> io::Result<Option<Forked>> {
        loop {
            let (bytes, descriptors) = control::receive(self.control.as_fd())?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let request: Request = serde_json::from_slice(&bytes)?;
            match self.fork(&request) {
                Ok(Side::Template(handle)) => {
                    drop(descriptors);
                    self.answer(&ForkAnswer::Forked, &[handle.as_raw_fd()])?;
                }
                Ok(Side::Instance) => return Ok(Some(self.become_instance(request, descriptors))),
                Err(error) => {
                    let reason = error.to_string();
                    self.answer(&ForkAnswer::Failed { reason }, &[])?;
                }
            }
            bury();
        }
    }

    fn answer(&self, answer: &ForkAnswer, descriptors: &[RawFd]) -> io::Result<()> {
        let bytes = serde_json::to_vec(answer)?;
        control::send(self.control.as_fd(), &bytes, descriptors)
    }

    /// Makes process 1 of a new instance.
    fn fork(&self, request: &Request) -> io::Result<Side> {
        if request.isolated {
            unshare(CloneFlags::CLONE_NEWPID)?;
        }
        // SAFETY: a template has one thread, so the child may do anything.
        let result = unsafe { fork() };
        if let Ok(ForkResult::Child) = result {
            return Ok(Side::Instance);
        }
        if request.isolated {
            // Later children are born in the template's own namespace again.
            setns(&self.home, CloneFlags::CLONE_NEWPID)?;
        }
        match result? {
            ForkResult::Parent { child } => Ok(Side::Template(pidfd_open(child.as_raw())?)),
            ForkResult::Child => unreachable!("the child has returned"),
        }
    }

    /// The rest of the way, in the fork. Returns in the process that runs the function.
    fn become_instance(self, request: Request, descriptors: Vec<OwnedFd>) -> Forked {
        match self.enter(request, descriptors) {
            Ok(forked) => forked,
            Err(error) => {
                let text = format!("cannot start the instance: {error}\n");
                let _ = unistd::write(io::stderr(), text.as_bytes());
                exit_now(1)
            }
        }
    }

    fn enter(self, request: Request, descriptors: Vec<OwnedFd>) -> io::Result<Forked> {
        let Self {
            control,
            home,
            walls,
        } = self;
        drop((control, home));
        let [channel, logs, control]: [OwnedFd; 3] = descriptors
            .try_into()
            .map_err(|_| io::Error::other("a fork needs three descriptors"))?;
        // Into its own control group first, so that as little as possible is counted
        // against the template.
        released(&control)?;
        unistd::dup2_stdout(&logs)?;
        unistd::dup2_stderr(&logs)?;
        drop(logs);
        unistd::setsid()?;
        fs::write("/proc/self/oom_score_adj", FIRST_TO_GO)?;
        if request.isolated {
            own_namespaces(request.tmp_mb)?;
            drop_privileges(&walls)?;
        }
        // SAFETY: a fork of a template has one thread, so the child may do anything.
        if let ForkResult::Parent { child } = unsafe { fork() }? {
            // The function runs under the same user: it must not reach in here.
            prctl::set_dumpable(false)?;
            drop(channel);
            watch(child, &control);
        }
        drop(control);
        if !request.isolated {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
        }
        for (name, value) in &request.environment {
            // SAFETY: this process has one thread, so nobody reads the environment now.
            unsafe { std::env::set_var(name, value) };
        }
        Ok(Forked {
            channel: channel.into(),
            environment: request.environment,
        })
    }
}

/// Waits for the engine's word, and follows it into the control group.
fn released(control: &OwnedFd) -> io::Result<()> {
    let (word, doors) = control::receive(control.as_fd())?;
    if word.is_empty() {
        exit_now(0);
    }
    if doors.is_empty() {
        return Ok(());
    }
    if cgroup::enter(doors).is_ok() {
        return control::send(control.as_fd(), ENTERED, &[]);
    }
    control::send(control.as_fd(), NOT_ENTERED, &[])?;
    // Moved from outside, then.
    let (word, _) = control::receive(control.as_fd())?;
    if word.is_empty() {
        exit_now(0);
    }
    Ok(())
}

enum Side {
    Template(OwnedFd),
    Instance,
}

/// Whose threads a fork would lose. Libraries such as OpenBLAS stop their threads just
/// before a fork and start them again when they need them; a thread that is left after
/// a trial belongs to somebody who does not.
fn live_threads() -> io::Result<Option<String>> {
    // SAFETY: whatever threads there are, the child only ends.
    match unsafe { fork() }? {
        ForkResult::Child => exit_now(0),
        ForkResult::Parent { child } => waitpid(child, None)?,
    };
    let mut count = 0;
    for _ in 0..THREAD_LOOKS {
        count = fs::read_dir("/proc/self/task")?.count().saturating_sub(1);
        if count == 0 {
            return Ok(None);
        }
        std::thread::sleep(THREAD_PAUSE);
    }
    let plural = if count == 1 { "" } else { "s" };
    Ok(Some(format!("{count} live thread{plural}")))
}

/// A directory, or a file that is there to be mapped, only to be read: its place in
/// the file means nothing then.
fn is_harmless_file(number: RawFd, path: &Path) -> bool {
    let Ok(status) = fs::metadata(path) else {
        return false;
    };
    if status.is_dir() {
        return true;
    }
    // SAFETY: the call takes integers; a descriptor that is not open is an error.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFL) };
    let read_only = flags >= 0 && flags & libc::O_ACCMODE == libc::O_RDONLY;
    let inode = status.ino().to_string();
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let is_mapped = |line: &str| line.split_whitespace().nth(4) == Some(inode.as_str());
    read_only && maps.lines().any(is_mapped)
}

/// Reaps forks that have ended.
fn bury() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}

/// A private /tmp, /dev/shm and /proc.
fn own_namespaces(tmp_mb: u32) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC)?;
    let old = File::open("/tmp")?;
    let names: Vec<_> = fs::read_dir("/tmp")?.flatten().collect();
    let shared = MsFlags::from_bits_retain(filter::TMP_MOUNT_FLAGS);
    let size = format!("mode=1777,size={tmp_mb}m");
    mount_fresh("tmpfs", "/tmp", shared, Some(&size))?;
    mount_fresh("tmpfs", "/dev/shm", shared, Some("mode=1777,size=64m"))?;
    let proc = MsFlags::from_bits_retain(filter::PROC_MOUNT_FLAGS);
    mount_fresh("proc", "/proc", proc, None)?;
    // What the function put into /tmp while it was loaded, every instance finds.
    let below = format!("/proc/self/fd/{}", old.as_raw_fd());
    for entry in names {
        let source = Path::new(&below).join(entry.file_name());
        copy(&source, &Path::new("/tmp").join(entry.file_name()))?;
    }
    Ok(())
}

fn mount_fresh(kind: &str, target: &str, flags: MsFlags, data: Option<&str>) -> io::Result<()> {
    mount(Some(kind), target, Some(kind), flags, data)
        .map_err(|error| io::Error::other(format!("mount {target}: {error}")))
}

/// With everything below; links stay links.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let status = fs::symlink_metadata(from)?;
    if status.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if status.is_file() {
        return fs::copy(from, to).map(drop);
    }
    // Sockets and the like belong to who made them.
    if !status.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .mode(status.permissions().mode() & 0o7777)
        .create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Nothing is left afterwards that could undo a wall.
fn drop_privileges(walls: &[BpfProgram]) -> io::Result<()> {
    // A template may not change what it could ever have; nothing comes of that, because
    // what it is it cannot become by executing a program either.
    let _ = caps::drop(None, CapSet::Bounding, Capability::CAP_SYS_ADMIN);
    let drop_all = || -> Result<(), caps::errors::CapsError> {
        caps::clear(None, CapSet::Ambient)?;
        for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
            caps::clear(None, set)?;
        }
        Ok(())
    };
    drop_all().map_err(|error| io::Error::other(format!("drop capabilities: {error}")))?;
    for wall in walls {
        seccompiler::apply_filter(wall).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Process 1: outlives the function only to say how it ended.
fn watch(child: Pid, control: &OwnedFd) -> ! {
    let status = loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => break (code & 0xff) << 8,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => break signal as i32,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => exit_now(1),
        }
    };
    let message = HelperMessage::Exited { status };
    let bytes = serde_json::to_vec(&message).expect("a number is plain data");
    // Where the engine is gone there is nobody to tell.
    let _ = control::send(control.as_fd(), &bytes, &[]);
    exit_now(0)
}

/// Without the handlers that libraries have put at a process' end: they are the
/// template's.
fn exit_now(code: i32) -> ! {
    // SAFETY: the call takes an integer and does not return.
    unsafe { libc::_exit(code) }
}
