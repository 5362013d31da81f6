//! The beginning of a project: the files of a template, or a `squall.toml` for code that
//! is there already. Nothing that exists is ever written over.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::detect;
use crate::load::FILE;
use crate::model::{Entry, FunctionRuntime};
use crate::nearest;
use crate::spec;
use crate::templates::{self, Template};

#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("there is no template {name}")]
    UnknownTemplate { name: String },
    #[error("{name:?} is no name of a project: it must be {}", spec::PROJECT_NAME.is)]
    BadName { name: String },
    #[error("{} is there already", path.display())]
    Exists { path: PathBuf },
    #[error("cannot write {}", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl BeginError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownTemplate { name } => {
                nearest::meant(name, templates::ALL.iter().map(|template| template.name))
            }
            Self::Exists { .. } => Some(
                "nothing is written over: name another folder, as in squall init FOLDER".to_owned(),
            ),
            Self::BadName { .. } | Self::Unwritable { .. } => None,
        }
    }
}

/// What `squall init` would do in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name that the project would have.
    pub name: String,
    /// What is there already, in a sentence; `None` if there is no code.
    pub code: Option<String>,
}

/// Looks at a folder, which need not be there yet.
pub fn look(folder: &Path) -> Found {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let whole = whole.canonicalize().unwrap_or(whole);
    Found {
        name: detect::project_name(&whole),
        code: detect::code(folder).map(|found| {
            let kind = match (&found.runtime, &found.entry) {
                (_, Entry::App(_)) => "an app",
                (FunctionRuntime::Python { .. }, _) => "a handler in Python",
                (FunctionRuntime::R { .. }, _) => "a function in R",
                (FunctionRuntime::Provided { .. }, _) => "an executable",
            };
            format!("{kind} in {}", found.file)
        }),
    }
}

/// Writes the files of a template. All of them are new, or none is written.
pub fn from_template(
    folder: &Path,
    template: &Template,
    name: &str,
) -> Result<Vec<PathBuf>, BeginError> {
    is_name(name)?;
    let files = template.files.iter();
    let files: Vec<(PathBuf, String)> = files
        .map(|(file, text)| (folder.join(file), named(file, text, template, name)))
        .collect();
    write_new(files)
}

/// A template is a project itself, under its own name.
fn named(file: &str, text: &str, template: &Template, name: &str) -> String {
    if file != FILE {
        return text.to_owned();
    }
    let line = |name: &str| format!("name = \"{name}\"\n");
    text.replacen(&line(template.name), &line(name), 1)
}

/// Writes a `squall.toml` for the code that is in a folder.
pub fn for_code(folder: &Path, name: &str) -> Result<Vec<PathBuf>, BeginError> {
    is_name(name)?;
    write_new(vec![(folder.join(FILE), file_for(folder, name))])
}

pub fn template(name: &str) -> Result<&'static Template, BeginError> {
    templates::named(name).ok_or_else(|| BeginError::UnknownTemplate {
        name: name.to_owned(),
    })
}

fn is_name(name: &str) -> Result<(), BeginError> {
    if (spec::PROJECT_NAME.fits)(name) {
        return Ok(());
    }
    Err(BeginError::BadName {
        name: name.chars().take(100).collect(),
    })
}

/// What was found, said, so that it can be changed.
fn file_for(folder: &Path, name: &str) -> String {
    let mut text = format!("[project]\nname = \"{name}\"\n");
    let Some(found) = detect::code(folder) else {
        return text
            + "\n# [functions.hello]\n# handler = \"hello.handler\"   # the function handler of hello.py\n";
    };
    let (field, runtime) = match &found.entry {
        Entry::App(_) => ("app", detect::python(folder).0),
        Entry::Handler(_) => match found.runtime {
            FunctionRuntime::Python { .. } => ("handler", detect::python(folder).0),
            other => ("handler", other),
        },
    };
    let mut line = |what: String| text = format!("{text}{what}\n");
    line(format!("\n[functions.{}]", found.name));
    line(format!("runtime = \"{runtime}\""));
    if let FunctionRuntime::Provided { build } = runtime {
        if let Some(build) = build {
            line(format!("build = \"{build}\""));
        }
    } else {
        line(format!("{field} = \"{}\"", found.entry.name()));
    }
    if let Some(file) = detect::requirements(folder, folder).and_then(|file| {
        let name = file.file_name()?.to_str()?;
        Some(name.to_owned())
    }) && matches!(field, "app" | "handler")
    {
        line(format!("requirements = \"{file}\""));
    }
    line("memory = 512".to_owned());
    line("timeout = 30".to_owned());
    if field == "app" {
        line(format!(
            "\n[[routes]]\npath = \"$default\"\nfunction = \"{}\"",
            found.name
        ));
    }
    text
}

fn write_new(files: Vec<(PathBuf, String)>) -> Result<Vec<PathBuf>, BeginError> {
    if let Some((path, _)) = files
        .iter()
        .find(|(path, _)| path.symlink_metadata().is_ok())
    {
        return Err(BeginError::Exists { path: path.clone() });
    }
    let mut written = Vec::new();
    for (path, text) in files {
        let unwritable = |source| BeginError::Unwritable {
            path: path.clone(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unwritable)?;
        }
        // Somebody may have been faster than the look above.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => BeginError::Exists { path: path.clone() },
            _ => unwritable(source),
        })?;
        file.write_all(text.as_bytes()).map_err(unwritable)?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Project;

    #[test]
    fn every_template_is_a_project() {
        for template in &templates::ALL {
            let folder = tempfile::tempdir().unwrap();
            let written = from_template(folder.path(), template, "my-lab").unwrap();
            assert_eq!(written.len(), template.files.len());
            let project = Project::load(folder.path(), None);
            let project = project.unwrap_or_else(|error| panic!("{}: {error}", template.name));
            assert_eq!(project.name, "my-lab");
            assert!(!project.functions.is_empty());
        }
    }

    #[test]
    fn templates_have_all_of_their_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut folders: Vec<_> = fs::read_dir(&root).unwrap().flatten().collect();
        folders.sort_by_key(fs::DirEntry::file_name);
        let known: Vec<&str> = templates::ALL
            .iter()
            .map(|template| template.name)
            .collect();
        for folder in folders {
            let name = folder.file_name().into_string().unwrap();
            assert!(known.contains(&name.as_str()), "{name}");
            let template = templates::named(&name).unwrap();
            let mut there = Vec::new();
            list(&folder.path(), "", &mut there);
            let mut carried: Vec<&str> = template.files.iter().map(|(file, _)| *file).collect();
            there.sort();
            carried.sort_unstable();
            assert_eq!(there, carried, "{name}");
        }
    }

    /// What running a template's tests leaves behind is not of the template.
    fn list(folder: &Path, before: &str, files: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') || name == "__pycache__" {
                continue;
            }
            if entry.path().is_dir() {
                list(&entry.path(), &format!("{before}{name}/"), files);
            } else {
                files.push(format!("{before}{name}"));
            }
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let template = template("handler").unwrap();
        let last = template.files.last().unwrap().0;
        fs::write(folder.path().join(last), "mine").unwrap();
        let error = from_template(folder.path(), template, "lab").unwrap_err();
        assert!(matches!(error, BeginError::Exists { .. }), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(
            fs::read_to_string(folder.path().join(last)).unwrap(),
            "mine"
        );
    }

    #[test]
    fn bad_names_and_templates_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "My Lab", "1a"] {
            let error = for_code(folder.path(), name).unwrap_err();
            assert!(matches!(error, BeginError::BadName { .. }));
        }
        let error = template("pipelin").unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("did you mean pipeline?"));
    }

    #[test]
    fn code_that_is_there_gets_a_file_that_says_so() {
        for (file, text, expected) in [
            (
                "fit.py",
                "def handler(e, c): ...\n",
                "[project]\nname = \"lab\"\n\n[functions.fit]\nruntime = \"python3.11\"\nhandler = \"fit.handler\"\nmemory = 512\ntimeout = 30\n",
            ),
            (
                "app.py",
                "app = Flask('x')\n",
                "[project]\nname = \"lab\"\n\n[functions.app]\nruntime = \"python3.11\"\napp = \"app:app\"\nmemory = 512\ntimeout = 30\n\n[[routes]]\npath = \"$default\"\nfunction = \"app\"\n",
            ),
            (
                "Cargo.toml",
                "[package]\nname = \"fast\"\n",
                "[project]\nname = \"lab\"\n\n[functions.fast]\nruntime = \"provided.al2023\"\nbuild = \"cargo build --release && cp target/release/fast bootstrap\"\nmemory = 512\ntimeout = 30\n",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(file), text).unwrap();
            assert!(look(folder.path()).code.is_some());
            for_code(folder.path(), "lab").unwrap();
            let written = fs::read_to_string(folder.path().join(FILE)).unwrap();
            assert_eq!(written, expected);
            Project::load(folder.path(), None).unwrap();
        }
    }

    #[test]
    fn an_empty_folder_gets_a_file_to_fill() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path()).code, None);
        for_code(folder.path(), "lab").unwrap();
        let error = Project::load(folder.path(), None).unwrap_err();
        assert!(
            matches!(error, crate::ProjectError::Nothing { .. }),
            "{error}"
        );
    }
}
