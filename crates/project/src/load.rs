//! From a folder and a stage to a [`Project`]: the file is read and checked as a whole,
//! the stage is laid over it, and what it does not say is looked for in the folder.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::check::{self, Report};
use crate::error::ProjectError;
use crate::model::Project;
use crate::tree::{self, Document, Table, Value};
use crate::{detect, nearest, read, refer, spec};

/// The file that makes a folder a project.
pub const FILE: &str = "squall.toml";
/// More is no project file, whatever it is.
const MAX_FILE: u64 = 1024 * 1024;
/// Where neither file nor command names another.
pub const DEFAULT_STAGE: &str = "dev";

impl Project {
    /// Reads the project of a folder, for a stage or for its own default one.
    pub fn load(folder: &Path, stage: Option<&str>) -> Result<Self, ProjectError> {
        let Opened {
            asked,
            root,
            path,
            document,
            is_there,
        } = Opened::read(folder)?;
        let refused = |mistakes| ProjectError::Mistakes {
            path: path.clone(),
            mistakes,
        };
        let mut report = Report::new(&document);
        check::table(&spec::FILE, &document.root, &mut Vec::new(), &mut report);
        stages(&root, &document.root, &mut report);
        let mistakes = report.into_mistakes();
        if !mistakes.is_empty() {
            return Err(refused(mistakes));
        }
        let stage = chosen(&document.root, stage)?;
        let merged = of_stage(&document.root, &stage);
        let mut report = Report::new(&document);
        check::missing(&spec::FILE, &merged, &merged, &mut Vec::new(), &mut report);
        let mut project = read::project(&root, stage, &merged, &mut report);
        if root != asked {
            let above = format!("the project is that of {}", root.display());
            project.assumed.insert(0, above);
        }
        refer::check(&project, &merged, &mut report);
        let mistakes = report.into_mistakes();
        if !mistakes.is_empty() {
            // Of a folder without a file, the folder itself is what is wrong.
            let path = if is_there { path } else { root };
            return Err(ProjectError::Mistakes { path, mistakes });
        }
        if project.is_empty() {
            let missed = detect::missed(&root);
            return Err(ProjectError::Nothing {
                folder: root,
                missed,
            });
        }
        Ok(project)
    }

    /// Only which project it is and what its buckets are called: enough to look at it, to
    /// take it back and to take it away, also while its functions are being mended or
    /// are gone.
    pub fn identify(folder: &Path, stage: Option<&str>) -> Result<Self, ProjectError> {
        let opened = Opened::read(folder)?;
        let document = &opened.document;
        let stage = chosen(&document.root, stage)?;
        let mut merged = of_stage(&document.root, &stage);
        merged.retain(|name, _| matches!(name.as_str(), "project" | "buckets"));
        let mut report = Report::new(document);
        check::table(&spec::FILE, &merged, &mut Vec::new(), &mut report);
        let mut project = read::project(&opened.root, stage, &merged, &mut report);
        let mistakes = report.into_mistakes();
        if !mistakes.is_empty() {
            let path = opened.path;
            return Err(ProjectError::Mistakes { path, mistakes });
        }
        project.functions.clear();
        project.assumed.clear();
        Ok(project)
    }

    fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.buckets.is_empty()
    }
}

/// The file of a folder's project, parsed; an empty one where there is no file.
struct Opened {
    /// Absolute.
    asked: PathBuf,
    root: PathBuf,
    path: PathBuf,
    document: Document,
    is_there: bool,
}

impl Opened {
    fn read(folder: &Path) -> Result<Self, ProjectError> {
        let unreadable = |source| ProjectError::Unreadable {
            path: folder.to_owned(),
            source,
        };
        let asked = folder.canonicalize().map_err(unreadable)?;
        let root = root_of(&asked).to_owned();
        let path = root.join(FILE);
        let (document, is_there) = match text(&path)? {
            Some(text) => match Document::parse(text) {
                Ok(document) => (document, true),
                Err(mistake) => {
                    let mistakes = vec![mistake];
                    return Err(ProjectError::Mistakes { path, mistakes });
                }
            },
            None => (Document::empty(), false),
        };
        Ok(Self {
            asked,
            root,
            path,
            document,
            is_there,
        })
    }
}

/// The folder (absolute) itself, or the nearest above it that has a project file. A file of
/// somebody else does not count: it may name commands, and in a place such as `/tmp`
/// anybody could lay one over the work of all others.
pub fn root_of(folder: &Path) -> &Path {
    if folder.join(FILE).symlink_metadata().is_ok() {
        return folder;
    }
    let owner = folder.metadata().map(|folder| folder.uid()).ok();
    let is_ours = |above: &&Path| {
        let file = above.join(FILE).metadata();
        file.is_ok_and(|file| file.is_file() && Some(file.uid()) == owner)
    };
    folder.ancestors().skip(1).find(is_ours).unwrap_or(folder)
}

/// What makes a function one of its own, rather than a change of another.
const BEGINNINGS: [&str; 5] = ["handler", "app", "runtime", "build", "source"];

/// A function that only a stage has must say what it is: else a slip in its name would
/// deploy a second one.
fn stages(root: &Path, file: &Table, report: &mut Report<'_>) {
    let functions = |table| {
        let found: Option<&Table> = field(table, "functions");
        found.into_iter().flatten()
    };
    let mut known: Vec<String> = functions(file).map(|(name, _)| name.clone()).collect();
    if known.is_empty() {
        known.extend(detect::code(root).map(|found| found.name));
    }
    for (stage, _) in field(file, "stages").into_iter().flatten() {
        let Some(over) = field(file, "stages").and_then(|stages| field(stages, stage)) else {
            continue;
        };
        for (name, entry) in functions(over) {
            let begins = match &entry.node.value {
                Value::Table(table) => BEGINNINGS.iter().any(|field| table.contains_key(*field)),
                _ => true,
            };
            if !begins && !known.contains(name) {
                let path = ["stages", stage, "functions", name];
                let problem = format!("the project has no function {name}");
                let hint = nearest::meant(name, known.iter().map(String::as_str));
                report.at(entry.key_at, &path, problem, hint);
            }
        }
    }
}

/// The stage that a command means, known to the project if it names its stages.
fn chosen(root: &Table, asked: Option<&str>) -> Result<String, ProjectError> {
    let standard = field(root, "project")
        .and_then(|project| match &project.get("stage")?.node.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .unwrap_or(DEFAULT_STAGE);
    let stage = asked.unwrap_or(standard);
    if !(spec::STAGE_NAME.fits)(stage) {
        return Err(ProjectError::BadStage {
            stage: stage.chars().take(100).collect(),
        });
    }
    let stages = field(root, "stages");
    let named: Vec<&str> = stages
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    if !named.is_empty() && stage != standard && !named.contains(&stage) {
        let mut known = vec![standard];
        known.extend(named.into_iter().filter(|name| *name != standard));
        let meant = nearest::nearest(stage, known.iter().copied()).map(str::to_owned);
        return Err(ProjectError::UnknownStage {
            stage: stage.to_owned(),
            known: known.into_iter().map(str::to_owned).collect(),
            meant,
        });
    }
    Ok(stage.to_owned())
}

/// What holds in a stage.
fn of_stage(root: &Table, stage: &str) -> Table {
    let mut merged = root.clone();
    merged.remove("stages");
    if let Some(over) = field(root, "stages").and_then(|stages| field(stages, stage)) {
        tree::overlay(&mut merged, over);
    }
    merged
}

fn field<'a>(table: &'a Table, name: &str) -> Option<&'a Table> {
    match &table.get(name)?.node.value {
        Value::Table(inner) => Some(inner),
        _ => None,
    }
}

/// The file's text; `None` if there is no file.
fn text(path: &Path) -> Result<Option<String>, ProjectError> {
    let unreadable = |source| ProjectError::Unreadable {
        path: path.to_owned(),
        source,
    };
    match path.metadata() {
        // To open a pipe is to wait for whoever writes into it.
        Ok(found) if !found.is_file() => {
            let problem = Error::new(ErrorKind::InvalidInput, "it is no file");
            return Err(unreadable(problem));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ProjectError::TooLarge {
            path: path.to_owned(),
            limit: MAX_FILE,
        });
    }
    let text = String::from_utf8(bytes).map_err(|error| ProjectError::NoText {
        path: path.to_owned(),
        at: error.utf8_error().valid_up_to(),
    })?;
    Ok(Some(text))
}

#[cfg(test)]
mod fields;
#[cfg(test)]
mod tests;
