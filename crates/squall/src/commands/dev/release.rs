//! One deployment of `squall dev`. The new versions are loaded before anything answers
//! with them; what cannot be loaded stays where nobody is sent to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use deploy::kinds::{Work, version};
use deploy::site::Known;
use deploy::{Action, Phase, Plan, Step, Target};
use http::Method;
use project::Project;
use project::model::{FunctionRuntime, RouteTarget};
use serde_json::{Value, json};

use crate::args::{DevArgs, Global, PackagingArgs};
use crate::client::Client;
use crate::deployment::{self, Opened, Prepared};
use crate::failure::Failure;

/// Errors of functions that are loaded well, and only do not serve maps.
const LOADED_ALL_THE_SAME: &[&str] = &["Squall.ItemKind", "Squall.BadChunk"];

/// What came of a deployment.
#[derive(Debug)]
pub enum Outcome {
    /// What was saved changes nothing.
    Unchanged,
    Released(Box<Released>),
    /// Functions that cannot be loaded, with their errors. What was there answers.
    Broken(Vec<(String, LoadError)>),
    /// It did not come that far.
    Failed(Failure),
}

#[derive(Debug)]
pub struct Released {
    pub release: Option<u32>,
    pub steps: Vec<Step>,
    /// What is in the project no more, and stays until somebody says so.
    pub left: Vec<String>,
    /// Of the whole project, by the names of functions there.
    pub known: Known,
    /// Names in the cloud by those in the project.
    pub functions: BTreeMap<String, String>,
    /// Those that are asked by HTTP.
    pub doors: BTreeSet<String>,
    pub url: Option<String>,
    pub urls: BTreeMap<String, String>,
    pub is_first: bool,
}

#[derive(Debug)]
pub struct LoadError {
    pub kind: String,
    pub message: String,
    pub stack: Vec<String>,
}

#[derive(Debug)]
pub struct Releaser {
    global: Global,
    folder: PathBuf,
    stage: Option<String>,
    client: Client,
    /// Of the last deployment of everything; none, until one came to its end.
    whole: Option<Whole>,
    /// Versions that cannot be loaded, each after its function as the project names it.
    broken: BTreeSet<(String, String)>,
    /// Versions that were loaded by an event of ours, whose report was not seen yet.
    tried: BTreeSet<(String, String)>,
}

#[derive(Debug)]
struct Whole {
    /// But for the functions' code nothing else makes a difference.
    project: Project,
    known: Known,
}

impl Releaser {
    pub fn new(global: &Global, args: &DevArgs, client: Client) -> Self {
        Self {
            global: global.clone(),
            folder: args.folder.clone(),
            stage: args.stage.clone(),
            client,
            whole: None,
            broken: BTreeSet::new(),
            tried: BTreeSet::new(),
        }
    }

    /// Whether all that this version had to say was told already.
    pub fn is_broken(&self, function: &str, version: &str) -> bool {
        self.broken
            .contains(&(function.to_owned(), version.to_owned()))
    }

    /// Whether a report of this version is that of our own event. It is so once.
    pub fn was_tried(&mut self, function: &str, version: &str) -> bool {
        self.tried
            .remove(&(function.to_owned(), version.to_owned()))
    }

    pub async fn release(&mut self) -> Outcome {
        match Box::pin(self.try_release()).await {
            Ok(outcome) => outcome,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn try_release(&mut self) -> Result<Outcome, Failure> {
        let project = Project::load(&self.folder, self.stage.as_deref())?;
        let (wanted, client) = (project.clone(), self.client.clone());
        let opened = deployment::open_at(wanted, client, Target::Engine).await?;
        let is_update = self
            .whole
            .as_ref()
            .is_some_and(|whole| whole.project == project);
        let mut prepared = self.prepare(opened, is_update).await?;
        let left = leave_removals(&mut prepared.plan);
        if prepared.plan.is_empty() && is_update {
            return Ok(Outcome::Unchanged);
        }
        let known = match self.publish(&prepared).await? {
            Ok(known) => known,
            Err(broken) => return Ok(Outcome::Broken(broken)),
        };
        let released = self.released(prepared, project, known, left);
        Ok(Outcome::Released(Box::new(released)))
    }

    async fn prepare(&self, opened: Opened, is_update: bool) -> Result<Prepared, Failure> {
        let packaging = PackagingArgs {
            // Instead, the version itself is loaded: once is enough.
            no_test: true,
            ..PackagingArgs::default()
        };
        if is_update {
            Box::pin(opened.prepare_functions(&self.global, &[], packaging)).await
        } else {
            Box::pin(opened.prepare(&self.global, packaging)).await
        }
    }

    /// Does all of a plan, unless a new version cannot be loaded: then nothing is done
    /// that anybody would notice.
    async fn publish(
        &mut self,
        prepared: &Prepared,
    ) -> Result<Result<Known, Vec<(String, LoadError)>>, Failure> {
        let (before, after): (Vec<Step>, Vec<Step>) =
            prepared.plan.steps.iter().cloned().partition(is_unnoticed);
        let part = |steps: Vec<Step>, known: Known| Plan {
            steps,
            release: prepared.plan.release,
            known,
        };
        let plan = part(before, prepared.plan.known.clone());
        let known = self.run(&plan, prepared).await?;
        let mut broken = Vec::new();
        for (name, version) in answering(&after, &known) {
            let key = prepared.site.names().short(&name).to_owned();
            let loaded = load(prepared, &key, &name, &version).await?;
            let of_version = (key.clone(), version);
            if let Err(error) = loaded {
                // Of a module that is missing only the log says where it was wanted.
                if !error.stack.is_empty() {
                    self.broken.insert(of_version);
                }
                broken.push((key, error));
            } else {
                self.tried.insert(of_version);
            }
        }
        if !broken.is_empty() {
            return Ok(Err(broken));
        }
        let plan = part(after, known);
        Ok(Ok(self.run(&plan, prepared).await?))
    }

    async fn run(&self, plan: &Plan, prepared: &Prepared) -> Result<Known, Failure> {
        Ok(deploy::run::run(plan, &prepared.site, &|_| {}).await?)
    }

    fn released(
        &mut self,
        prepared: Prepared,
        project: Project,
        known: Known,
        left: Vec<String>,
    ) -> Released {
        let (is_first, known) = match &self.whole {
            // An update reads functions only: addresses are as they were.
            Some(whole) if whole.project == project => (false, whole.known.clone()),
            whole => (whole.is_none(), known),
        };
        let names = prepared.site.names();
        let (url, urls) = deployment::urls_json(&prepared.site.cloud, &known);
        let routed = project.routes.iter();
        let routed = routed.filter_map(|route| match &route.target {
            RouteTarget::Function(function) | RouteTarget::Map { function, .. } => {
                Some(function.clone())
            }
            _ => None,
        });
        let released = Released {
            release: prepared.plan.release,
            functions: project
                .functions
                .keys()
                .map(|key| (key.clone(), names.of(key)))
                .collect(),
            doors: urls.keys().cloned().chain(routed).collect(),
            steps: prepared.plan.steps,
            left,
            known: known.clone(),
            url,
            urls,
            is_first,
        };
        self.whole = Some(Whole { project, known });
        released
    }
}

/// A file that is half written, or of another branch for a moment, must not cost anybody
/// a log or a bucket. Old versions go, or there would be one for each save.
fn leave_removals(plan: &mut Plan) -> Vec<String> {
    let is_done = |step: &Step| step.action != Action::Remove || step.phase == Phase::Prune;
    let left = plan.steps.iter().filter(|step| !is_done(step));
    let left = left
        .map(|step| format!("{} {}", step.kind, step.name))
        .collect();
    plan.steps.retain(is_done);
    left
}

/// Whether a step changes nothing of what answers.
fn is_unnoticed(step: &Step) -> bool {
    step.action != Action::Remove && step.phase <= Phase::Version
}

/// Versions that are to answer, each after its function in the cloud: new ones, and those
/// whose turn did not come before.
fn answering(steps: &[Step], known: &Known) -> Vec<(String, String)> {
    let moves = steps.iter().filter_map(|step| match &step.work {
        Work::Version(version::Work::Point {
            function, version, ..
        }) => {
            let chosen = version.or_else(|| known.versions.get(function).copied())?;
            Some((function.clone(), chosen.to_string()))
        }
        _ => None,
    });
    moves.collect()
}

/// Starts an instance of a version, by an event that no code of the user sees: what our
/// runtime clients answer themselves.
async fn load(
    prepared: &Prepared,
    key: &str,
    name: &str,
    version: &str,
) -> Result<Result<(), LoadError>, Failure> {
    let runtime = prepared
        .site
        .project
        .functions
        .get(key)
        .map(|it| &it.runtime);
    let event = match runtime {
        Some(FunctionRuntime::Python { .. }) => json!({ "squall": { "map": "describe" } }),
        Some(FunctionRuntime::R { .. }) => json!({ "squall": { "warm": 1 } }),
        Some(FunctionRuntime::Provided { .. }) | None => return Ok(Ok(())),
    };
    let target = format!("/2015-03-31/functions/{name}/invocations?Qualifier={version}");
    let client = &prepared.site.cloud.client;
    let answer = client.rest_json("lambda", Method::POST, &target, Some(&event));
    Ok(judge(&answer.await?))
}

fn judge(answer: &Value) -> Result<(), LoadError> {
    let Some(kind) = answer["errorType"].as_str() else {
        return Ok(());
    };
    if LOADED_ALL_THE_SAME.contains(&kind) {
        return Ok(());
    }
    let stack = answer["stackTrace"].as_array();
    let stack = stack.map_or(&[][..], Vec::as_slice);
    Err(LoadError {
        kind: kind.to_owned(),
        message: answer["errorMessage"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        stack: stack
            .iter()
            .filter_map(|line| Some(line.as_str()?.to_owned()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_is_told_from_what_is_not() {
        for answer in [
            json!({ "squall": { "item": "dict" } }),
            json!(null),
            json!({ "errorType": "Squall.ItemKind", "errorMessage": "takes 3 values" }),
        ] {
            assert!(judge(&answer).is_ok(), "{answer}");
        }
        let error = judge(&json!({
            "errorType": "Runtime.ImportModuleError",
            "errorMessage": "Unable to import module 'app': No module named 'x'",
            "stackTrace": ["  File \"/var/task/app.py\", line 1\n", 7],
        }));
        let error = error.unwrap_err();
        assert_eq!(error.kind, "Runtime.ImportModuleError");
        assert_eq!(error.stack.len(), 1);
        assert!(judge(&json!({ "errorType": "Squall.MissingSecret" })).is_err());
    }
}
