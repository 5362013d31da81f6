//! Marks, and what a rollback moves.

use proptest::prelude::*;

use super::*;
use crate::kinds::function::tests::{names, released};

fn two(f: Found, g: Found) -> BTreeMap<String, Found> {
    [(names().of("f"), f), (names().of("g"), g)].into()
}

#[test]
fn the_release_before_is_the_one_that_answered_before() {
    let mut f = released(&[(1, 1, "a"), (2, 2, "bad"), (3, 3, "c")]);
    let alias = f.alias.as_mut().expect("it is released");
    // 2 was taken back before 3 came.
    alias.mark.before = Some(1);
    let found = [(names().of("f"), f)].into();
    assert_eq!(rollback(&found, None).unwrap().0, 1);
}

#[test]
fn what_was_never_there_cannot_be_gone_back_to() {
    let found = two(released(&[(1, 1, "a")]), released(&[(1, 1, "a")]));
    for to in [None, Some(2), Some(0)] {
        assert!(rollback(&found, to).is_err(), "{to:?}");
    }
    assert!(rollback(&BTreeMap::new(), None).is_err());
}

#[test]
fn versions_of_an_interrupted_deployment_are_no_release() {
    let mut f = released(&[(1, 1, "a"), (2, 2, "b")]);
    let alias = f.alias.as_mut().expect("it is released");
    (alias.version, alias.mark) = (1, "squall release 1; 1=1".parse().unwrap());
    let releases = Releases::of(&[(names().of("f"), f)].into());
    assert_eq!(releases.known, [1].into());
    assert_eq!((releases.current, releases.newest), (Some(1), 1));
}

#[test]
fn descriptions_of_others_are_no_marks() {
    for text in [
        "",
        "release 1",
        "squall release",
        "squall release x",
        "squall release 1, x 2",
        "squall release 1; 2",
        "squall release 1; a=b",
    ] {
        assert!(text.parse::<Mark>().is_err(), "{text}");
    }
    assert_eq!(of_version("squall release 7"), Some(7));
    assert_eq!(of_version("by hand"), None);
}

#[test]
fn a_history_is_no_longer_than_it_needs_to_be() {
    let mut mark = Mark::default();
    for (release, version) in [(1, 1), (2, 1), (3, 2), (4, 3), (6, 4)] {
        mark.release = release;
        mark.record(version, 1);
    }
    assert_eq!(mark.history, [(1, 1), (3, 2), (4, 3), (6, 4)].into());
    assert_eq!(
        [0, 2, 3, 5, 9].map(|at| mark.version_at(at)),
        [None, Some(1), Some(2), Some(3), Some(4)]
    );
    mark.release = 7;
    mark.record(5, 5);
    assert_eq!(mark.history, [(4, 3), (6, 4), (7, 5)].into());
}

#[test]
fn the_longest_mark_fits_into_a_description() {
    let mut mark = Mark {
        newest: 99_999,
        before: Some(99_998),
        ..Mark::default()
    };
    let first = 99_000 - u32::try_from(crate::release::KEPT).unwrap();
    for release in first..=99_000 {
        mark.release = release;
        mark.record(u64::from(release) + 900, first);
    }
    assert!(mark.to_string().len() <= 256, "{mark}");
}

proptest! {
    #[test]
    fn marks_are_read_as_they_are_written(
        release in 1_u32..1000,
        newest in 1_u32..1000,
        before in proptest::option::of(1_u32..1000),
        history in proptest::collection::btree_map(1_u32..1000, 1_u64..1000, 0..5),
    ) {
        let mark = Mark { release, newest, before, history };
        prop_assert_eq!(mark.to_string().parse::<Mark>().unwrap(), mark);
    }
}
