//! What of an installed package of R is taken along: what is loaded, and no
//! documentation.

use std::fs;
use std::io;
use std::path::Path;

use crate::cache::open_to_all;
use crate::error::{PackageError, What};

/// Of a package, what only people and compilers look at.
const FOLDERS: &[&str] = &[
    "demo", "doc", "examples", "help", "html", "include", "po", "tests",
];
const FILES: &[&str] = &["CITATION", "INDEX", "NEWS", "NEWS.md", "NEWS.Rd"];
/// Indexes of the documentation.
const INDEXES: &[&str] = &[
    "Rd.rds",
    "demo.rds",
    "hsearch.rds",
    "links.rds",
    "vignette.rds",
];
/// Deeper folders, or links in circles, are taken for a mistake.
const DEPTH_MAX: usize = 32;

/// Sizes of what was there and of what was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) plain_bytes: u64,
    pub(super) bytes: u64,
}

impl std::ops::AddAssign for Copied {
    fn add_assign(&mut self, other: Self) {
        self.plain_bytes += other.plain_bytes;
        self.bytes += other.bytes;
    }
}

/// Copies a package but for what is never loaded. Links become what they lead to.
pub(super) fn package(from: &Path, to: &Path) -> Result<Copied, PackageError> {
    folder(from, to, &is_loaded)
}

/// Copies what `wanted` takes: it gets paths in the folder, of folders before what is in
/// them.
pub(super) fn folder(
    from: &Path,
    to: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Copied, PackageError> {
    let mut copied = Copied::default();
    walk(from, to, "", Some(wanted), 0, &mut copied)
        .what(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(copied)
}

/// One file, with the folders that lead to it.
pub(super) fn file(from: &Path, to: &Path) -> Result<u64, PackageError> {
    let copying = || format!("copy {} to {}", from.display(), to.display());
    make_folder(to.parent().unwrap_or(to)).what(copying)?;
    fs::copy(from, to).what(copying)
}

fn is_loaded(path: &str) -> bool {
    match path.split_once('/') {
        None => !FOLDERS.contains(&path) && !FILES.contains(&path),
        Some(("Meta", index)) => !INDEXES.contains(&index),
        Some(_) => true,
    }
}

/// Without `wanted` it is only weighed.
fn walk(
    from: &Path,
    to: &Path,
    name: &str,
    wanted: Option<&dyn Fn(&str) -> bool>,
    depth: usize,
    copied: &mut Copied,
) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("folders without end"));
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(text) = file_name.to_str() else {
            continue;
        };
        let name = if name.is_empty() {
            text.to_owned()
        } else {
            format!("{name}/{text}")
        };
        let (from, to) = (entry.path(), to.join(text));
        // A link that leads nowhere is of no use to anybody.
        let Ok(meta) = fs::metadata(&from) else {
            continue;
        };
        let wanted = wanted.filter(|wanted| wanted(&name));
        if meta.is_dir() {
            walk(&from, &to, &name, wanted, depth + 1, copied)?;
        } else if meta.is_file() {
            copied.plain_bytes += meta.len();
            if wanted.is_some() {
                make_folder(to.parent().unwrap_or(&to))?;
                fs::copy(&from, &to)?;
                copied.bytes += meta.len();
            }
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Functions run as another user: whatever modes the machine has, all may read it.
pub(super) fn open_folders(root: &Path) -> Result<(), PackageError> {
    open_to_all(root)?;
    let entries = fs::read_dir(root).what(|| format!("read {}", root.display()))?;
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn documentation_stays_behind_and_links_become_files() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        for (path, text) in [
            ("DESCRIPTION", "Package: a\n"),
            ("NEWS.md", "new"),
            ("R/a.rdb", "code"),
            ("help/a.rdb", "words"),
            ("Meta/package.rds", "meta"),
            ("Meta/Rd.rds", "index"),
            ("inst/doc/x", "kept: only a package's own doc goes"),
        ] {
            let path = from.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        symlink("DESCRIPTION", from.join("LINK")).unwrap();
        symlink("/nowhere/at/all", from.join("BROKEN")).unwrap();
        let copied = package(&from, &to).unwrap();
        let mut left: Vec<String> = crate::installed::files(&to)
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect();
        left.sort();
        let expected = [
            "DESCRIPTION",
            "LINK",
            "Meta/package.rds",
            "R/a.rdb",
            "inst/doc/x",
        ];
        assert_eq!(left, expected);
        assert!(!to.join("LINK").is_symlink());
        assert!(copied.bytes < copied.plain_bytes);
    }

    #[test]
    fn a_folder_that_holds_itself_is_an_error_and_no_endless_walk() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("a");
        fs::create_dir(&from).unwrap();
        symlink(&from, from.join("again")).unwrap();
        assert!(package(&from, &folder.path().join("b")).is_err());
    }
}
