//! Where the entries of a zip will lie, decided before anything is written. No
//! entry lies outside, none is reached through a link, and no link, followed as
//! far as it goes, leads out.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::{UnpackError, UnpackLimits, shown};

const PATH_MAX_BYTES: usize = 1024;
const NAME_MAX_BYTES: usize = 255;
/// As the kernel has it.
const LINK_HOPS: u32 = 40;
/// Steps that checking all links may take together.
const LINK_STEPS: u64 = 10_000_000;

/// A node; the root has the index 0 and is its own parent.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    pub(super) parent: usize,
    pub(super) kind: NodeKind<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind<'a> {
    /// With the number of its entry, if it has one.
    Dir(Option<usize>),
    File(usize),
    Link(&'a str),
}

/// Parents come before their children.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    children: HashMap<(usize, &'a str), usize>,
    limit: u64,
}

impl<'a> Tree<'a> {
    pub(super) fn new(limits: &UnpackLimits) -> Self {
        let root = Node {
            name: "",
            parent: 0,
            kind: NodeKind::Dir(None),
        };
        Self {
            nodes: vec![root],
            children: HashMap::new(),
            limit: limits.entries,
        }
    }

    /// How many entries it has, the root aside.
    pub(super) fn len(&self) -> u64 {
        self.nodes.len() as u64 - 1
    }

    pub(super) fn add(&mut self, name: &'a str, kind: NodeKind<'a>) -> Result<(), UnpackError> {
        let refuse = |reason| UnpackError::BadPath {
            name: shown(name),
            reason,
        };
        let parts = parts(name).map_err(refuse)?;
        let Some((last, above)) = parts.split_last() else {
            // `./` stands for the root, which is there.
            return match kind {
                NodeKind::Dir(_) => Ok(()),
                _ => Err(refuse("it is empty")),
            };
        };
        let mut at = 0;
        for part in above {
            at = self.child(at, part, NodeKind::Dir(None))?;
            match self.nodes[at].kind {
                NodeKind::Dir(_) => {}
                NodeKind::File(_) => {
                    return Err(refuse("a file stands where it needs a directory"));
                }
                NodeKind::Link(_) => return Err(refuse("it leads through a link")),
            }
        }
        let before = self.nodes.len();
        let at = self.child(at, last, kind)?;
        let there = &mut self.nodes[at].kind;
        match (*there, kind) {
            _ if at == before => Ok(()),
            (NodeKind::Dir(_), NodeKind::Dir(_)) => {
                *there = kind;
                Ok(())
            }
            (NodeKind::Dir(_), _) | (_, NodeKind::Dir(_)) => {
                Err(refuse("it is a directory and something else"))
            }
            _ => Err(UnpackError::Duplicate { name: shown(name) }),
        }
    }

    /// The child of that name, made if it is not there.
    fn child(
        &mut self,
        parent: usize,
        name: &'a str,
        kind: NodeKind<'a>,
    ) -> Result<usize, UnpackError> {
        match self.children.entry((parent, name)) {
            Slot::Occupied(there) => Ok(*there.get()),
            Slot::Vacant(free) => {
                if self.nodes.len() as u64 > self.limit {
                    return Err(UnpackError::TooManyEntries { limit: self.limit });
                }
                free.insert(self.nodes.len());
                self.nodes.push(Node { name, parent, kind });
                Ok(self.nodes.len() - 1)
            }
        }
    }

    /// To be called when all entries are in.
    pub(super) fn check_links(&self) -> Result<(), UnpackError> {
        let mut steps = 0;
        for node in &self.nodes {
            if let NodeKind::Link(target) = node.kind
                && !self.stays_inside(node.parent, target, &mut steps)
            {
                return Err(UnpackError::BadLink {
                    name: shown(node.name),
                    target: shown(target),
                });
            }
            if steps > LINK_STEPS {
                let detail = "its links lead through too many others".to_owned();
                return Err(UnpackError::NotAZip(detail));
            }
        }
        Ok(())
    }

    /// Walks as the kernel would. What is not there may come to be, as several
    /// packages can be laid over one another, so the walk goes on by name.
    fn stays_inside(&self, from: usize, target: &str, steps: &mut u64) -> bool {
        let mut at = from;
        // How many names deep the walk is in what is not there.
        let mut beyond = 0_usize;
        let mut hops = 1;
        if !is_relative(target) {
            return false;
        }
        let mut ahead: Vec<&str> = target.split('/').rev().collect();
        while let Some(part) = ahead.pop() {
            *steps += 1;
            match part {
                "" | "." => {}
                ".." if beyond > 0 => beyond -= 1,
                ".." if at == 0 => return false,
                ".." => at = self.nodes[at].parent,
                _ if beyond > 0 => beyond += 1,
                name => match self
                    .children
                    .get(&(at, name))
                    .map(|&to| (to, &self.nodes[to]))
                {
                    None => beyond += 1,
                    Some((_, node)) => match node.kind {
                        NodeKind::Dir(_) => at = self.children[&(at, name)],
                        NodeKind::File(_) => beyond += 1,
                        NodeKind::Link(next) => {
                            hops += 1;
                            if hops > LINK_HOPS || !is_relative(next) {
                                return false;
                            }
                            ahead.extend(next.split('/').rev());
                        }
                    },
                },
            }
        }
        true
    }
}

fn is_relative(target: &str) -> bool {
    !target.is_empty()
        && target.len() <= PATH_MAX_BYTES
        && !target.starts_with('/')
        && !target.contains('\0')
}

/// The names along a path, or why it is refused.
pub(super) fn parts(path: &str) -> Result<Vec<&str>, &'static str> {
    if path.starts_with('/') {
        return Err("it is absolute");
    }
    if path.len() > PATH_MAX_BYTES {
        return Err("it is too long");
    }
    if path.contains('\0') {
        return Err("it has a zero byte");
    }
    if path.contains('\\') {
        return Err("it has a backslash: directories are separated by /");
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("it leads upwards"),
            long if long.len() > NAME_MAX_BYTES => return Err("a name in it is too long"),
            name => parts.push(name),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    const ROOMY: UnpackLimits = UnpackLimits {
        unzipped_bytes: 1 << 20,
        entries: 100,
    };

    fn check(entries: &[(&str, NodeKind<'_>)]) -> Result<u64, String> {
        // The tree borrows from the entries, as it does from a zip's directory.
        let mut tree = Tree::new(&ROOMY);
        for (name, kind) in entries {
            tree.add(name, *kind).map_err(|error| error.to_string())?;
        }
        tree.check_links().map_err(|error| error.to_string())?;
        Ok(tree.len())
    }

    const FILE: NodeKind<'_> = NodeKind::File(0);
    const DIR: NodeKind<'_> = NodeKind::Dir(None);

    fn link(target: &str) -> NodeKind<'_> {
        NodeKind::Link(target)
    }

    #[test]
    fn honest_trees_pass() {
        assert_eq!(check(&[("./a.py", FILE), ("lib//b/c.py", FILE)]), Ok(4));
        assert_eq!(
            check(&[("a/", DIR), ("a/b", FILE), ("a/", DIR), ("./", DIR)]),
            Ok(2)
        );
        assert_eq!(
            check(&[
                ("lib/x.so", link("x.so.1")),
                ("lib/x.so.1", FILE),
                ("y", link("lib/../lib"))
            ]),
            Ok(4)
        );
        assert_eq!(check(&[("a/b/up", link("../../c/not-there"))]), Ok(3));
    }

    #[test]
    fn links_that_lead_out_are_refused() {
        for entries in [
            &[("a", link("/etc/passwd"))][..],
            &[("a", link(".."))],
            &[("a", link(""))],
            &[("a/b", link("../../c"))],
            &[("a/b", link("c/../../../d"))],
            // `up` is inside; what goes on from it is not.
            &[("d/e/up", link("../..")), ("out", link("d/e/up/.."))],
            &[("x", link("y/../..")), ("y", link("z")), ("z/", DIR)],
            &[("a", link("b")), ("b", link("a"))],
            &[("a", link("a"))],
        ] {
            let answer = check(entries).unwrap_err();
            assert!(answer.contains("stay inside"), "{entries:?}: {answer}");
        }
    }

    #[test]
    fn clashes_are_refused() {
        for (entries, expected) in [
            (&[("a", FILE), ("a/b", FILE)][..], "needs a directory"),
            (&[("a/b", FILE), ("a", FILE)], "something else"),
            (&[("a", FILE), ("a/", DIR)], "something else"),
            (&[("a", FILE), ("./a", FILE)], "twice"),
            (&[("a", link("b")), ("a", FILE)], "twice"),
            (
                &[("a", link("b")), ("b/", DIR), ("a/c", FILE)],
                "through a link",
            ),
            (&[("a/c", FILE), ("a", link("b"))], "something else"),
            (&[("", FILE)], "empty"),
            (&[(".", FILE)], "empty"),
        ] {
            let answer = check(entries).unwrap_err();
            assert!(answer.contains(expected), "{entries:?}: {answer}");
        }
    }

    #[test]
    fn directories_on_the_way_count_as_entries() {
        let deep = "d/".repeat(101);
        assert!(
            check(&[(&deep, DIR)])
                .unwrap_err()
                .contains("more than 100")
        );
        assert_eq!(check(&[(&deep[2..], DIR)]), Ok(100));
    }

    proptest! {
        /// Whatever passes, the system's own idea of the path stays inside.
        #[test]
        fn a_path_that_passes_stays_inside(path in "[a./\\\\\0é]{0,12}") {
            match parts(&path) {
                Ok(parts) => {
                    let normal: Vec<&str> = Path::new(&path)
                        .components()
                        .filter_map(|part| match part {
                            Component::CurDir => None,
                            Component::Normal(name) => Some(name.to_str().unwrap()),
                            other => panic!("{other:?}"),
                        })
                        .collect();
                    prop_assert_eq!(parts, normal);
                }
                Err(_) => prop_assert!(
                    path.starts_with('/')
                        || path.contains(['\\', '\0'])
                        || path.split('/').any(|part| part == "..")
                ),
            }
        }

        /// Links that pass are laid out for real, and the kernel asked.
        #[test]
        fn links_that_pass_stay_inside(
            targets in proptest::collection::vec("(\\.\\./|\\./|[abc]/){0,3}[abc.]{1,2}", 3)
        ) {
            let entries = [
                ("a", link(&targets[0])),
                ("d/b", link(&targets[1])),
                ("d/e/c", link(&targets[2])),
            ];
            if check(&entries).is_ok() {
                let outer = tempfile::tempdir().unwrap();
                let root = outer.path().canonicalize().unwrap().join("root");
                std::fs::create_dir_all(root.join("d/e")).unwrap();
                for ((name, _), target) in entries.iter().zip(&targets) {
                    std::os::unix::fs::symlink(target, root.join(name)).unwrap();
                }
                for (name, _) in entries {
                    if let Ok(real) = root.join(name).canonicalize() {
                        prop_assert!(real.starts_with(&root), "{name} of {targets:?} is {real:?}");
                    }
                }
            }
        }
    }
}
