//! Where packages come from: the same name is another thing in another place, so what
//! names the places is part of what is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::Value;

/// Files of a local package that are looked at to see whether it changed.
const LOCAL_FILES_MAX: usize = 10_000;
/// Options of a requirements file that say where packages are looked for.
const INDEXES: &[&str] = &[
    "-i",
    "-f",
    "--index-url",
    "--extra-index-url",
    "--no-index",
    "--find-links",
    "--trusted-host",
];
/// What building leaves in a package, and what changes without a meaning.
const NOT_STATE: &[&str] = &[
    "build",
    "dist",
    "__pycache__",
    ".git",
    ".venv",
    "venv",
    "node_modules",
    ".pytest_cache",
];

/// Lines that say where packages come from.
pub(crate) fn indexes(lines: &[String]) -> Vec<String> {
    let is_one = |line: &&String| INDEXES.iter().any(|word| line.starts_with(word));
    lines.iter().filter(is_one).cloned().collect()
}

/// What is in the folders that the lines name, and what uv's settings beside them say.
pub(crate) fn of(lines: &[String], folder: &Path) -> Vec<Vec<u8>> {
    let places = indexes(lines);
    let places = places.iter().filter_map(|line| {
        let value = line.split_once(['=', ' ']).map(|(_, value)| value.trim())?;
        let path = value.strip_prefix("file://").unwrap_or(value);
        let is_local = !path.contains("://");
        is_local.then(|| state_of(&folder.join(path)))
    });
    let mut parts: Vec<Vec<u8>> = places.collect();
    parts.push(fs::read(folder.join("uv.toml")).unwrap_or_default());
    let project = fs::read_to_string(folder.join("pyproject.toml")).unwrap_or_default();
    let settings = toml::from_str::<Value>(&project).ok();
    let settings = settings
        .as_ref()
        .and_then(|file| file.get("tool")?.get("uv"));
    parts.push(
        settings
            .map(Value::to_string)
            .unwrap_or_default()
            .into_bytes(),
    );
    parts
}

/// Names and contents of what is there, up to a bound: times are others in each clone.
pub(crate) fn state_of(root: &Path) -> Vec<u8> {
    let mut state = Vec::new();
    let mut waiting = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_state = path == root
            || !(NOT_STATE.contains(&&*name)
                || name.ends_with(".egg-info")
                || name.ends_with(".pyc"));
        seen += 1;
        let meta = fs::symlink_metadata(&path);
        let Some(meta) = meta.ok().filter(|_| is_state) else {
            continue;
        };
        if seen > LOCAL_FILES_MAX {
            break;
        }
        if meta.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            inside.sort();
            waiting.extend(inside);
        } else if meta.is_file() {
            let inside = path.strip_prefix(root).unwrap_or(&path);
            state.extend(inside.as_os_str().as_encoded_bytes());
            state.extend(digest(&path).unwrap_or_default());
        }
    }
    state
}

fn digest(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    std::io::copy(&mut fs::File::open(path)?, &mut hash)?;
    Ok(hash.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_wheel_in_the_folder_is_another_origin() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("wh")).unwrap();
        let wheel = folder.path().join("wh/a-1-py3-none-any.whl");
        for line in ["--find-links ./wh", "--find-links=./wh", "-f wh"] {
            let lines = [line.to_owned()];
            fs::write(&wheel, "one").unwrap();
            let before = of(&lines, folder.path());
            assert_eq!(of(&lines, folder.path()), before);
            fs::write(&wheel, "two").unwrap();
            assert_ne!(of(&lines, folder.path()), before, "{line}");
        }
    }

    #[test]
    fn settings_of_uv_count_and_the_rest_of_pyproject_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let with = |text: &str| {
            fs::write(folder.path().join("pyproject.toml"), text).unwrap();
            of(&[], folder.path())
        };
        let before = with("[project]\nversion = \"1\"\n");
        assert_eq!(with("[project]\nversion = \"2\"\n"), before);
        assert_ne!(with("[tool.uv]\nindex-url = \"https://a\"\n"), before);
    }
}
