//! What is left to R itself, and why.

/// A model or formula that only R can work out. Nothing is guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("needs R: {reason}")]
pub struct NeedsR {
    pub reason: String,
}

impl NeedsR {
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}
