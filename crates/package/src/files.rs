//! What of a function's folder goes into its package. Folders come with more than
//! code: caches, virtual environments, tests, secrets. And with traps: links in
//! circles, links out of the project, pipes that never end.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use project::model::Function;
use types::glob::Filter;

use crate::archive::{Content, MEMBERS_MAX, Member};
use crate::error::PackageError;

/// What no function needs. `include` of the function brings single ones back.
const EXCLUDED: &[&str] = &[
    // Of tools, and remade by them.
    "__pycache__",
    "*.pyc",
    "*.pyo",
    "*.egg-info",
    ".git",
    ".hg",
    ".svn",
    ".gitignore",
    ".gitattributes",
    ".gitmodules",
    ".github",
    ".venv",
    "venv",
    "node_modules",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
    ".hypothesis",
    ".coverage",
    ".tox",
    ".nox",
    ".idea",
    ".vscode",
    ".DS_Store",
    ".Rproj.user",
    ".Rhistory",
    ".RData",
    ".squall",
    // About the project, not of it.
    "squall.toml",
    "requirements*.txt",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "renv.lock",
    ".python-version",
    "README*",
    "Dockerfile",
    "Makefile",
    // Tests, and what they send.
    "tests",
    "test",
    "test_*.py",
    "*_test.py",
    "conftest.py",
    "event.json",
    "events/*.json",
];

/// What is a secret by its name. Secrets have a place of their own, squall secrets; who
/// means something else by such a name is told what was left out.
pub const SECRETS: &[&str] = &[
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    ".aws",
    ".ssh",
    ".gnupg",
    ".kube",
    ".docker",
    ".dockercfg",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".Renviron",
    "credentials.json",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.kdbx",
];

/// Deeper folders are taken for a mistake.
const DEPTH_MAX: usize = 64;

/// What was found in a folder.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Sorted by path. Links count as what they lead to.
    pub(crate) members: Vec<Member>,
    /// Paths that were left out as secrets.
    pub(crate) secrets: Vec<String>,
}

/// Chooses the files.
pub(crate) fn collect(
    root: &Path,
    function: &Function,
    also_excluded: &[PathBuf],
) -> Result<Collected, PackageError> {
    let source = canonical(&function.source)?;
    let exclude: Vec<String> = EXCLUDED
        .iter()
        .map(|text| (*text).to_owned())
        .chain(function.exclude.iter().cloned())
        .collect();
    let secrets: Vec<String> = SECRETS.iter().map(|text| (*text).to_owned()).collect();
    let mut walk = Walk {
        filter: Filter::new(&exclude, &function.include),
        open: Filter::new(&secrets, &function.include),
        include: &function.include,
        // Links may lead anywhere in the project, as functions share code.
        border: canonical(root)
            .ok()
            .filter(|root| source.starts_with(root))
            .unwrap_or_else(|| source.clone()),
        also_excluded: also_excluded
            .iter()
            .filter_map(|path| fs::canonicalize(path).ok())
            .collect(),
        inside: vec![],
        found: Collected::default(),
    };
    walk.folder(&source, "", &source)?;
    walk.found.members.sort_by(|a, b| a.path.cmp(&b.path));
    walk.found.secrets.sort();
    Ok(walk.found)
}

struct Walk<'a> {
    filter: Filter,
    /// Takes what is no secret.
    open: Filter,
    include: &'a [String],
    /// Links may not lead out of it.
    border: PathBuf,
    also_excluded: Vec<PathBuf>,
    /// The folders that this one is in, as they really are.
    inside: Vec<PathBuf>,
    found: Collected,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, name: &str, real: &Path) -> Result<(), PackageError> {
        if self.inside.len() > DEPTH_MAX {
            return Err(PackageError::BadLink {
                path: path.to_owned(),
                target: real.to_owned(),
                reason: "in folders without end",
            });
        }
        self.inside.push(real.to_owned());
        for entry in fs::read_dir(path).map_err(unreadable(path))? {
            let entry = entry.map_err(unreadable(path))?;
            let path = entry.path();
            let file_name = entry.file_name();
            let Some(text) = file_name.to_str() else {
                return Err(PackageError::Name { path });
            };
            let name = if name.is_empty() {
                text.to_owned()
            } else {
                format!("{name}/{text}")
            };
            self.entry(&path, &name)?;
        }
        self.inside.pop();
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &str) -> Result<(), PackageError> {
        let wanted = self.filter.takes(name) && !self.also_excluded.iter().any(|out| out == path);
        let taken = wanted && self.open.takes(name);
        if wanted && !taken {
            self.found.secrets.push(name.to_owned());
        }
        // Something in an excluded folder may be asked for by its whole path.
        let below = format!("{name}/");
        if !taken && !self.include.iter().any(|text| text.starts_with(&below)) {
            return Ok(());
        }
        let meta = fs::symlink_metadata(path).map_err(unreadable(path))?;
        let (real, meta) = if meta.is_symlink() {
            let real = self.follow(path)?;
            let meta = fs::metadata(&real).map_err(unreadable(path))?;
            (real, meta)
        } else {
            (path.to_owned(), meta)
        };
        if meta.is_dir() {
            return if is_foreign(&real) {
                Ok(())
            } else {
                self.folder(path, name, &real)
            };
        }
        if !taken {
            return Ok(());
        }
        if !meta.is_file() {
            return Err(PackageError::Special {
                path: path.to_owned(),
            });
        }
        if self.found.members.len() >= MEMBERS_MAX {
            return Err(PackageError::TooManyFiles {
                path: self.inside[0].clone(),
                limit: MEMBERS_MAX,
            });
        }
        self.found.members.push(Member {
            path: name.to_owned(),
            content: Content::File(real),
            executable: meta.permissions().mode() & 0o111 != 0,
            bytes: meta.len(),
        });
        Ok(())
    }

    /// Where a link leads, if it stays in the project and comes to an end.
    fn follow(&self, path: &Path) -> Result<PathBuf, PackageError> {
        let target = fs::read_link(path).unwrap_or_default();
        let bad = |reason| PackageError::BadLink {
            path: path.to_owned(),
            target: target.clone(),
            reason,
        };
        let real = fs::canonicalize(path).map_err(|error| {
            bad(if error.kind() == io::ErrorKind::NotFound {
                "which is not there"
            } else {
                "which leads in a circle"
            })
        })?;
        if self.inside.iter().any(|folder| folder.starts_with(&real)) {
            return Err(bad("which leads in a circle"));
        }
        if !real.starts_with(&self.border) {
            return Err(bad("which is outside of the project"));
        }
        Ok(real)
    }
}

/// A virtual environment, or the data directory of an engine, whatever its name: with
/// the keys of all that is in it.
fn is_foreign(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has("pyvenv.cfg") || (has("squall.db") && has("credentials.json"))
}

fn canonical(path: &Path) -> Result<PathBuf, PackageError> {
    fs::canonicalize(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> PackageError + '_ {
    move |source| PackageError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::testing;

    fn put(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn names(root: &Path, function: &Function) -> Vec<String> {
        let found = collect(root, function, &[]).unwrap().members;
        found.into_iter().map(|member| member.path).collect()
    }

    #[test]
    fn code_is_taken_and_what_surrounds_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "handler.py",
            "lib/util.py",
            "lib/tests.py",
            "model.rds",
            ".git/config",
            "__pycache__/handler.cpython-311.pyc",
            "tests/test_handler.py",
            ".env",
            "requirements.txt",
            "squall.toml",
            "mine/pyvenv.cfg",
            "mine/lib/x.py",
            "engine/squall.db",
            "engine/credentials.json",
            "engine/blobs/secret",
            "data/big.bin",
        ] {
            put(folder.path(), path);
        }
        let mut function = testing::function(folder.path());
        function.exclude = vec!["data".to_owned()];
        assert_eq!(
            names(folder.path(), &function),
            ["handler.py", "lib/tests.py", "lib/util.py", "model.rds"]
        );
        function.include = vec!["data/*.bin".to_owned(), ".env".to_owned()];
        assert_eq!(
            names(folder.path(), &function),
            [
                ".env",
                "data/big.bin",
                "handler.py",
                "lib/tests.py",
                "lib/util.py",
                "model.rds"
            ]
        );
    }

    #[test]
    fn secrets_are_left_out_and_told_unless_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "handler.py",
            ".env",
            "prod.env",
            "keys/ca.pem",
            ".ssh/id_rsa",
        ] {
            put(folder.path(), path);
        }
        let mut function = testing::function(folder.path());
        let found = collect(folder.path(), &function, &[]).unwrap();
        assert_eq!(found.members.len(), 1);
        assert_eq!(found.secrets, [".env", ".ssh", "keys/ca.pem", "prod.env"]);
        function.include = vec!["keys/ca.pem".to_owned()];
        function.exclude = vec!["*.env".to_owned()];
        let found = collect(folder.path(), &function, &[]).unwrap();
        assert_eq!(found.members.len(), 2);
        assert_eq!(found.secrets, [".ssh"]);
    }

    #[test]
    fn links_inside_are_what_they_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "shared/a.py");
        put(folder.path(), "f/handler.py");
        symlink("../shared", folder.path().join("f/shared")).unwrap();
        symlink("handler.py", folder.path().join("f/also.py")).unwrap();
        let mut function = testing::function(folder.path());
        function.source = folder.path().join("f");
        assert_eq!(
            names(folder.path(), &function),
            ["also.py", "handler.py", "shared/a.py"]
        );
    }

    #[test]
    fn bad_links_are_named_with_what_is_wrong() {
        let outside = tempfile::tempdir().unwrap();
        for (target, words) in [
            ("nowhere", "which is not there"),
            ("self", "circle"),
            (".", "circle"),
            (outside.path().to_str().unwrap(), "outside of the project"),
            ("/etc/passwd", "outside of the project"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            put(folder.path(), "sub/handler.py");
            symlink(target, folder.path().join("sub/self")).unwrap();
            let error = collect(folder.path(), &testing::function(folder.path()), &[]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(words) && text.contains("self"), "{text}");
            assert!(error.hint().is_some());
            // Who leaves it out is not bothered.
            let mut function = testing::function(folder.path());
            function.exclude = vec!["self".to_owned()];
            assert_eq!(names(folder.path(), &function), ["sub/handler.py"]);
        }
    }

    #[test]
    fn what_is_no_file_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = collect(folder.path(), &testing::function(folder.path()), &[]).unwrap_err();
        assert!(matches!(error, PackageError::Special { path } if path.ends_with("socket")));
    }

    #[test]
    fn a_name_that_is_not_text_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let name = std::ffi::OsStr::from_bytes(b"bad\xff.py");
        fs::write(folder.path().join(name), "x").unwrap();
        let error = collect(folder.path(), &testing::function(folder.path()), &[]).unwrap_err();
        assert!(matches!(error, PackageError::Name { .. }), "{error}");
    }
}
