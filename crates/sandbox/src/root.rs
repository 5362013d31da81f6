//! The file system of a jail, assembled in a private mount namespace out of
//! read-only pieces of the machine's.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::jail::{JailError, Step};
use crate::spec::RootSpec;

/// What of `/etc` a runtime needs: name resolution, certificates, time, the
/// linker's cache, Debian's alternatives. No accounts, no secrets.
const ETC: &[&str] = &[
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki",
    "protocols",
    "R",
    "resolv.conf",
    "services",
    "ssl",
    "timezone",
];

const DEVICES: &[&str] = &["full", "null", "random", "urandom", "zero"];

const PASSWD: &str = "root:x:0:0::/:/sbin/nologin\n\
                      sbx_user1051:x:993:990::/tmp:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nsbx_user1051:x:990:\n";

/// Where the machine's own root lies while the new one is assembled.
const OLD: &str = "/old";
const NEW: &str = "/new";

/// Replaces the root of this process' mount namespace, which must be its own.
pub(crate) fn assemble(spec: &RootSpec) -> Result<(), JailError> {
    enter_staging()?;
    mount_tmpfs(
        Path::new(NEW),
        "mode=755,size=4m",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
    )?;
    for path in &spec.system {
        system_path(path)?;
    }
    etc()?;
    devices()?;
    for bind in &spec.binds {
        bind_read_only(&bind.source, &bind.target)?;
    }
    layers(&spec.layers)?;
    let tmp = inside(Path::new("/tmp"));
    make_dir(&tmp)?;
    mount_tmpfs(
        &tmp,
        &format!("mode=1777,size={}m", spec.tmp_mb),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
    )?;
    // The kernel lets a user namespace mount a fresh proc only where one is
    // already in sight; the guest's own goes on top of this one.
    make_dir(&inside(Path::new("/proc")))?;
    mount_at(
        &outside(Path::new("/proc")),
        &inside(Path::new("/proc")),
        MsFlags::MS_BIND | MsFlags::MS_REC,
    )
    .step("show /proc")?;
    set_read_only(Path::new(NEW), false)?;
    leave_staging()
}

/// Makes a small tmpfs the root, with the machine's root under [`OLD`], so that
/// sources and targets can be named without hiding each other.
fn enter_staging() -> Result<(), JailError> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).step("detach mounts")?;
    mount_tmpfs(Path::new("/tmp"), "mode=755,size=1m", MsFlags::MS_NOSUID)?;
    fs::create_dir("/tmp/old").step("staging")?;
    fs::create_dir("/tmp/new").step("staging")?;
    pivot_root("/tmp", "/tmp/old").step("pivot to staging")?;
    chdir("/").step("staging")
}

/// The assembled root becomes the only one.
fn leave_staging() -> Result<(), JailError> {
    umount2(OLD, MntFlags::MNT_DETACH).step("leave the machine's root")?;
    chdir(NEW).step("enter the new root")?;
    pivot_root(".", ".").step("pivot to the new root")?;
    umount2(".", MntFlags::MNT_DETACH).step("leave staging")?;
    chdir("/").step("enter the new root")
}

/// The same path inside as outside; a link stays a link.
fn system_path(path: &Path) -> Result<(), JailError> {
    let source = outside(path);
    let Ok(meta) = fs::symlink_metadata(&source) else {
        return Ok(());
    };
    if meta.is_symlink() {
        let target = inside(path);
        if let Some(parent) = target.parent() {
            make_dir(parent)?;
        }
        let link = fs::read_link(&source).step_at("read link", path)?;
        return symlink(link, target).step_at("link", path);
    }
    bind_read_only(path, path)
}

fn etc() -> Result<(), JailError> {
    let etc = inside(Path::new("/etc"));
    make_dir(&etc)?;
    for name in ETC {
        let path = Path::new("/etc").join(name);
        let source = outside(&path);
        // A link out of /etc (resolv.conf often is one) is followed on the
        // machine's side, where its target exists.
        let Ok(resolved) = resolve_outside(&source) else {
            continue;
        };
        bind_resolved(&resolved, &path)?;
    }
    fs::write(etc.join("passwd"), PASSWD).step("write /etc/passwd")?;
    fs::write(etc.join("group"), GROUP).step("write /etc/group")
}

fn devices() -> Result<(), JailError> {
    let dev = inside(Path::new("/dev"));
    make_dir(&dev)?;
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        fs::write(inside(&path), "").step_at("device", &path)?;
        mount_at(&outside(&path), &inside(&path), MsFlags::MS_BIND).step_at("device", &path)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(name)).step("device links")?;
    }
    let shm = dev.join("shm");
    make_dir(&shm)?;
    mount_tmpfs(
        &shm,
        "mode=1777,size=64m",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
    )
}

/// `/opt`: nothing, one layer, or several laid over each other.
fn layers(layers: &[PathBuf]) -> Result<(), JailError> {
    let opt = Path::new("/opt");
    match layers {
        [] => make_dir(&inside(opt)),
        [one] => bind_read_only(one, opt),
        several => {
            make_dir(&inside(opt))?;
            // Overlay names the top layer first.
            let stack: Vec<String> = several
                .iter()
                .rev()
                .map(|path| outside(path).display().to_string())
                .collect();
            mount(
                Some("overlay"),
                &inside(opt),
                Some("overlay"),
                MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
                Some(format!("lowerdir={}", stack.join(":")).as_str()),
            )
            .step("lay the layers over each other")
        }
    }
}

fn bind_read_only(source: &Path, target: &Path) -> Result<(), JailError> {
    bind_resolved(&outside(source), target)
}

fn bind_resolved(source: &Path, target: &Path) -> Result<(), JailError> {
    let to = inside(target);
    if fs::metadata(source).step_at("find", target)?.is_dir() {
        make_dir(&to)?;
    } else {
        if let Some(parent) = to.parent() {
            make_dir(parent)?;
        }
        fs::write(&to, "").step_at("place", target)?;
    }
    mount_at(source, &to, MsFlags::MS_BIND | MsFlags::MS_REC).step_at("bind", target)?;
    set_read_only(&to, true)
}

/// Follows links as they read on the machine, staying below [`OLD`].
fn resolve_outside(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..8 {
        if !fs::symlink_metadata(&path)?.is_symlink() {
            return Ok(path);
        }
        let link = fs::read_link(&path)?;
        path = if link.is_absolute() {
            outside(&link)
        } else {
            path.parent().unwrap_or(Path::new(OLD)).join(link)
        };
    }
    Err(io::Error::other("too many links"))
}

fn outside(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}

fn inside(path: &Path) -> PathBuf {
    Path::new(NEW).join(path.strip_prefix("/").unwrap_or(path))
}

/// Directories that lead to a bind are open to all; what is bound keeps its own
/// modes.
fn make_dir(path: &Path) -> Result<(), JailError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    fs::create_dir(path).step_at("make directory", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).step_at("make directory", path)
}

fn mount_tmpfs(target: &Path, options: &str, flags: MsFlags) -> Result<(), JailError> {
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options)).step_at("mount tmpfs", target)
}

fn mount_at(source: &Path, target: &Path, flags: MsFlags) -> nix::Result<()> {
    let none: Option<&str> = None;
    mount(Some(source), target, none, flags, none)
}

/// `mount_setattr(2)`: unlike a remount it reaches every mount below and keeps
/// the flags that are locked.
fn set_read_only(path: &Path, recursive: bool) -> Result<(), JailError> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(io::Error::from)
        .step_at("make read-only", path)?;
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `name` and `attributes` live through the call, and the size is
    // that of the structure passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            name.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error()).step_at("make read-only", path)
    }
}
