//! What a folder is taken for where nobody says it: which file has the handler or the
//! app, which requirements it comes with, which Python it was written for.
//!
//! Files are looked at as text, line by line. Nothing of the user's code runs here.

mod code;
mod missed;
mod python;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::model::{Entry, FunctionRuntime};
use crate::spec;

pub use code::code;
pub use missed::{Missed, missed};
pub use python::python;

/// Only so much of a file is looked at.
const MAX_LOOK: u64 = 256 * 1024;
/// What requirements may be called, by how exactly they say it.
const REQUIREMENTS: [&str; 3] = ["requirements.txt", "uv.lock", "pyproject.toml"];
const RENV_LOCK: &str = "renv.lock";
const MAX_PROJECT_NAME: usize = 32;

/// The folder's name, as far as names of projects may have it.
pub fn project_name(root: &Path) -> String {
    let folder = root
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase());
    let mut name = String::new();
    for letter in folder.unwrap_or_default().chars() {
        if letter.is_ascii_lowercase() || (letter.is_ascii_digit() && !name.is_empty()) {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(MAX_PROJECT_NAME);
    let name = name.trim_end_matches('-');
    if (spec::PROJECT_NAME.fits)(name) {
        name.to_owned()
    } else {
        "project".to_owned()
    }
}

/// The requirements file beside the code, or else in the project's folder.
pub fn requirements(root: &Path, source: &Path) -> Option<PathBuf> {
    [source, root].into_iter().find_map(|folder| {
        REQUIREMENTS
            .iter()
            .map(|name| folder.join(name))
            .find(|file| file.is_file() && says_requirements(file))
    })
}

/// The lock file of renv beside the code, or else in the project's folder.
pub fn renv_lock(root: &Path, source: &Path) -> Option<PathBuf> {
    let folders = [source, root].into_iter();
    let mut files = folders.map(|folder| folder.join(RENV_LOCK));
    files.find(|file| file.is_file())
}

/// Many have a pyproject.toml for their linter alone.
fn says_requirements(file: &Path) -> bool {
    !file.ends_with("pyproject.toml")
        || python::project_table(file).is_some_and(|table| table.contains_key("dependencies"))
}

/// What runs an entry, by the files that there are.
pub fn runtime_of(source: &Path, entry: &Entry) -> FunctionRuntime {
    let Entry::Handler(handler) = entry else {
        return python::STANDARD;
    };
    let file = handler
        .rsplit_once('.')
        .map_or(handler.as_str(), |(file, _)| file);
    let is_there = |ending: &str| source.join(format!("{file}.{ending}")).is_file();
    if !is_there("py") && (is_there("R") || is_there("r")) {
        FunctionRuntime::R { version: None }
    } else if handler == "bootstrap" && source.join("bootstrap").is_file() {
        FunctionRuntime::Provided { build: None }
    } else {
        python::STANDARD
    }
}

/// The beginning of a file, if it is a text.
fn beginning(file: &Path) -> Option<String> {
    if !file.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(file)
        .ok()?
        .take(MAX_LOOK)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
