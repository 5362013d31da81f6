//! What is wrong with a project, told so that it can be mended: which file, line,
//! column and field, and what would be right.

use std::fmt;
use std::path::PathBuf;

use crate::detect::Missed;

/// As many are shown at once; the rest comes when these are mended.
const SHOWN: usize = 10;

#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is no text: byte {at} is not UTF-8", path.display())]
    NoText { path: PathBuf, at: usize },
    #[error("{} has more than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{}", listed(path, mistakes))]
    Mistakes {
        path: PathBuf,
        mistakes: Vec<Mistake>,
    },
    #[error("{stage:?} is not a name of a stage: use 1 to 16 lower-case letters, digits and '-'")]
    BadStage { stage: String },
    #[error("the project has no stage {stage:?}; it has {}", known.join(", "))]
    UnknownStage {
        stage: String,
        known: Vec<String>,
        meant: Option<String>,
    },
    #[error("there is nothing to deploy in {}{}", folder.display(), because(missed.as_ref()))]
    Nothing {
        folder: PathBuf,
        missed: Option<Missed>,
    },
}

impl ProjectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // Of several, each is said beside its mistake.
            Self::Mistakes { mistakes, .. } => match mistakes.as_slice() {
                [mistake] => mistake.hint.clone(),
                _ => None,
            },
            Self::UnknownStage { stage, meant, .. } => Some(match meant {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("a stage comes to be by [stages.{stage}] in squall.toml"),
            }),
            Self::Nothing {
                missed: Some(missed),
                ..
            } => Some(missed.hint()),
            Self::Nothing { .. } => Some(
                "squall init begins a project; a file handler.py with a function \
                 lambda_handler(event, context) is one already"
                    .to_owned(),
            ),
            Self::TooLarge { .. } | Self::NoText { .. } => {
                Some("squall.toml is a short text; docs/project.md has all of it".to_owned())
            }
            Self::Unreadable { .. } | Self::BadStage { .. } => None,
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1; 0 where there is no file.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// `functions.clean.memory`; empty where the file is no TOML.
    pub field: String,
    pub problem: String,
    pub hint: Option<String>,
}

impl Mistake {
    /// At a byte of a text.
    pub fn new(text: &str, at: usize, field: &str, problem: String) -> Self {
        let (line, column) = position(text, at);
        Self {
            line,
            column,
            field: field.to_owned(),
            problem,
            hint: None,
        }
    }
}

/// `3:7: functions.clean.memory: ...`
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.problem)
    }
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}

fn because(missed: Option<&Missed>) -> String {
    missed.map_or_else(String::new, |missed| format!(": {missed}"))
}

fn listed(path: &std::path::Path, mistakes: &[Mistake]) -> String {
    let file = path.file_name().unwrap_or(path.as_os_str()).display();
    let said = |mistake: &Mistake| {
        let gap = if mistake.line > 0 { "" } else { " " };
        format!("{file}:{gap}{mistake}")
    };
    if let [mistake] = mistakes {
        return said(mistake);
    }
    let mut text = format!("{file} has {} mistakes:", mistakes.len());
    for mistake in mistakes.iter().take(SHOWN) {
        text.push_str("\n  ");
        text.push_str(&said(mistake));
        if let Some(hint) = &mistake.hint {
            text.push_str("; ");
            text.push_str(hint);
        }
    }
    if mistakes.len() > SHOWN {
        text.push_str("\n  and ");
        text.push_str(&(mistakes.len() - SHOWN).to_string());
        text.push_str(" more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        for (text, at, expected) in [
            ("", 0, (1, 1)),
            ("ab", 1, (1, 2)),
            ("a\nb", 2, (2, 1)),
            ("ä = 1", 3, (1, 3)),
            ("ä", 1, (1, 1)),
            ("x", 99, (1, 2)),
        ] {
            assert_eq!(position(text, at), expected, "{text:?} {at}");
        }
    }

    #[test]
    fn one_mistake_is_a_line_and_many_are_a_list() {
        let one = Mistake::new("a\nb", 2, "functions.f.memory", "is 1".to_owned());
        let error = |mistakes| ProjectError::Mistakes {
            path: "/x/squall.toml".into(),
            mistakes,
        };
        assert_eq!(
            error(vec![one.clone()]).to_string(),
            "squall.toml:2:1: functions.f.memory: is 1"
        );
        let hinted = Mistake {
            hint: Some("did you mean 2?".to_owned()),
            ..one
        };
        let many = error(vec![hinted; SHOWN + 2]).to_string();
        let start = "squall.toml has 12 mistakes:\n  squall.toml:2:1: functions.f.memory: is 1; did you mean 2?\n";
        assert!(many.starts_with(start), "{many}");
        assert!(many.ends_with("\n  and 2 more"));
    }
}
