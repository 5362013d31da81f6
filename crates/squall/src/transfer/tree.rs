//! What there is below a folder, here or in a bucket, by names that both share.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use types::Timestamp;

use super::report::Failed;
use crate::s3::Listed;
use types::glob::Filter;

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
    walk(root, filter, None)
}

/// As [`local_tree`], but what a link leads to outside of `border` is told as if it
/// could not be read: nobody meant that to be sent.
pub fn local_tree_within(root: &Path, filter: &Filter, border: &Path) -> (Tree, Vec<Failed>) {
    match fs::canonicalize(border) {
        Ok(border) => walk(root, filter, Some(&border)),
        Err(error) => {
            let failed = Failed {
                what: border.display().to_string(),
                why: error.to_string(),
            };
            (Tree::new(), vec![failed])
        }
    }
}

fn walk(root: &Path, filter: &Filter, border: Option<&Path>) -> (Tree, Vec<Failed>) {
    let mut walk = Walk {
        filter,
        border,
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
    border: Option<&'a Path>,
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
        if !self.is_within(&real) {
            return self.fail(path, &leads_out());
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
            Ok(_) if !self.is_plain_or_within(entry) => self.fail(&path, &leads_out()),
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

    fn is_within(&self, real: &Path) -> bool {
        self.border.is_none_or(|border| real.starts_with(border))
    }

    /// Only a link can lead out of the folder that it is in.
    fn is_plain_or_within(&self, entry: &fs::DirEntry) -> bool {
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let real = || fs::canonicalize(entry.path());
        !is_link || self.border.is_none() || real().is_ok_and(|real| self.is_within(&real))
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.failed.push(Failed {
            what: path.display().to_string(),
            why: error.to_string(),
        });
    }
}

fn leads_out() -> io::Error {
    io::Error::other("it leads out of the project")
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
    fn what_leads_over_the_border_is_told_and_not_taken() {
        let all = tempfile::tempdir().unwrap();
        let at = |name: &str| all.path().join(name);
        fs::create_dir_all(at("project/site/sub")).unwrap();
        fs::create_dir_all(at("outside")).unwrap();
        fs::write(at("outside/secret"), "").unwrap();
        fs::write(at("project/shared.js"), "").unwrap();
        fs::write(at("project/site/index.html"), "").unwrap();
        symlink(at("outside"), at("project/site/sub/folder")).unwrap();
        symlink(at("outside/secret"), at("project/site/file")).unwrap();
        symlink(at("project/shared.js"), at("project/site/shared.js")).unwrap();
        let (site, border) = (at("project/site"), at("project"));
        let (tree, failed) = local_tree_within(&site, &Filter::default(), &border);
        let names: Vec<&str> = tree.keys().map(String::as_str).collect();
        assert_eq!(names, ["index.html", "shared.js"]);
        assert_eq!(failed.len(), 2);
        let (tree, failed) = local_tree_within(&at("outside"), &Filter::default(), &border);
        assert_eq!((tree.len(), failed.len()), (0, 1));
        assert_eq!(local_tree(&site, &Filter::default()).0.len(), 4);
    }

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
