//! The runtime clients that run inside instances, carried in the binary and
//! written to the data directory when the engine starts.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const FILES: &[(&str, &str)] = &[
    (
        "bootstrap.py",
        include_str!("../../../guests/python/bootstrap.py"),
    ),
    (
        "squall_context.py",
        include_str!("../../../guests/python/squall_context.py"),
    ),
    (
        "squall_errors.py",
        include_str!("../../../guests/python/squall_errors.py"),
    ),
    (
        "squall_fork.py",
        include_str!("../../../guests/python/squall_fork.py"),
    ),
    (
        "squall_load.py",
        include_str!("../../../guests/python/squall_load.py"),
    ),
    (
        "squall_serve.py",
        include_str!("../../../guests/python/squall_serve.py"),
    ),
];

/// Writes the clients below `directory` and returns their folder. Functions run
/// as another user, so the files are readable by all.
pub(crate) fn install(directory: &Path) -> io::Result<PathBuf> {
    let folder = directory.join("python");
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    for (name, text) in FILES {
        let path = folder.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    fs::canonicalize(folder)
}
