//! A folder of installed libraries: its files, and which distribution each is of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::{Content, Member};
use crate::error::{PackageError, What};
use crate::requirements;

/// One file, by its path in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) executable: bool,
}

/// A distribution, and what of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    pub name: String,
    pub version: String,
    /// `requirements`, or the distributions that need it.
    pub wanted_by: Vec<String>,
    /// As it was installed.
    pub plain_bytes: u64,
    /// As it is packed.
    pub bytes: u64,
}

/// Everything in the folder, sorted by path.
pub(crate) fn files(root: &Path) -> Result<Vec<Installed>, PackageError> {
    let mut found = Vec::new();
    walk(root, "", &mut found).what(|| format!("read {}", root.display()))?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(folder: &Path, name: &str, found: &mut Vec<Installed>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        // No wheel has names that are not text; who made one by hand loses that file.
        let Some(text) = file_name.to_str() else {
            continue;
        };
        let name = if name.is_empty() {
            text.to_owned()
        } else {
            format!("{name}/{text}")
        };
        let meta = entry.metadata()?;
        if meta.is_dir() {
            walk(&entry.path(), &name, found)?;
        } else if meta.is_file() {
            found.push(Installed {
                path: name,
                bytes: meta.len(),
                executable: meta.permissions().mode() & 0o111 != 0,
            });
        }
    }
    Ok(())
}

/// As members of a zip, below `prefix`.
pub(crate) fn members(root: &Path, files: &[Installed], prefix: &str) -> Vec<Member> {
    files
        .iter()
        .map(|file| Member {
            path: format!("{prefix}{}", file.path),
            content: Content::File(root.join(&file.path)),
            executable: file.executable,
            bytes: file.bytes,
        })
        .collect()
}

/// What is in the folder, by its own notes.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    pub(crate) distributions: Vec<Distribution>,
    /// Distribution by path.
    of_file: BTreeMap<String, usize>,
    /// By the first part of a path, for files that nobody noted.
    of_top: BTreeMap<String, usize>,
}

impl Owners {
    pub(crate) fn read(root: &Path, files: &[Installed], asked: &BTreeSet<String>) -> Self {
        let mut owners = Self::default();
        let mut needs: Vec<BTreeSet<String>> = Vec::new();
        let notes = files.iter().filter_map(|file| {
            let folder = file.path.strip_suffix("/METADATA")?;
            folder.ends_with(".dist-info").then_some(folder)
        });
        for folder in notes {
            let metadata = fs::read(root.join(folder).join("METADATA")).unwrap_or_default();
            let metadata = String::from_utf8_lossy(&metadata);
            let Some(name) = field(&metadata, "Name") else {
                continue;
            };
            let index = owners.distributions.len();
            let record = fs::read(root.join(folder).join("RECORD")).unwrap_or_default();
            for path in recorded(&String::from_utf8_lossy(&record)) {
                owners.own(path, index);
            }
            owners.of_top.insert(folder.to_owned(), index);
            needs.push(requires(&metadata));
            owners.distributions.push(Distribution {
                name: name.to_owned(),
                version: field(&metadata, "Version").unwrap_or("?").to_owned(),
                wanted_by: vec![],
                plain_bytes: 0,
                bytes: 0,
            });
        }
        owners.explain(&needs, asked);
        for file in files {
            if let Some(index) = owners.of(&file.path) {
                owners.distributions[index].plain_bytes += file.bytes;
            }
        }
        owners
    }

    fn own(&mut self, path: String, index: usize) {
        let top = path.split('/').next().unwrap_or_default();
        if !top.is_empty() && top != ".." && top != "bin" {
            self.of_top.entry(top.to_owned()).or_insert(index);
        }
        self.of_file.insert(path, index);
    }

    /// Who wants each of them.
    fn explain(&mut self, needs: &[BTreeSet<String>], asked: &BTreeSet<String>) {
        let asked: BTreeSet<String> = asked.iter().map(|name| normal(name)).collect();
        let names: Vec<String> = self
            .distributions
            .iter()
            .map(|found| found.name.clone())
            .collect();
        for distribution in &mut self.distributions {
            let own = normal(&distribution.name);
            if asked.contains(&own) {
                distribution.wanted_by.push("requirements".to_owned());
            }
            for (name, needs) in names.iter().zip(needs) {
                if needs.contains(&own) {
                    distribution.wanted_by.push(name.clone());
                }
            }
            distribution.wanted_by.sort();
        }
    }

    /// As a layer remembers them, without the notes of each file.
    pub(crate) fn of_layer(
        distributions: Vec<Distribution>,
        of_top: BTreeMap<String, usize>,
    ) -> Self {
        Self {
            distributions,
            of_file: BTreeMap::new(),
            of_top,
        }
    }

    pub(crate) fn tops(&self) -> &BTreeMap<String, usize> {
        &self.of_top
    }

    /// The distribution of a file, as an index; byte code is its source's.
    pub(crate) fn of(&self, path: &str) -> Option<usize> {
        let source = source_of(path);
        let path = source.as_deref().unwrap_or(path);
        let top = || self.of_top.get(path.split('/').next()?);
        self.of_file.get(path).or_else(top).copied()
    }

    /// Counts what is left.
    pub(crate) fn weigh(&mut self, files: &[Installed]) {
        for distribution in &mut self.distributions {
            distribution.bytes = 0;
        }
        for file in files {
            if let Some(index) = self.of(&file.path) {
                self.distributions[index].bytes += file.bytes;
            }
        }
    }
}

/// `a/b.py` of `a/__pycache__/b.cpython-311.pyc`.
pub(crate) fn source_of(path: &str) -> Option<String> {
    let (folder, name) = match path.rsplit_once("/__pycache__/") {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), path.strip_prefix("__pycache__/")?),
    };
    let module = name.strip_suffix(".pyc")?.split('.').next()?;
    Some(format!("{folder}{module}.py"))
}

/// Names of distributions are equal whatever their case and separators.
pub(crate) fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// A header of METADATA; its body is a description that may hold anything.
fn field<'a>(metadata: &'a str, name: &str) -> Option<&'a str> {
    headers(metadata).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found == name).then(|| value.trim())
    })
}

fn headers(metadata: &str) -> impl Iterator<Item = &str> {
    metadata.lines().take_while(|line| !line.is_empty())
}

/// What it needs whatever is asked of it.
fn requires(metadata: &str) -> BTreeSet<String> {
    headers(metadata)
        .filter_map(|line| line.strip_prefix("Requires-Dist:"))
        .filter(|line| !line.contains("extra =") && !line.contains("extra=="))
        .map(|line| normal(requirements::name(line.trim())))
        .collect()
}

/// The paths of RECORD, which is CSV: only names with commas or quotes are quoted.
fn recorded(record: &str) -> impl Iterator<Item = String> {
    record.lines().filter_map(|line| {
        let path = match line.strip_prefix('"') {
            Some(quoted) => quoted.split("\",").next()?.replace("\"\"", "\""),
            None => line.split(',').next()?.to_owned(),
        };
        (!path.is_empty()).then_some(path)
    })
}

/// Makes a folder with just these files of another, without copying what is in them.
pub(crate) fn link(from: &Path, files: &[Installed], to: &Path) -> Result<(), PackageError> {
    let mut made: BTreeSet<PathBuf> = BTreeSet::new();
    fs::create_dir_all(to).what(|| format!("make {}", to.display()))?;
    for file in files {
        let target = to.join(&file.path);
        let linking = || format!("make {}", target.display());
        if let Some(folder) = target.parent()
            && made.insert(folder.to_owned())
        {
            fs::create_dir_all(folder).what(linking)?;
        }
        fs::hard_link(from.join(&file.path), &target).what(linking)?;
    }
    Ok(())
}

/// Makes everything readable by all: functions run as another user, and zips made on
/// machines with another umask are to be the same.
pub(crate) fn set_modes(root: &Path, files: &[Installed]) -> Result<(), PackageError> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::from([root.to_owned()]);
    for file in files {
        let path = root.join(&file.path);
        let mode = if file.executable { 0o755 } else { 0o644 };
        let set = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        set.what(|| format!("set the mode of {}", path.display()))?;
        let above = path.ancestors().skip(1).take_while(|path| *path != root);
        folders.extend(above.map(Path::to_owned));
    }
    folders
        .iter()
        .try_for_each(|folder| crate::cache::open_to_all(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_code_has_a_source() {
        let source = source_of("a/__pycache__/b.cpython-311.pyc");
        assert_eq!(source.as_deref(), Some("a/b.py"));
        assert_eq!(
            source_of("__pycache__/six.cpython-311.pyc").as_deref(),
            Some("six.py")
        );
        assert_eq!(source_of("a/b.py"), None);
    }

    #[test]
    fn each_file_is_of_a_distribution_and_each_is_wanted_by_someone() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("a/__init__.py", "12");
        put("a/made_later.py", "3");
        put("b_c.py", "1234");
        put("stray.txt", "1");
        put(
            "A-1.dist-info/METADATA",
            "Name: A\nVersion: 1\nRequires-Dist: b.c>=2\nRequires-Dist: z; extra == 'all'\n\n\
             Name: not me\n",
        );
        put(
            "A-1.dist-info/RECORD",
            "a/__init__.py,sha256=x,2\n\"b\"\"x.py\",,\n",
        );
        put("b_c-2.dist-info/METADATA", "Name: B_C\nVersion: 2\n");
        put("b_c-2.dist-info/RECORD", "b_c.py,,\n");
        let files = files(folder.path()).unwrap();
        let asked = BTreeSet::from(["a".to_owned()]);
        let mut owners = Owners::read(folder.path(), &files, &asked);
        let name = |owners: &Owners, path: &str| {
            owners
                .of(path)
                .map(|index| owners.distributions[index].name.clone())
        };
        assert_eq!(name(&owners, "a/made_later.py").as_deref(), Some("A"));
        assert_eq!(name(&owners, "b_c.py").as_deref(), Some("B_C"));
        assert_eq!(name(&owners, "b\"x.py").as_deref(), Some("A"));
        assert_eq!(name(&owners, "stray.txt"), None);
        let compiled = "__pycache__/b_c.cpython-311.pyc";
        assert_eq!(name(&owners, compiled).as_deref(), Some("B_C"));
        assert_eq!(owners.distributions[0].wanted_by, ["requirements"]);
        assert_eq!(owners.distributions[1].wanted_by, ["A"]);
        let kept: Vec<Installed> = files
            .into_iter()
            .filter(|file| file.path == "b_c.py")
            .collect();
        owners.weigh(&kept);
        let bytes: Vec<u64> = owners
            .distributions
            .iter()
            .map(|found| found.bytes)
            .collect();
        assert_eq!(bytes, [0, 4]);
    }
}
