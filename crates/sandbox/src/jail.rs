//! Entering the jail: the program behind `squall __jail`. It is single-threaded,
//! reads its [`JailSpec`] from file descriptor 0, and ends as the guest.
//!
//! Three processes take part. This one, the *keeper*, stays outside the new pid
//! namespace and ends everything inside when the engine goes away. Its child is
//! process 1 inside: the template itself, or for an instance a *reaper* above it.

use std::convert::Infallible;
use std::ffi::CString;
use std::fmt::Display;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::process::exit;

use caps::{CapSet, Capability};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{self, ForkResult, Gid, Pid, Uid, fork};

use crate::control;
use crate::process::pidfd_open;
use crate::spec::{HelperMessage, JailSpec, Network, Role};
use crate::{cgroup, filter, rlimits, root};

/// Where the guest finds its channel to the engine.
pub(crate) const GUEST_FD: RawFd = 3;
/// Uid and gid inside, those of AWS's sandbox user.
const INSIDE_UID: u32 = 993;
const INSIDE_GID: u32 = 990;
/// What a guest that could not be executed exits with, as in a shell.
const EXEC_FAILED: i32 = 127;

/// A step of entering the jail that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {error}")]
pub struct JailError {
    step: String,
    error: String,
}

/// Names the step in which an error happened.
pub(crate) trait Step<T> {
    fn step(self, step: &str) -> Result<T, JailError>;
    fn step_at(self, step: &str, path: &Path) -> Result<T, JailError>;
}

impl<T, E: Display> Step<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, JailError> {
        self.map_err(|error| JailError {
            step: step.to_owned(),
            error: error.to_string(),
        })
    }

    fn step_at(self, step: &str, path: &Path) -> Result<T, JailError> {
        self.map_err(|error| JailError {
            step: format!("{step} {}", path.display()),
            error: error.to_string(),
        })
    }
}

/// Runs the helper to its end. Never returns.
pub fn main() -> ! {
    // SAFETY: the engine starts the helper with its end of the control socket
    // as descriptor 0, and nothing else in this process owns that descriptor.
    let control = unsafe { OwnedFd::from_raw_fd(0) };
    let error = match run(&control) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let message = HelperMessage::Failed {
        step: error.step,
        error: error.error,
    };
    // Where the engine is gone there is nobody to tell.
    let _ = send(&control, &message, &[]);
    exit(1);
}

fn run(control: &OwnedFd) -> Result<Infallible, JailError> {
    let (bytes, fds) = control::receive(control.as_fd()).step("receive the jail's description")?;
    let spec: JailSpec = serde_json::from_slice(&bytes).step("read the jail's description")?;
    let mut fds = fds.into_iter();
    let doors = fds.by_ref().take(spec.doors).collect();
    cgroup::enter(doors).step("enter the control group")?;
    let logs = fds
        .next()
        .ok_or("no log pipe came")
        .step("receive descriptors")?;
    let guest = fds.next();
    enter(&spec, control, logs, guest)
}

/// The jail, step by step. Order matters: each step takes away what a later one
/// no longer needs.
fn enter(
    spec: &JailSpec,
    control: &OwnedFd,
    logs: OwnedFd,
    guest: Option<OwnedFd>,
) -> Result<Infallible, JailError> {
    let Some(root_spec) = &spec.root else {
        send(control, &HelperMessage::Entered, &[]).step("answer the engine")?;
        return start_guest(spec, control, logs, guest);
    };
    if spec.drop_to.is_none() {
        become_root_of_own_user_namespace()?;
    }
    unshare(CloneFlags::CLONE_NEWNS).step("new mount namespace")?;
    root::assemble(root_spec)?;
    if let Some((uid, gid)) = spec.drop_to {
        drop_user(uid, gid)?;
    }
    let listeners = unshare_all(&spec.network)?;
    let fds: Vec<RawFd> = listeners.iter().map(AsRawFd::as_raw_fd).collect();
    send(control, &HelperMessage::Entered, &fds).step("answer the engine")?;
    drop(listeners);
    start_guest(spec, control, logs, guest)
}

/// Without root the engine's own user becomes uid 0 of a first namespace, which
/// owns the mounts. The guest's namespace lies below it: there they are locked.
fn become_root_of_own_user_namespace() -> Result<(), JailError> {
    let (uid, gid) = (Uid::current(), Gid::current());
    unshare(CloneFlags::CLONE_NEWUSER).step("new user namespace")?;
    map_ids((0, uid.as_raw()), (0, gid.as_raw()))
}

/// As root: become the unprivileged user that functions run as.
fn drop_user(uid: u32, gid: u32) -> Result<(), JailError> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    unistd::setgroups(&[]).step("drop groups")?;
    unistd::setresgid(gid, gid, gid).step("drop gid")?;
    unistd::setresuid(uid, uid, uid).step("drop uid")?;
    // The change of user made /proc/self root's; the id maps below need it back.
    prctl::set_dumpable(true).step("own /proc/self")
}

fn unshare_all(network: &Network) -> Result<Vec<TcpListener>, JailError> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let mut flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if matches!(network, Network::Isolated { .. }) {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags).step("new namespaces")?;
    map_ids((INSIDE_UID, uid.as_raw()), (INSIDE_GID, gid.as_raw()))?;
    unistd::sethostname("squall").step("host name")?;
    match network {
        Network::Host => Ok(vec![]),
        Network::Isolated { ports } => {
            bring_up_loopback()?;
            ports
                .iter()
                .map(|port| TcpListener::bind(("127.0.0.1", *port)).step("listen in the network"))
                .collect()
        }
    }
}

fn map_ids(uid: (u32, u32), gid: (u32, u32)) -> Result<(), JailError> {
    fs::write("/proc/self/setgroups", "deny").step("deny setgroups")?;
    fs::write("/proc/self/uid_map", format!("{} {} 1", uid.0, uid.1)).step("map the user")?;
    fs::write("/proc/self/gid_map", format!("{} {} 1", gid.0, gid.1)).step("map the group")
}

fn bring_up_loopback() -> Result<(), JailError> {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .step("bring up loopback")?;
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l'.cast_signed(), b'o'.cast_signed()]);
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(libc::IFF_UP).expect("IFF_UP is the lowest bit");
    // SAFETY: the request names an interface and lives through the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error()).step("bring up loopback")
    }
}

/// Forks process 1 of the namespace and keeps watch over it.
fn start_guest(
    spec: &JailSpec,
    control: &OwnedFd,
    logs: OwnedFd,
    guest: Option<OwnedFd>,
) -> Result<Infallible, JailError> {
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { fork() }.step("fork process 1")? {
        ForkResult::Parent { child } => {
            drop((logs, guest));
            keep(control, child)
        }
        ForkResult::Child => process_one(spec, control, &logs, guest.as_ref()),
    }
}

/// The keeper: ends with process 1, or ends it when the engine is gone.
fn keep(control: &OwnedFd, child: Pid) -> Result<Infallible, JailError> {
    let watch = pidfd_open(child.as_raw()).step("watch process 1")?;
    loop {
        let mut fds = [
            // No events asked for: only the hang-up of the engine's end wakes us.
            PollFd::new(control.as_fd(), PollFlags::empty()),
            PollFd::new(watch.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).step("watch process 1"),
        }
        if fds[0].revents().is_some_and(|events| !events.is_empty()) {
            let _ = kill(child, Signal::SIGKILL);
        }
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(WaitStatus::Exited(_, code)) => exit(code),
            _ => exit(1),
        }
    }
}

fn process_one(
    spec: &JailSpec,
    control: &OwnedFd,
    logs: &OwnedFd,
    guest: Option<&OwnedFd>,
) -> Result<Infallible, JailError> {
    // The keeper may die first, killed by hand: nothing inside may outlive it.
    prctl::set_pdeathsig(Signal::SIGKILL).step("die with the keeper")?;
    if spec.root.is_some() {
        mount_proc()?;
    }
    unistd::setsid().step("new session")?;
    rlimits::apply(spec).step("limit resources")?;
    match spec.role {
        Role::Template => {
            let channel = control.try_clone().step("hand over the control socket")?;
            lock_down(spec)?;
            exec(spec, logs, Some(&channel))
        }
        Role::Instance => reap(spec, control, logs, guest),
    }
}

/// Process 1 above an instance: passes on how it ended.
fn reap(
    spec: &JailSpec,
    control: &OwnedFd,
    logs: &OwnedFd,
    guest: Option<&OwnedFd>,
) -> Result<Infallible, JailError> {
    // SAFETY: this process has one thread, so the child may do anything.
    let child = match unsafe { fork() }.step("fork the guest")? {
        ForkResult::Child => {
            lock_down(spec)?;
            return exec(spec, logs, guest);
        }
        ForkResult::Parent { child } => child,
    };
    // The guest runs under the same user: it must not reach into this process.
    prctl::set_dumpable(false).step("hide from the guest")?;
    lock_down(spec)?;
    loop {
        let status = match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => (code & 0xff) << 8,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => signal as i32,
            Ok(_) | Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error).step("wait for the guest"),
        };
        let _ = send(control, &HelperMessage::Exited { status }, &[]);
        exit(0);
    }
}

/// A fresh view of processes: this namespace's own.
fn mount_proc() -> Result<(), JailError> {
    nix::mount::mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        nix::mount::MsFlags::from_bits_retain(filter::PROC_MOUNT_FLAGS),
        None::<&str>,
    )
    .step("mount /proc")
}

/// Gives up every privilege but the template's one, for good.
fn lock_down(spec: &JailSpec) -> Result<(), JailError> {
    prctl::set_no_new_privs().step("no new privileges")?;
    if spec.root.is_some() {
        keep_capabilities(match spec.role {
            Role::Template => &[Capability::CAP_SYS_ADMIN],
            Role::Instance => &[],
        })?;
    }
    filter::install(spec.role).step("install the system call filter")
}

fn keep_capabilities(kept: &[Capability]) -> Result<(), JailError> {
    let kept: caps::CapsHashSet = kept.iter().copied().collect();
    for capability in caps::all() {
        if !kept.contains(&capability) {
            // Unknown to this kernel: nothing to drop.
            let _ = caps::drop(None, CapSet::Bounding, capability);
        }
    }
    // Ambient needs both permitted and inheritable, so it is raised in between.
    caps::set(None, CapSet::Inheritable, &kept).step("limit capabilities")?;
    for capability in &kept {
        caps::raise(None, CapSet::Ambient, *capability).step("keep a capability")?;
    }
    caps::set(None, CapSet::Effective, &kept).step("limit capabilities")?;
    caps::set(None, CapSet::Permitted, &kept).step("limit capabilities")
}

/// Arranges descriptors and becomes the guest.
fn exec(spec: &JailSpec, logs: &OwnedFd, guest: Option<&OwnedFd>) -> Result<Infallible, JailError> {
    // Everything moves out of the way first: a descriptor that arrived as 1, 2
    // or 3 must not be covered before it is copied.
    let logs = duplicate_above(logs.as_raw_fd()).step("arrange descriptors")?;
    let guest = match guest {
        Some(fd) => Some(duplicate_above(fd.as_raw_fd()).step("arrange descriptors")?),
        None => None,
    };
    let null = nix::fcntl::open(
        "/dev/null",
        nix::fcntl::OFlag::O_RDONLY,
        nix::sys::stat::Mode::empty(),
    )
    .step("open /dev/null")?;
    let mut last = 2;
    copy_to(null.as_raw_fd(), 0).step("arrange descriptors")?;
    copy_to(logs.as_raw_fd(), 1).step("arrange descriptors")?;
    copy_to(logs.as_raw_fd(), 2).step("arrange descriptors")?;
    if let Some(guest) = &guest {
        copy_to(guest.as_raw_fd(), GUEST_FD).step("arrange descriptors")?;
        last = GUEST_FD;
    }
    // SAFETY: nothing of this process' own descriptors is used after this.
    let closed = unsafe { libc::close_range(last.cast_unsigned() + 1, u32::MAX, 0) };
    if closed != 0 {
        exit(EXEC_FAILED);
    }
    let error = become_program(spec);
    // Descriptor 2 is the function's log by now: the right place to say so.
    let text = format!("cannot run {}: {error}\n", spec.program.join(" "));
    let _ = unistd::write(io::stderr(), text.as_bytes());
    exit(EXEC_FAILED);
}

fn become_program(spec: &JailSpec) -> String {
    if let Err(error) = unistd::chdir(&spec.working_directory) {
        return format!("{}: {error}", spec.working_directory.display());
    }
    let c_string = |text: &str| CString::new(text.replace('\0', "")).unwrap_or_default();
    let program: Vec<CString> = spec.program.iter().map(|text| c_string(text)).collect();
    let environment: Vec<CString> = spec
        .environment
        .iter()
        .map(|(name, value)| c_string(&format!("{name}={value}")))
        .collect();
    match unistd::execve(&program[0], &program, &environment) {
        Ok(never) => match never {},
        Err(error) => error.to_string(),
    }
}

/// A copy of a descriptor above all those that the guest gets.
fn duplicate_above(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call makes a new descriptor that nothing else owns.
    match unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, GUEST_FD + 1) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above.
        copy => Ok(unsafe { OwnedFd::from_raw_fd(copy) }),
    }
}

fn copy_to(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: `to` is one of the fixed descriptors, which no value in this
    // process uses any more when the guest is about to be executed.
    match unsafe { libc::dup2(from, to) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn send(control: &OwnedFd, message: &HelperMessage, fds: &[RawFd]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    control::send(control.as_fd(), &bytes, fds)
}
