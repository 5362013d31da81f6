//! Why there is no package: whose fault it is, and what to do about it.

use std::io;
use std::path::PathBuf;

use sandbox::SandboxError;

#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("the project has no function {name:?}")]
    NoFunction { name: String },

    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is a link to {}, {reason}", path.display(), target.display())]
    BadLink {
        path: PathBuf,
        target: PathBuf,
        reason: &'static str,
    },
    #[error("{} is neither a file nor a folder", path.display())]
    Special { path: PathBuf },
    #[error("the name of {} is not text", path.display())]
    Name { path: PathBuf },
    #[error("{} has more than {limit} files", path.display())]
    TooManyFiles { path: PathBuf, limit: usize },
    #[error("there is no {what} in {}", source_folder.display())]
    NoHandler {
        what: String,
        source_folder: PathBuf,
        hint: Option<String>,
    },

    #[error("{}, line {line}: {message}", path.display())]
    Requirements {
        path: PathBuf,
        line: usize,
        message: String,
        hint: Option<String>,
    },
    #[error("neither uv nor pip is on this machine")]
    NoResolver,
    #[error("the requirements of {function} cannot be resolved for {target}:\n{reason}")]
    Unresolvable {
        function: String,
        target: String,
        reason: String,
        hint: Option<String>,
    },
    #[error("{requirement} is only there as source, and {why}")]
    SourceOnly { requirement: String, why: String },

    #[error("there is no R{wanted} on this machine{}", listed(there))]
    NoR { wanted: String, there: Vec<String> },
    #[error("R in {} is not built as a library", home.display())]
    NoSharedR { home: PathBuf },
    #[error("packages of R that {function} needs cannot be had for R {r}:\n{reasons}")]
    RPackages {
        function: String,
        reasons: String,
        r: String,
        is_offline: bool,
    },
    #[error("{function} is for another processor, and packages of R are those of this machine")]
    OtherProcessor { function: String },
    #[error("{} names no loader", program.display())]
    NoLoader { program: PathBuf },
    #[error("the layer with R does not load:\n{reason}")]
    RLayer { reason: String },

    #[error("{command:?} failed:\n{output}")]
    Build { command: String, output: String },
    #[error("{what} of {function} is {size}, which is over the limit of {limit}{tree}")]
    TooLarge {
        function: String,
        what: &'static str,
        size: String,
        limit: String,
        tree: String,
    },
    #[error("{place} imports {module}, which is not in the package of {function}")]
    MissingModule {
        function: String,
        /// The line of the code, or that a library does it.
        place: String,
        module: String,
        hint: String,
    },
    #[error("{function} cannot be loaded:\n{error}")]
    UserCode { function: String, error: String },

    #[error("cannot {what}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("the package cannot be tried out")]
    Jail(#[from] SandboxError),
}

/// Whose fault it is; commands make their exit codes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The project, or what it wants.
    Mistake,
    /// Its code ran and failed.
    Function,
    /// AWS takes no more.
    Limit,
    /// Us, or this machine.
    Ours,
}

impl PackageError {
    pub fn blame(&self) -> Blame {
        match self {
            Self::UserCode { .. } | Self::MissingModule { .. } => Blame::Function,
            Self::TooLarge { .. } | Self::TooManyFiles { .. } => Blame::Limit,
            Self::Io { .. } | Self::Jail(_) => Blame::Ours,
            _ => Blame::Mistake,
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } | Self::Special { .. } | Self::Name { .. } => Some(
                "leave it out by exclude = [\"...\"] of the function in squall.toml".to_owned(),
            ),
            Self::BadLink { .. } => Some(
                "put the file itself there, or leave the link out by exclude = [\"...\"] in \
                 squall.toml"
                    .to_owned(),
            ),
            Self::TooManyFiles { .. } => Some(
                "is this the folder of the function? source = \"...\" names it, and \
                 exclude = [\"...\"] leaves files out"
                    .to_owned(),
            ),
            Self::NoResolver => Some("install one of them: pip install uv".to_owned()),
            Self::NoHandler { hint, .. }
            | Self::Requirements { hint, .. }
            | Self::Unresolvable { hint, .. } => hint.clone(),
            Self::SourceOnly { .. } => Some(
                "take a version that has wheels (pypi.org lists them), or put the built \
                 package into the function's folder"
                    .to_owned(),
            ),
            Self::TooLarge { .. } => Some(
                "squall package --explain shows what is large; slim = true in squall.toml drops \
                 what is never opened, and exclude = [\"...\"] leaves files out"
                    .to_owned(),
            ),
            Self::MissingModule { hint, .. } => Some(hint.clone()),
            Self::UserCode { .. } => Some(
                "it was started alone, as it will be in the cloud; --no-test packs it as it is"
                    .to_owned(),
            ),
            Self::NoR { .. } => {
                Some("install it, as by apt-get install r-base-core".to_owned())
            }
            Self::NoSharedR { .. } => Some(
                "Debian's and Fedora's R is; one that was configured without --enable-R-shlib is not"
                    .to_owned(),
            ),
            Self::RPackages { is_offline, .. } => Some(
                if *is_offline {
                    "install them in this machine's R, or put them into a folder library beside \
                     the code: R CMD INSTALL --library=library PACKAGE"
                } else {
                    "are their names right? What is in a folder library beside the code goes along as it is"
                }
                .to_owned(),
            ),
            Self::OtherProcessor { .. } => Some(
                "bring them along in a folder library beside the code, built for that processor"
                    .to_owned(),
            ),
            Self::RLayer { .. } => {
                Some("--no-test packs it as it is, to be looked at".to_owned())
            }
            Self::NoFunction { .. } | Self::NoLoader { .. } | Self::Build { .. } | Self::Io { .. } | Self::Jail(_) => None,
        }
    }
}

fn listed(there: &[String]) -> String {
    if there.is_empty() {
        return String::new();
    }
    format!(", which has R {}", there.join(" and "))
}

/// Says what was being done when the system refused.
pub(crate) trait What<T> {
    fn what(self, what: impl FnOnce() -> String) -> Result<T, PackageError>;
}

impl<T> What<T> for io::Result<T> {
    fn what(self, what: impl FnOnce() -> String) -> Result<T, PackageError> {
        self.map_err(|source| PackageError::Io {
            what: what(),
            source,
        })
    }
}
