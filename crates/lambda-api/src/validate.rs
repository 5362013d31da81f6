//! Constraints on members, with the words in which AWS reports them. All faults
//! of a request are collected before it is refused.

use std::fmt::Display;

use crate::error::ApiError;

/// How much of a bad value is repeated to who sent it.
const QUOTED: usize = 1_000;

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    pub fn add(&mut self, value: impl Display, field: &str, constraint: impl Display) {
        let quoted: String = value.to_string().chars().take(QUOTED).collect();
        self.0.push(format!(
            "Value '{quoted}' at '{field}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// Gives the value of a member that must be there.
    pub fn required<T>(&mut self, value: Option<T>, field: &str) -> Option<T> {
        if value.is_none() {
            self.0.push(format!(
                "Value null at '{field}' failed to satisfy constraint: Member must not be null"
            ));
        }
        value
    }

    pub fn max_length(&mut self, value: &str, field: &str, max: usize) {
        if value.chars().count() > max {
            self.add(
                value,
                field,
                format_args!("Member must have length less than or equal to {max}"),
            );
        }
    }

    pub fn min_length(&mut self, value: &str, field: &str, min: usize) {
        if value.chars().count() < min {
            self.add(
                value,
                field,
                format_args!("Member must have length greater than or equal to {min}"),
            );
        }
    }

    pub fn pattern(&mut self, value: &str, field: &str, fits: bool, pattern: &str) {
        if !fits {
            self.add(
                value,
                field,
                format_args!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    /// A number within its bounds; `None` if it is not.
    pub fn range(&mut self, value: i64, field: &str, min: u32, max: u32) -> Option<u32> {
        if value < i64::from(min) {
            self.add(
                value,
                field,
                format_args!("Member must have value greater than or equal to {min}"),
            );
            return None;
        }
        if value > i64::from(max) {
            self.add(
                value,
                field,
                format_args!("Member must have value less than or equal to {max}"),
            );
            return None;
        }
        u32::try_from(value).ok()
    }

    /// One of the named values; each comes with what it stands for.
    pub fn one_of<T: Copy>(&mut self, value: &str, field: &str, all: &[(&str, T)]) -> Option<T> {
        let found = all.iter().find(|(name, _)| *name == value);
        if found.is_none() {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            self.add(
                value,
                field,
                format_args!("Member must satisfy enum value set: [{}]", names.join(", ")),
            );
        }
        found.map(|(_, meaning)| *meaning)
    }

    pub fn none(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Validation(self.0))
        }
    }
}

/// Takes a member that the faults would have refused if it were missing.
pub(crate) fn present<T>(value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::invalid("A required member is missing."))
}

/// Letters, digits and what `extra` adds; at least one.
pub(crate) fn is_word(text: &str, extra: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}
