//! What every source file keeps to: a bounded length, and an opening sentence
//! that says what lives there and why.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::Report;

/// Lines a file should stay under, and lines it must.
const AIM: usize = 400;
const STOP: usize = 800;

/// Where sources live.
const FOLDERS: [&str; 6] = ["bench", "crates", "examples", "guests", "tests", "xtask"];

/// Folders that tools fill.
const GENERATED: [&str; 4] = ["target", "node_modules", "__pycache__", ".cache"];

pub fn lengths(root: &Path) -> Result<Report> {
    let mut report = Report::default();
    for file in files(root)? {
        let lines = read(&file)?.lines().count();
        let name = shown(root, &file);
        if lines > STOP {
            report
                .errors
                .push(format!("{name} has {lines} lines; the limit is {STOP}"));
        } else if lines > AIM {
            report
                .warnings
                .push(format!("{name} has {lines} lines; aim at {AIM}"));
        }
    }
    Ok(report)
}

pub fn docs(root: &Path) -> Result<Report> {
    let mut report = Report::default();
    for file in files(root)? {
        if !opens_with_doc(&file, &read(&file)?) {
            let name = shown(root, &file);
            report.errors.push(format!(
                "{name} does not open by saying what lives there and why"
            ));
        }
    }
    Ok(report)
}

/// Rust: `//!`. Python: a docstring or a comment. Empty Python files mark packages.
fn opens_with_doc(file: &Path, text: &str) -> bool {
    if file.extension().is_some_and(|e| e == "rs") {
        return text.starts_with("//!");
    }
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
    first.is_none_or(|line| {
        ["\"\"\"", "r\"\"\"", "'''", "#"]
            .iter()
            .any(|mark| line.starts_with(mark))
    })
}

/// All Rust and Python sources, sorted.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = FOLDERS
        .iter()
        .map(|folder| root.join(folder))
        .filter(|folder| folder.is_dir())
        .collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_source = path.extension().is_some_and(|e| e == "rs" || e == "py");
            if kind.is_dir() && !GENERATED.contains(&name.as_str()) && !name.starts_with('.') {
                open.push(path);
            } else if kind.is_file() && is_source {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn shown(root: &Path, file: &Path) -> String {
    file.strip_prefix(root)
        .unwrap_or(file)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_is_recognised() {
        let check = |name: &str, text: &str| opens_with_doc(Path::new(name), text);
        assert!(check("a.rs", "//! Why.\n"));
        assert!(!check("a.rs", "use std::fs;\n"));
        assert!(check("a.py", "#!/usr/bin/env python3\n\"\"\"Why.\"\"\"\n"));
        assert!(check("__init__.py", ""));
        assert!(!check("a.py", "import os\n"));
    }
}
