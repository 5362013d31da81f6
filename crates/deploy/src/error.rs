//! Why a deployment did not come to its end.

use std::io;
use std::path::PathBuf;

use aws_client::ClientError;

use crate::names::Names;

#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A step failed; those before it hold, and the next deployment goes on from there.
    #[error("{what} was not done")]
    Step {
        what: String,
        #[source]
        source: StepError,
    },
    /// What is there could not be read.
    #[error("{what} cannot be read")]
    Read {
        what: String,
        #[source]
        source: ClientError,
    },
    /// It cannot be done, by AWS's rules or because something is in the way.
    #[error("{message}")]
    Refused {
        message: String,
        hint: Option<String>,
    },
    #[error(transparent)]
    Package(#[from] package::PackageError),
}

/// Why one step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Call(#[from] ClientError),
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The cloud took on a change and did not finish it.
    #[error("{what} is not ready after {seconds} s{}", reason_after(reason))]
    Unready {
        what: String,
        seconds: u64,
        reason: String,
    },
    /// An answer lacks what AWS always says.
    #[error("the answer to {call} has no {member}")]
    Answer {
        call: &'static str,
        member: &'static str,
    },
    /// Two deployments at once would make one version of two halves.
    #[error("{0} was changed by somebody else meanwhile")]
    Raced(String),
    /// What an earlier step should have made is not known.
    #[error("{0} was not made before it was needed")]
    Order(String),
}

impl DeployError {
    pub fn read(what: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        let what = what.into();
        move |source| Self::Read { what, source }
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused {
            message: message.into(),
            hint: None,
        }
    }

    /// Something of somebody else has a name that the project wants.
    pub fn in_the_way(names: &Names, what: &str) -> Self {
        let (project, stage) = (&names.project, &names.stage);
        Self::refused(format!(
            "{what} is there already, and it is not of project {project} and stage {stage}"
        ))
        .hint("give project, stage or function another name, or remove what is there")
    }

    /// With what to do about it; of a refusal only.
    #[must_use]
    pub fn hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Refused { message, .. } => Self::Refused {
                message,
                hint: Some(text.into()),
            },
            other => other,
        }
    }
}

fn reason_after(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}
