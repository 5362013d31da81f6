//! What there is below a folder, here or in a bucket, by names that both share.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use types::Timestamp;

use super::report::Failed;
use crate::glob::Filter;
use crate::s3::Listed;

/// A file or an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub size: u64,
    pub modified: Timestamp,
    /// Of an object.
    pub etag: Option<String>,
}

/// Items by their name below the folder, with `/` between its parts.
pub type Tree = BTreeMap<String, Item>;

/// All files below a folder, links followed; what cannot be read is told apart.
pub fn local_tree(root: &Path, filter: &Filter) -> (Tree, Vec<Failed>) {
    let mut walk = Walk {
        filter,
        tree: Tree::new(),
        failed: Vec::new(),
    };
    walk.folder(root, "", &mut Vec::new());
    (walk.tree, walk.failed)
}

/// The objects of a listing by their names below `prefix`.
pub fn remote_tree(listed: Vec<Listed>, prefix: &str, filter: &Filter) -> Tree {
    let items = listed.into_iter().filter_map(|object| {
        let name = object.key.strip_prefix(prefix)?;
        // The folder itself, as consoles make it.
        if name.is_empty() || !filter.takes(name) {
            return None;
        }
        let item = Item {
            size: object.size,
            modified: object.modified,
            etag: Some(object.etag),
        };
        Some((name.to_owned(), item))
    });
    items.collect()
}

/// Where an object of this name belongs below a folder; none if it would lead out
/// of it or cannot be a file: a bucket may hold names that mean harm.
pub fn safe_path(root: &Path, name: &str) -> Option<PathBuf> {
    let is_plain = name.split('/').all(|part| !part.is_empty() && part != ".");
    let below = Path::new(name);
    let is_below = below
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (is_plain && is_below && !name.contains('\0')).then(|| root.join(below))
}

struct Walk<'a> {
    filter: &'a Filter,
    tree: Tree,
    failed: Vec<Failed>,
}

impl Walk<'_> {
    /// `above` are the real paths of the folders that lead here, so that a link
    /// to one of them does not go round for ever.
    fn folder(&mut self, path: &Path, prefix: &str, above: &mut Vec<PathBuf>) {
        let entered = fs::canonicalize(path).and_then(|real| Ok((real, fs::read_dir(path)?)));
        let (real, entries) = match entered {
            Ok(entered) => entered,
            Err(error) => return self.fail(path, &error),
        };
        if above.contains(&real) {
            return;
        }
        above.push(real);
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, prefix, above),
                Err(error) => self.fail(path, &error),
            }
        }
        above.pop();
    }

    fn entry(&mut self, entry: &fs::DirEntry, prefix: &str, above: &mut Vec<PathBuf>) {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            let error = io::Error::other("its name is not UTF-8");
            return self.fail(&path, &error);
        };
        let name = format!("{prefix}{name}");
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => self.folder(&path, &format!("{name}/"), above),
            _ if !self.filter.takes(&name) => {}
            Ok(about) if about.is_file() => {
                let modified = about.modified().ok().and_then(timestamp);
                let item = Item {
                    size: about.len(),
                    modified: modified.unwrap_or_default(),
                    etag: None,
                };
                self.tree.insert(name, item);
            }
            Ok(_) => self.fail(&path, &io::Error::other("it is not a regular file")),
            Err(error) => self.fail(&path, &error),
        }
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.failed.push(Failed {
            what: path.display().to_string(),
            why: error.to_string(),
        });
    }
}

fn timestamp(time: std::time::SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp(i64::try_from(since.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_has_names_links_and_no_circles() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/x.csv"), "12").unwrap();
        fs::write(at("top.tmp"), "").unwrap();
        symlink(at("a/b/x.csv"), at("link.csv")).unwrap();
        symlink(root.path(), at("a/round")).unwrap();
        symlink("/nowhere/at/all", at("dangling")).unwrap();
        let filter = Filter::new(&["*.tmp".to_owned()], &[]);
        let (tree, failed) = local_tree(root.path(), &filter);
        let names: Vec<&str> = tree.keys().map(String::as_str).collect();
        assert_eq!(names, ["a/b/x.csv", "link.csv"]);
        assert_eq!(tree["link.csv"].size, 2);
        assert_eq!(failed.len(), 1);
        assert!(failed[0].what.ends_with("dangling"));
    }

    #[test]
    fn names_cannot_lead_out_of_the_folder() {
        let root = Path::new("out");
        assert_eq!(safe_path(root, "a/b.csv"), Some("out/a/b.csv".into()));
        assert_eq!(safe_path(root, "..."), Some("out/...".into()));
        for bad in [
            "../a",
            "a/../../b",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/.",
            "a/",
            "",
            "a\0b",
        ] {
            assert_eq!(safe_path(root, bad), None, "{bad}");
        }
    }

    #[test]
    fn listings_become_names_below_their_prefix() {
        let listed = |key: &str| Listed {
            key: key.to_owned(),
            size: 1,
            modified: Timestamp(0),
            etag: String::new(),
        };
        let listing = vec![listed("raw/"), listed("raw/a.csv"), listed("raw/b.tmp")];
        let filter = Filter::new(&["*.tmp".to_owned()], &[]);
        let tree = remote_tree(listing, "raw/", &filter);
        assert_eq!(tree.keys().collect::<Vec<_>>(), ["a.csv"]);
    }
}
