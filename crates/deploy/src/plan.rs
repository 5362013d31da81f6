//! All steps of all kinds, in the order of their phases.

use std::collections::BTreeSet;

use crate::error::DeployError;
use crate::found::Found;
use crate::kinds::bucket::Data;
use crate::kinds::function::Facts;
use crate::kinds::version::Rest;
use crate::kinds::{
    api, bucket, function, host, layer, log_group, notification, permission, role, schedule,
    setting, upload, url, version,
};
use crate::site::{Known, Site};
use crate::step::{Action, Step};

/// What a deployment will do.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order in which they are done.
    pub steps: Vec<Step>,
    /// The release that answers afterwards, if one changes.
    pub release: Option<u32>,
    /// What is there already of what steps need.
    pub known: Known,
}

impl Plan {
    /// From what is there to what the project wants. `data` says what becomes of
    /// buckets that are wanted no more.
    pub fn of(site: &Site, found: &Found, data: Data) -> Result<Self, DeployError> {
        let (names, known) = (site.names(), found.known());
        let functions = function::wanted(site);
        let buckets = bucket::plan(&bucket::wanted(site), &found.buckets, data);
        let doomed = buckets.iter().filter(|step| step.action == Action::Remove);
        let doomed: BTreeSet<String> = doomed.map(|step| step.name.clone()).collect();
        let urls = url::wanted(site);
        let layers = layer::wanted(site);
        let moves = version::plan(&functions, Rest::Goes, &found.functions, &known);
        let (used_layers, used_uploads) = used(&functions, found);
        let permissions = permission::wanted(site);
        let api = known.api.as_ref().map(|(id, _)| id.as_str());
        let steps = [
            buckets,
            log_group::plan(names, &log_group::wanted(site), &found.log_groups)?,
            role::plan(&role::wanted(site), &found.roles),
            upload::plan(
                &site.package_bucket(),
                &upload::wanted(site),
                &found.uploads,
                &used_uploads,
            ),
            layer::plan(names, &layers, &found.layers, &used_layers),
            function::plan(names, &functions, &found.functions, &known)?,
            moves.steps,
            setting::plan(&setting::wanted(site), &found.functions),
            url::plan(&urls, &found.functions),
            url::removals(&urls, &functions, &found.functions),
            permission::plan(names, &permissions, &functions, &found.functions, &known),
            api::plan(
                api::wanted(site).as_ref(),
                &api::authorizer::wanted(site),
                &found.apis,
            ),
            host::plan(names, &host::wanted(site), &found.hosts, api)?,
            schedule::plan(&schedule::wanted(site), &found.schedules, &names.whole()),
            notification::plan(&notification::wanted(site), &found.buckets, names, &doomed),
        ];
        let mut plan = Self {
            steps: steps.into_iter().flatten().collect(),
            release: moves.release,
            known,
        };
        plan.sort();
        Ok(plan)
    }

    /// Code and configuration of functions that are there, and nothing around them:
    /// nothing is made that was not, and nothing is removed.
    pub fn of_functions(site: &Site, found: &Found) -> Result<Self, DeployError> {
        let (names, known) = (site.names(), found.known());
        let functions = function::wanted(site);
        let missing = functions.iter().find(|function| {
            let there = found.functions.get(&function.name);
            there.is_none_or(|there| there.alias.is_none())
        });
        if let Some(function) = missing {
            let message = format!("function {} is not deployed yet", function.name);
            return Err(DeployError::refused(message).hint("squall deploy makes it"));
        }
        let bucket = site.package_bucket();
        let uploads = upload::wanted(site);
        let layers = layer::wanted(site);
        let moves = version::plan(&functions, Rest::Stays, &found.functions, &known);
        let steps = [
            upload::plan(&bucket, &uploads, &found.uploads, &BTreeSet::new()),
            layer::plan(names, &layers, &found.layers, &BTreeSet::new()),
            function::plan(names, &functions, &found.functions, &known)?,
            moves.steps,
        ];
        let steps = steps.into_iter().flatten();
        let steps = steps.filter(|step| step.action != Action::Remove);
        let mut plan = Self {
            steps: steps.collect(),
            release: moves.release,
            known,
        };
        plan.sort();
        Ok(plan)
    }

    /// Steps of one sort alone, such as those of a rollback.
    pub fn only(steps: Vec<Step>, release: Option<u32>) -> Self {
        let mut plan = Self {
            steps,
            release,
            known: Known::default(),
        };
        plan.sort();
        plan
    }

    /// With more steps, in their places.
    pub fn add(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.steps.extend(steps);
        self.sort();
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Removals come last, and backwards: a function goes before its role.
    fn sort(&mut self) {
        self.steps.sort_by_key(order);
    }
}

/// Phases in the order in which they are done; steps of one place may be done side by
/// side.
pub(crate) fn order(step: &Step) -> (bool, i32) {
    let is_removal = step.action == Action::Remove;
    let phase = step.phase as i32;
    (is_removal, if is_removal { -phase } else { phase })
}

/// Layers and packages of versions of functions that stay.
fn used<'a>(
    functions: &[function::Wanted],
    found: &'a Found,
) -> (BTreeSet<&'a str>, BTreeSet<String>) {
    let there = functions
        .iter()
        .filter_map(|function| found.functions.get(&function.name));
    let facts: Vec<&Facts> = there
        .flat_map(|function| function.versions.iter().map(|version| &version.facts))
        .collect();
    let layers = facts.iter().flat_map(|facts| facts.layer_arns());
    let rests = facts
        .iter()
        .filter_map(|facts| facts.config.environment.get("SQUALL_REST"));
    let keys = rests.filter_map(|url| Some(url.strip_prefix("s3://")?.split_once('/')?.1));
    (layers.collect(), keys.map(str::to_owned).collect())
}
