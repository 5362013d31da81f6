//! The runtime clients that run inside instances, carried in the binary and
//! written to the data directory when the engine starts.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Files of a guest with their texts, by their paths in its folder.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../guests/", $folder, "/", $path)))),*]
    };
}

const PYTHON_CLIENT: Files = files![
    "python":
    "bootstrap.py",
    "squall_context.py",
    "squall_errors.py",
    "squall_fork.py",
    "squall_load.py",
    "squall_serve.py",
];

/// What functions import as `squall`. It needs nothing but the standard library, so
/// that it can go along in a package to where our client is not.
pub const PYTHON_LIBRARY: Files = files![
    "python":
    "squall/__init__.py",
    "squall/asgi.py",
    "squall/aws.py",
    "squall/chunk.py",
    "squall/client.py",
    "squall/codec.py",
    "squall/entry.py",
    "squall/exchange.py",
    "squall/failures.py",
    "squall/fanout.py",
    "squall/job.py",
    "squall/kinds.py",
    "squall/pace.py",
    "squall/quick_series.py",
    "squall/reading.py",
    "squall/rest.py",
    "squall/secrets.py",
    "squall/sending.py",
    "squall/signing.py",
    "squall/unzip.py",
    "squall/warm.py",
    "squall/web.py",
    "squall/wsgi.py",
];

/// What makes a package of R files one that Lambda can run. `bootstrap` is a program.
pub const R_RUNTIME: Files = files!["r": "bootstrap", "squall_glue.R", "squall_runtime.R"];

/// What R's client needs besides this program: the contract of handlers.
pub const R_GLUE: &str = include_str!("../../../guests/r/squall_glue.R");

/// Writes the clients below `directory`, each into a folder of its own. Functions run
/// as another user, so the files are readable by all.
pub(crate) fn install(directory: &Path) -> io::Result<PathBuf> {
    let (python, r) = (directory.join("python"), directory.join("r"));
    for within in [&python, &python.join("squall"), &r] {
        fs::create_dir_all(within)?;
        fs::set_permissions(within, fs::Permissions::from_mode(0o755))?;
    }
    let python_files = PYTHON_CLIENT.iter().chain(PYTHON_LIBRARY);
    let python_files = python_files.map(|file| (&python, file));
    for (folder, (path, text)) in python_files.chain(R_RUNTIME.iter().map(|file| (&r, file))) {
        let program = *path == "bootstrap";
        let path = folder.join(path);
        fs::write(&path, text)?;
        let mode = if program { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    fs::canonicalize(directory)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A file that nobody carries along is missing where it is needed most: elsewhere.
    #[test]
    fn every_file_of_the_guests_is_carried() {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
        for (folder, files) in [
            ("python", PYTHON_CLIENT),
            ("python/squall", PYTHON_LIBRARY),
            ("r", R_RUNTIME),
        ] {
            let there = fs::read_dir(guests.join(folder)).unwrap();
            let there = there.map(|entry| entry.unwrap());
            let there = there.filter(|entry| entry.path().is_file());
            let there: BTreeSet<String> = there
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
            let carried = files.iter().map(|(path, _)| path.rsplit('/').next());
            let carried: BTreeSet<String> = carried.flatten().map(str::to_owned).collect();
            assert_eq!(carried, there, "{folder}");
        }
    }
}
