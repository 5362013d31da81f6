//! Functions: their code and configuration, as `$LATEST`. Nobody invokes that; what
//! answers is the alias, which moves when all else is done ([`super::version`]).
//!
//! One reading of a function tells all that other kinds want to know of it.

mod facts;
mod read;
mod run;

pub use facts::{Config, Facts, LayerRef};
pub use read::{Alias, Found, FoundUrl, Published, read};
pub use run::Work;

pub(crate) use run::{code, is_busy, is_there_already, path, ready};

use std::collections::BTreeMap;

use package::{Artifact, Package};
use project::model::{Architecture, Function, Start};

use crate::error::DeployError;
use crate::names::Names;
use crate::site::{self, Known, Site, package_key};
use crate::step::{Action, Phase, Step};

const KIND: &str = "function";

#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// As the cloud has it.
    pub name: String,
    pub config: Config,
    pub code: Artifact,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let functions = site.project.functions.iter();
    functions
        .filter_map(|(key, function)| {
            let package = site.packages.get(key)?;
            Some(Wanted {
                name: site.names().of(key),
                config: config(site, key, function, package),
                code: package.code.clone(),
            })
        })
        .collect()
}

fn config(site: &Site, key: &str, function: &Function, package: &Package) -> Config {
    let own = function.layers.iter().cloned().map(LayerRef::Arn);
    let made = package.layers.iter();
    let made = made.map(|layer| LayerRef::Hash(layer.hash.clone()));
    Config {
        runtime: package.runtime.clone(),
        handler: package.handler.clone(),
        role: site.names().role_arn(key),
        memory_mb: function.memory_mb,
        timeout_s: function.timeout_s,
        tmp_mb: tmp_mb(function, package),
        architecture: match function.architecture {
            Architecture::X86_64 => "x86_64",
            Architecture::Arm64 => "arm64",
        }
        .to_owned(),
        environment: environment(site, function, package),
        layers: made.chain(own).collect(),
    }
}

/// The rest of a package is unpacked into /tmp, which is to have that much more room.
fn tmp_mb(function: &Function, package: &Package) -> u32 {
    let rest = package.rest.as_ref().map_or(0, |rest| rest.unpacked_bytes);
    let more = u32::try_from(rest.div_ceil(1 << 20)).unwrap_or(u32::MAX);
    function.tmp_mb.saturating_add(more)
}

/// The project's own variables go before ours, but for those that make it work.
fn environment(site: &Site, function: &Function, package: &Package) -> BTreeMap<String, String> {
    let fill = |text: &project::Text| text.fill(|reference| site.value_of(reference));
    let own = function.environment.iter();
    let mut all: BTreeMap<String, String> =
        own.map(|(name, text)| (name.clone(), fill(text))).collect();
    all.extend(package.environment.clone());
    let mut put = |name: &str, value: String| all.insert(name.to_owned(), value);
    if let Some(item) = &function.item {
        put("SQUALL_ITEM", item.clone());
    }
    match function.start {
        Start::Auto => {}
        Start::Fork => drop(put("SQUALL_START", "fork".to_owned())),
        Start::Spawn => drop(put("SQUALL_START", "spawn".to_owned())),
    }
    if !function.secrets.is_empty() {
        let secrets = function.secrets.iter();
        let names: Vec<_> = secrets.map(|name| site.names().parameter(name)).collect();
        put("SQUALL_SECRETS", names.join(","));
        // Instances read secrets as they start. Those that run, and those that are
        // forked of one that read them, would not hear of another value.
        let versions = function.secrets.iter().map(|name| {
            let version = site.secrets.get(name).copied();
            version.unwrap_or_default().to_string()
        });
        put(
            "SQUALL_SECRETS_VERSION",
            versions.collect::<Vec<_>>().join(","),
        );
    }
    if let Some(rest) = &package.rest {
        let (bucket, key) = (site.package_bucket(), package_key(rest));
        put("SQUALL_REST", format!("s3://{bucket}/{key}"));
        put("SQUALL_REST_SHA256", site::sha256_hex(rest));
    }
    all
}

/// Creations and updates; removals are of whole functions, with all that is theirs.
pub fn plan(
    names: &Names,
    wanted: &[Wanted],
    found: &BTreeMap<String, Found>,
    known: &Known,
) -> Result<Vec<Step>, DeployError> {
    let mut steps = Vec::new();
    for function in wanted {
        let Some(there) = found.get(&function.name) else {
            let step = Step::draft(Action::Create, Phase::Function, KIND, &function.name);
            let work = Work::Create(Box::new(function.clone()));
            steps.push(step.details(introduction(function)).work(work));
            continue;
        };
        if !there.ours {
            let what = format!("function {}", function.name);
            return Err(DeployError::in_the_way(names, &what));
        }
        let code = there.latest.code_sha256 != function.code.sha256
            || there.latest.config.architecture != function.config.architecture;
        let mut details = function.config.differences(&there.latest.config, known);
        let config = !details.is_empty();
        if code {
            details.insert(0, "code".to_owned());
        }
        if code || config {
            let step = Step::draft(Action::Update, Phase::Function, KIND, &function.name);
            let wanted = Box::new(function.clone());
            let work = Work::Update {
                wanted,
                code,
                config,
            };
            steps.push(step.details(details).work(work));
        }
    }
    let left = found.iter().filter(|(name, there)| {
        there.ours && !wanted.iter().any(|function| function.name == **name)
    });
    for (name, _) in left {
        let step = Step::draft(Action::Remove, Phase::Function, KIND, name);
        steps.push(step.work(Work::Remove(name.clone())));
    }
    Ok(steps)
}

fn introduction(function: &Wanted) -> Vec<String> {
    let config = &function.config;
    vec![
        config.runtime.clone(),
        format!("{} MB", config.memory_mb),
        format!("{} s", config.timeout_s),
    ]
}

#[cfg(test)]
pub(crate) mod tests;
