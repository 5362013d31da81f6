//! What a function asks for, read as far as it must be: to know whether anything is
//! asked for, whether it changed since the last time, and what cannot be packed. What
//! the lines mean is for uv and pip to say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use project::model::Requirements;
use toml::Value;

use crate::cache;
use crate::error::PackageError;
use crate::origin;

/// Files may include each other, so deep and no deeper.
const INCLUDES_MAX: usize = 8;
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) what: What,
    /// Where relative paths begin.
    pub(crate) folder: PathBuf,
    /// Equal for equal requirements.
    pub(crate) key: String,
    /// Names that are asked for, as they are written.
    pub(crate) names: BTreeSet<String>,
    /// Some are folders of this machine.
    pub(crate) has_local: bool,
    /// Some may only be what has a certain hash.
    pub(crate) has_hashes: bool,
    /// Lines that say where packages come from.
    pub(crate) indexes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A file that uv and pip read themselves.
    File(PathBuf),
    Lines(Vec<String>),
    /// A lock file of uv's, which only uv reads.
    Lock(PathBuf),
}

/// `None` where nothing is asked for.
pub(crate) fn read(
    requirements: &Requirements,
    root: &Path,
) -> Result<Option<Wanted>, PackageError> {
    match requirements {
        Requirements::None => Ok(None),
        Requirements::List(lines) => of_lines(lines, root, &root.join("squall.toml")),
        Requirements::File(path) => match path.file_name().and_then(|name| name.to_str()) {
            Some("uv.lock") => of_lock(path),
            Some("pyproject.toml") => of_pyproject(path),
            _ => of_file(path),
        },
    }
}

fn of_file(path: &Path) -> Result<Option<Wanted>, PackageError> {
    let mut lines = Vec::new();
    flatten(path, 0, &mut lines)?;
    let folder = folder_of(path);
    let wanted = wanted(What::File(path.to_owned()), &lines, &folder);
    Ok((!wanted.names.is_empty()).then_some(wanted))
}

fn of_lines(lines: &[String], folder: &Path, place: &Path) -> Result<Option<Wanted>, PackageError> {
    for line in lines {
        check(line, place, 1)?;
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let wanted = wanted(What::Lines(lines.to_vec()), lines, folder);
    Ok(Some(wanted))
}

fn of_lock(path: &Path) -> Result<Option<Wanted>, PackageError> {
    let text = read_text(path)?;
    let lock: Value = parse(&text, path)?;
    let names: BTreeSet<String> = lock["package"]
        .as_array()
        .into_iter()
        .flatten()
        // The project itself is locked with the others.
        .filter(|package| {
            let source = package.get("source");
            source.is_none_or(|source| {
                source.get("virtual").is_none() && source.get("editable").is_none()
            })
        })
        .filter_map(|package| package.get("name")?.as_str().map(str::to_owned))
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(Wanted {
        what: What::Lock(path.to_owned()),
        folder: folder_of(path),
        key: {
            let settings = origin::of(&[], &folder_of(path));
            let settings: Vec<&[u8]> = settings.iter().map(Vec::as_slice).collect();
            cache::key(&[&[&b"lock"[..], text.as_bytes()], settings.as_slice()].concat())
        },
        names,
        has_local: false,
        has_hashes: true,
        indexes: vec![],
    }))
}

/// `project.dependencies`, as the standard has them.
fn of_pyproject(path: &Path) -> Result<Option<Wanted>, PackageError> {
    let text = read_text(path)?;
    let file: Value = parse(&text, path)?;
    let bad = |message: &str, hint: Option<&str>| PackageError::Requirements {
        path: path.to_owned(),
        line: 1,
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
    };
    let Some(found) = file.get("project").and_then(|p| p.get("dependencies")) else {
        let poetry = file.get("tool").and_then(|tool| tool.get("poetry"));
        if poetry.is_some_and(|poetry| poetry.get("dependencies").is_some()) {
            return Err(bad(
                "dependencies are in tool.poetry, which only poetry reads",
                Some("poetry export -o requirements.txt, and name that file in squall.toml"),
            ));
        }
        return Ok(None);
    };
    let lines = found.as_array().and_then(|lines| {
        let lines = lines.iter().map(|line| line.as_str().map(str::to_owned));
        lines.collect::<Option<Vec<String>>>()
    });
    let lines = lines.ok_or_else(|| bad("project.dependencies is no list of texts", None))?;
    of_lines(&lines, &folder_of(path), path)
}

fn parse(text: &str, path: &Path) -> Result<Value, PackageError> {
    toml::from_str::<Value>(text).map_err(|error| PackageError::Requirements {
        path: path.to_owned(),
        line: error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1),
        message: error.message().to_owned(),
        hint: None,
    })
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, Path::to_owned)
}

fn read_text(path: &Path) -> Result<String, PackageError> {
    let unreadable = |source| PackageError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Err(PackageError::Special {
            path: path.to_owned(),
        });
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// All lines of a file and of those that it includes, without comments.
fn flatten(path: &Path, depth: usize, lines: &mut Vec<String>) -> Result<(), PackageError> {
    let text = read_text(path)?;
    let mut whole = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = without_comment(line);
        if let Some(begun) = line.strip_suffix('\\') {
            whole.push_str(begun);
            continue;
        }
        whole.push_str(line);
        let line = std::mem::take(&mut whole);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        check(line, path, number + 1)?;
        let Some(included) = included(line) else {
            lines.push(line.to_owned());
            continue;
        };
        if depth == INCLUDES_MAX {
            return Err(PackageError::Requirements {
                path: path.to_owned(),
                line: number + 1,
                message: "files include each other without end".to_owned(),
                hint: None,
            });
        }
        let is_constraint = line.starts_with("-c") || line.starts_with("--constraint");
        let from = lines.len();
        flatten(&folder_of(path).join(included), depth + 1, lines)?;
        if is_constraint {
            // They ask for nothing, and count for the key all the same.
            for line in &mut lines[from..] {
                line.insert_str(0, "-c ");
            }
        }
    }
    Ok(())
}

/// A `#` begins a comment at the start of a line, or behind a space: URLs have others.
fn without_comment(line: &str) -> &str {
    let line = if line.trim_start().starts_with('#') {
        ""
    } else {
        line.split(" #").next().unwrap_or(line)
    };
    line.trim_end()
}

/// The file that `-r` or `-c` names.
fn included(line: &str) -> Option<&str> {
    let rest = ["--requirement", "--constraint", "-r", "-c"]
        .iter()
        .find_map(|word| line.strip_prefix(word))?;
    let name = rest.trim_start_matches('=').trim();
    (!name.is_empty() && !name.contains("://")).then_some(name)
}

fn check(line: &str, path: &Path, number: usize) -> Result<(), PackageError> {
    if line.starts_with("-e") || line.starts_with("--editable") {
        return Err(PackageError::Requirements {
            path: path.to_owned(),
            line: number,
            message: "what is editable stays where it is, and cannot be packed".to_owned(),
            hint: Some("write the path alone, without -e".to_owned()),
        });
    }
    Ok(())
}

fn wanted(what: What, lines: &[String], folder: &Path) -> Wanted {
    let asks = |line: &&String| !line.starts_with('-');
    let names = lines.iter().filter(asks).map(|line| name(line).to_owned());
    let mut parts: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    for line in lines {
        if let Some(path) = local(line) {
            parts.push(origin::state_of(&folder.join(path)));
        }
    }
    parts.extend(origin::of(lines, folder));
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Wanted {
        names: names.collect(),
        has_local: lines.iter().any(|line| local(line).is_some()),
        has_hashes: lines.iter().any(|line| line.contains("--hash")),
        indexes: origin::indexes(lines),
        key: cache::key(&parts),
        what,
        folder: folder.to_owned(),
    }
}

/// `pandas` of `pandas[excel]>=2; python_version > "3.9"`.
pub(crate) fn name(line: &str) -> &str {
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    if local(line).is_some() {
        return line;
    }
    line.split(is_end).next().unwrap_or(line)
}

/// The path of a package that is in the project: what the line says does not change
/// when the package does.
fn local(line: &str) -> Option<&str> {
    let path = line.split_once(" @ ").map_or(line, |(_, url)| url);
    let path = path.split(['[', ';']).next().unwrap_or(path).trim();
    if let Some(path) = path.strip_prefix("file://") {
        return Some(path);
    }
    let is_path = path.starts_with('.') || path.starts_with('/');
    (is_path && !path.contains("://")).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Result<Option<Wanted>, PackageError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requirements.txt");
        fs::write(&path, text).unwrap();
        read(&Requirements::File(path), folder.path())
    }

    fn key(text: &str) -> String {
        of_text(text).unwrap().unwrap().key
    }

    #[test]
    fn names_are_read_and_comments_are_not() {
        let text = "# ours\npandas[excel]>=2 ; python_version > '3.9'  # data\n\
                    scikit_learn==1.7\n--extra-index-url https://a/b#c\nnumpy \\\n  >=1\n";
        let wanted = of_text(text).unwrap().unwrap();
        let names: Vec<&str> = wanted.names.iter().map(String::as_str).collect();
        assert_eq!(names, ["numpy", "pandas", "scikit_learn"]);
        assert_eq!(wanted.indexes, ["--extra-index-url https://a/b#c"]);
        assert!(!wanted.has_hashes);
        assert_eq!(of_text("# nothing\n\n").unwrap(), None);
    }

    #[test]
    fn the_key_changes_with_what_is_asked_and_with_nothing_else() {
        assert_eq!(
            key("pandas\nscipy\n"),
            key("# hello\npandas  \n\n scipy # x")
        );
        assert_ne!(key("pandas\n"), key("pandas==2\n"));
    }

    #[test]
    fn files_include_each_other_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        file("more.txt", "scipy\n");
        file("bounds.txt", "numpy<2\n");
        let top = file("all.txt", "-r more.txt\n-c bounds.txt\npandas\n");
        let read_top = || read(&Requirements::File(top.clone()), folder.path());
        let before = read_top().unwrap().unwrap();
        assert_eq!(before.names.len(), 2, "{:?}", before.names);
        file("bounds.txt", "numpy<3\n");
        assert_ne!(read_top().unwrap().unwrap().key, before.key);
        file("more.txt", "-r all.txt\n");
        let error = read_top().unwrap_err();
        assert!(error.to_string().contains("without end"), "{error}");
    }

    #[test]
    fn what_cannot_be_packed_is_named_with_its_line() {
        let error = of_text("pandas\n-e ./mine\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(error.hint().unwrap().contains("without -e"));
    }

    #[test]
    fn a_local_package_that_changed_changes_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requirements.txt");
        fs::create_dir(folder.path().join("mine")).unwrap();
        fs::write(folder.path().join("mine/a.py"), "1").unwrap();
        fs::write(&path, "./mine\n").unwrap();
        let key = || read(&Requirements::File(path.clone()), folder.path());
        let before = key().unwrap();
        // What a build leaves behind, and another time, are no change.
        fs::create_dir(folder.path().join("mine/build")).unwrap();
        fs::write(folder.path().join("mine/build/a.py"), "1").unwrap();
        fs::create_dir(folder.path().join("mine/mine.egg-info")).unwrap();
        fs::write(folder.path().join("mine/mine.egg-info/x"), "1").unwrap();
        fs::write(folder.path().join("mine/a.py"), "1").unwrap();
        assert_eq!(key().unwrap(), before);
        fs::write(folder.path().join("mine/a.py"), "2").unwrap();
        assert_ne!(key().unwrap(), before);
    }

    #[test]
    fn pyproject_and_lock_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            read(&Requirements::File(path), folder.path())
        };
        let text = "[project]\nname = \"x\"\ndependencies = [\"pandas>=2\", \"scipy\"]\n";
        let wanted = file("pyproject.toml", text).unwrap().unwrap();
        let lines = vec!["pandas>=2".to_owned(), "scipy".to_owned()];
        assert_eq!(wanted.what, What::Lines(lines));
        assert_eq!(
            file("pyproject.toml", "[project]\nname = 'x'").unwrap(),
            None
        );
        let text = "[tool.poetry.dependencies]\npandas = \"2\"\n";
        let error = file("pyproject.toml", text).unwrap_err();
        assert!(error.hint().unwrap().contains("poetry export"));
        let error = file("pyproject.toml", "[project]\nx = = 1\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        let text = "version = 1\n[[package]]\nname = \"me\"\nsource = { virtual = \".\" }\n\
                    [[package]]\nname = \"six\"\nsource = { registry = \"https://a\" }\n";
        let wanted = file("uv.lock", text).unwrap().unwrap();
        assert_eq!(wanted.names.into_iter().collect::<Vec<_>>(), ["six"]);
    }
}
