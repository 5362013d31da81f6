//! What a model needs of a row, and what a row has there.

use std::sync::Arc;

/// A variable of the data that a model uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: Arc<str>,
    pub kind: FieldKind,
    /// All values that it may have, where they are known.
    pub levels: Vec<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    Number,
    Logical,
    /// Levels of a factor, or text.
    Text,
    /// Used only inside of something such as `factor(rank)`, which takes both numbers
    /// and text.
    Any,
}

/// What a row has in a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Missing,
    Number(f64),
    Logical(bool),
    Text(&'a str),
}

impl FieldKind {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Logical => "logical",
            Self::Text => "text",
            Self::Any => "number or text",
        }
    }
}
