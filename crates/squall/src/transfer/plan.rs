//! What a synchronisation has to do, found by looking at names, sizes, times and
//! entity tags alone. What these do not decide is left to the bytes.

use super::tree::{Item, Tree};
use crate::s3::checksum::is_md5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Files into a bucket.
    Up,
    /// Objects into a folder.
    Down,
    /// From bucket to bucket.
    Across,
}

/// Names, by what is to become of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub send: Vec<String>,
    /// To be sent if the file's bytes are not the object's.
    pub unsure: Vec<String>,
    /// On the side of the target, and not on that of the source.
    pub remove: Vec<String>,
    pub same: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Differs,
    Unsure,
}

pub fn compare_trees(source: &Tree, target: &Tree, direction: Direction) -> Plan {
    let mut plan = Plan::default();
    for (name, item) in source {
        let verdict = match target.get(name) {
            None => Verdict::Differs,
            Some(there) => compare(item, there, direction),
        };
        let list = match verdict {
            Verdict::Same => &mut plan.same,
            Verdict::Differs => &mut plan.send,
            Verdict::Unsure => &mut plan.unsure,
        };
        list.push(name.clone());
    }
    let extra = target.keys().filter(|name| !source.contains_key(*name));
    plan.remove = extra.cloned().collect();
    plan
}

fn compare(source: &Item, target: &Item, direction: Direction) -> Verdict {
    if source.size != target.size {
        return Verdict::Differs;
    }
    let second = |item: &Item| item.modified.0.div_euclid(1_000);
    match direction {
        // What we loaded has the time of its object.
        Direction::Down if second(source) == second(target) => Verdict::Same,
        // A file could be older than its object and still have other bytes.
        Direction::Up | Direction::Down => Verdict::Unsure,
        Direction::Across if source.etag == target.etag => Verdict::Same,
        Direction::Across => {
            let are_md5 = [source, target]
                .iter()
                .all(|item| item.etag.as_deref().is_some_and(is_md5));
            // Tags of objects in parts depend on the parts: only time is left.
            if !are_md5 && target.modified >= source.modified {
                Verdict::Same
            } else {
                Verdict::Differs
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Timestamp;

    use super::*;

    const MD5_A: &str = "0cc175b9c0f1b6a831c399e269772661";
    const MD5_B: &str = "92eb5ffee6ae2fec3ad71c777531578f";

    fn item(size: u64, modified: i64, etag: &str) -> Item {
        Item {
            size,
            modified: Timestamp(modified),
            etag: (!etag.is_empty()).then(|| etag.to_owned()),
        }
    }

    fn tree(items: &[(&str, Item)]) -> Tree {
        let items = items.iter();
        items
            .map(|(name, item)| ((*name).to_owned(), item.clone()))
            .collect()
    }

    #[test]
    fn new_changed_and_extra_names_are_found() {
        let source = tree(&[
            ("changed", item(2, 9_000, "")),
            ("new", item(1, 9_000, "")),
            ("touched", item(3, 9_000, "")),
        ]);
        let target = tree(&[
            ("changed", item(1, 1_000, MD5_A)),
            ("extra", item(1, 1_000, MD5_A)),
            ("touched", item(3, 1_000, MD5_B)),
        ]);
        let plan = compare_trees(&source, &target, Direction::Up);
        assert_eq!(plan.send, ["changed", "new"]);
        assert_eq!(plan.unsure, ["touched"]);
        assert_eq!(plan.remove, ["extra"]);
        assert!(plan.same.is_empty());
    }

    #[test]
    fn same_size_is_not_enough() {
        let cases = [
            // A file that is older than the object may still be another one.
            (
                Direction::Up,
                item(1, 1_000, ""),
                item(1, 9_000, MD5_A),
                Verdict::Unsure,
            ),
            (
                Direction::Down,
                item(1, 5_999, MD5_A),
                item(1, 5_000, ""),
                Verdict::Same,
            ),
            (
                Direction::Down,
                item(1, 5_000, MD5_A),
                item(1, 9_000, ""),
                Verdict::Unsure,
            ),
            (
                Direction::Across,
                item(1, 9_000, MD5_A),
                item(1, 1, MD5_A),
                Verdict::Same,
            ),
            (
                Direction::Across,
                item(1, 1, MD5_A),
                item(1, 9_000, MD5_B),
                Verdict::Differs,
            ),
            (
                Direction::Across,
                item(1, 1, "a-2"),
                item(1, 9_000, MD5_B),
                Verdict::Same,
            ),
            (
                Direction::Across,
                item(1, 9_000, "a-2"),
                item(1, 1, "b-3"),
                Verdict::Differs,
            ),
        ];
        for (direction, source, target, verdict) in cases {
            assert_eq!(
                compare(&source, &target, direction),
                verdict,
                "{direction:?} {source:?}"
            );
        }
    }
}
