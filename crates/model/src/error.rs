//! What is wrong with data, said so that whoever sent them can put it right.

use std::fmt;
use std::sync::Arc;

/// Levels that an error lists; of more it says how many there are.
const LISTED: usize = 50;

#[derive(Debug, Clone, PartialEq)]
pub struct DataError {
    /// Counted from 1; none where it is about a whole column, or there is only one row.
    pub row: Option<usize>,
    /// The column of the data.
    pub field: Arc<str>,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// The data do not have the column.
    Absent,
    NewLevel {
        /// As R names it, `factor(rank)`.
        variable: Arc<str>,
        /// All that are new, sorted; the first of `levels` that came is `level`.
        level: Arc<str>,
        levels: Vec<Arc<str>>,
        allowed: Vec<Arc<str>>,
    },
    /// Fitted with one class, given with another.
    Class {
        fitted: &'static str,
        supplied: &'static str,
        example: Option<String>,
    },
    NotNumeric {
        /// What R says of it.
        in_r: &'static str,
        example: Option<String>,
    },
    /// Text that stands for no number or truth value, where that was to be made of it.
    NotConverted { text: String, into: &'static str },
    /// What else R would say.
    Other(String),
}

impl DataError {
    pub(crate) fn of_field(field: &Arc<str>, problem: Problem) -> Self {
        Self {
            row: None,
            field: field.clone(),
            problem,
        }
    }

    pub(crate) fn at(row: Option<usize>, field: &Arc<str>, problem: Problem) -> Self {
        Self {
            row,
            field: field.clone(),
            problem,
        }
    }

    /// About no column in particular.
    pub(crate) fn other(problem: impl Into<String>) -> Self {
        Self {
            row: None,
            field: "".into(),
            problem: Problem::Other(problem.into()),
        }
    }

    /// What the column may hold, where that is a list.
    pub fn allowed(&self) -> &[Arc<str>] {
        match &self.problem {
            Problem::NewLevel { allowed, .. } => allowed,
            _ => &[],
        }
    }

    /// In R's own words.
    pub fn as_r(&self) -> String {
        let field = &self.field;
        match &self.problem {
            Problem::Absent => format!("object '{field}' not found"),
            Problem::NewLevel {
                variable, levels, ..
            } => {
                let many = if levels.len() > 1 { "s" } else { "" };
                format!(
                    "factor {variable} has new level{many} {}",
                    levels.join(", ")
                )
            }
            Problem::Class {
                fitted, supplied, ..
            } => format!(
                "variable '{field}' was fitted with type \"{fitted}\" but type \"{supplied}\" was supplied"
            ),
            Problem::NotNumeric { in_r, .. } => (*in_r).to_owned(),
            Problem::NotConverted { .. } => "NAs introduced by coercion".to_owned(),
            Problem::Other(message) => message.clone(),
        }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(row) = self.row {
            write!(to, "row {row}, ")?;
        }
        if !self.field.is_empty() {
            write!(to, "field {}: ", self.field)?;
        }
        match &self.problem {
            Problem::Absent => to.write_str("it is missing"),
            Problem::NewLevel { level, allowed, .. } => {
                write!(to, "{level} is not a level; allowed: ")?;
                for (at, own) in allowed.iter().take(LISTED).enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(to, "{comma}{own}")?;
                }
                match allowed.len().saturating_sub(LISTED) {
                    0 => Ok(()),
                    more => write!(to, " and {more} more"),
                }
            }
            Problem::Class {
                fitted,
                supplied,
                example,
            } => {
                let (fitted, supplied) = (plain(fitted), plain(supplied));
                match example {
                    Some(example) => {
                        write!(to, "{example} is {supplied}, where {fitted} is needed")
                    }
                    None => write!(to, "{supplied}, where {fitted} is needed"),
                }
            }
            Problem::NotNumeric { example, .. } => match example {
                Some(example) => write!(to, "{example} is not a number"),
                None => to.write_str("not a number"),
            },
            Problem::NotConverted { text, into } => write!(to, "{text:?} is not {into}"),
            Problem::Other(message) => to.write_str(message),
        }
    }
}

/// R's names of classes, for people.
fn plain(class: &str) -> &str {
    match class {
        "numeric" => "a number",
        "logical" => "a truth value",
        "character" => "text",
        "factor" | "ordered" => "a level (text)",
        other => other,
    }
}

impl std::error::Error for DataError {}
