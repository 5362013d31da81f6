//! What of installed libraries no function needs: tests, caches, sources of what is
//! compiled. Only what is safe for everyone goes; a test folder that other code of its
//! library imports stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::installed::Installed;

/// Why a file is not in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Tests,
    /// Byte code of another place or time.
    Caches,
    /// Cython, static libraries, type stubs, headers.
    Sources,
    /// Programs, and notes of the installer.
    Bookkeeping,
    /// Symbols for debuggers.
    Symbols,
    /// Never opened by tests, sample or import.
    Unused,
    /// It did not fit, and is fetched as an instance starts.
    Rest,
}

/// How many files were dropped for a reason, and how much that was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    pub files: u64,
    pub bytes: u64,
}

impl Dropped {
    pub(crate) fn of(files: &[Installed]) -> Self {
        let mut all = Self::default();
        for file in files {
            all.add(file.bytes);
        }
        all
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

pub(crate) type DroppedBy = BTreeMap<Reason, Dropped>;

const TEST_FOLDERS: &[&str] = &["tests", "test"];
const NOTES: &[&str] = &["RECORD", "INSTALLER", "REQUESTED", "direct_url.json"];
const SOURCES: &[&str] = &[
    ".pyx", ".pxd", ".pxi", ".pyx.in", ".pxd.in", ".a", ".f", ".f90",
];

/// Splits the files into those that stay and what the others were.
pub(crate) fn prune(root: &Path, files: Vec<Installed>) -> (Vec<Installed>, DroppedBy) {
    let imported = imported_tests(root, &files);
    let stubs = needed_stubs(root, &files);
    let mut dropped = DroppedBy::new();
    let kept = files
        .into_iter()
        .filter(|file| match reason(&file.path, &imported, &stubs) {
            None => true,
            Some(reason) => {
                dropped.entry(reason).or_default().add(file.bytes);
                false
            }
        })
        .collect();
    (kept, dropped)
}

fn reason(path: &str, imported: &BTreeSet<String>, stubs: &BTreeSet<String>) -> Option<Reason> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name.ends_with(".pyc") || folder.ends_with("__pycache__") {
        return Some(Reason::Caches);
    }
    // uv locks the folder that it installs into.
    if path == ".lock" || folder == "bin" || path.starts_with("bin/") {
        return Some(Reason::Bookkeeping);
    }
    if folder.ends_with(".dist-info") {
        return NOTES.contains(&name).then_some(Reason::Bookkeeping);
    }
    if let Some(tests) = test_folder(path)
        && !imported.contains(tests)
    {
        return Some(Reason::Tests);
    }
    let is_source = SOURCES.iter().any(|ending| name.ends_with(ending))
        || (name.ends_with(".pyi") && !stubs.contains(folder))
        || (name.ends_with(".h") && folder.contains("/include/"));
    is_source.then_some(Reason::Sources)
}

/// `a/b/tests` of `a/b/tests/c/d.py`. At the top it would be a library of that name.
fn test_folder(path: &str) -> Option<&str> {
    path.match_indices('/').find_map(|(at, _)| {
        let folder = &path[..at];
        let (_, name) = folder.rsplit_once('/')?;
        TEST_FOLDERS.contains(&name).then_some(folder)
    })
}

/// Test folders that code outside of tests imports.
fn imported_tests(root: &Path, files: &[Installed]) -> BTreeSet<String> {
    let folders: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| test_folder(&file.path))
        .collect();
    let mut imported = BTreeSet::new();
    if folders.is_empty() {
        return imported;
    }
    let code = files.iter().filter(|file| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let is_test = test_folder(&file.path).is_some() || name.starts_with("conftest");
        name.ends_with(".py") && !is_test
    });
    for file in code {
        let Ok(text) = fs::read(root.join(&file.path)) else {
            continue;
        };
        let text = String::from_utf8_lossy(&text);
        if !text.contains("test") {
            continue;
        }
        for line in text.lines().map(str::trim_start) {
            let Some(module) = imported_module(line, &file.path) else {
                continue;
            };
            let path = module.replace('.', "/");
            let in_tests = test_folder_of_module(&path);
            imported.extend(
                in_tests
                    .filter(|folder| folders.contains(folder))
                    .map(str::to_owned),
            );
        }
    }
    imported
}

fn test_folder_of_module(path: &str) -> Option<&str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.chain([path.len()]).find_map(|at| {
        let (_, name) = path[..at].rsplit_once('/')?;
        TEST_FOLDERS.contains(&name).then_some(&path[..at])
    })
}

/// The whole name of what a line imports: dots before it begin at the file's folder.
fn imported_module(line: &str, path: &str) -> Option<String> {
    let (from, what) = match line.strip_prefix("from ") {
        Some(rest) => {
            let (from, what) = rest.split_once(" import")?;
            (from.trim(), what.trim().trim_start_matches('('))
        }
        None => (line.strip_prefix("import ")?.trim(), ""),
    };
    let from = from.split([' ', ',', ';', '#']).next().unwrap_or(from);
    let name = from.trim_start_matches('.');
    let dots = from.len() - name.len();
    let mut module = String::new();
    if dots > 0 {
        let mut folder = path;
        for _ in 0..dots {
            folder = folder.rsplit_once('/')?.0;
        }
        module = folder.replace('/', ".");
    }
    for part in [name, what.split([' ', ',', '#']).next().unwrap_or_default()] {
        if !part.is_empty() {
            if !module.is_empty() {
                module.push('.');
            }
            module.push_str(part);
        }
    }
    Some(module)
}

/// Folders whose stubs are read as they are imported, to load what they name when it
/// is used.
fn needed_stubs(root: &Path, files: &[Installed]) -> BTreeSet<String> {
    let has_stub: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_suffix("/__init__.pyi"))
        .collect();
    has_stub
        .into_iter()
        .filter(|folder| {
            let text = fs::read(root.join(folder).join("__init__.py")).unwrap_or_default();
            String::from_utf8_lossy(&text).contains("attach_stub")
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installed;

    #[test]
    fn what_nobody_needs_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a/__init__.py", "from .lazy.tests import helper\n"),
            ("a/lazy/tests/helper.py", ""),
            ("a/tests/test_a.py", "from a.other.tests import x\n"),
            ("a/other/tests/test_b.py", ""),
            ("a/other/test/data.bin", "123"),
            ("a/testing.py", ""),
            ("a/test_support.py", ""),
            ("a/fast.pyx", ""),
            ("a/fast.pyi", ""),
            ("a/fast.so", ""),
            ("a/core/include/a/x.h", ""),
            ("a/__pycache__/x.cpython-311.pyc", ""),
            ("stub/__init__.py", "lazy.attach_stub(__name__, __file__)\n"),
            ("stub/__init__.pyi", ""),
            ("tests/__init__.py", ""),
            ("bin/tool", ""),
            (".lock", ""),
            ("a-1.dist-info/METADATA", ""),
            ("a-1.dist-info/RECORD", ""),
            ("a-1.dist-info/licenses/LICENSE", ""),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = installed::files(folder.path()).unwrap();
        let (kept, dropped) = prune(folder.path(), files);
        let kept: Vec<&str> = kept.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            kept,
            [
                "a-1.dist-info/METADATA",
                "a-1.dist-info/licenses/LICENSE",
                "a/__init__.py",
                "a/fast.so",
                "a/lazy/tests/helper.py",
                "a/test_support.py",
                "a/testing.py",
                "stub/__init__.py",
                "stub/__init__.pyi",
                "tests/__init__.py",
            ]
        );
        assert_eq!(dropped[&Reason::Tests].files, 3);
        assert_eq!(dropped[&Reason::Sources].files, 3);
        assert_eq!(dropped[&Reason::Bookkeeping].files, 3);
        assert_eq!(dropped[&Reason::Caches].files, 1);
    }

    #[test]
    fn imports_are_read_with_their_dots() {
        for (line, path, module) in [
            ("import a.tests", "a/x.py", Some("a.tests")),
            ("from a.tests.b import c, d", "a/x.py", Some("a.tests.b.c")),
            ("from . import tests", "a/b/x.py", Some("a.b.tests")),
            ("from ..tests import (y", "a/b/x.py", Some("a.tests.y")),
            ("from .... import y", "a/x.py", None),
            ("fromage = 1", "a/x.py", None),
        ] {
            assert_eq!(imported_module(line, path).as_deref(), module, "{line}");
        }
    }
}
