//! What an error says is missing, of what was dropped: it comes back.

use std::collections::BTreeSet;

use crate::installed::Installed;

/// What of the dropped files an error speaks of: modules by their names, data by its path.
pub(super) fn missing_in(words: &str, dropped: &[Installed]) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    for rest in words.split("No module named '").skip(1) {
        let module = rest
            .split('\'')
            .next()
            .unwrap_or_default()
            .replace('.', "/");
        missing.insert(module);
    }
    for rest in words.split("cannot import name '").skip(1) {
        // `cannot import name 'x' from 'a.b' (/opt/python/a/b/__init__.py)`
        let name = rest.split('\'').next().unwrap_or_default();
        let from = rest
            .split("from '")
            .nth(1)
            .and_then(|from| from.split('\'').next());
        let from = from.unwrap_or_default().replace('.', "/");
        missing.insert(format!("{from}/{name}"));
    }
    for word in words.split(['\'', '"', ' ', '\n']) {
        if let Some((_, path)) = word.split_once("/python/") {
            let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
            missing.insert(folder.to_owned());
        }
    }
    let brings_back = |path: &String| {
        dropped.iter().any(|file| {
            let rest = file.path.strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
        })
    };
    // A module that is a file: `a/b` stands for `a/b.py` and `a/b.cpython-311.so`.
    let mut all = BTreeSet::new();
    for path in missing.into_iter().filter(brings_back) {
        let files = dropped.iter().map(|file| file.path.as_str());
        all.extend(
            files
                .filter(|file| {
                    file.strip_prefix(&path)
                        .is_some_and(|rest| rest.starts_with('.'))
                })
                .map(str::to_owned),
        );
        all.insert(path);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_bring_back_what_they_speak_of() {
        let dropped: Vec<Installed> = [
            "a/b/__init__.py",
            "a/c.cpython-311.so",
            "a/data/x.json",
            "other.py",
        ]
        .iter()
        .map(|path| Installed {
            path: (*path).to_owned(),
            bytes: 1,
            executable: false,
        })
        .collect();
        let missing = |words: &str| {
            let found = missing_in(words, &dropped);
            found.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(missing("ImportError: No module named 'a.b'"), "a/b");
        assert_eq!(
            missing("cannot import name 'c' from 'a' (/opt/python/a/__init__.py)"),
            "a a/c a/c.cpython-311.so"
        );
        assert_eq!(
            missing("No such file or directory: '/opt/python/a/data/x.json'"),
            "a/data"
        );
        assert_eq!(missing("No module named 'requests'"), "");
        assert_eq!(missing("ValueError: no"), "");
    }
}
