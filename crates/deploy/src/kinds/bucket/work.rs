//! Making, setting and removing a bucket.

use std::collections::BTreeMap;

use aws_client::{ClientError, Xml};
use aws_wire::form;
use http::Method;
use serde_json::Value;

use super::{KEEP_TAG, Wanted, documents};
use crate::calls::{gone, if_there, patiently, unless_there};
use crate::error::StepError;
use crate::site::Cloud;

#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Made if it is not there, and then as it is wanted.
    Put {
        bucket: Wanted,
        /// Those that it has, of whoever put them there.
        tags: BTreeMap<String, String>,
        policy: Option<Value>,
        had_site: bool,
        had_cors: bool,
    },
    /// With all its objects and their versions.
    Remove(String),
}

impl Work {
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        match self {
            Self::Put {
                bucket,
                tags,
                policy,
                had_site,
                had_cors,
            } => {
                create(cloud, &bucket.name).await?;
                tag(cloud, bucket, tags.clone()).await?;
                set_site(cloud, bucket, policy.as_ref(), *had_site).await?;
                set_cors(cloud, bucket, *had_cors).await?;
            }
            Self::Remove(name) => remove(cloud, name).await?,
        }
        Ok(())
    }
}

async fn create(cloud: &Cloud, name: &str) -> Result<(), ClientError> {
    let location = documents::location(&cloud.names.region).unwrap_or_default();
    let create = || {
        let create = put(cloud, format!("/{name}"), location.clone());
        unless_there(create, &["BucketAlreadyOwnedByYou"])
    };
    // One of this name that was just removed is not gone at once.
    let is_going = |error: &ClientError| error.code() == "OperationAborted";
    patiently(is_going, create).await?;
    Ok(())
}

async fn tag(
    cloud: &Cloud,
    bucket: &Wanted,
    mut tags: BTreeMap<String, String>,
) -> Result<(), ClientError> {
    let ours = cloud.names.tags();
    tags.extend(ours.map(|(key, value)| (key.to_owned(), value.to_owned())));
    tags.remove(KEEP_TAG);
    if bucket.keep {
        tags.insert(KEEP_TAG.to_owned(), "true".to_owned());
    }
    let document = documents::tagging(&tags);
    put(cloud, format!("/{}?tagging", bucket.name), document).await?;
    Ok(())
}

/// AWS refuses policies that let everyone read, unless a bucket says that they are meant.
async fn set_site(
    cloud: &Cloud,
    bucket: &Wanted,
    policy: Option<&Value>,
    had_site: bool,
) -> Result<(), ClientError> {
    let name = &bucket.name;
    let arn = cloud.names.bucket_arn(name);
    let after = documents::policy(policy, &arn, bucket.site.is_some());
    if let Some(site) = &bucket.site {
        gone(delete(cloud, format!("/{name}?publicAccessBlock"))).await?;
        put(cloud, format!("/{name}?website"), documents::website(site)).await?;
    } else if had_site {
        gone(delete(cloud, format!("/{name}?website"))).await?;
    }
    match after {
        Some(document) if policy != Some(&document) => {
            let document = document.to_string();
            let publish = || put(cloud, format!("/{name}?policy"), document.clone());
            patiently(is_still_blocked, publish).await?;
        }
        None if policy.is_some() => gone(delete(cloud, format!("/{name}?policy"))).await?,
        _ => {}
    }
    Ok(())
}

/// That a bucket may be public is not known everywhere at once.
fn is_still_blocked(error: &ClientError) -> bool {
    match error {
        ClientError::Api { code, message, .. } => {
            code == "AccessDenied" && message.contains("BlockPublicPolicy")
        }
        _ => false,
    }
}

async fn set_cors(cloud: &Cloud, bucket: &Wanted, had_cors: bool) -> Result<(), ClientError> {
    let target = format!("/{}?cors", bucket.name);
    if !bucket.cors.is_empty() {
        put(cloud, target, documents::cors(&bucket.cors)).await?;
    } else if had_cors {
        gone(delete(cloud, target)).await?;
    }
    Ok(())
}

/// Page after page, until nothing is left; what others put there meanwhile included.
async fn remove(cloud: &Cloud, name: &str) -> Result<(), ClientError> {
    loop {
        let list = call(
            cloud,
            Method::GET,
            format!("/{name}?versions&max-keys=1000"),
            "",
        );
        let Some(page) = if_there(list).await? else {
            return Ok(());
        };
        let versions = documents::versions(&page);
        if versions.is_empty() {
            abort_uploads(cloud, name).await?;
            return gone(delete(cloud, format!("/{name}"))).await;
        }
        clear(cloud, name, &versions).await?;
    }
}

/// Of what never became an object.
async fn abort_uploads(cloud: &Cloud, name: &str) -> Result<(), ClientError> {
    loop {
        let list = call(cloud, Method::GET, format!("/{name}?uploads"), "");
        let page = if_there(list).await?.unwrap_or_default();
        let uploads = page.children.iter().filter(|it| it.name == "Upload");
        for upload in uploads {
            let (key, id) = (path(upload.at(&["Key"])), upload.at(&["UploadId"]));
            let target = format!("/{name}/{key}?uploadId={}", form::encode(id));
            match gone(delete(cloud, target)).await {
                Err(error) if error.code() != "NoSuchUpload" => return Err(error),
                _ => {}
            }
        }
        if page.at(&["IsTruncated"]) != "true" {
            return Ok(());
        }
    }
}

async fn clear(
    cloud: &Cloud,
    name: &str,
    versions: &[(String, String)],
) -> Result<(), ClientError> {
    let document = documents::delete(versions);
    let request = call(cloud, Method::POST, format!("/{name}?delete"), &document);
    let Some(answer) = if_there(request).await? else {
        return Ok(());
    };
    let Some(refused) = answer.child("Error") else {
        return Ok(());
    };
    // One by one it says why it stays; there is no use in asking for it for ever.
    let (key, version) = (refused.at(&["Key"]), refused.at(&["VersionId"]));
    let mut target = format!("/{name}/{}", path(key));
    if !version.is_empty() {
        target = format!("{target}?versionId={}", form::encode(version));
    }
    gone(delete(cloud, target)).await
}

fn path(key: &str) -> String {
    let parts: Vec<_> = key.split('/').map(form::encode).collect();
    parts.join("/")
}

async fn put(cloud: &Cloud, target: String, document: String) -> Result<Xml, ClientError> {
    call(cloud, Method::PUT, target, &document).await
}

async fn delete(cloud: &Cloud, target: String) -> Result<Xml, ClientError> {
    call(cloud, Method::DELETE, target, "").await
}

async fn call(
    cloud: &Cloud,
    method: Method,
    target: String,
    document: &str,
) -> Result<Xml, ClientError> {
    let client = &cloud.client;
    let body = document.as_bytes();
    client.rest_xml(method, &target, &[], body).await
}
