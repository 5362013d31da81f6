//! Which files of a tree are meant: what is excluded and what is included, on the
//! command line and in a project.

/// A pattern: `*` and `?` (both take slashes, too), `[a-z]`, `[!a-z]`. Without a
/// slash it means any part of a path, with one the path from its beginning, or with
/// `**/` before it from any folder; what names a folder means all in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: Vec<char>,
    /// It began with `**/`.
    anywhere: bool,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let rest = text.strip_prefix("**/");
        Self {
            text: rest.unwrap_or(text).trim_end_matches('/').chars().collect(),
            anywhere: rest.is_some(),
        }
    }

    fn matches(&self, path: &str) -> bool {
        if self.matches_from_here(path) {
            return true;
        }
        let mut slashes = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
        self.anywhere && slashes.any(|rest| self.matches_from_here(rest))
    }

    fn matches_from_here(&self, path: &str) -> bool {
        if self.is_match(path) {
            return true;
        }
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        if self.text.contains(&'/') {
            return folders.clone().any(|folder| self.is_match(folder));
        }
        path.split('/').any(|part| self.is_match(part))
    }

    /// By going back to the last `*` where it does not fit: no more than the
    /// product of both lengths, whatever the pattern.
    fn is_match(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            if self.text.get(p) == Some(&'*') {
                star = Some((p, t));
                p += 1;
            } else if let Some(next) = self.one(p, text[t]) {
                p = next;
                t += 1;
            } else if let Some((at, taken)) = star {
                p = at + 1;
                t = taken + 1;
                star = Some((at, taken + 1));
            } else {
                return false;
            }
        }
        self.text[p..].iter().all(|c| *c == '*')
    }

    /// Where the pattern goes on after it took this character, if it does.
    fn one(&self, p: usize, c: char) -> Option<usize> {
        match *self.text.get(p)? {
            '?' => Some(p + 1),
            '[' => match self.class(p, c) {
                Some((end, is_in)) => is_in.then_some(end),
                // Without an end it is a bracket like any other character.
                None => (c == '[').then_some(p + 1),
            },
            literal => (c == literal).then_some(p + 1),
        }
    }

    /// Where a class ends, and whether this character is in it.
    fn class(&self, start: usize, c: char) -> Option<(usize, bool)> {
        let mut p = start + 1;
        let is_negated = matches!(self.text.get(p), Some('!' | '^'));
        p += usize::from(is_negated);
        let first = p;
        let mut is_in = false;
        loop {
            let low = *self.text.get(p)?;
            // Directly behind the bracket it is one of the class.
            if low == ']' && p > first {
                return Some((p + 1, is_in != is_negated));
            }
            match (self.text.get(p + 1), self.text.get(p + 2)) {
                (Some('-'), Some(&high)) if high != ']' => {
                    is_in |= (low..=high).contains(&c);
                    p += 3;
                }
                _ => {
                    is_in |= low == c;
                    p += 1;
                }
            }
        }
    }
}

/// What excludes and includes say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    exclude: Vec<Pattern>,
    include: Vec<Pattern>,
}

impl Filter {
    pub fn new(exclude: &[String], include: &[String]) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        Self {
            exclude: patterns(exclude),
            include: patterns(include),
        }
    }

    /// What is included is taken in any case; of the rest nothing if there are
    /// only includes, and else what is not excluded.
    pub fn takes(&self, path: &str) -> bool {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(path));
        if matches(&self.include) {
            return true;
        }
        let only_includes = self.exclude.is_empty() && !self.include.is_empty();
        !only_includes && !matches(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_parts_paths_and_folders() {
        for (pattern, path, matches) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "raw/2026/a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("raw/*.csv", "raw/2026/a.csv", true),
            ("raw/*.csv", "old/raw/a.csv", false),
            (".git", ".git/objects/ab", true),
            (".git/", "sub/.git/config", true),
            (".git", ".gitignore", false),
            ("raw/old", "raw/old/a", true),
            ("raw/old", "raw/older/a", false),
            ("?.txt", "é.txt", true),
            ("[a-c]x[!0-9]", "bxz", true),
            ("[a-c]x[!0-9]", "bx7", false),
            ("[]]", "]", true),
            ("[ab", "[ab", true),
            ("", "a", false),
            ("*", "anything/at/all", true),
            ("**/*.csv", "a.csv", true),
            ("**/raw/*.csv", "old/raw/a.csv", true),
            ("**/raw/*.csv", "draw/a.csv", false),
            ("**/raw", "old/raw/a/b", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(path),
                matches,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = Pattern::new(&"*a".repeat(60));
        assert!(!pattern.matches(&("a".repeat(59) + "b")));
    }

    #[test]
    fn includes_win_over_excludes_and_stand_for_themselves() {
        let filter = |exclude: &[&str], include: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
            Filter::new(&owned(exclude), &owned(include))
        };
        assert!(filter(&[], &[]).takes("a"));
        let no_caches = filter(&["__pycache__", "*.tmp"], &[]);
        assert!(no_caches.takes("src/a.py") && !no_caches.takes("src/__pycache__/a.pyc"));
        let only_csv = filter(&[], &["*.csv"]);
        assert!(only_csv.takes("x/a.csv") && !only_csv.takes("a.txt"));
        let all_but_csv = filter(&["*"], &["*.csv"]);
        assert!(all_but_csv.takes("x/a.csv") && !all_but_csv.takes("a.txt"));
    }
}
