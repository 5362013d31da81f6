//! How packages are built: what the binary knows of machine, environment and wishes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// All that is not in the project.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the cache, such as `~/.cache/squall`.
    pub cache: PathBuf,
    /// Where Python interpreters may be.
    pub python_folders: Vec<PathBuf>,
    /// Where programs may be: the folders of PATH.
    pub programs: Vec<PathBuf>,
    /// The program that enters jails, usually this one; with none nothing is tried out.
    pub helper: Option<PathBuf>,
    /// What of the machine's settings says where libraries come from, in any form: what
    /// was built with others is not taken.
    pub origin: String,
    pub place: Place,
    /// Drop what is never opened, also where the project does not say so.
    pub slim: bool,
    pub test: Test,
    /// What AWS takes of code and layers together, unpacked: 250 MB.
    pub unpacked_bytes_max: u64,
    /// Resolve again what was resolved before.
    pub fresh: bool,
    pub say: Say,
}

/// Where a package will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On an engine of this machine: what AWS could run, and where there is no such
    /// thing, what this machine can.
    Engine,
    Aws,
}

/// When a package is tried out before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Unless just this package passed before.
    Always,
    /// Unless one with the same imports passed before: an import that is new is what
    /// can be missing.
    Changed,
    Never,
}

/// Is told what is being done, as some of it takes a while.
#[derive(Clone)]
pub struct Say(Arc<dyn Fn(&str) + Send + Sync>);

impl Say {
    pub fn new(say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(say))
    }

    pub fn nothing() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn it(&self, text: &str) {
        (self.0)(text);
    }
}

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Say")
    }
}
