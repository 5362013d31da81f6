//! Making, changing and removing functions, and waiting until they are ready.

use aws_client::ClientError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use package::Artifact;
use serde_json::{Value, json};

use super::Wanted;
use crate::calls::{Pauses, SETTLE, gone, patiently};
use crate::error::StepError;
use crate::site::{Cloud, Made, Site, fits_in_call, package_key};

#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    Create(Box<Wanted>),
    Update {
        wanted: Box<Wanted>,
        code: bool,
        config: bool,
    },
    Remove(String),
}

impl Work {
    pub async fn run(&self, site: &Site, made: &Made) -> Result<(), StepError> {
        let cloud = &site.cloud;
        match self {
            Self::Create(wanted) => create(site, wanted, made).await,
            Self::Update {
                wanted,
                code,
                config,
            } => {
                if *code {
                    update_code(site, wanted).await?;
                }
                if *config {
                    update_config(cloud, wanted, made).await?;
                }
                Ok(())
            }
            Self::Remove(name) => {
                let target = path("2015-03-31", name, "");
                let client = &cloud.client;
                let call = client.rest_json("lambda", Method::DELETE, &target, None);
                gone(call).await?;
                made.now().urls.remove(name);
                Ok(())
            }
        }
    }
}

async fn create(site: &Site, wanted: &Wanted, made: &Made) -> Result<(), StepError> {
    let cloud = &site.cloud;
    let mut body = wanted.config.members(&layers(wanted, made)?);
    body["FunctionName"] = wanted.name.as_str().into();
    body["Architectures"] = json!([wanted.config.architecture]);
    body["Code"] = code(site, &wanted.code)?;
    let tags = cloud.names.tags();
    body["Tags"] = tags
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect();
    let client = &cloud.client;
    let created = patiently(role_is_new, || {
        client.rest_json("lambda", Method::POST, "/2015-03-31/functions", Some(&body))
    });
    match created.await {
        Ok(_) => {}
        // It was not there a moment ago: this call made it, and the answer was lost.
        Err(error) if is_there_already(&error) => {}
        Err(error) => return Err(error.into()),
    }
    ready(cloud, &wanted.name, None).await.map(drop)
}

async fn update_code(site: &Site, wanted: &Wanted) -> Result<(), StepError> {
    let cloud = &site.cloud;
    let mut body = code(site, &wanted.code)?;
    body["Architectures"] = json!([wanted.config.architecture]);
    let target = path("2015-03-31", &wanted.name, "/code");
    put(cloud, &target, &body).await?;
    ready(cloud, &wanted.name, None).await.map(drop)
}

async fn update_config(cloud: &Cloud, wanted: &Wanted, made: &Made) -> Result<(), StepError> {
    let body = wanted.config.members(&layers(wanted, made)?);
    let target = path("2015-03-31", &wanted.name, "/configuration");
    put(cloud, &target, &body).await?;
    ready(cloud, &wanted.name, None).await.map(drop)
}

async fn put(cloud: &Cloud, target: &str, body: &Value) -> Result<Value, ClientError> {
    let passes = |error: &ClientError| role_is_new(error) || is_busy(error);
    patiently(passes, || {
        let client = &cloud.client;
        client.rest_json("lambda", Method::PUT, target, Some(body))
    })
    .await
}

/// Waits until a version, or `$LATEST`, takes invocations and changes; what it is then.
pub(crate) async fn ready(
    cloud: &Cloud,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Value, StepError> {
    let query = qualifier.map(|qualifier| format!("?Qualifier={qualifier}"));
    let target = format!("/configuration{}", query.unwrap_or_default());
    let target = path("2015-03-31", name, &target);
    let mut pauses = Pauses::new();
    loop {
        let client = &cloud.client;
        let shape = client
            .rest_json("lambda", Method::GET, &target, None)
            .await?;
        let unready = |reason: &str| StepError::Unready {
            what: format!("function {name}"),
            seconds: SETTLE.as_secs(),
            reason: shape[reason].as_str().unwrap_or_default().to_owned(),
        };
        let is = |member: &str, value: &str| shape[member] == value;
        if is("State", "Failed") {
            return Err(unready("StateReason"));
        }
        if is("LastUpdateStatus", "Failed") {
            return Err(unready("LastUpdateStatusReason"));
        }
        if !is("State", "Pending") && !is("LastUpdateStatus", "InProgress") {
            return Ok(shape);
        }
        if !pauses.next().await {
            return Err(unready("StateReason"));
        }
    }
}

fn layers(wanted: &Wanted, made: &Made) -> Result<Vec<String>, StepError> {
    let known = made.now();
    let layers = wanted.config.layers.iter().map(|layer| {
        let arn = layer.arn(&known).cloned();
        arn.ok_or_else(|| StepError::Order(format!("a layer of {}", wanted.name)))
    });
    layers.collect()
}

/// The members that say where a zip is: in the call, if it fits, else in the bucket.
pub(crate) fn code(site: &Site, zip: &Artifact) -> Result<Value, StepError> {
    if !fits_in_call(zip) {
        return Ok(json!({ "S3Bucket": site.package_bucket(), "S3Key": package_key(zip) }));
    }
    let bytes = std::fs::read(&zip.path).map_err(|source| StepError::File {
        path: zip.path.clone(),
        source,
    })?;
    Ok(json!({ "ZipFile": STANDARD.encode(bytes) }))
}

/// A role that was just made is not known to Lambda for some seconds.
fn role_is_new(error: &ClientError) -> bool {
    error.code() == "InvalidParameterValueException"
        && error.to_string().contains("cannot be assumed by Lambda")
}

/// A change before this one is not yet everywhere, or one beside it is under way.
pub(crate) fn is_busy(error: &ClientError) -> bool {
    error.code() == "ResourceConflictException" && !is_there_already(error)
}

/// Lambda has one code for what exists and for what is busy.
pub(crate) fn is_there_already(error: &ClientError) -> bool {
    error.code() == "ResourceConflictException" && error.to_string().contains("exist")
}

pub(crate) fn path(date: &str, name: &str, rest: &str) -> String {
    format!("/{date}/functions/{name}{rest}")
}
