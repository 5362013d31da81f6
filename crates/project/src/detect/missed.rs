//! What was nearly found: a file where handlers stand by custom, but with a function of
//! another name. Said to whoever wonders why nothing was found.

use std::fmt;
use std::path::Path;

use super::code::{HANDLER_FILES, HANDLER_NAMES, candidates};

/// As many of its functions are named.
const MAX_NAMED: usize = 5;

/// A file without a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    stem: String,
    /// At the top of the file, in its order.
    functions: Vec<String>,
}

pub fn missed(folder: &Path) -> Option<Missed> {
    candidates(folder, &HANDLER_FILES, "py")
        .map(|(stem, text)| Missed {
            stem,
            functions: text
                .lines()
                .filter_map(function)
                .map(str::to_owned)
                .collect(),
        })
        .find(|missed| !missed.functions.is_empty())
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (name, _) = line.strip_prefix("def ")?.split_once('(')?;
    let name = name.trim();
    (!name.starts_with('_')).then_some(name)
}

impl Missed {
    pub fn hint(&self) -> String {
        let Self { stem, functions } = self;
        let first = functions.first().map_or("FUNCTION", String::as_str);
        format!("in squall.toml, handler = \"{stem}.{first}\" names one")
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.functions.iter().take(MAX_NAMED);
        let names: Vec<&str> = names.map(String::as_str).collect();
        write!(
            f,
            "{}.py has no function {}; it has {}",
            self.stem,
            HANDLER_NAMES.join(" or "),
            names.join(", ")
        )
    }
}
