//! Zips in the bucket of packages: those that are too large for a call, and the rests
//! that functions fetch as they start. Named by content: what is there is right.

use std::collections::{BTreeMap, BTreeSet};

use aws_wire::form;
use http::Method;
use package::Artifact;

use crate::calls::{gone, if_there};
use crate::error::{DeployError, StepError};
use crate::site::{Cloud, PACKAGES, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "package";
/// What has been put there begins so.
pub const PREFIX: &str = "packages/";

/// By key.
pub fn wanted(site: &Site) -> BTreeMap<String, Artifact> {
    let stored = site.stored_artifacts().into_iter();
    stored
        .map(|(key, artifact)| (key, artifact.clone()))
        .collect()
}

/// Keys in the bucket of packages; nothing, where there is no such bucket.
pub async fn read(cloud: &Cloud) -> Result<BTreeSet<String>, DeployError> {
    let bucket = cloud.names.bucket(PACKAGES);
    let (mut keys, mut token) = (BTreeSet::new(), None::<String>);
    loop {
        let token_query =
            token.map(|token| format!("&continuation-token={}", form::encode(&token)));
        let token_query = token_query.unwrap_or_default();
        let prefix = form::encode(PREFIX);
        let target = format!("/{bucket}?list-type=2&prefix={prefix}{token_query}");
        let list = cloud.client.rest_xml(Method::GET, &target, &[], &[]);
        let list = if_there(list)
            .await
            .map_err(DeployError::read("packages"))?;
        let Some(list) = list else {
            return Ok(keys);
        };
        let contents = list
            .children
            .iter()
            .filter(|child| child.name == "Contents");
        keys.extend(contents.map(|object| object.at(&["Key"]).to_owned()));
        token = match list.at(&["NextContinuationToken"]) {
            "" => return Ok(keys),
            next => Some(next.to_owned()),
        };
    }
}

/// `used` are those that versions which stay fetch as they start. A bucket that goes
/// takes its objects with it.
pub fn plan(
    bucket: &str,
    wanted: &BTreeMap<String, Artifact>,
    found: &BTreeSet<String>,
    used: &BTreeSet<String>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (key, artifact) in wanted.iter().filter(|(key, _)| !found.contains(*key)) {
        let step = Step::draft(Action::Create, Phase::Upload, KIND, key);
        steps.push(
            step.details([package::size(artifact.zip_bytes)])
                .work(Work::Put {
                    bucket: bucket.to_owned(),
                    key: key.clone(),
                    artifact: artifact.clone(),
                }),
        );
    }
    if wanted.is_empty() {
        return steps;
    }
    let left = found
        .iter()
        .filter(|key| !wanted.contains_key(*key) && !used.contains(*key));
    for key in left {
        let step = Step::draft(Action::Remove, Phase::Upload, KIND, key);
        steps.push(step.work(Work::Remove {
            bucket: bucket.to_owned(),
            key: key.clone(),
        }));
    }
    steps
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Put {
        bucket: String,
        key: String,
        artifact: Artifact,
    },
    Remove {
        bucket: String,
        key: String,
    },
}

impl Work {
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        match self {
            Self::Put {
                bucket,
                key,
                artifact,
            } => {
                let body = tokio::fs::read(&artifact.path).await;
                let body = body.map_err(|source| StepError::File {
                    path: artifact.path.clone(),
                    source,
                })?;
                let target = format!("/{bucket}/{key}");
                let headers = [("content-type", "application/zip".to_owned())];
                let put = cloud.client.rest_xml(Method::PUT, &target, &headers, &body);
                put.await?;
            }
            Self::Remove { bucket, key } => {
                let target = format!("/{bucket}/{key}");
                gone(cloud.client.rest_xml(Method::DELETE, &target, &[], &[])).await?;
            }
        }
        Ok(())
    }
}
