//! The AWS SDK for Python. AWS's own runtimes bring boto3, so handlers count on
//! it. Ours bring the one that is installed on this machine: a copy of these
//! packages and of nothing else, because a function must not see the rest of the
//! machine's libraries.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::python::candidates;

/// Beside our runtime client, so that it is in sight of every function.
const FOLDER: &str = "aws-sdk";
/// Says inside the folder what it is a copy of; written last.
const MARK: &str = "copied-from";

/// Prints the version, then where each package is. The directory that the
/// engine was started in is not looked at.
const PROBE: &str = "\
import sys
sys.path[:] = [place for place in sys.path if place]
from importlib import metadata, util
print(metadata.version('boto3'))
for name in ('boto3', 'botocore', 's3transfer', 'jmespath', 'urllib3', 'dateutil', 'six'):
    spec = util.find_spec(name)
    print(spec.submodule_search_locations[0] if spec.submodule_search_locations else spec.origin)
";

/// boto3 and what it needs, as it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSdk {
    /// That of boto3.
    pub version: String,
    /// Folders, and files of packages that are one file.
    packages: Vec<PathBuf>,
}

impl AwsSdk {
    /// The first that an interpreter in these folders has. It is plain Python,
    /// so it serves interpreters of other versions as well.
    pub fn find(folders: &[PathBuf]) -> Option<Self> {
        folders.iter().find_map(|folder| {
            let names = candidates(folder).into_iter();
            names
                .map(|name| folder.join(name))
                .find_map(|path| probe(&path))
        })
    }

    /// Where it was found.
    pub fn place(&self) -> Option<&Path> {
        self.packages.first()?.parent()
    }

    /// Copies it below `directory`, unless what is there is the same.
    pub(crate) fn install(&self, directory: &Path) -> io::Result<()> {
        let target = directory.join(FOLDER);
        let mark = self.mark();
        if fs::read_to_string(target.join(MARK)).is_ok_and(|found| found == mark) {
            return Ok(());
        }
        for package in &self.packages {
            let name = package.file_name().unwrap_or_default();
            remove(&target.join(name))?;
            copy(package, &target.join(name))?;
        }
        open_to_all(&target)?;
        fs::write(target.join(MARK), mark)
    }

    fn mark(&self) -> String {
        let places = self.packages.iter().map(|place| place.display());
        let lines: Vec<String> = places.map(|place| place.to_string()).collect();
        format!("boto3 {}\n{}\n", self.version, lines.join("\n"))
    }
}

fn probe(python: &Path) -> Option<AwsSdk> {
    if !python.exists() {
        return None;
    }
    let home = std::env::home_dir().unwrap_or_default();
    let output = Command::new(python)
        .args(["-E", "-B", "-c", PROBE])
        .env_clear()
        // Where libraries of the user alone are looked for.
        .env("HOME", home)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let version = lines.next()?.to_owned();
    Some(AwsSdk {
        version,
        packages: lines.map(PathBuf::from).collect(),
    })
}

/// With its times: byte code that lies beside a file counts only for that time.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::metadata(from)?;
    if found.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return open_to_all(to);
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644))?;
    let times = FileTimes::new().set_modified(found.modified()?);
    File::options().append(true).open(to)?.set_times(times)
}

/// Functions run as another user.
fn open_to_all(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdk(folder: &Path, version: &str) -> AwsSdk {
        AwsSdk {
            version: version.to_owned(),
            packages: vec![folder.join("boto3"), folder.join("six.py")],
        }
    }

    #[test]
    fn what_is_installed_is_copied_once_and_again_when_it_changed() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("boto3")).unwrap();
        fs::write(from.path().join("boto3/__init__.py"), "one").unwrap();
        fs::write(from.path().join("six.py"), "six").unwrap();
        let copied = to.path().join(FOLDER).join("boto3/__init__.py");

        sdk(from.path(), "1.0").install(to.path()).unwrap();
        assert_eq!(fs::read_to_string(&copied).unwrap(), "one");
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(
            modified(&copied),
            modified(&from.path().join("boto3/__init__.py"))
        );

        fs::write(from.path().join("boto3/__init__.py"), "two").unwrap();
        sdk(from.path(), "1.0").install(to.path()).unwrap();
        assert_eq!(fs::read_to_string(&copied).unwrap(), "one");
        sdk(from.path(), "1.1").install(to.path()).unwrap();
        assert_eq!(fs::read_to_string(&copied).unwrap(), "two");
    }

    #[test]
    fn where_there_is_none_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(AwsSdk::find(&[folder.path().to_owned()]), None);
    }
}
