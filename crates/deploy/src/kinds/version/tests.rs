//! What is published, where aliases go, and which versions are removed.

use proptest::prelude::*;

use super::*;
use crate::kinds::function::tests::{facts, found, names, released, wanted};
use crate::release::{KEPT, rollback};

type Functions = BTreeMap<String, Found>;

fn one(function: Found) -> Functions {
    [(names().of("f"), function)].into()
}

fn moves(code: &str, found: &Functions) -> (Option<u32>, Vec<Work>) {
    let moves = plan(&[wanted("f", code)], Rest::Goes, found, &Known::default());
    let works = moves.steps.into_iter().map(|step| work(&step));
    (moves.release, works.collect())
}

fn work(step: &Step) -> Work {
    match &step.work {
        super::super::Work::Version(work) => work.clone(),
        other => panic!("{other:?}"),
    }
}

fn publish(code: &str, release: u32) -> Work {
    let wanted = Box::new(wanted("f", code));
    Work::Publish { wanted, release }
}

/// What cloud would be there after steps: publications get the next number.
fn carry_out(functions: &mut Functions, steps: &[Step]) {
    for step in steps {
        match work(step) {
            Work::Publish { wanted, release } => {
                let code = &wanted.code.sha256;
                let there = functions.entry(wanted.name.clone());
                let there = there.or_insert_with(|| found(code));
                let last = there.versions.last().map_or(0, |last| last.version);
                there.versions.push(Published {
                    version: last + 1,
                    release: Some(release),
                    facts: facts(code),
                });
            }
            Work::Point {
                function,
                version,
                mut mark,
                oldest,
                revision,
            } => {
                let there = functions.get_mut(&function).expect("it was published");
                let last = there.versions.last().map_or(0, |last| last.version);
                let version = version.unwrap_or(last);
                if let Some(oldest) = oldest {
                    mark.record(version, oldest);
                }
                // As it is kept: in a description.
                let mark = mark.to_string().parse().expect("it was written so");
                there.alias = Some(Alias {
                    version,
                    mark,
                    revision,
                });
            }
            Work::Remove { function, version } => {
                let there = functions.get_mut(&function).expect("it is there");
                there.versions.retain(|it| it.version != version);
            }
        }
    }
}

/// A deployment of `f` and `g` as a whole; the release that answers.
fn deploy(functions: &mut Functions, f: &str, g: &str) -> Option<u32> {
    let wanted = [wanted("f", f), wanted("g", g)];
    let moves = plan(&wanted, Rest::Goes, functions, &Known::default());
    carry_out(functions, &moves.steps);
    moves.release
}

fn update(functions: &mut Functions, key: &str, code: &str) -> Option<u32> {
    let wanted = [wanted(key, code)];
    let moves = plan(&wanted, Rest::Stays, functions, &Known::default());
    carry_out(functions, &moves.steps);
    moves.release
}

fn back(functions: &mut Functions, to: Option<u32>) -> u32 {
    let (to, steps) = rollback(functions, to).unwrap();
    carry_out(functions, &steps);
    to
}

/// The codes that answer.
fn answers(functions: &Functions) -> Vec<&str> {
    let live = functions
        .values()
        .map(|there| there.live().expect("it answers"));
    live.map(|live| live.facts.code_sha256.as_str()).collect()
}

#[test]
fn the_first_deployment_is_release_1() {
    for there in [BTreeMap::new(), one(found("a"))] {
        let (release, works) = moves("a", &there);
        assert_eq!((release, &works[0]), (Some(1), &publish("a", 1)));
        assert!(matches!(&works[1], Work::Point { version: None, mark, .. } if mark.release == 1));
    }
}

#[test]
fn what_answers_as_wanted_stays() {
    assert_eq!(moves("a", &one(released(&[(1, 1, "a")]))), (None, vec![]));
}

#[test]
fn a_change_is_published_and_answers_last() {
    let there = one(released(&[(1, 1, "a"), (2, 4, "b")]));
    let (release, works) = moves("c", &there);
    assert_eq!((release, &works[0]), (Some(5), &publish("c", 5)));
    let steps = plan(&[wanted("f", "c")], Rest::Goes, &there, &Known::default()).steps;
    assert_eq!(steps[1].phase, Phase::Alias);
}

#[test]
fn a_version_whose_alias_was_not_moved_is_not_published_again() {
    let mut there = released(&[(1, 1, "a"), (2, 2, "b")]);
    there.alias = released(&[(1, 1, "a")]).alias;
    let (release, works) = moves("b", &one(there.clone()));
    assert_eq!(release, Some(2));
    assert!(matches!(
        &works[..],
        [Work::Point {
            version: Some(2),
            ..
        }]
    ));
    // If the project has changed since, it never was a release, and goes.
    let (release, works) = moves("c", &one(there));
    assert_eq!((release, &works[0]), (Some(2), &publish("c", 2)));
    assert!(matches!(
        works.last(),
        Some(Work::Remove { version: 2, .. })
    ));
}

#[test]
fn what_is_as_an_older_version_is_published_anew() {
    let there = one(released(&[(1, 1, "a"), (2, 2, "b")]));
    assert_eq!(moves("a", &there).1[0], publish("a", 3));
}

#[test]
fn a_rollback_brings_back_what_answered_together() {
    let mut there = BTreeMap::new();
    assert_eq!(deploy(&mut there, "A", "b1"), Some(1));
    assert_eq!(deploy(&mut there, "B", "b1"), Some(2));
    assert_eq!(back(&mut there, Some(1)), 1);
    assert_eq!(answers(&there), ["A", "b1"]);
    // The version of B is newer than what answers, and answers no more.
    assert_eq!(deploy(&mut there, "A", "b2"), Some(3));
    assert_eq!(deploy(&mut there, "A", "b3"), Some(4));
    assert_eq!(back(&mut there, None), 3);
    assert_eq!(answers(&there), ["A", "b2"]);
    assert_eq!(back(&mut there, Some(2)), 2);
    assert_eq!(answers(&there), ["B", "b1"]);
    assert_eq!(back(&mut there, Some(4)), 4);
    assert_eq!(answers(&there), ["A", "b3"]);
}

#[test]
fn an_update_of_one_function_is_a_release_of_all() {
    let mut there = BTreeMap::new();
    deploy(&mut there, "a1", "b1");
    deploy(&mut there, "a1", "b2");
    deploy(&mut there, "a1", "b3");
    assert_eq!(update(&mut there, "f", "a2"), Some(4));
    assert_eq!(back(&mut there, None), 3);
    assert_eq!(answers(&there), ["a1", "b3"]);
    back(&mut there, Some(1));
    assert_eq!(update(&mut there, "f", "a2"), Some(5));
    assert_eq!(answers(&there), ["a2", "b1"]);
    back(&mut there, Some(4));
    assert_eq!(answers(&there), ["a2", "b3"]);
    back(&mut there, Some(5));
    assert_eq!(answers(&there), ["a2", "b1"]);
}

#[test]
fn going_forward_again_is_the_same_release() {
    let mut there = BTreeMap::new();
    deploy(&mut there, "a", "b1");
    deploy(&mut there, "B", "b2");
    back(&mut there, None);
    assert_eq!(deploy(&mut there.clone(), "B", "b2"), Some(2));
    // Half of it was never together with the rest.
    assert_eq!(deploy(&mut there, "B", "b1"), Some(3));
    assert_eq!(back(&mut there, None), 1);
    assert_eq!(back(&mut there, Some(2)), 2);
    assert_eq!(answers(&there), ["B", "b2"]);
}

#[test]
fn a_release_that_was_interrupted_between_its_aliases_is_finished() {
    let mut there = BTreeMap::new();
    deploy(&mut there, "a1", "b1");
    let wanted = [wanted("f", "a2"), wanted("g", "b2")];
    let moves = plan(&wanted, Rest::Goes, &there, &Known::default());
    let done: Vec<_> = moves
        .steps
        .iter()
        .filter(|step| step.name != format!("{}:{ALIAS}", names().of("g")))
        .cloned()
        .collect();
    carry_out(&mut there, &done);
    assert_eq!(answers(&there), ["a2", "b1"]);
    assert_eq!(deploy(&mut there, "a2", "b2"), Some(2));
    assert_eq!(back(&mut there, None), 1);
    assert_eq!(answers(&there), ["a1", "b1"]);
}

#[test]
fn versions_that_no_kept_release_needs_are_removed() {
    let mut there = BTreeMap::new();
    let count = KEPT + 4;
    for n in 1..=count {
        deploy(&mut there, "same", &format!("b{n}"));
    }
    let g = &there[&names().of("g")];
    assert_eq!(g.versions.len(), KEPT);
    assert_eq!(there[&names().of("f")].versions.len(), 1);
    let oldest = u32::try_from(count - KEPT + 1).unwrap();
    assert_eq!(back(&mut there, Some(oldest)), oldest);
    assert_eq!(answers(&there), ["same", &format!("b{oldest}")]);
    assert!(rollback(&there, Some(oldest - 1)).is_err());
}

#[test]
fn the_version_that_answers_is_never_removed() {
    let mut there = BTreeMap::new();
    for n in 1..=3 {
        deploy(&mut there, "a", &format!("b{n}"));
    }
    back(&mut there, Some(1));
    for n in 0..KEPT + 2 {
        update(&mut there, "f", &format!("a{n}"));
        assert_eq!(answers(&there)[1], "b1");
    }
}

#[derive(Debug, Clone)]
enum Change {
    Deploy(u8, u8),
    Update(bool, u8),
    Back(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0_u8..4, 0_u8..4).prop_map(|(f, g)| Change::Deploy(f, g)),
        (any::<bool>(), 0_u8..4).prop_map(|(f, code)| Change::Update(f, code)),
        any::<u8>().prop_map(Change::Back),
    ]
}

proptest! {
    /// Whatever came in between, a release is what answered when it had its number.
    #[test]
    fn every_release_that_is_kept_can_be_gone_back_to(
        changes in proptest::collection::vec(change(), 1..40),
    ) {
        let mut there = BTreeMap::new();
        let mut answered: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        deploy(&mut there, "0", "0");
        for change in changes {
            let release = match change {
                Change::Deploy(f, g) => deploy(&mut there, &f.to_string(), &g.to_string()),
                Change::Update(f, code) => {
                    update(&mut there, if f { "f" } else { "g" }, &code.to_string())
                }
                Change::Back(which) => {
                    let known = Releases::of(&there).known;
                    let to = known.iter().nth(usize::from(which) % known.len());
                    Some(back(&mut there, to.copied()))
                }
            };
            let now: Vec<String> = answers(&there).into_iter().map(str::to_owned).collect();
            let current = Releases::of(&there).current;
            prop_assert!(release.is_none() || release == current);
            let current = current.expect("something answers");
            prop_assert_eq!(answered.entry(current).or_insert_with(|| now.clone()), &now);
        }
    }
}
