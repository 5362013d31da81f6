//! The R of this machine: where it is, and in which folders its packages are.

use std::path::{Path, PathBuf};

use sandbox::{RHome, find_r};

use super::description::{self, Description};
use crate::error::PackageError;
use crate::layer::blocking;
use crate::machine::{Machine, Run};
use crate::options::Options;

/// Prints where packages are, one folder a line.
const PATHS: &str = "cat(.libPaths(), sep = \"\\n\")";
/// Where Debian puts the packages that it builds.
const DEBIAN: &str = "/usr/lib/R";

#[derive(Debug, Clone)]
pub(super) struct Home {
    /// `R_HOME`
    pub(super) folder: PathBuf,
    /// `4.2.2`
    pub(super) version: String,
    pub(super) rscript: PathBuf,
    /// As R looks through them; R's own comes last.
    pub(super) libraries: Vec<PathBuf>,
    /// Whether another program can load it.
    pub(super) is_shared: bool,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) folder: PathBuf,
    pub(super) description: Description,
}

impl Home {
    /// The R that a function asks for: any, or that of one series such as 4.2.
    pub(super) async fn find(
        series: Option<(u8, u8)>,
        options: &Options,
        machine: &Machine,
    ) -> Result<Self, PackageError> {
        let folders = options.programs.clone();
        let found = blocking(move || Ok(find_r(&folders))).await?;
        let fits = |r: &&RHome| series.is_none_or(|it| it == (r.major, r.minor));
        let Some(r) = found.iter().find(fits) else {
            return Err(PackageError::NoR {
                wanted: series
                    .map_or_else(String::new, |(major, minor)| format!(" {major}.{minor}")),
                there: found.iter().map(|r| r.version.clone()).collect(),
            });
        };
        let rscript = r.programs.join("Rscript");
        let rscript = if rscript.is_file() {
            rscript
        } else {
            machine.program("Rscript").unwrap_or(rscript)
        };
        let own = r.home.join("library");
        let mut run = Run::new(&rscript);
        run.args(["--no-save", "--no-init-file", "-e", PATHS]);
        let output = run.run().await?.output;
        let libraries = output.lines().map(PathBuf::from);
        let libraries =
            libraries.filter(|path| path.is_absolute() && path.is_dir() && *path != own);
        let mut libraries: Vec<PathBuf> = libraries.collect();
        libraries.push(own);
        Ok(Self {
            folder: r.home.clone(),
            version: r.version.clone(),
            rscript,
            libraries,
            is_shared: r.is_shared,
        })
    }

    /// `4.2`: packages are built for that.
    pub(super) fn series(&self) -> &str {
        self.version
            .rsplit_once('.')
            .map_or(&self.version, |(series, _)| series)
    }

    pub(super) fn own_library(&self) -> PathBuf {
        self.folder.join("library")
    }

    /// Part of R itself.
    pub(super) fn is_base(&self, name: &str) -> bool {
        let found = description::read(&self.own_library().join(name));
        found.is_some_and(|found| found.is_base)
    }

    pub(super) fn installed(&self, name: &str) -> Option<Found> {
        look(&self.libraries, name)
    }

    /// Whether Debian's packages are built for it.
    pub(super) fn is_debians(&self) -> bool {
        self.folder == Path::new(DEBIAN)
    }
}

/// The first of these folders that has the package.
pub(super) fn look(libraries: &[PathBuf], name: &str) -> Option<Found> {
    let mut folders = libraries.iter().map(|library| library.join(name));
    folders.find_map(|folder| {
        let description = description::read(&folder)?;
        Some(Found {
            folder,
            description,
        })
    })
}
