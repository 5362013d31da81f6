//! Questions that the protocol crate does not know.

use http::request::Parts;
use s3s::S3Result;

use crate::error::fault;

/// A name alone in the query says which operation is meant. The protocol crate
/// takes those that it does not know for nothing, and so a question about a bucket
/// for a listing of it, and a change of a setting for its deletion.
pub(crate) fn check(parts: &Parts) -> S3Result {
    let query = parts.uri.query().unwrap_or_default();
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut bare = pairs.filter(|(name, value)| !name.is_empty() && value.is_empty());
    if bare.all(|(name, _)| KNOWN.contains(&name) || name.starts_with("response-")) {
        return Ok(());
    }
    Err(fault("NotImplemented"))
}

/// What may stand alone in a query: operations, and parameters that may be empty.
const KNOWN: [&str; 43] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "continuation-token",
    "cors",
    "delete",
    "delimiter",
    "encoding-type",
    "encryption",
    "fetch-owner",
    "intelligent-tiering",
    "inventory",
    "key-marker",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "marker",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "part-number-marker",
    "policy",
    "policyStatus",
    "prefix",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "retention",
    "session",
    "start-after",
    "tagging",
    "upload-id-marker",
    "uploadId",
    "uploads",
    "version-id-marker",
    "versionId",
    "versioning",
    "versions",
    "website",
    "x-id",
];
