//! Plans of functions, and what tests of other kinds make functions of.

use std::collections::BTreeSet;

use super::*;
use crate::names::Names;
use crate::release::Mark;

pub(crate) fn names() -> Names {
    Names {
        project: "p".to_owned(),
        stage: "dev".to_owned(),
        account: "000000000000".to_owned(),
        region: "eu-west-1".to_owned(),
    }
}

pub(crate) fn artifact(hash: &str) -> Artifact {
    Artifact {
        path: hash.into(),
        sha256: hash.to_owned(),
        zip_bytes: 1,
        unpacked_bytes: 1,
    }
}

pub(crate) fn config() -> Config {
    Config {
        runtime: "python3.11".to_owned(),
        handler: "handler.f".to_owned(),
        role: "arn:role".to_owned(),
        memory_mb: 512,
        timeout_s: 30,
        tmp_mb: 512,
        architecture: "x86_64".to_owned(),
        environment: BTreeMap::new(),
        layers: Vec::new(),
    }
}

pub(crate) fn wanted(key: &str, code: &str) -> Wanted {
    Wanted {
        name: names().of(key),
        config: config(),
        code: artifact(code),
    }
}

pub(crate) fn facts(code: &str) -> Facts {
    Facts {
        config: config(),
        code_sha256: code.to_owned(),
    }
}

/// One that was just made: no versions, no alias.
pub(crate) fn found(code: &str) -> Found {
    Found {
        ours: true,
        latest: facts(code),
        versions: Vec::new(),
        alias: None,
        reserved: None,
        events: None,
        url: None,
        statements: BTreeSet::new(),
        modified: String::new(),
    }
}

/// With versions of releases, by their code, and the alias on the last of them.
pub(crate) fn released(versions: &[(u64, u32, &str)]) -> Found {
    let (version, release, code) = *versions.last().expect("one at least");
    let answered = versions
        .iter()
        .map(|(version, release, _)| (*release, *version));
    let answered = answered.collect();
    let versions = versions.iter().map(|(version, release, code)| Published {
        version: *version,
        release: Some(*release),
        facts: facts(code),
    });
    Found {
        versions: versions.collect(),
        alias: Some(Alias {
            version,
            revision: None,
            mark: Mark {
                release,
                newest: release,
                before: None,
                history: answered,
            },
        }),
        ..found(code)
    }
}

fn one(function: Found) -> BTreeMap<String, Found> {
    [(names().of("f"), function)].into()
}

fn steps(wanted: &Wanted, found: &BTreeMap<String, Found>) -> Vec<Step> {
    let wanted = std::slice::from_ref(wanted);
    plan(&names(), wanted, found, &Known::default()).unwrap()
}

#[test]
fn what_is_as_wanted_is_left_alone() {
    assert_eq!(steps(&wanted("f", "a"), &one(found("a"))), []);
}

#[test]
fn what_changes_is_told_without_values_of_variables() {
    let mut wanted = wanted("f", "b");
    wanted.config.memory_mb = 1024;
    wanted.config.environment = [("NEW", "secret"), ("OLD", "new")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    wanted.config.layers = vec![LayerRef::Hash("h".to_owned())];
    let mut there = found("a");
    there.latest.config.environment = [("OLD", "old"), ("GONE", "x")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let steps = steps(&wanted, &one(there));
    assert_eq!(
        steps[0].details,
        [
            "code",
            "memory 512 -> 1024",
            "environment +NEW ~OLD -GONE",
            "layers"
        ]
    );
}

#[test]
fn a_layer_that_is_there_is_no_change() {
    let mut wanted = wanted("f", "a");
    wanted.config.layers = vec![LayerRef::Hash("h".to_owned())];
    let mut there = found("a");
    there.latest.config.layers = vec![LayerRef::Arn("arn:1".to_owned())];
    let known = Known {
        layers: [("h".to_owned(), "arn:1".to_owned())].into(),
        ..Known::default()
    };
    assert_eq!(plan(&names(), &[wanted], &one(there), &known).unwrap(), []);
}

#[test]
fn functions_of_others_are_neither_changed_nor_removed() {
    let theirs = Found {
        ours: false,
        ..found("a")
    };
    let refused = plan(
        &names(),
        &[wanted("f", "a")],
        &one(theirs.clone()),
        &Known::default(),
    );
    assert!(matches!(refused, Err(DeployError::Refused { .. })));
    let nothing = plan(&names(), &[], &one(theirs), &Known::default()).unwrap();
    assert_eq!(nothing, []);
    let ours = plan(&names(), &[], &one(found("a")), &Known::default()).unwrap();
    assert_eq!(ours[0].action, Action::Remove);
}

#[test]
fn facts_are_what_the_wire_says_with_aws_defaults() {
    let shape = serde_json::json!({
        "Runtime": "python3.11", "Handler": "handler.f", "Role": "arn:role",
        "MemorySize": 512, "Timeout": 30, "CodeSha256": "a",
    });
    assert_eq!(Facts::of(&shape), facts("a"));
}
