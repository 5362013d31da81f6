//! What the process finds on the machine and asks of it at start.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files that may be open to what is allowed, and says what
/// it is now. Every instance takes some, and the usual 1,024 are soon used up.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        return soft;
    }
    hard
}

/// The name that this machine has for others; nothing, if it is not text.
pub fn name() -> String {
    let name = nix::unistd::gethostname().ok();
    name.and_then(|name| name.into_string().ok())
        .unwrap_or_default()
}

/// Where Python interpreters may be: on the path, then those of pyenv and uv.
pub fn python_folders() -> Vec<PathBuf> {
    folders_by(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

/// Where R may be: where `R_HOME` says, on the path, then where its builds are put that
/// stand beside each other.
pub fn r_folders() -> Vec<PathBuf> {
    let named = env::var_os("R_HOME").filter(|value| !value.is_empty());
    let named = named.map(|home| Path::new(&home).join("bin"));
    let named = named.filter(|folder| folder.is_absolute());
    let mut folders: Vec<PathBuf> = named.into_iter().chain(program_folders()).collect();
    folders.extend(installed(Path::new("/opt/R")));
    folders
}

/// Where programs are: the folders of PATH.
pub fn program_folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect()
}

fn folders_by(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let home = variable("HOME").map(PathBuf::from);
    let below_home = |place: &str| home.as_ref().map(|home| home.join(place));
    let path = variable("PATH").unwrap_or_default();
    // What is relative would depend on where the engine was started.
    let mut folders: Vec<PathBuf> = env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect();
    let pyenv = variable("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| below_home(".pyenv"))
        .map(|root| root.join("versions"));
    let uv = variable("UV_PYTHON_INSTALL_DIR")
        .map(PathBuf::from)
        .or_else(|| {
            let data = variable("XDG_DATA_HOME").map(PathBuf::from);
            data.or_else(|| below_home(".local/share"))
                .map(|data| data.join("uv/python"))
        });
    for root in [pyenv, uv].into_iter().flatten() {
        folders.extend(installed(&root));
    }
    folders
}

/// `ROOT/VERSION/bin` of each version, the newest first as far as names tell.
fn installed(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort_by(|a, b| b.cmp(a));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_looked_for_on_the_path_then_where_managers_keep_them() {
        let home = tempfile::tempdir().unwrap();
        for place in [
            ".pyenv/versions/3.11.7/bin",
            ".pyenv/versions/3.12.1/bin",
            ".local/share/uv/python/cpython-3.13/bin",
        ] {
            fs::create_dir_all(home.path().join(place)).unwrap();
        }
        let folders = folders_by(|name| match name {
            "HOME" => Some(home.path().into()),
            "PATH" => Some("/usr/bin:relative:/bin".into()),
            _ => None,
        });
        let below = |place: &str| home.path().join(place);
        assert_eq!(
            folders,
            [
                PathBuf::from("/usr/bin"),
                PathBuf::from("/bin"),
                below(".pyenv/versions/3.12.1/bin"),
                below(".pyenv/versions/3.11.7/bin"),
                below(".local/share/uv/python/cpython-3.13/bin"),
            ]
        );
        assert!(folders_by(|_| None).is_empty());
    }
}
