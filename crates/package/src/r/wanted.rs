//! Which packages a function in R needs: a list of the project, or a lock file of renv.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use project::model::Requirements;
use serde::Deserialize;

use crate::error::PackageError;

/// No lock file is larger, or names more.
const BYTES_MAX: u64 = 8 << 20;
const PACKAGES_MAX: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// By name, with the version that it has to be, if that is said.
    pub(super) packages: BTreeMap<String, Option<String>>,
    /// Where they come from: an address of a repository such as CRAN.
    pub(super) repository: Option<String>,
    /// The R for which a lock file was written: `4.2.2`.
    pub(super) r: Option<String>,
}

/// What a lock file of renv says, as far as it counts.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Lock {
    r: LockedR,
    packages: BTreeMap<String, Locked>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LockedR {
    version: Option<String>,
    repositories: Vec<Repository>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    #[serde(rename = "URL")]
    url: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Locked {
    package: Option<String>,
    version: String,
}

impl Wanted {
    /// `None` where nothing is asked for.
    pub(super) fn read(requirements: &Requirements) -> Result<Option<Self>, PackageError> {
        let wanted = match requirements {
            Requirements::None => return Ok(None),
            Requirements::List(names) => Self::of(names),
            Requirements::File(file) => {
                let text = read(file)?;
                Self::lock(&text).map_err(|message| wrong(file, message))?
            }
        };
        Ok((!wanted.packages.is_empty()).then_some(wanted))
    }

    /// `jsonlite`, `jsonlite@1.8.4`
    pub(super) fn of(names: &[String]) -> Self {
        let packages = names.iter().map(|text| match text.split_once('@') {
            Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
            None => (text.clone(), None),
        });
        Self {
            packages: packages.collect(),
            repository: None,
            r: None,
        }
    }

    fn lock(text: &str) -> Result<Self, String> {
        let none = |error: String| format!("it is no lock file of renv: {error}");
        if !text.trim_start().starts_with('{') {
            return Err(none("it is no object of JSON".to_owned()));
        }
        let lock: Lock = serde_json::from_str(text).map_err(|error| none(error.to_string()))?;
        if lock.packages.len() > PACKAGES_MAX {
            return Err(format!("it names more than {PACKAGES_MAX} packages"));
        }
        let mut packages = BTreeMap::new();
        for (name, locked) in lock.packages {
            let name = locked.package.unwrap_or(name);
            // They become parts of paths and of command lines.
            if !is_name(&name) || !is_version(&locked.version) {
                return Err(format!("{name} {} is no package of R", locked.version));
            }
            packages.insert(name, Some(locked.version));
        }
        // renv itself only made the file.
        packages.remove("renv");
        let urls = lock.r.repositories.into_iter().map(|it| it.url);
        Ok(Self {
            packages,
            repository: urls.into_iter().find(|url| is_url(url)),
            r: lock.r.version,
        })
    }

    /// Equal for what asks for the same.
    pub(super) fn key(&self) -> String {
        format!("{:?} {:?}", self.packages, self.repository)
    }
}

fn read(file: &Path) -> Result<String, PackageError> {
    let unreadable = |source| PackageError::Unreadable {
        path: file.to_owned(),
        source,
    };
    let size = fs::metadata(file).map_err(unreadable)?.len();
    if size > BYTES_MAX {
        let message = format!("it has {size} bytes, more than the {BYTES_MAX} that are read");
        return Err(wrong(file, message));
    }
    fs::read_to_string(file).map_err(unreadable)
}

fn wrong(file: &Path, message: String) -> PackageError {
    PackageError::Requirements {
        path: file.to_owned(),
        line: 1,
        message,
        hint: Some("renv::snapshot() in R writes it anew".to_owned()),
    }
}

pub(super) fn is_name(name: &str) -> bool {
    (2..=100).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        && !name.ends_with('.')
}

fn is_version(version: &str) -> bool {
    let parts = version.split(['.', '-']);
    version.len() <= 60
        && parts
            .clone()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn is_url(url: &str) -> bool {
    let known = ["https://", "http://", "file:///"];
    known.iter().any(|scheme| url.starts_with(scheme)) && !url.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"{
      "R": { "Version": "4.2.2",
             "Repositories": [ { "Name": "CRAN", "URL": "https://cloud.r-project.org" } ] },
      "Packages": {
        "jsonlite": { "Package": "jsonlite", "Version": "1.8.4", "Source": "Repository" },
        "Matrix": { "Package": "Matrix", "Version": "1.5-3", "Hash": "x" },
        "renv": { "Package": "renv", "Version": "1.0.0" }
      } }"#;

    #[test]
    fn lists_and_lock_files_name_packages_and_versions() {
        let wanted = Wanted::of(&["jsonlite".to_owned(), "cli@3.6.0".to_owned()]);
        let all: Vec<_> = wanted.packages.into_iter().collect();
        let expected = [
            ("cli".to_owned(), Some("3.6.0".to_owned())),
            ("jsonlite".to_owned(), None),
        ];
        assert_eq!(all, expected);
        let locked = Wanted::lock(LOCK).unwrap();
        assert_eq!(locked.r.as_deref(), Some("4.2.2"));
        assert_eq!(
            locked.repository.as_deref(),
            Some("https://cloud.r-project.org")
        );
        let names: Vec<_> = locked.packages.keys().map(String::as_str).collect();
        assert_eq!(names, ["Matrix", "jsonlite"]);
    }

    #[test]
    fn what_is_no_lock_file_is_told() {
        for text in [
            "",
            "[]",
            "{\"Packages\": {\"a/../b\": {\"Version\": \"1\"}}}",
            "{\"Packages\": {\"-e\": {\"Version\": \"1\"}}}",
            "{\"Packages\": {\"jsonlite\": {\"Version\": \"1; rm\"}}}",
            "{\"Packages\": {\"jsonlite\": {}}}",
        ] {
            assert!(Wanted::lock(text).is_err(), "{text}");
        }
        // A repository that is none is not asked.
        let odd = LOCK.replace("https://cloud.r-project.org", "-e quit()");
        assert_eq!(Wanted::lock(&odd).unwrap().repository, None);
    }
}
