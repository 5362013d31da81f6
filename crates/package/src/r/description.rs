//! What an installed package of R says of itself: its file `DESCRIPTION`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// No description is longer.
const BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) version: String,
    /// One of those that R itself is made of.
    pub(super) is_base: bool,
    /// What has to be there when it is loaded.
    pub(super) needs: Vec<String>,
}

/// Of the package in this folder, if there is one.
pub(super) fn read(folder: &Path) -> Option<Description> {
    let mut text = Vec::new();
    let file = File::open(folder.join("DESCRIPTION")).ok()?;
    file.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    // Names of people may be in any encoding; nothing else of it is.
    parse(&String::from_utf8_lossy(&text))
}

fn parse(text: &str) -> Option<Description> {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = None;
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(value) = last.and_then(|name| fields.get_mut(name)) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.insert(name, value.trim().to_owned());
            last = Some(name);
        }
    }
    let needs = ["Depends", "Imports"].into_iter();
    let needs = needs.filter_map(|name| fields.get(name));
    Some(Description {
        version: fields.get("Version")?.clone(),
        is_base: fields.get("Priority").is_some_and(|it| it == "base"),
        needs: needs.flat_map(|list| names(list)).collect(),
    })
}

/// `R (>= 3.4), utils` names utils.
fn names(list: &str) -> impl Iterator<Item = String> {
    let names = list.split(',').map(|entry| {
        let name = entry.split('(').next().unwrap_or_default();
        name.trim().to_owned()
    });
    names.filter(|name| !name.is_empty() && name != "R")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_tells_version_and_needs() {
        let text = "Package: cli\nVersion: 3.6.0\nAuthors@R: c(\n    person(\"A: B\"),\n  )\n\
                    Depends: R (>= 3.4)\nImports: utils, glue (>= 1.3.2),\n\trlang\nSuggests: x\n";
        let read = parse(text).unwrap();
        assert_eq!(read.version, "3.6.0");
        assert_eq!(read.needs, ["utils", "glue", "rlang"]);
        assert!(!read.is_base);
        assert!(
            parse("Package: stats\nVersion: 4.2.2\nPriority: base\n")
                .unwrap()
                .is_base
        );
        assert_eq!(parse("nothing"), None);
        assert_eq!(parse(": \n :\n\u{fffd}"), None);
    }
}
