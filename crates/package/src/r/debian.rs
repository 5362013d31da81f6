//! Packages of R that Debian has built: `r-cran-...`, fetched and unpacked without being
//! installed, with everything that they need and this machine has not.

use std::fs;
use std::path::{Path, PathBuf};

use super::home::{Found, Home, look};
use crate::error::{PackageError, What};
use crate::machine::{Machine, Run};

/// Where Debian's packages of R are, below the root.
const LIBRARIES: [&str; 2] = ["usr/lib/R/site-library", "usr/lib/R/library"];
/// What comes with R itself and is taken from the machine.
const OWN: [&str; 3] = ["r-base", "r-recommended", "r-doc"];
/// No closure of a package is larger.
const PACKAGES_MAX: usize = 300;

#[derive(Debug)]
pub(super) struct Debian {
    /// What was unpacked, as it would be below `/`.
    root: PathBuf,
    programs: Option<Programs>,
}

#[derive(Debug, Clone)]
struct Programs {
    apt_get: PathBuf,
    dpkg: PathBuf,
}

impl Debian {
    pub(super) fn new(
        home: &Home,
        machine: &Machine,
        scratch: &Path,
    ) -> Result<Self, PackageError> {
        let root = scratch.join("debian");
        fs::create_dir_all(&root).what(|| format!("make {}", root.display()))?;
        let programs = machine.program("apt-get").zip(machine.program("dpkg"));
        let programs = programs.map(|(apt_get, dpkg)| Programs { apt_get, dpkg });
        Ok(Self {
            root,
            programs: programs.filter(|_| home.is_debians()),
        })
    }

    /// Folders in which what was unpacked has its packages and its shared libraries.
    pub(super) fn libraries(&self) -> Vec<PathBuf> {
        let folders = LIBRARIES.iter().map(|folder| self.root.join(folder));
        folders.collect()
    }

    pub(super) fn shared_libraries(&self) -> Vec<PathBuf> {
        let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
        let folders = ["usr/lib", "lib"].into_iter();
        let folders = folders.flat_map(|folder| {
            let folder = self.root.join(folder);
            [folder.join(&triple), folder]
        });
        folders.filter(|folder| folder.is_dir()).collect()
    }

    pub(super) fn unpacked(&self, name: &str) -> Option<Found> {
        look(&self.libraries(), name)
    }

    /// Fetches a package; `None` where Debian has it not, or this is no Debian.
    pub(super) async fn fetch(&self, name: &str) -> Result<Option<Found>, PackageError> {
        let Some(programs) = &self.programs else {
            return Ok(None);
        };
        let debian = format!("r-cran-{}", name.to_ascii_lowercase());
        let mut run = Run::new(&programs.apt_get);
        run.args([
            "install",
            "--print-uris",
            "-y",
            "-qq",
            "--no-install-recommends",
        ]);
        run.arg(&debian);
        let ended = run.run().await?;
        let needed = packages(&ended.output);
        if !ended.success || needed.is_empty() {
            return Ok(None);
        }
        let folder = self.root.join("debs");
        fs::create_dir_all(&folder).what(|| format!("make {}", folder.display()))?;
        let mut run = Run::new(&programs.apt_get);
        run.args(["download", "-qq"]).args(needed).folder(&folder);
        if !run.run().await?.success {
            return Ok(None);
        }
        let entries = fs::read_dir(&folder).what(|| format!("read {}", folder.display()))?;
        for entry in entries.flatten() {
            let file = entry.path();
            let mut run = Run::new(&programs.dpkg);
            run.arg("-x").arg(&file).arg(&self.root);
            run.run().await?;
            let _ = fs::remove_file(&file);
        }
        Ok(self.unpacked(name))
    }
}

/// `'URL' NAME_VERSION_ARCH.deb SIZE HASH`, one a line: which packages would come.
fn packages(output: &str) -> Vec<String> {
    let files = output
        .lines()
        .filter(|line| line.starts_with('\''))
        .filter_map(|line| line.split_whitespace().nth(1));
    let names = files.filter_map(|file| file.split('_').next());
    let is_own = |name: &&str| OWN.iter().any(|own| name.starts_with(own));
    let names = names.filter(|name| !is_own(name)).map(str::to_owned);
    names.take(PACKAGES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_fetch_is_read_from_its_list() {
        let output = "Reading package lists...\n\
            'http://deb.debian.org/d/r-cran-data.table_1.14.8%2bdfsg-1_amd64.deb' \
            r-cran-data.table_1.14.8+dfsg-1_amd64.deb 1 SHA256:x\n\
            'http://d/r-base-core_4.2.2_amd64.deb' r-base-core_4.2.2_amd64.deb 1 SHA256:y\n\
            E: something\n";
        assert_eq!(packages(output), ["r-cran-data.table"]);
        assert_eq!(packages("E: Unable to locate package r-cran-x"), [""; 0]);
    }
}
