//! DeleteObjects: each key for itself, with an answer of its own.

use buckets::Bucket;
use futures::{StreamExt, stream};
use http::HeaderMap;
use policy::Context;
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error, ObjectIdentifier};
use s3s::{S3Request, S3Response, S3Result};
use store::{MatchRule, Precondition};

use crate::caller::Caller;
use crate::error::{fault, fault_with, refused};
use crate::gate::Request;
use crate::ops::delete::Gone;
use crate::ops::{done, key, version};
use crate::service::Service;

/// As many keys as one request may name.
const MOST_KEYS: usize = 1000;
/// Deletes under way at a time: they share commits.
const AT_ONCE: usize = 64;

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    require_digest(&request.headers)?;
    let input = request.input;
    let bucket = &*service.bucket(&input.bucket)?;
    let caller = &Caller::of(&request.extensions);
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > MOST_KEYS {
        return Err(fault("MalformedXML"));
    }
    let each = stream::iter(objects).map(|object| async move {
        let (key, version_id) = (object.key.clone(), object.version_id.clone());
        let outcome = delete_one(service, bucket, caller, object).await;
        (key, version_id, outcome)
    });
    let mut outcomes = each.buffered(AT_ONCE);
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    while let Some((key, version_id, outcome)) = outcomes.next().await {
        match outcome {
            Ok(gone) => deleted.push(DeletedObject {
                delete_marker: gone.marker.then_some(true),
                delete_marker_version_id: gone.version.filter(|_| gone.marker).map(String::from),
                key: Some(key),
                version_id,
            }),
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                key: Some(key),
                message: error.message().map(str::to_owned),
                version_id,
            }),
        }
    }
    let quiet = input.delete.quiet == Some(true);
    done(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        request_charged: None,
    })
}

async fn delete_one(
    service: &Service,
    bucket: &Bucket,
    caller: &Caller,
    object: ObjectIdentifier,
) -> S3Result<Gone> {
    let action = if object.version_id.is_some() {
        "s3:DeleteObjectVersion"
    } else {
        "s3:DeleteObject"
    };
    let mut context = Context::new();
    caller.asked.add_to(&mut context);
    let asked = Request {
        action,
        bucket: Some(bucket.name.as_str()),
        key: Some(&object.key),
        version: object.version_id.as_deref(),
    };
    service.gate.allow(caller, asked, &context).await?;
    let version = version(object.version_id.as_deref())?;
    if object.last_modified_time.is_some() || object.size.is_some() {
        // Conditions that only directory buckets have: not to look at them would
        // delete what was to stay.
        return Err(fault("NotImplemented"));
    }
    let precondition = Precondition {
        if_match: object.e_tag.map(|etag| match etag.value() {
            "*" => MatchRule::Any,
            value => MatchRule::Etag(value.to_owned()),
        }),
        if_none_match: None,
    };
    let key = key(&object.key)?;
    let origin = caller.origin();
    let deleted = service
        .buckets
        .delete_object(bucket, key, version.clone(), precondition, origin);
    Ok(Gone::of(&deleted.await.map_err(refused)?, version))
}

/// A list that lost its end on the way would still be a list.
fn require_digest(headers: &HeaderMap) -> S3Result {
    let is_digest = |name: &http::HeaderName| {
        let name = name.as_str();
        name == "content-md5" || name == "x-amz-trailer" || name.starts_with("x-amz-checksum-")
    };
    if headers.keys().any(is_digest) {
        return Ok(());
    }
    Err(fault_with(
        "InvalidRequest",
        "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
    ))
}
