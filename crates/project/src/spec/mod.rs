//! What may stand in `squall.toml`, as data. Checking a file, the JSON schema for
//! editors and the test of the documentation all read these tables, so that they
//! cannot tell different stories.
//!
//! Reading order: the types here, [`tables`] with all fields, [`forms`] for texts that
//! have a form of their own.

mod forms;
mod tables;

pub use forms::Form;
pub use forms::{BUCKET_NAME, FUNCTION_NAME, PROJECT_NAME, R_PACKAGE, ROUTE, STAGE_NAME, size};
pub use tables::{FILE, MODEL_OPTIONS};

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text(&'static Form),
    /// A whole number, both ends included.
    Number(i64, i64),
    OneOf(&'static [&'static str]),
    OneNumberOf(&'static [i64]),
    Truth,
    /// `false` and nothing else: what switches a default off.
    Off,
    /// A text, a number, true or false: what becomes a text.
    Plain,
    List(&'static Kind),
    /// Names that the project chooses, each with a value.
    Named(&'static Form, &'static Kind),
    Table(&'static Table),
    Any,
    /// A table with any fields.
    AnyTable,
    /// Told apart by what kind of TOML value it is.
    Either(&'static [Kind]),
}

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub fields: &'static [Field],
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub needed: Needed,
    /// A sentence for editors.
    pub doc: &'static str,
    /// What holds where it is not said, for editors and people.
    pub default: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    No,
    /// In what a stage and the common part say together.
    Yes,
}

impl Table {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const fn field(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field {
        name,
        kind,
        needed: Needed::No,
        doc,
        default: None,
    }
}

impl Field {
    const fn or(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    const fn needed(self) -> Self {
        Self {
            needed: Needed::Yes,
            ..self
        }
    }
}
