//! The runtime clients that run inside instances, carried in the binary and
//! written to the data directory when the engine starts.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The text of a file of the Python client, by its path there.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../guests/python/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "bootstrap.py",
    "squall/__init__.py",
    "squall/chunk.py",
    "squall/client.py",
    "squall/codec.py",
    "squall/exchange.py",
    "squall/failures.py",
    "squall/fanout.py",
    "squall/job.py",
    "squall/kinds.py",
    "squall/pace.py",
    "squall/quick_series.py",
    "squall/reading.py",
    "squall/sending.py",
    "squall/signing.py",
    "squall_context.py",
    "squall_errors.py",
    "squall_fork.py",
    "squall_load.py",
    "squall_serve.py",
];

/// Writes the clients below `directory` and returns their folder. Functions run
/// as another user, so the files are readable by all.
pub(crate) fn install(directory: &Path) -> io::Result<PathBuf> {
    let folder = directory.join("python");
    for within in [&folder, &folder.join("squall")] {
        fs::create_dir_all(within)?;
        fs::set_permissions(within, fs::Permissions::from_mode(0o755))?;
    }
    for (path, text) in FILES {
        let path = folder.join(path);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    fs::canonicalize(folder)
}
