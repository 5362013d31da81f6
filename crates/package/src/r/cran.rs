//! Packages from CRAN, or from another repository of that form: R itself installs them.

use std::path::{Path, PathBuf};

use super::home::{Found, Home, look};
use crate::error::{PackageError, What};
use crate::machine::Run;

/// Where packages come from if nothing else is said, and this R knows nothing better.
const CRAN: &str = "https://cloud.r-project.org";
const SCRIPT: &str = include_str!("install.R");
/// The script's word for a repository that does not answer.
const UNREACHABLE: &str = "squall: the repository does not answer";
/// What is told of a failed installation.
const LAST_LINES: usize = 5;

/// One repository, and what was installed from it.
#[derive(Debug)]
pub(super) struct Cran {
    repository: Option<String>,
    /// A folder of packages.
    library: PathBuf,
    /// It did not answer once: it is not asked again.
    is_down: bool,
}

impl Cran {
    pub(super) fn new(repository: Option<String>, scratch: &Path) -> Result<Self, PackageError> {
        let library = scratch.join("cran");
        std::fs::create_dir_all(&library).what(|| format!("make {}", library.display()))?;
        Ok(Self {
            repository,
            library,
            is_down: false,
        })
    }

    /// Whether it could be asked, or was.
    pub(super) fn is_down(&self) -> bool {
        self.is_down
    }

    /// What an earlier installation brought along.
    pub(super) fn installed(&self, name: &str) -> Option<Found> {
        look(std::slice::from_ref(&self.library), name)
    }

    /// Installs a package; `Err` inside says why it could not be.
    pub(super) async fn install(
        &mut self,
        home: &Home,
        name: &str,
        version: Option<&str>,
    ) -> Result<Result<Found, String>, PackageError> {
        if self.is_down {
            return Ok(Err("the repository does not answer".to_owned()));
        }
        let mut run = Run::new(&home.rscript);
        run.args(["--no-save", "--no-init-file", "-e", SCRIPT]);
        run.arg(self.repository.as_deref().unwrap_or(CRAN))
            .args([name, version.unwrap_or("-")])
            .arg(&self.library)
            .arg(if self.repository.is_some() {
                "said"
            } else {
                "-"
            });
        let ended = run.run().await?;
        if ended.output.contains(UNREACHABLE) {
            self.is_down = true;
            return Ok(Err("the repository does not answer".to_owned()));
        }
        let found = self.installed(name).filter(|_| ended.success);
        Ok(found.ok_or_else(|| {
            let lines: Vec<&str> = ended.output.trim_end().lines().collect();
            lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
        }))
    }
}
