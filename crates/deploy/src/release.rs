//! Releases: what functions answered together. Their numbers are in the descriptions of
//! versions, `squall release 7`, for people; what really answered is written down where
//! it is decided, with each alias: since which release which version answers. So a
//! rollback finds every combination again that was ever there, and no other, whatever was
//! taken back or interrupted in between. It makes nothing, it moves aliases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::error::DeployError;
use crate::kinds::function::Found;
use crate::kinds::version;
use crate::step::Step;

/// Releases that can be gone back to. Versions that only older ones need are removed.
pub const KEPT: usize = 10;

const WORD: &str = "squall release ";

/// What an alias says of itself: its description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Which release answers.
    pub release: u32,
    /// The highest that ever answered. A version with a higher number is of a
    /// deployment that was interrupted.
    pub newest: u32,
    /// Which release answered before this one.
    pub before: Option<u32>,
    /// Versions by the release since which they answered.
    pub history: BTreeMap<u32, u64>,
}

impl Mark {
    /// The version that answered in a release; none, if the function is younger.
    pub fn version_at(&self, release: u32) -> Option<u64> {
        let mut until = self.history.range(..=release);
        until.next_back().map(|(_, version)| *version)
    }

    /// Writes down that a version answers from this release on, and forgets what only
    /// releases before `oldest` need.
    pub fn record(&mut self, version: u64, oldest: u32) {
        self.history.split_off(&self.release);
        if self.version_at(self.release) != Some(version) {
            self.history.insert(self.release, version);
        }
        let needed = self.history.range(..=oldest).next_back();
        if let Some((first, _)) = needed {
            let first = *first;
            self.history = self.history.split_off(&first);
        }
    }
}

/// `squall release 4, newest 5, before it 3; 1=1 4=2`
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WORD}{}", self.release)?;
        if self.newest != self.release {
            write!(f, ", newest {}", self.newest)?;
        }
        if let Some(before) = self.before {
            write!(f, ", before it {before}")?;
        }
        for (at, (release, version)) in self.history.iter().enumerate() {
            let gap = if at == 0 { "; " } else { " " };
            write!(f, "{gap}{release}={version}")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not what a deployment writes")]
pub struct BadMark(String);

impl FromStr for Mark {
    type Err = BadMark;

    fn from_str(text: &str) -> Result<Self, BadMark> {
        let bad = || BadMark(text.chars().take(100).collect());
        let rest = text.strip_prefix(WORD).ok_or_else(bad)?;
        let (words, history) = rest.split_once("; ").unwrap_or((rest, ""));
        let mut parts = words.split(", ");
        let first = parts.next().unwrap_or_default();
        let release = first.parse().map_err(|_| bad())?;
        let mut mark = Self {
            release,
            newest: release,
            ..Self::default()
        };
        for part in parts {
            let (word, number) = part.rsplit_once(' ').ok_or_else(bad)?;
            let number = number.parse().map_err(|_| bad())?;
            match word {
                "newest" => mark.newest = number,
                "before it" => mark.before = Some(number),
                _ => return Err(bad()),
            }
        }
        for entry in history.split_whitespace() {
            let (release, version) = entry.split_once('=').ok_or_else(bad)?;
            let release = release.parse().map_err(|_| bad())?;
            let version = version.parse().map_err(|_| bad())?;
            mark.history.insert(release, version);
        }
        Ok(mark)
    }
}

/// The description of a version.
pub fn version_description(release: u32) -> String {
    format!("{WORD}{release}")
}

/// Which release a version was made for, by its description.
pub fn of_version(description: &str) -> Option<u32> {
    description.strip_prefix(WORD)?.parse().ok()
}

/// What all functions together say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Releases {
    /// The one that answers; none before the first.
    pub current: Option<u32>,
    pub newest: u32,
    pub before: Option<u32>,
    /// Those that answered once and can be gone back to.
    pub known: BTreeSet<u32>,
}

impl Releases {
    pub fn of(found: &BTreeMap<String, Found>) -> Self {
        let ours = found.values().filter(|function| function.ours);
        let marks = ours.filter_map(|function| function.alias.as_ref());
        let marks: Vec<&Mark> = marks.map(|alias| &alias.mark).collect();
        let newest = marks.iter().map(|mark| mark.newest).max().unwrap_or(0);
        let current = marks.iter().map(|mark| mark.release).max();
        let current = current.filter(|release| *release > 0);
        // An interrupted move of aliases was gone on with: then only some say it.
        let of_current = marks.iter().filter(|mark| Some(mark.release) == current);
        let before = of_current.filter_map(|mark| mark.before).max();
        let known = marks.iter().flat_map(|mark| mark.history.keys().copied());
        let known: BTreeSet<u32> = known.filter(|release| *release <= newest).collect();
        Self {
            current,
            newest,
            before,
            known: last(&known),
        }
    }

    /// What is to be kept once `next` is there.
    pub fn kept(&self, next: Option<u32>) -> BTreeSet<u32> {
        last(&self.known.iter().copied().chain(next).collect())
    }
}

fn last(releases: &BTreeSet<u32>) -> BTreeSet<u32> {
    releases.iter().rev().take(KEPT).copied().collect()
}

/// Which release a rollback goes to, and the steps there: none, if it answers already.
pub fn rollback(
    found: &BTreeMap<String, Found>,
    to: Option<u32>,
) -> Result<(u32, Vec<Step>), DeployError> {
    let releases = Releases::of(found);
    let to = target(&releases, to)?;
    let ours = found.iter().filter(|(_, function)| function.ours);
    let steps = ours.filter_map(|(name, function)| {
        let alias = function.alias.as_ref()?;
        // A function that is younger than the release stays as it is.
        let version = alias.mark.version_at(to).unwrap_or(alias.version);
        let moves = alias.version != version || alias.mark.release != to;
        let mark = Mark {
            release: to,
            newest: releases.newest,
            before: None,
            history: alias.mark.history.clone(),
        };
        moves.then(|| version::move_alias(name, alias, version, mark))
    });
    Ok((to, steps.collect()))
}

fn target(releases: &Releases, to: Option<u32>) -> Result<u32, DeployError> {
    let current = releases.current.ok_or_else(|| {
        DeployError::refused("nothing is deployed that could be taken back")
            .hint("squall deploy makes the first release")
    })?;
    let list = || {
        let all: Vec<_> = releases.known.iter().map(u32::to_string).collect();
        format!("releases that are kept: {}", all.join(", "))
    };
    let Some(to) = to else {
        let before = releases.before.filter(|it| releases.known.contains(it));
        let before = before.or_else(|| releases.known.range(..current).next_back().copied());
        return before.ok_or_else(|| {
            DeployError::refused(format!("there is no release before {current}")).hint(list())
        });
    };
    if !releases.known.contains(&to) {
        let message = format!("there is no release {to} to go back to");
        return Err(DeployError::refused(message).hint(list()));
    }
    Ok(to)
}

#[cfg(test)]
mod tests;
