//! The operations, by topic: from S3's shapes to those of buckets and back.

#![expect(
    clippy::unused_async,
    reason = "operations are called alike, whether they wait for something or not"
)]

pub(crate) mod attributes;
pub(crate) mod buckets;
pub(crate) mod conditions;
pub(crate) mod copy;
pub(crate) mod cors;
pub(crate) mod delete;
pub(crate) mod delete_many;
pub(crate) mod describe;
pub(crate) mod fixed;
pub(crate) mod get;
pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod notification;
pub(crate) mod policy;
pub(crate) mod put;
pub(crate) mod receive;
pub(crate) mod settings;
pub(crate) mod tags;
pub(crate) mod upload;
pub(crate) mod upload_list;
pub(crate) mod versions;
pub(crate) mod website;

use s3s::dto::{ETag, Owner};
use s3s::{S3Response, S3Result};
use types::{ObjectKey, Scope, VersionId};

use crate::error::{bad_argument, fault};

/// An answer that is just its output.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends operations, all of which may fail"
)]
pub(crate) fn done<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

/// A key by its name on the wire.
pub(crate) fn key(text: &str) -> S3Result<ObjectKey> {
    if text.contains('\0') || climbs(text) {
        return Err(fault("InvalidURI"));
    }
    text.parse().map_err(|_| fault("KeyTooLongError"))
}

/// Does the key, read as a path, lead out of its bucket?
fn climbs(text: &str) -> bool {
    let mut depth = 0_u32;
    for segment in text.split('/') {
        depth = match (segment, depth) {
            ("..", 0) => return true,
            ("..", depth) => depth - 1,
            ("" | ".", depth) => depth,
            (_, depth) => depth + 1,
        };
    }
    false
}

/// A version by its id on the wire.
pub(crate) fn version(text: Option<&str>) -> S3Result<Option<VersionId>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parsed = text.parse();
    parsed
        .map(Some)
        .map_err(|_| bad_argument("versionId", text, "Invalid version id specified"))
}

pub(crate) fn etag(text: &str) -> ETag {
    ETag::Strong(text.to_owned())
}

/// There is one owner of everything: the account. The id is as long as those of
/// AWS and always the same.
pub(crate) fn owner_id(scope: &Scope) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(scope.account.as_str()))
}

pub(crate) fn owner(scope: &Scope) -> Owner {
    Owner {
        display_name: None,
        id: Some(owner_id(scope)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_their_bucket() {
        for good in ["a", "/a", "a/../b", "a//b/", "..a", "a/..b/../../c", "a/.."] {
            assert!(key(good).is_ok(), "{good}");
        }
        for bad in ["..", "../a", "a/../../b", "./../x", "a/../..", "a\0b"] {
            assert_eq!(key(bad).unwrap_err().code().as_str(), "InvalidURI", "{bad}");
        }
        let long = "k".repeat(1025);
        assert_eq!(key(&long).unwrap_err().code().as_str(), "KeyTooLongError");
    }
}
