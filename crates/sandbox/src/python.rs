//! The Python interpreters of this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ask::ask;

/// An interpreter, and the folders that must be in sight for it to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The 11 of `python3.11`.
    pub minor: u8,
    /// `3.11.7`
    pub version: String,
    pub executable: PathBuf,
    /// Beyond the system's own directories.
    pub prefixes: Vec<PathBuf>,
}

/// Prints where the interpreter lives, one item a line.
const PROBE: &str = "import sys; print(sys.version_info[1], '%d.%d.%d' % sys.version_info[:3], \
                     sys.executable, sys.base_prefix, sys.base_exec_prefix, sep='\\n')";

/// The oldest minor version that our runtime client supports.
const OLDEST_MINOR: u8 = 9;

/// Looks through the given folders for `python3.N` and asks each for its
/// version. The first of a minor version wins, so the order is the preference.
pub fn find_interpreters(folders: &[PathBuf]) -> Vec<Interpreter> {
    let mut found = BTreeMap::new();
    for folder in folders {
        for name in candidates(folder) {
            let Some(interpreter) = probe(&folder.join(name)) else {
                continue;
            };
            found.entry(interpreter.minor).or_insert(interpreter);
        }
    }
    found.into_values().collect()
}

/// Names such as `python3.11`, and `python3` where that is all there is.
pub(crate) fn candidates(folder: &Path) -> Vec<String> {
    // Version managers put scripts there that choose an interpreter by the
    // working directory; the real ones are found in their own folders.
    if folder.ends_with("shims") {
        return vec![];
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.strip_prefix("python3.")
                .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
        })
        .collect();
    names.sort();
    if names.is_empty() {
        names.push("python3".to_owned());
    }
    names
}

fn probe(path: &Path) -> Option<Interpreter> {
    if !path.exists() {
        return None;
    }
    let mut command = Command::new(path);
    command
        .args(["-I", "-S", "-c", PROBE])
        .env_clear()
        .stdin(Stdio::null());
    let output = ask(&mut command).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let [minor, version, executable, base, exec] = text.lines().collect::<Vec<_>>()[..] else {
        return None;
    };
    let minor = minor.parse().ok().filter(|minor| *minor >= OLDEST_MINOR)?;
    // A link out of the prefix (a virtual environment's) would dangle inside.
    let executable = fs::canonicalize(executable).ok()?;
    let mut prefixes: Vec<PathBuf> = [Path::new(base), Path::new(exec)]
        .into_iter()
        .map(Path::to_owned)
        .chain(executable.parent().map(Path::to_owned))
        .filter(|path| !is_system(path))
        .collect();
    prefixes.sort();
    // A folder inside another one comes with it.
    prefixes.dedup_by(|inner, outer| inner.starts_with(&*outer));
    Some(Interpreter {
        minor,
        version: version.to_owned(),
        executable,
        prefixes,
    })
}

pub(crate) fn is_system(path: &Path) -> bool {
    ["/usr", "/bin", "/lib", "/lib64", "/sbin"]
        .iter()
        .any(|system| path.starts_with(system))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shims_and_missing_folders_give_nothing() {
        assert!(candidates(Path::new("/nowhere")).is_empty());
        assert!(candidates(Path::new("/home/someone/.pyenv/shims")).is_empty());
    }

    #[test]
    fn a_folder_without_python_gives_no_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        assert!(find_interpreters(&[folder.path().to_owned()]).is_empty());
    }
}
