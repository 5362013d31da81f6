//! Files and folders that a project names: whether they are there.

use std::path::Path;

use super::Judge;
use crate::model::{Bucket, Entry, Function, FunctionRuntime, Requirements};
use crate::nearest;

/// As many files of a folder are looked at for one that was meant.
const MAX_LOOKED_AT: usize = 1_000;

pub(super) fn function(judge: &mut Judge<'_, '_>, name: &str, function: &Function) {
    if let Requirements::File(file) = &function.requirements
        && !file.is_file()
    {
        let problem = format!("there is no file {}", judge.shown(file));
        judge.wrong(&["functions", name, "requirements"], problem, None);
    }
    if let Requirements::File(file) = &function.packages
        && !file.is_file()
    {
        let problem = format!("there is no file {}", judge.shown(file));
        judge.wrong(&["functions", name, "packages"], problem, None);
    }
    match (&function.runtime, &function.entry) {
        (FunctionRuntime::Python { .. }, entry) => python(judge, name, function, entry),
        (FunctionRuntime::R { .. }, Entry::Handler(handler)) => {
            let file = called_file(judge, name, handler, "R");
            if let Some(file) = file {
                any_of(
                    judge,
                    name,
                    function,
                    "handler",
                    &[format!("{file}.R"), format!("{file}.r")],
                );
            }
        }
        (FunctionRuntime::Provided { build: None }, _) => {
            let path = function.source.join("bootstrap");
            if !path.is_file() {
                let problem = format!(
                    "there is no executable bootstrap in {}",
                    judge.shown_folder(&function.source)
                );
                let hint = "build = \"...\" names a command that makes it";
                judge.wrong(&["functions", name], problem, Some(hint.to_owned()));
            }
        }
        _ => {}
    }
}

fn python(judge: &mut Judge<'_, '_>, name: &str, function: &Function, entry: &Entry) {
    let (field, module) = match entry {
        Entry::Handler(handler) => match called_file(judge, name, handler, "py") {
            Some(module) => ("handler", module),
            None => return,
        },
        Entry::App(app) => ("app", app.split(':').next().unwrap_or(app)),
    };
    // A layer that exists already may bring it.
    if function.layers.is_empty() {
        let path = module.replace('.', "/");
        any_of(
            judge,
            name,
            function,
            field,
            &[format!("{path}.py"), format!("{path}/__init__.py")],
        );
    }
}

/// The file part of `FILE.FUNCTION`.
fn called_file<'h>(
    judge: &mut Judge<'_, '_>,
    name: &str,
    handler: &'h str,
    ending: &str,
) -> Option<&'h str> {
    let parts = handler.rsplit_once('.');
    let parts = parts.filter(|(file, function)| !file.is_empty() && !function.is_empty());
    if parts.is_none() {
        let problem = format!("{handler:?} is not FILE.FUNCTION");
        let hint = format!("handler.main is the function main of the file handler.{ending}");
        judge.wrong(&["functions", name, "handler"], problem, Some(hint));
    }
    parts.map(|(file, _)| file)
}

fn any_of(
    judge: &mut Judge<'_, '_>,
    name: &str,
    function: &Function,
    field: &str,
    files: &[String],
) {
    if files
        .iter()
        .any(|file| function.source.join(file).is_file())
    {
        return;
    }
    let wanted = &files[0];
    let problem = format!(
        "there is no file {wanted} in {}",
        judge.shown_folder(&function.source)
    );
    let hint = nearest_file(&function.source, wanted).map(|near| format!("did you mean {near}?"));
    judge.wrong(&["functions", name, field], problem, hint);
}

/// A file with the same ending and nearly the same name.
fn nearest_file(folder: &Path, wanted: &str) -> Option<String> {
    let ending = wanted.rsplit_once('.')?.1;
    let entries = folder.read_dir().ok()?.take(MAX_LOOKED_AT).flatten();
    let names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.rsplit_once('.')
                .is_some_and(|(_, other)| other == ending)
        })
        .collect();
    nearest::nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

pub(super) fn bucket(judge: &mut Judge<'_, '_>, name: &str, bucket: &Bucket) {
    if let Some(folder) = &bucket.folder
        && !folder.is_dir()
    {
        let problem = format!("there is no folder {}", judge.shown(folder));
        judge.wrong(&["buckets", name, "folder"], problem, None);
    }
}

impl Judge<'_, '_> {
    /// The project's own folder has a name that says more than nothing.
    fn shown_folder<'p>(&self, folder: &'p Path) -> std::path::Display<'p> {
        if folder == self.project.root {
            folder.display()
        } else {
            self.shown(folder)
        }
    }
}
