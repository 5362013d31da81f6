//! What a package is made of: what is large, why it is there, what was dropped.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::archive::Member;
use crate::installed::Distribution;
use crate::prune::{Dropped, Reason};

/// Entries of the code that are shown one by one.
const SHOWN: usize = 12;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub function: String,
    /// Of the code, by the first part of their paths: files and bytes.
    pub code: BTreeMap<String, Dropped>,
    pub distributions: Vec<Distribution>,
    /// Of libraries: as they were installed, and as they are packed.
    pub plain_bytes: u64,
    pub library_bytes: u64,
    pub has_bytecode: bool,
    pub dropped: BTreeMap<Reason, Dropped>,
    /// Distributions that are fetched as an instance starts.
    pub rest: Vec<String>,
}

impl Report {
    pub(crate) fn new(function: &str, members: &[Member]) -> Self {
        let mut code: BTreeMap<String, Dropped> = BTreeMap::new();
        for member in members {
            let top = match member.path.split_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => member.path.clone(),
            };
            code.entry(top).or_default().add(member.bytes);
        }
        Self {
            function: function.to_owned(),
            code,
            distributions: vec![],
            plain_bytes: 0,
            library_bytes: 0,
            has_bytecode: false,
            dropped: BTreeMap::new(),
            rest: vec![],
        }
    }

    pub fn code_bytes(&self) -> u64 {
        self.code.values().map(|weight| weight.bytes).sum()
    }

    /// The tree, for people.
    pub fn tree(&self) -> String {
        let mut text = String::new();
        let total = self.code_bytes() + self.library_bytes;
        let _ = writeln!(text, "{:>9}  {}", size(total), self.function);
        self.code_into(&mut text);
        if !self.distributions.is_empty() {
            self.libraries_into(&mut text);
        }
        text
    }

    fn code_into(&self, text: &mut String) {
        let _ = writeln!(text, "{:>9}  ├─ code", size(self.code_bytes()));
        let mut entries: Vec<_> = self.code.iter().collect();
        entries.sort_by_key(|(name, weight)| (std::cmp::Reverse(weight.bytes), *name));
        for (name, weight) in entries.iter().take(SHOWN) {
            let files = match weight.files {
                1 => String::new(),
                files => format!("  {files} files"),
            };
            let _ = writeln!(text, "{:>9}  │  ├─ {name}{files}", size(weight.bytes));
        }
        if entries.len() > SHOWN {
            let rest = entries[SHOWN..].iter().map(|(_, weight)| weight.bytes);
            let (bytes, count) = (size(rest.sum()), entries.len() - SHOWN);
            let _ = writeln!(text, "{bytes:>9}  │  ├─ {count} more");
        }
    }

    fn libraries_into(&self, text: &mut String) {
        let plain = size(self.plain_bytes);
        let bytes = size(self.library_bytes);
        let _ = writeln!(
            text,
            "{bytes:>9}  ├─ libraries  {plain} as they were installed"
        );
        let mut all: Vec<&Distribution> = self.distributions.iter().collect();
        all.sort_by_key(|found| (std::cmp::Reverse(found.bytes), found.name.clone()));
        for found in all {
            let why = match found.wanted_by.as_slice() {
                [] => String::new(),
                names => format!("  for {}", names.join(", ")),
            };
            let rest = if self.rest.contains(&found.name) {
                "  fetched as an instance starts"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "{:>9}  │  ├─ {} {}{why}{rest}",
                size(found.bytes),
                found.name,
                found.version
            );
        }
        if !self.dropped.is_empty() {
            let total = self.dropped.values().map(|dropped| dropped.bytes).sum();
            let _ = writeln!(text, "{:>9}  └─ dropped", size(total));
        }
        for (reason, dropped) in &self.dropped {
            let _ = writeln!(
                text,
                "{:>9}     ├─ {}  {} files",
                size(dropped.bytes),
                words(*reason),
                dropped.files
            );
        }
        if self.has_bytecode {
            let _ = writeln!(
                text,
                "           byte code is included: modules load at once"
            );
        }
    }
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Tests => "tests of libraries",
        Reason::Caches => "caches",
        Reason::Sources => "sources of compiled code, stubs and headers",
        Reason::Bookkeeping => "programs, and notes of the installer",
        Reason::Symbols => "symbols for debuggers",
        Reason::Unused => "never opened by tests, sample or import",
        Reason::Rest => "fetched as an instance starts",
    }
}

/// `1.5 MB`, counted in 1,024s as AWS counts its limits.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KB", "MB"] {
        if value < 1024.0 {
            let digits = usize::from(unit != "B" && value < 100.0);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} GB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_says_what_is_large_and_why() {
        let mut members = vec![Member::text("handler.py", "12345", false)];
        members.push(Member::text("lib/a.py", "1", false));
        members.push(Member::text("lib/b.py", "1", false));
        let mut report = Report::new("f", &members);
        let distribution = |name: &str, bytes, wanted_by: &str| Distribution {
            name: name.to_owned(),
            version: "1".to_owned(),
            wanted_by: vec![wanted_by.to_owned()],
            plain_bytes: 0,
            bytes,
        };
        report.distributions = vec![
            distribution("six", 1024, "pandas"),
            distribution("pandas", 3 << 20, "requirements"),
        ];
        report.library_bytes = (3 << 20) + 1024;
        report.plain_bytes = 300 << 20;
        report.dropped.entry(Reason::Tests).or_default().add(2048);
        assert_eq!(
            report.tree(),
            "   3.0 MB  f\n\
             \x20     7 B  ├─ code\n\
             \x20     5 B  │  ├─ handler.py\n\
             \x20     2 B  │  ├─ lib/  2 files\n\
             \x20  3.0 MB  ├─ libraries  300 MB as they were installed\n\
             \x20  3.0 MB  │  ├─ pandas 1  for requirements\n\
             \x20  1.0 KB  │  ├─ six 1  for pandas\n\
             \x20  2.0 KB  └─ dropped\n\
             \x20  2.0 KB     ├─ tests of libraries  1 files\n"
        );
    }
}
