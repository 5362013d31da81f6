//! Where each package that a function needs comes from: what this machine's R has, then
//! the repository, then Debian; and with each what it needs itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::cran::Cran;
use super::debian::Debian;
use super::home::{Found, Home, look};
use super::wanted::{Wanted, is_name};
use crate::error::PackageError;
use crate::machine::Machine;
use crate::options::Options;

/// A package, and where it lies now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) found: Found,
    /// `packages`, or who needs it.
    pub(super) wanted_by: BTreeSet<String>,
}

/// All that is needed.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) packages: BTreeMap<String, Chosen>,
    /// Folders of shared libraries that this machine does not have.
    pub(super) folders: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
}

/// Looks for packages. What it fetches goes to `scratch`.
pub(super) async fn resolve(
    function: &str,
    wanted: &Wanted,
    own: &Path,
    home: &Home,
    machine: &Machine,
    scratch: &Path,
    options: &Options,
) -> Result<Resolved, PackageError> {
    let mut finder = Finder {
        home,
        wanted,
        own: own.to_owned(),
        cran: Cran::new(wanted.repository.clone(), scratch)?,
        debian: Debian::new(home, machine, scratch)?,
        options,
        reasons: BTreeMap::new(),
        resolved: Resolved::default(),
    };
    finder.all().await?;
    finder.resolved.folders = finder.debian.shared_libraries();
    if finder.reasons.is_empty() {
        return Ok(finder.resolved);
    }
    let reasons = finder.reasons.iter();
    let reasons: Vec<String> = reasons
        .map(|(name, why)| format!("  {name}: {why}"))
        .collect();
    Err(PackageError::RPackages {
        function: function.to_owned(),
        reasons: reasons.join("\n"),
        r: home.version.clone(),
        is_offline: finder.cran.is_down(),
    })
}

struct Finder<'a> {
    home: &'a Home,
    wanted: &'a Wanted,
    /// A folder of packages that goes along with the code.
    own: PathBuf,
    cran: Cran,
    debian: Debian,
    options: &'a Options,
    /// Why there is none, by package.
    reasons: BTreeMap<String, String>,
    resolved: Resolved,
}

impl Finder<'_> {
    async fn all(&mut self) -> Result<(), PackageError> {
        let asked = self.wanted.packages.keys();
        let asked = asked.map(|name| (name.clone(), "packages".to_owned()));
        let mut open: VecDeque<(String, String)> = asked.collect();
        let mut seen = BTreeSet::new();
        while let Some((name, wanted_by)) = open.pop_front() {
            if let Some(chosen) = self.resolved.packages.get_mut(&name) {
                chosen.wanted_by.insert(wanted_by);
                continue;
            }
            if !is_name(&name) || self.home.is_base(&name) || !seen.insert(name.clone()) {
                continue;
            }
            // What goes along with the code comes first for R, too.
            if let Some(own) = look(std::slice::from_ref(&self.own), &name) {
                let needs = own.description.needs.iter();
                open.extend(needs.map(|need| (need.clone(), name.clone())));
                continue;
            }
            let version = self.wanted.packages.get(&name).cloned().flatten();
            let Some(found) = self.one(&name, version.as_deref()).await? else {
                continue;
            };
            let needs = found.description.needs.iter();
            open.extend(needs.map(|need| (need.clone(), name.clone())));
            let chosen = Chosen {
                found,
                wanted_by: BTreeSet::from([wanted_by]),
            };
            self.resolved.packages.insert(name, chosen);
        }
        Ok(())
    }

    /// A package in the version that is asked for, or the next best with a note.
    async fn one(
        &mut self,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<Found>, PackageError> {
        let fits = |found: &Found| version.is_none_or(|it| is_same(it, &found.description.version));
        let mut others = Vec::new();
        let here = [
            self.home.installed(name),
            self.cran.installed(name),
            self.debian.unpacked(name),
        ];
        for found in here.into_iter().flatten() {
            if fits(&found) {
                return Ok(Some(found));
            }
            others.push(found);
        }
        self.options.say.it(&format!("fetch the R package {name}"));
        let why = match self.cran.install(self.home, name, version).await? {
            Ok(found) if fits(&found) => return Ok(Some(found)),
            Ok(found) => {
                others.push(found);
                String::new()
            }
            Err(why) => why,
        };
        if let Some(found) = self.debian.fetch(name).await? {
            if fits(&found) {
                return Ok(Some(found));
            }
            others.push(found);
        }
        if others.is_empty() && version.is_some() {
            others.extend(self.cran.install(self.home, name, None).await?.ok());
        }
        let Some(other) = others.into_iter().next() else {
            self.reasons
                .insert(name.to_owned(), self.nowhere(name, &why));
            return Ok(None);
        };
        let (asked, there) = (version.unwrap_or_default(), &other.description.version);
        self.resolved.notes.push(format!(
            "{name} {asked} was asked for, and {there} is what there is: it goes along instead"
        ));
        Ok(Some(other))
    }

    fn nowhere(&self, name: &str, why: &str) -> String {
        let mut places = vec!["this machine's R has it not".to_owned()];
        places.push(if self.cran.is_down() {
            "the repository does not answer".to_owned()
        } else {
            format!("the repository: {}", why.trim())
        });
        if self.home.is_debians() {
            places.push(format!(
                "Debian has no r-cran-{}",
                name.to_ascii_lowercase()
            ));
        }
        places.join("; ")
    }
}

/// R takes `1.5-3` and `1.5.3` for the same version.
fn is_same(one: &str, other: &str) -> bool {
    one.split(['.', '-']).eq(other.split(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_r_does() {
        assert!(is_same("1.5-3", "1.5.3"));
        assert!(!is_same("1.5", "1.5.3"));
    }
}
