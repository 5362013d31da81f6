//! What there is to run a function with: its tests, and events beside its code. They
//! are no part of its package.

use std::collections::BTreeSet;

use project::Project;
use project::model::Function;
use types::glob::Filter;

use super::trace::Samples;
use crate::archive::Member;
use crate::error::PackageError;
use crate::files;

const TESTS: &[&str] = &["tests", "test", "test_*.py", "*_test.py", "conftest.py"];
const EVENTS: &[&str] = &["event.json", "events/*.json"];

/// Samples, and the files that they need beside the code.
pub(super) struct Found {
    pub(super) samples: Samples,
    pub(super) members: Vec<Member>,
}

/// Beside the code, and where there is nothing, at the top of the project.
pub(super) fn find(
    project: &Project,
    function: &Function,
    members: &[Member],
) -> Result<Found, PackageError> {
    let found = of_folder(project, function, members)?;
    if !found.members.is_empty() || function.source == project.root {
        return Ok(found);
    }
    let mut function = function.clone();
    function.source.clone_from(&project.root);
    of_folder(project, &function, members)
}

fn of_folder(
    project: &Project,
    function: &Function,
    members: &[Member],
) -> Result<Found, PackageError> {
    let owned = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let (tests, events) = (
        Filter::new(&[], &owned(TESTS)),
        Filter::new(&[], &owned(EVENTS)),
    );
    let mut wider = function.clone();
    wider.include = owned(&[TESTS, EVENTS].concat());
    let known: BTreeSet<&str> = members.iter().map(|member| member.path.as_str()).collect();
    let mut found = Found {
        samples: Samples::default(),
        members: vec![],
    };
    let mut tops = BTreeSet::new();
    for member in files::collect(&project.root, &wider, &[])?.members {
        if known.contains(member.path.as_str()) {
            continue;
        }
        if events.takes(&member.path) {
            found.samples.events.push(member.path.clone());
        } else if tests.takes(&member.path) {
            let top = member.path.split('/').next().unwrap_or_default();
            if top != "conftest.py" {
                tops.insert(top.to_owned());
            }
        } else {
            continue;
        }
        found.members.push(member);
    }
    found.samples.tests = tops.into_iter().collect();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing;

    #[test]
    fn tests_and_events_are_found_beside_the_code_or_at_the_top() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "src/handler.py",
            "tests/test_a.py",
            "tests/data/x.csv",
            "event.json",
            "events/two.json",
            "notes.txt",
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let project = testing::project(folder.path());
        let mut function = testing::function(folder.path());
        function.source = folder.path().join("src");
        let found = find(&project, &function, &[]).unwrap();
        assert_eq!(found.samples.events, ["event.json", "events/two.json"]);
        assert_eq!(found.samples.tests, ["tests"]);
        assert_eq!(found.members.len(), 4);
    }
}
