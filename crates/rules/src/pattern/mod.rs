//! Event patterns: which events a rule wants. A pattern is checked once, when it
//! is put, and asked for each event after that.

mod cidr;
mod event;
mod matcher;
mod parse;
mod wildcard;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use event::Fields;

use matcher::Matcher;

/// Why a text is no pattern; the text is AWS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Event pattern is not valid. Reason: {0}")]
pub struct BadPattern(pub String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    root: Node,
}

/// All of it must fit.
#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    fields: Vec<(String, Want)>,
    /// Of each list, one must fit.
    either: Vec<Vec<Node>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Want {
    Object(Node),
    /// One of these must fit one of the values that the event has there.
    Values {
        path: Vec<String>,
        any: Vec<Matcher>,
    },
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        Ok(Self {
            text: text.to_owned(),
            root: parse::parse(text)?,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn matches(&self, event: &Value) -> bool {
        self.matches_fields(&Fields::of(event))
    }

    /// As `matches`, for who asks many patterns about one event.
    pub fn matches_fields(&self, event: &Fields<'_>) -> bool {
        self.root.fits(Some(event), event)
    }

    /// Whether events whose outermost field `name` is `value` can match at all.
    pub fn allows(&self, name: &str, value: &str) -> bool {
        let value = Value::from(value);
        self.root.fields.iter().all(|(field, want)| match want {
            Want::Values { any, .. } if field == name => {
                any.iter().any(|matcher| matcher.fits(&value))
            }
            _ => true,
        })
    }
}

impl Node {
    /// `root` is the whole event: what is absent must be absent from all of it.
    fn fits(&self, at: Option<&Fields<'_>>, root: &Fields<'_>) -> bool {
        let here = self
            .fields
            .iter()
            .all(|(name, want)| want.fits(at.and_then(|at| at.field(name)), root))
            && self
                .either
                .iter()
                .all(|nodes| nodes.iter().any(|node| node.fits(at, root)));
        // Of a list, one element must fit in full.
        here || at.is_some_and(|at| at.elements().any(|element| self.fits(Some(element), root)))
    }
}

impl Want {
    fn fits(&self, at: Option<&Fields<'_>>, root: &Fields<'_>) -> bool {
        match self {
            Self::Object(node) => node.fits(at, root),
            Self::Values { path, any } => any.iter().any(|matcher| match matcher {
                Matcher::Absent => !root.has_value_at(path),
                matcher => at.is_some_and(|at| at.any_value(&|value| matcher.fits(value))),
            }),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.text
    }
}

#[cfg(test)]
mod tests;
