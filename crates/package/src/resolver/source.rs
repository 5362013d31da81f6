//! A package that is there as source alone is built here, into a wheel that the next
//! try finds. A wheel without compiled code fits everywhere; one with it fits this
//! machine and no other.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{PackageError, What as _};
use crate::installed::normal;
use crate::machine::{Machine, Run};
use crate::requirements::{Wanted, name};
use crate::resolver::program::QUIET_ROOT;
use crate::resolver::reason;
use crate::target::Target;

pub(super) struct Source<'a> {
    /// `name` or `name==version`.
    pub(super) requirement: &'a str,
    pub(super) target: Target,
    /// What is compiled here may be used, as it runs here.
    pub(super) fits: bool,
    pub(super) wheels: &'a Path,
    pub(super) wanted: &'a Wanted,
}

impl Source<'_> {
    /// `false`: there is no source either.
    pub(super) async fn build(&self, machine: &Machine) -> Result<bool, PackageError> {
        if self.wanted.has_hashes {
            return Err(self.cannot("what is built of it would not have its hash".to_owned()));
        }
        let python = machine.exactly_with_pip(self.target.minor).await;
        let Some(python) = python else {
            return Err(self.cannot(format!(
                "this machine has no python{} with pip to build it",
                self.target.python()
            )));
        };
        let scratch = tempfile::tempdir_in(self.wheels).what(|| "make a folder".to_owned())?;
        // With the indexes that the requirements name: elsewhere the same name may be
        // anyone's, and what is built is run.
        let file = scratch.path().join("requirements.txt");
        let mut lines = self.wanted.indexes.clone();
        lines.push(self.requirement.to_owned());
        fs::write(&file, lines.join("\n")).what(|| format!("write {}", file.display()))?;
        let mut run = Run::new(&python);
        run.args(["-m", "pip", "wheel", "--quiet", "--no-input", "--no-deps"]);
        run.arg("--disable-pip-version-check");
        run.env(QUIET_ROOT.0, QUIET_ROOT.1);
        run.arg("--wheel-dir").arg(scratch.path());
        run.arg("--requirement").arg(&file);
        run.folder(&self.wanted.folder);
        let ended = run.run().await?;
        if !ended.success {
            if reason::of_nothing(&ended.output) {
                return Ok(false);
            }
            let reason = reason::short(&ended.output);
            return Err(self.cannot(format!("does not build here:\n{reason}")));
        }
        let built = built_wheel(scratch.path())
            .ok_or_else(|| self.cannot("its build made no wheel".to_owned()))?;
        let name = built.file_name().unwrap_or_default().to_owned();
        let fits_everywhere = name.to_string_lossy().ends_with("-none-any.whl");
        if !fits_everywhere && !self.fits {
            return Err(self.cannot(format!(
                "what is built of it here does not run on {}",
                self.target
            )));
        }
        let place = self.wheels.join(name);
        fs::rename(&built, &place).what(|| format!("keep {}", place.display()))?;
        Ok(true)
    }

    fn cannot(&self, why: String) -> PackageError {
        PackageError::SourceOnly {
            requirement: self.requirement.to_owned(),
            why,
        }
    }
}

/// The first of these packages that was built with compiled code.
pub(super) fn compiled(into: &Path, built: &[String]) -> Option<String> {
    let built: Vec<String> = built.iter().map(|line| normal(name(line))).collect();
    let entries = fs::read_dir(into).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find_map(|folder| {
            let stem = folder.strip_suffix(".dist-info")?;
            let own = normal(stem.rsplit_once('-')?.0);
            let notes = fs::read_to_string(into.join(&folder).join("WHEEL")).ok()?;
            let mut tags = notes.lines().filter_map(|line| line.strip_prefix("Tag:"));
            let is_compiled = built.contains(&own) && tags.any(|tag| !tag.trim().ends_with("-any"));
            is_compiled.then_some(own)
        })
}

fn built_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|ending| ending == "whl"))
}
