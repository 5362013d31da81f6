//! Which files of libraries stay, once it is known which were opened. What was not
//! seen may still be needed, so much that costs little stays, too: small libraries,
//! and the modules beside those that were opened.

use std::collections::BTreeSet;

use crate::installed::{Installed, Owners, source_of};

/// Smaller distributions stay whole.
const SMALL_BYTES: u64 = 1 << 20;

/// Splits off what is not needed. `also` names folders and files that stay in any case.
pub(crate) fn select(
    files: &[Installed],
    owners: &Owners,
    opened: &BTreeSet<String>,
    also: &BTreeSet<String>,
) -> (Vec<Installed>, Vec<Installed>) {
    let folders: BTreeSet<&str> = opened
        .iter()
        .filter(|path| path.ends_with(".py") || path.ends_with(".pyc") || path.contains(".so"))
        .map(|path| module_folder(path))
        .collect();
    let choice = Choice {
        owners,
        opened,
        also,
        folders,
    };
    files.iter().cloned().partition(|file| choice.stays(file))
}

struct Choice<'a> {
    owners: &'a Owners,
    opened: &'a BTreeSet<String>,
    also: &'a BTreeSet<String>,
    /// Those with modules that were opened.
    folders: BTreeSet<&'a str>,
}

impl Choice<'_> {
    fn stays(&self, file: &Installed) -> bool {
        let path = file.path.as_str();
        let top = path.split('/').next().unwrap_or_default();
        if top.ends_with(".dist-info") || self.opened.contains(path) || self.is_asked_for(path) {
            return true;
        }
        let owner = self.owners.of(path);
        if owner.is_some_and(|index| self.owners.distributions[index].bytes < SMALL_BYTES) {
            return true;
        }
        // Compiled code that others of the same wheel load: they stay together.
        if top.ends_with(".libs") && self.opened.iter().any(|path| path.starts_with(top)) {
            return true;
        }
        if let Some(source) = source_of(path) {
            // Byte code is for what was loaded.
            return self.opened.contains(&source);
        }
        path.ends_with(".py") && self.folders.contains(module_folder(path))
    }

    fn is_asked_for(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.also.contains(path) || folders.into_iter().any(|folder| self.also.contains(folder))
    }
}

/// `a` of `a/b.py` and of `a/__pycache__/b.cpython-311.pyc`; of what lies at the top
/// its own path, as modules there have nothing to do with each other.
fn module_folder(path: &str) -> &str {
    let Some((folder, _)) = path.rsplit_once('/') else {
        return path;
    };
    let folder = folder.strip_suffix("__pycache__").unwrap_or(folder);
    folder.trim_end_matches('/')
}

/// Distributions, largest first, that have to go so that what stays fits.
pub(crate) fn split(
    files: &[Installed],
    owners: &Owners,
    code_bytes: u64,
    limit: u64,
) -> Vec<usize> {
    let mut left = code_bytes + files.iter().map(|file| file.bytes).sum::<u64>();
    let mut sizes: Vec<(u64, usize)> = owners
        .distributions
        .iter()
        .enumerate()
        .map(|(index, found)| (found.bytes, index))
        .collect();
    sizes.sort_by_key(|(bytes, index)| (std::cmp::Reverse(*bytes), *index));
    let mut gone = Vec::new();
    for (bytes, index) in sizes {
        if left <= limit {
            break;
        }
        left -= bytes;
        gone.push(index);
    }
    gone
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::installed;

    fn set(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn what_was_opened_stays_with_what_is_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let large = "x".repeat(usize::try_from(SMALL_BYTES).unwrap());
        for (path, text) in [
            ("big/__init__.py", ""),
            ("big/__pycache__/__init__.cpython-311.pyc", ""),
            ("big/beside.py", ""),
            ("big/__pycache__/beside.cpython-311.pyc", ""),
            ("big/fast.so", ""),
            ("big/other.so", ""),
            ("big/data.bin", large.as_str()),
            ("big/unused/__init__.py", ""),
            ("big/kept/x.so", ""),
            ("big.libs/one.so", ""),
            ("big.libs/two.so", ""),
            ("big-1.dist-info/METADATA", "Name: big\nVersion: 1\n"),
            ("small.py", ""),
            ("small-1.dist-info/METADATA", "Name: small\nVersion: 1\n"),
            ("small-1.dist-info/RECORD", "small.py,,\n"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let record = "big/__init__.py,,\nbig/data.bin,,\nbig.libs/one.so,,\n";
        fs::write(folder.path().join("big-1.dist-info/RECORD"), record).unwrap();
        let files = installed::files(folder.path()).unwrap();
        let mut owners = Owners::read(folder.path(), &files, &BTreeSet::new());
        owners.weigh(&files);
        let opened = set(&["big/__init__.py", "big/fast.so", "big.libs/one.so"]);
        let (_, dropped) = select(&files, &owners, &opened, &set(&["big/kept"]));
        let dropped: Vec<&str> = dropped.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            dropped,
            [
                "big/__pycache__/beside.cpython-311.pyc",
                "big/data.bin",
                "big/other.so",
                "big/unused/__init__.py",
            ]
        );
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        let big = owners
            .distributions
            .iter()
            .position(|found| found.name == "big");
        assert_eq!(split(&files, &owners, 10, total + 10), Vec::<usize>::new());
        assert_eq!(split(&files, &owners, 10, total), [big.unwrap()]);
    }
}
