//! What is asked of a policy document.

use std::collections::BTreeMap;

/// May this caller do this?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// `s3:GetObject`; case does not matter.
    pub action: &'a str,
    /// The ARN of what it is done to.
    pub resource: &'a str,
    pub caller: &'a Caller,
    pub context: &'a Context,
}

/// Who asks, as far as the `Principal` of a statement can tell callers apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Without a signature.
    Anonymous,
    /// A user, a role's session or the account itself, by its ARN.
    Aws { arn: String },
    /// A service of AWS on its own behalf, such as `s3.amazonaws.com`.
    Service { name: String },
}

/// What is known of a request, by condition key. Keys are compared without
/// regard to case, and a key may have several values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to those that `key` has.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.add(key, value);
        self
    }

    /// Adds a value to those that `key` has.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        let values = self.values.entry(key.to_ascii_lowercase()).or_default();
        values.push(value.into());
    }

    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        let values = self.values.get(&key.to_ascii_lowercase());
        values.map(Vec::as_slice)
    }
}
