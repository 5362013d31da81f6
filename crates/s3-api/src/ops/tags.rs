//! Tags of objects, and the form of all tags.

use std::collections::BTreeMap;

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3Request, S3Response, S3Result};
use types::VersionId;

use crate::caller::Caller;
use crate::error::{bad_argument, fault_with, refused};
use crate::ops::{done, key, version};
use crate::service::Service;

/// As many tags as an object may have.
pub(crate) const MOST: usize = 10;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let input = request.input;
    let bucket = service.bucket(&input.bucket)?;
    let version = version(input.version_id.as_deref())?;
    let key = key(&input.key)?;
    let found = service.buckets.get(&bucket, &key, version.as_ref());
    let found = found.await.map_err(refused)?;
    done(GetObjectTaggingOutput {
        tag_set: to_wire(&found.attributes.tags),
        version_id: named(&found.stored().version, bucket.settings.versioning),
    })
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    let origin = Caller::of(&request.extensions).origin();
    let input = request.input;
    let bucket = service.bucket(&input.bucket)?;
    let tags = from_wire(input.tagging.tag_set, MOST)?;
    let version = version(input.version_id.as_deref())?;
    let key = key(&input.key)?;
    let set = service
        .buckets
        .set_tags(&bucket, &key, version.as_ref(), tags, origin);
    let version = set.await.map_err(refused)?;
    done(PutObjectTaggingOutput {
        version_id: named(&version, bucket.settings.versioning),
    })
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    let origin = Caller::of(&request.extensions).origin();
    let input = request.input;
    let bucket = service.bucket(&input.bucket)?;
    let version = version(input.version_id.as_deref())?;
    let key = key(&input.key)?;
    let none = BTreeMap::new();
    let set = service
        .buckets
        .set_tags(&bucket, &key, version.as_ref(), none, origin);
    let version = set.await.map_err(refused)?;
    done(DeleteObjectTaggingOutput {
        version_id: named(&version, bucket.settings.versioning),
    })
}

/// Buckets that never had versions do not speak of them.
pub(crate) fn named(version: &VersionId, versioning: Option<bool>) -> Option<String> {
    (versioning.is_some() || !version.is_null()).then(|| version.to_string())
}

pub(crate) fn to_wire(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tags = tags.iter().map(|(key, value)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    });
    tags.collect()
}

/// Reads a set of tags; `most` is how many there may be.
pub(crate) fn from_wire(tags: Vec<Tag>, most: usize) -> S3Result<BTreeMap<String, String>> {
    let pairs = tags
        .into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    check(pairs, most)
}

/// Reads the header `x-amz-tagging`: a query string.
pub(crate) fn from_header(text: Option<&str>) -> S3Result<BTreeMap<String, String>> {
    let Some(text) = text else {
        return Ok(BTreeMap::new());
    };
    check(aws_wire::form::pairs(text), MOST).map_err(|error| match error.code().as_str() {
        // In a header a wrong tag is a wrong argument.
        "InvalidTag" if error.message().is_some_and(|m| m.contains("same key")) => bad_argument(
            "x-amz-tagging",
            text,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        ),
        _ => error,
    })
}

fn check(
    tags: impl IntoIterator<Item = (String, String)>,
    most: usize,
) -> S3Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    for (key, value) in tags {
        let key_length = key.chars().count();
        if key_length == 0 || key_length > LONGEST_KEY || !is_plain(&key) {
            return Err(fault_with(
                "InvalidTag",
                "The TagKey you have provided is invalid",
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(fault_with(
                "InvalidTag",
                "System tags cannot be added/updated by requester",
            ));
        }
        if value.chars().count() > LONGEST_VALUE || !is_plain(&value) {
            return Err(fault_with(
                "InvalidTag",
                "The TagValue you have provided is invalid",
            ));
        }
        if kept.insert(key, value).is_some() {
            return Err(fault_with(
                "InvalidTag",
                "Cannot provide multiple Tags with the same key",
            ));
        }
    }
    if kept.len() > most {
        let (code, message) = if most == MOST {
            ("BadRequest", "Object tags cannot be greater than 10")
        } else {
            ("BadRequest", "Bucket tag count cannot be greater than 50")
        };
        return Err(fault_with(code, message));
    }
    Ok(kept)
}

/// Letters, spaces and numbers of any language, and these signs.
fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_from_a_header() {
        let read = |text: &str| from_header(Some(text));
        let tags = read("a=1&b=&c=x%20y+z").unwrap();
        assert_eq!(tags["a"], "1");
        assert_eq!(tags["b"], "");
        assert_eq!(tags["c"], "x y z");
        let code = |text: &str| read(text).unwrap_err().code().as_str().to_owned();
        assert_eq!(code("a=1&a=2"), "InvalidArgument");
        assert_eq!(code("=1"), "InvalidTag");
        assert_eq!(code("aws:x=1"), "InvalidTag");
        assert_eq!(code("a=%3C"), "InvalidTag");
        assert_eq!(code(&format!("{}=1", "k".repeat(129))), "InvalidTag");
        let many: Vec<String> = (0..11).map(|n| format!("k{n}=v")).collect();
        assert_eq!(code(&many.join("&")), "BadRequest");
    }
}
