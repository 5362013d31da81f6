//! Layers of requirements: versions of one layer of the project, each described by
//! the hash of what it was made of, so that equal requirements are uploaded once. The
//! same of a language that AWS does not have, under another name.

use std::collections::{BTreeMap, BTreeSet};

use aws_client::ClientError;
use aws_wire::form;
use futures::future::try_join_all;
use http::Method;
use package::{LayerKind, LayerPackage};
use serde_json::{Value, json};

use super::function;
use crate::calls::{all_pages, gone, if_there, text};
use crate::error::{DeployError, StepError};
use crate::names::Names;
use crate::site::{Cloud, Known, Made, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "layer";
const KINDS: [LayerKind; 2] = [LayerKind::Libraries, LayerKind::R];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: LayerKind,
    pub version: u64,
    pub arn: String,
    /// Empty: it is not of this project and stage, whose names together may be those of
    /// another one.
    pub hash: String,
}

/// How descriptions begin; the hash follows.
fn mark(names: &Names) -> String {
    format!("squall {} {} ", names.project, names.stage)
}

/// Each once, whoever needs it.
pub fn wanted(site: &Site) -> Vec<LayerPackage> {
    let packages = site.packages.values();
    let layers = packages.flat_map(|package| &package.layers);
    let by_hash: BTreeMap<_, _> = layers.map(|layer| (&layer.hash, layer)).collect();
    by_hash.into_values().cloned().collect()
}

pub async fn read(cloud: &Cloud) -> Result<Vec<Found>, DeployError> {
    let lists = try_join_all(KINDS.map(|kind| list(cloud, kind))).await;
    let lists = lists.map_err(DeployError::read("layers"))?;
    Ok(lists.into_iter().flatten().collect())
}

/// Oldest first.
async fn list(cloud: &Cloud, kind: LayerKind) -> Result<Vec<Found>, ClientError> {
    let (name, mark) = (cloud.names.layer(kind), mark(&cloud.names));
    let hash_in = |text: &Value| Some(text.as_str()?.strip_prefix(&mark)?.to_owned());
    let listed = all_pages("LayerVersions", "NextMarker", |marker| {
        let marker = marker.map(|marker| format!("&Marker={}", form::encode(&marker)));
        let query = format!("?MaxItems=50{}", marker.unwrap_or_default());
        let target = format!("/2018-10-31/layers/{name}/versions{query}");
        async move {
            let client = &cloud.client;
            client.rest_json("lambda", Method::GET, &target, None).await
        }
    });
    let listed = if_there(listed).await?.unwrap_or_default();
    let found = listed.iter().filter_map(|shape| {
        Some(Found {
            kind,
            version: shape["Version"].as_u64()?,
            arn: shape["LayerVersionArn"].as_str()?.to_owned(),
            hash: hash_in(&shape["Description"]).unwrap_or_default(),
        })
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|layer| layer.version);
    Ok(found)
}

/// Layers that need not be made, for functions that want them by their hash.
pub fn known(found: &[Found], known: &mut Known) {
    let layers = found.iter().filter(|layer| !layer.hash.is_empty());
    let by_hash = layers.map(|layer| (layer.hash.clone(), layer.arn.clone()));
    known.layers.extend(by_hash);
}

/// `used` are the layers of versions that are there and stay.
pub fn plan(
    names: &Names,
    wanted: &[LayerPackage],
    found: &[Found],
    used: &BTreeSet<&str>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let missing = wanted
        .iter()
        .filter(|layer| !found.iter().any(|there| there.hash == layer.hash));
    for layer in missing {
        let name = names.layer(layer.kind);
        let step = Step::draft(Action::Create, Phase::Layer, KIND, &name);
        let size = package::size(layer.artifact.zip_bytes);
        steps.push(step.details([size]).work(Work::Publish(layer.clone())));
    }
    // Of twins, which a lost answer makes, the newer one is used.
    let newest = |hash: &str| found.iter().rev().find(|there| there.hash == hash);
    let ours = found.iter().filter(|there| !there.hash.is_empty());
    let left = ours.filter(|there| {
        let wanted = wanted.iter().any(|layer| layer.hash == there.hash);
        let is_newest = newest(&there.hash) == Some(there);
        let is_used = used.contains(there.arn.as_str());
        !(is_used || wanted && is_newest)
    });
    for there in left {
        let name = format!("{} {}", names.layer(there.kind), there.version);
        let step = Step::draft(Action::Remove, Phase::Layer, KIND, &name);
        steps.push(step.work(Work::Remove(there.kind, there.version)));
    }
    steps
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Publish(LayerPackage),
    Remove(LayerKind, u64),
}

impl Work {
    pub async fn run(&self, site: &Site, made: &Made) -> Result<(), StepError> {
        match self {
            Self::Publish(layer) => publish(site, layer, made).await?,
            Self::Remove(kind, version) => {
                remove(&site.cloud, *kind, *version).await?;
            }
        }
        Ok(())
    }
}

async fn publish(site: &Site, layer: &LayerPackage, made: &Made) -> Result<(), StepError> {
    let (cloud, names) = (&site.cloud, site.names());
    let body = json!({
        "Description": format!("{}{}", mark(names), layer.hash),
        "Content": function::code(site, &layer.artifact)?,
    });
    let client = &cloud.client;
    let target = versions(names, layer.kind);
    let publish = client.rest_json("lambda", Method::POST, &target, Some(&body));
    let answer = publish.await?;
    let arn = text(&answer, "LayerVersionArn", "PublishLayerVersion")?;
    made.now().layers.insert(layer.hash.clone(), arn.to_owned());
    // Where an answer was lost, it was published twice.
    let there = list(cloud, layer.kind).await?;
    let twins = there
        .iter()
        .filter(|it| it.hash == layer.hash && it.arn != arn);
    for twin in twins {
        remove(cloud, twin.kind, twin.version).await?;
    }
    Ok(())
}

async fn remove(cloud: &Cloud, kind: LayerKind, version: u64) -> Result<(), ClientError> {
    let target = format!("{}/{version}", versions(&cloud.names, kind));
    let client = &cloud.client;
    gone(client.rest_json("lambda", Method::DELETE, &target, None)).await
}

fn versions(names: &Names, kind: LayerKind) -> String {
    format!("/2018-10-31/layers/{}/versions", names.layer(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::function::tests::{artifact, names};

    fn layer(hash: &str) -> LayerPackage {
        LayerPackage {
            kind: LayerKind::Libraries,
            hash: hash.to_owned(),
            artifact: artifact(hash),
        }
    }

    fn found(version: u64, hash: &str) -> Found {
        Found {
            kind: LayerKind::Libraries,
            version,
            arn: format!("arn:{version}"),
            hash: hash.to_owned(),
        }
    }

    fn told(steps: &[Step]) -> Vec<(Action, &str)> {
        let told = steps.iter().map(|step| (step.action, step.name.as_str()));
        told.collect()
    }

    #[test]
    fn a_layer_is_made_once_and_goes_when_no_version_has_it() {
        let wanted = [layer("a"), layer("b")];
        let found = [
            found(1, "old"),
            found(2, "used"),
            found(3, "a"),
            found(4, "a"),
        ];
        let steps = plan(&names(), &wanted, &found, &["arn:2"].into());
        let expected = [
            (Action::Create, "p-dev-deps"),
            (Action::Remove, "p-dev-deps 1"),
            (Action::Remove, "p-dev-deps 3"),
        ];
        assert_eq!(told(&steps), expected);
        let mut there = Known::default();
        known(&found, &mut there);
        assert_eq!(there.layers["a"], "arn:4");
    }

    #[test]
    fn a_language_is_a_layer_of_its_own() {
        let r = LayerPackage {
            kind: LayerKind::R,
            ..layer("r")
        };
        let old = Found {
            kind: LayerKind::R,
            ..found(1, "old")
        };
        let steps = plan(&names(), &[layer("a"), r], &[old], &BTreeSet::new());
        let expected = [
            (Action::Create, "p-dev-deps"),
            (Action::Create, "p-dev-r"),
            (Action::Remove, "p-dev-r 1"),
        ];
        assert_eq!(told(&steps), expected);
    }
}
