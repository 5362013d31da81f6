//! Our own clients inside a jail: which program runs them, and what it has to see.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::process::{SandboxError, What};
use crate::python::Interpreter;
use crate::r::RHome;
use crate::settings::{FunctionFiles, Sandbox};
use crate::spec::{Bind, Role};

/// The program that this process is, and where a jail shows it.
const THIS_PROGRAM: &str = "/proc/self/exe";
const PROGRAM: &str = "/var/lang/bin/squall";
/// The word by which this program is R's client.
pub const R_WORD: &str = "__r";

/// What runs a function's code by a client of ours.
#[derive(Debug, Clone, Copy)]
pub enum Client<'a> {
    Python(&'a Interpreter),
    /// Loaded by this very program where it is shared; else a script of R's.
    R(&'a RHome),
}

impl<'a> From<&'a Interpreter> for Client<'a> {
    fn from(interpreter: &'a Interpreter) -> Self {
        Self::Python(interpreter)
    }
}

impl<'a> From<&'a RHome> for Client<'a> {
    fn from(home: &'a RHome) -> Self {
        Self::R(home)
    }
}

impl Client<'_> {
    /// Where the language's programs are; first in PATH.
    pub fn programs(&self) -> Option<PathBuf> {
        match self {
            Self::Python(interpreter) => interpreter.executable.parent().map(Path::to_owned),
            Self::R(home) => Some(home.inside(&home.programs)),
        }
    }

    /// Whether it speaks the direct protocol, and can be a template.
    pub fn is_direct(&self) -> bool {
        match self {
            Self::Python(_) => true,
            Self::R(home) => home.is_shared,
        }
    }

    /// What a jail has to show beyond the system's directories.
    pub(crate) fn binds(&self) -> Vec<Bind> {
        let same = |path: &PathBuf| Bind {
            source: path.clone(),
            target: path.clone(),
        };
        match self {
            Self::Python(interpreter) => interpreter.prefixes.iter().map(same).collect(),
            Self::R(home) => {
                let shown = home.prefix.iter().chain(&home.programs_apart);
                let bind = |path: &PathBuf| Bind {
                    source: path.clone(),
                    target: home.inside(path),
                };
                shown.map(bind).collect()
            }
        }
    }

    /// The folder of its files among the guests.
    pub(crate) fn folder(&self) -> &'static str {
        match self {
            Self::Python(_) => "python",
            Self::R(_) => "r",
        }
    }
}

impl Sandbox {
    /// The command line of a client of ours.
    pub(crate) fn client_program(
        &self,
        client: Client<'_>,
        files: &FunctionFiles,
        role: Role,
    ) -> Result<Vec<String>, SandboxError> {
        match client {
            Client::Python(interpreter) => Ok(self.python_program(interpreter, files, role)),
            Client::R(home) => self.r_program(home, files, role),
        }
    }

    fn r_program(
        &self,
        home: &RHome,
        files: &FunctionFiles,
        role: Role,
    ) -> Result<Vec<String>, SandboxError> {
        let text = |path: &Path| path.display().to_string();
        if !home.is_shared {
            let folder = self.directory_of(Some(Client::R(home)));
            return Ok(vec![text(&folder.join("bootstrap"))]);
        }
        let program = self.own_program()?;
        let layers: Vec<String> = self.layer_roots(files).iter().map(|p| text(p)).collect();
        Ok(vec![
            if self.isolated() {
                PROGRAM.to_owned()
            } else {
                text(program)
            },
            R_WORD.to_owned(),
            role.word().to_owned(),
            text(&self.r_home(home)),
            text(&self.task_root(files)),
            layers.join(":"),
        ])
    }

    /// `R_HOME` as functions see it.
    fn r_home(&self, home: &RHome) -> PathBuf {
        if self.isolated() {
            home.inside(&home.home)
        } else {
            home.home.clone()
        }
    }

    /// This program as a file to bind, where a client needs it.
    pub(crate) fn program_bind(&self, client: Client<'_>) -> Option<Bind> {
        let Client::R(RHome {
            is_shared: true, ..
        }) = client
        else {
            return None;
        };
        let source = self.inner.own_program.get()?.clone();
        Some(Bind {
            source,
            target: PROGRAM.into(),
        })
    }

    /// A file with this program, that stays what it is when a build or an update
    /// replaces the program under its own name. Made when it is first needed.
    fn own_program(&self) -> Result<&Path, SandboxError> {
        if let Some(path) = self.inner.own_program.get() {
            return Ok(path);
        }
        let folder = self.inner.settings.guest_directory.join("bin");
        let made = keep_program(&folder).what("keep this program for R's functions")?;
        Ok(self.inner.own_program.get_or_init(|| made))
    }
}

/// A second name for the program's file, or a copy where that cannot be had.
fn keep_program(folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join("squall");
    // Of an engine before this one.
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let own = fs::read_link(THIS_PROGRAM)?;
    let same = |a: &Path, b: &Path| -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let (a, b) = (fs::metadata(a)?, fs::metadata(b)?);
        Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
    };
    let linked =
        same(&own, Path::new(THIS_PROGRAM)).unwrap_or(false) && fs::hard_link(&own, &path).is_ok();
    if !linked {
        fs::copy(THIS_PROGRAM, &path)?;
    }
    std::path::absolute(path)
}
