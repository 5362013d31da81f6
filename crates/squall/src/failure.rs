//! How a command ends badly: whose fault it was, and what to do about it.

use std::fmt;
use std::process::ExitCode;

use crate::output;

/// Whose fault it was; each has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The function ran and failed.
    Function,
    /// What was asked cannot be done.
    Mistake,
    /// A limit or a throttle; later, or smaller, it may work.
    Refused,
    /// All is done that could be: some items of a map failed.
    ItemsFailed,
    /// A map ended before all was done, and keeps what was.
    Stopped,
    /// The user ended it.
    Interrupted,
    /// Ours.
    Bug,
}

impl Kind {
    pub fn code(self) -> u8 {
        match self {
            Self::Function => 1,
            Self::Mistake => 2,
            Self::Refused => 3,
            Self::ItemsFailed => 4,
            Self::Stopped => 5,
            // 128 and the number of SIGINT, as shells have it.
            Self::Interrupted => 130,
            // What sysexits.h calls an internal software error.
            Self::Bug => 70,
        }
    }

    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    pub fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self {
            kind,
            error: error.into(),
            hint: None,
        }
    }

    pub fn mistake(message: impl fmt::Display) -> Self {
        Self::new(Kind::Mistake, anyhow::anyhow!("{message}"))
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// What went wrong, without what to do about it.
    pub fn message(&self) -> String {
        format!("{:#}", self.error)
    }

    /// The engine says that the thing asked for is not there.
    pub fn is_missing(&self) -> bool {
        self.kind == Kind::Mistake
            && self
                .error
                .to_string()
                .starts_with("ResourceNotFoundException")
    }

    /// Says it on stderr, causes included, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        output::note(&self.to_string());
        self.kind.exit_code()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message())?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// What nobody expected is a bug.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Kind::Bug, error)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_and_hints_are_said_once() {
        let error = anyhow::anyhow!("no such file")
            .context("cannot read x")
            .context("cannot start");
        let failure = Failure::new(Kind::Mistake, error).hint("make x");
        assert_eq!(
            failure.to_string(),
            "error: cannot start: cannot read x: no such file\nhint: make x"
        );
        let unexpected: Result<(), anyhow::Error> =
            Err(anyhow::anyhow!("odd")).context("on the way");
        assert_eq!(Failure::from(unexpected.unwrap_err()).kind.code(), 70);
    }
}
