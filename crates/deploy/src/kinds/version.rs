//! Versions and the alias. A version is published where what answers is not what is
//! wanted; the alias moves to it as the last of all changes, so that whatever fails
//! before that, the old version goes on to answer.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::json;

use super::function::{
    self, Alias, Facts, Found, Published, Wanted, is_busy, is_there_already, path,
};
use crate::calls::{gone, patiently, text};
use crate::error::StepError;
use crate::names::ALIAS;
use crate::release::{Mark, Releases, version_description};
use crate::site::{Cloud, Known, Made};
use crate::step::{Action, Phase, Step};

const VERSION: &str = "version";
const ALIAS_KIND: &str = "alias";
/// Lambda's code for a revision that is not the one that was named.
const PRECONDITION: &str = "PreconditionFailedException";

/// What happens to versions and aliases.
#[derive(Debug, Default, PartialEq)]
pub struct Moves {
    pub steps: Vec<Step>,
    /// The release that answers afterwards, if one changes.
    pub release: Option<u32>,
}

/// What becomes of functions that are not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// The project does not have them any more.
    Goes,
    /// Only some functions are updated.
    Stays,
}

/// Where the alias of a function is to point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal<'a> {
    /// It is there.
    Stay,
    /// The newest version is what is wanted, but does not answer: a deployment was
    /// interrupted, or taken back.
    To(&'a Published),
    Publish,
}

/// `rest` says what becomes of functions that are there and not among those wanted.
pub fn plan(
    wanted: &[Wanted],
    rest: Rest,
    found: &BTreeMap<String, Found>,
    known: &Known,
) -> Moves {
    let releases = Releases::of(found);
    let moving = wanted.iter().map(|function| {
        let there = found.get(&function.name);
        Target {
            name: &function.name,
            wanted: Some(function),
            there,
            goal: goal(function, there, known),
        }
    });
    let others = found.iter().filter(|(name, there)| {
        let is_wanted = wanted.iter().any(|function| function.name == **name);
        rest == Rest::Stays && there.ours && there.alias.is_some() && !is_wanted
    });
    let staying = others.map(|(name, there)| Target {
        name,
        wanted: None,
        there: Some(there),
        goal: Goal::Stay,
    });
    let targets: Vec<_> = moving.chain(staying).collect();
    let release = next_release(&releases, &targets);
    let kept = releases.kept(release);
    let mut steps = Vec::new();
    if let Some(release) = release {
        let mark = Mark {
            release,
            newest: release.max(releases.newest),
            before: releases.current.filter(|current| *current != release),
            history: BTreeMap::new(),
        };
        let oldest = kept.first().copied().unwrap_or(release);
        steps.extend(
            targets
                .iter()
                .flat_map(|target| target.forward(&mark, oldest)),
        );
    }
    for target in &targets {
        for version in target.superfluous(&kept) {
            let name = format!("{} {version}", target.name);
            let step = Step::draft(Action::Remove, Phase::Prune, VERSION, &name);
            let function = target.name.to_owned();
            steps.push(step.work(Work::Remove { function, version }));
        }
    }
    Moves { steps, release }
}

/// A function, and where its alias is to point to.
#[derive(Debug)]
struct Target<'a> {
    name: &'a str,
    /// None: it stays, whatever it is.
    wanted: Option<&'a Wanted>,
    there: Option<&'a Found>,
    goal: Goal<'a>,
}

fn goal<'a>(wanted: &Wanted, there: Option<&'a Found>, known: &Known) -> Goal<'a> {
    let Some(there) = there else {
        return Goal::Publish;
    };
    let is_wanted = |published: &Published| {
        let (facts, code) = (&published.facts, &wanted.code.sha256);
        facts.are(&wanted.config, code, known)
    };
    if there.live().is_some_and(is_wanted) {
        return Goal::Stay;
    }
    // Only the newest: Lambda publishes nothing where it would be the same again.
    match there.versions.last() {
        Some(newest) if newest.release.is_some() && is_wanted(newest) => Goal::To(newest),
        _ => Goal::Publish,
    }
}

/// None if nothing moves. What was interrupted, or taken back and is wanted again, is
/// the newest release; everything else is the next one.
fn next_release(releases: &Releases, targets: &[Target<'_>]) -> Option<u32> {
    let newest = releases.newest;
    if targets.iter().all(|target| target.goal == Goal::Stay) {
        return None;
    }
    let is_newest = targets.iter().all(|target| target.is_of(newest));
    Some(if is_newest { newest } else { newest + 1 })
}

impl Target<'_> {
    fn alias(&self) -> Option<&Alias> {
        self.there?.alias.as_ref()
    }

    fn mark(&self) -> Option<&Mark> {
        Some(&self.alias()?.mark)
    }

    /// Whether what is wanted is what answered in a release, or was to answer in it when
    /// its deployment was interrupted.
    fn is_of(&self, release: u32) -> bool {
        let recorded = self.mark().and_then(|mark| mark.version_at(release));
        match self.goal {
            Goal::Publish => false,
            Goal::Stay => recorded == self.alias().map(|alias| alias.version),
            Goal::To(published) => {
                let entered = self
                    .mark()
                    .is_some_and(|mark| mark.history.contains_key(&release));
                let was_to_answer = published.release == Some(release) && !entered;
                recorded == Some(published.version) || was_to_answer
            }
        }
    }

    /// The steps to the goal, the alias last.
    fn forward(&self, mark: &Mark, oldest: u32) -> Vec<Step> {
        let release = mark.release;
        let function = || self.name.to_owned();
        let mut steps = Vec::new();
        let version = match self.goal {
            Goal::Stay => match self.alias() {
                // Another version would be taken for what answers from now on.
                Some(alias) if alias.mark.version_at(release) != Some(alias.version) => {
                    Some(alias.version)
                }
                _ => return steps,
            },
            Goal::To(published) => Some(published.version),
            Goal::Publish => {
                let step = Step::draft(Action::Create, Phase::Version, VERSION, self.name);
                let step = step.details([format!("release {release}")]);
                steps.extend(self.wanted.map(|wanted| {
                    let wanted = Box::new(wanted.clone());
                    step.work(Work::Publish { wanted, release })
                }));
                None
            }
        };
        let history = self.mark().map(|mark| mark.history.clone());
        let work = Work::Point {
            function: function(),
            version,
            mark: Mark {
                history: history.unwrap_or_default(),
                ..mark.clone()
            },
            oldest: Some(oldest),
            revision: self.alias().and_then(|alias| alias.revision.clone()),
        };
        let alias = format!("{}:{ALIAS}", self.name);
        let step = if self.mark().is_some() {
            Step::draft(Action::Update, Phase::Alias, ALIAS_KIND, &alias)
        } else {
            Step::draft(Action::Create, Phase::Entry, ALIAS_KIND, &alias)
        };
        steps.push(step.details([format!("release {release}")]).work(work));
        steps
    }

    /// Versions that no release which is kept needs.
    fn superfluous(&self, kept: &BTreeSet<u32>) -> Vec<u64> {
        let Some(there) = self.there else {
            return Vec::new();
        };
        let mut needed: BTreeSet<u64> = there.alias.iter().map(|alias| alias.version).collect();
        if let Some(mark) = self.mark() {
            needed.extend(kept.iter().filter_map(|release| mark.version_at(*release)));
        }
        if let Goal::To(published) = self.goal {
            needed.insert(published.version);
        }
        let ours = there.versions.iter().filter(|it| it.release.is_some());
        ours.map(|published| published.version)
            .filter(|version| !needed.contains(version))
            .collect()
    }
}

/// A step of a rollback.
pub fn move_alias(name: &str, alias: &Alias, version: u64, mark: Mark) -> Step {
    let step = Step::draft(
        Action::Update,
        Phase::Alias,
        ALIAS_KIND,
        &format!("{name}:{ALIAS}"),
    );
    let moved = format!("version {} -> {version}", alias.version);
    let moved = (alias.version != version).then_some(moved);
    step.details(moved).work(Work::Point {
        function: name.to_owned(),
        version: Some(version),
        mark,
        oldest: None,
        revision: alias.revision.clone(),
    })
}

#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Of just this code and configuration.
    Publish {
        wanted: Box<Wanted>,
        release: u32,
    },
    /// Makes the alias if there is none. Without a version it is the one that was
    /// published before.
    Point {
        function: String,
        version: Option<u64>,
        mark: Mark,
        /// A release that is new writes down which version answers, and needs no more of
        /// the history than from here on. A rollback changes no history.
        oldest: Option<u32>,
        /// Of the alias as it was read, where an endpoint says it.
        revision: Option<String>,
    },
    Remove {
        function: String,
        version: u64,
    },
}

impl Work {
    pub async fn run(&self, cloud: &Cloud, made: &Made) -> Result<(), StepError> {
        match self {
            Self::Publish { wanted, release } => publish(cloud, wanted, *release, made).await,
            Self::Point {
                function,
                version,
                mark,
                oldest,
                revision,
            } => {
                let version = match version {
                    Some(version) => *version,
                    None => published(function, made)?,
                };
                let mut mark = mark.clone();
                if let Some(oldest) = oldest {
                    mark.record(version, *oldest);
                }
                point(cloud, function, version, &mark, revision.as_deref()).await
            }
            Self::Remove { function, version } => {
                let target = path("2015-03-31", function, &format!("?Qualifier={version}"));
                let client = &cloud.client;
                let call = client.rest_json("lambda", Method::DELETE, &target, None);
                Ok(gone(call).await?)
            }
        }
    }
}

fn published(function: &str, made: &Made) -> Result<u64, StepError> {
    let version = made.now().versions.get(function).copied();
    version.ok_or_else(|| StepError::Order(format!("a version of {function}")))
}

/// Twice publishes once: what did not change since the last version is that version.
/// What is published is what was read a moment before, or nothing: another deployment
/// may have put its own code or configuration there.
async fn publish(
    cloud: &Cloud,
    wanted: &Wanted,
    release: u32,
    made: &Made,
) -> Result<(), StepError> {
    let name = &wanted.name;
    let shape = function::ready(cloud, name, None).await?;
    let is_ours = {
        let known = made.now();
        Facts::of(&shape).are(&wanted.config, &wanted.code.sha256, &known)
    };
    let raced = || StepError::Raced(format!("function {name}"));
    if !is_ours {
        return Err(raced());
    }
    let target = path("2015-03-31", name, "/versions");
    let mut body = json!({
        "Description": version_description(release),
        "CodeSha256": wanted.code.sha256,
    });
    if let Some(revision) = shape["RevisionId"].as_str() {
        body["RevisionId"] = revision.into();
    }
    let client = &cloud.client;
    let answer = patiently(is_busy, || {
        client.rest_json("lambda", Method::POST, &target, Some(&body))
    });
    let answer = answer.await.map_err(|error| match error.code() {
        PRECONDITION => raced(),
        _ => error.into(),
    })?;
    let version = text(&answer, "Version", "PublishVersion")?;
    let number = version.parse().map_err(|_| StepError::Answer {
        call: "PublishVersion",
        member: "Version that is a number",
    })?;
    function::ready(cloud, name, Some(version)).await?;
    made.now().versions.insert(name.clone(), number);
    Ok(())
}

/// Moves the alias from where it was read, or makes it.
async fn point(
    cloud: &Cloud,
    name: &str,
    version: u64,
    mark: &Mark,
    revision: Option<&str>,
) -> Result<(), StepError> {
    let client = &cloud.client;
    let body = json!({
        "FunctionVersion": version.to_string(),
        "Description": mark.to_string(),
        // Nobody is left between two versions.
        "RoutingConfig": { "AdditionalVersionWeights": {} },
    });
    let target = path("2015-03-31", name, &format!("/aliases/{ALIAS}"));
    let is_done = async || {
        let there = client
            .rest_json("lambda", Method::GET, &target, None)
            .await?;
        let is = |member: &str| there[member] == body[member];
        // An answer that was lost, or somebody else.
        if is("FunctionVersion") && is("Description") {
            return Ok(());
        }
        Err(StepError::Raced(format!("alias {ALIAS} of {name}")))
    };
    let mut update = body.clone();
    if let Some(revision) = revision {
        update["RevisionId"] = revision.into();
    }
    let call = || client.rest_json("lambda", Method::PUT, &target, Some(&update));
    match patiently(is_busy, call).await {
        Ok(_) => return Ok(()),
        Err(error) if error.code() == PRECONDITION => return is_done().await,
        Err(error) if error.is_missing() => {}
        Err(error) => return Err(error.into()),
    }
    let mut create = body.clone();
    create["Name"] = ALIAS.into();
    let aliases = path("2015-03-31", name, "/aliases");
    let call = client.rest_json("lambda", Method::POST, &aliases, Some(&create));
    match call.await {
        Ok(_) => Ok(()),
        Err(error) if is_there_already(&error) => is_done().await,
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
