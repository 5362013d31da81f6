//! Which Python a project was written for.

use std::path::Path;

use super::beginning;
use crate::model::FunctionRuntime;
use crate::runtime;
use crate::tree::{Document, Table, Value};

/// What runs where nothing is said.
pub const STANDARD: FunctionRuntime = FunctionRuntime::Python {
    major: 3,
    minor: STANDARD_MINOR,
};
const STANDARD_MINOR: u8 = 11;

/// The version, and how it was found.
pub fn python(root: &Path) -> (FunctionRuntime, &'static str) {
    let pinned = beginning(&root.join(".python-version"));
    let pinned = pinned.as_deref().and_then(|text| text.lines().next());
    if let Some(found) = pinned.and_then(|line| runtime::python(line.trim())) {
        return (found, "by .python-version");
    }
    if let Some(found) = required(&root.join("pyproject.toml")) {
        return (found, "by pyproject.toml");
    }
    (STANDARD, "as nothing says another")
}

/// The `[project]` table of a pyproject.toml.
pub fn project_table(file: &Path) -> Option<Table> {
    let mut root = Document::parse(beginning(file)?).ok()?.root;
    match root.remove("project")?.node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

fn required(file: &Path) -> Option<FunctionRuntime> {
    match &project_table(file)?.get("requires-python")?.node.value {
        Value::Text(range) => within(range),
        _ => None,
    }
}

/// The standard one if a range such as `>=3.10,<3.13` has it, else the end that is
/// nearest to it.
fn within(range: &str) -> Option<FunctionRuntime> {
    let (mut least, mut most) = (0, u8::MAX);
    for clause in range.split(',') {
        let clause = clause.trim();
        let start = clause.find(|c: char| c.is_ascii_digit())?;
        let (sign, version) = clause.split_at(start);
        let mut numbers = version.trim_end_matches(".*").split('.');
        if numbers.next() != Some("3") {
            continue;
        }
        let minor: u8 = numbers.next().unwrap_or("0").parse().ok()?;
        let has_patch = numbers.next().is_some();
        match sign.trim() {
            ">" => least = least.max(minor + u8::from(!has_patch)),
            "<" => most = most.min(minor.saturating_sub(u8::from(!has_patch))),
            "<=" => most = most.min(minor),
            "==" | "===" => (least, most) = (minor, minor),
            // `~=3.11` is 3.11 and later, `~=3.11.2` only 3.11.
            "~=" if has_patch => (least, most) = (minor, minor),
            ">=" | "~=" => least = least.max(minor),
            _ => {}
        }
    }
    let chosen = STANDARD_MINOR.min(most).max(least);
    runtime::python(&format!("3.{chosen}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_versions_are_understood() {
        for (range, minor) in [
            (">=3.9", 11),
            (">=3.12", 12),
            (">=3.9,<3.11", 10),
            (">= 3.9, < 4", 11),
            ("==3.10.*", 10),
            ("~=3.10", 11),
            ("~=3.10.2", 10),
            (">3.11", 12),
            ("<=3.10", 10),
        ] {
            let expected = Some(FunctionRuntime::Python { major: 3, minor });
            assert_eq!(within(range), expected, "{range}");
        }
        assert_eq!(within(">=3.99"), None);
        assert_eq!(within("new"), None);
    }
}
