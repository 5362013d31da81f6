//! What is kept with an object, read from the headers of its write, and told
//! again with it.

use std::collections::BTreeMap;

use buckets::{Attributes, Checksums, Headers};
use http::{HeaderMap, HeaderValue};
use s3s::S3Result;
use s3s::dto::{ChecksumType, Metadata, ServerSideEncryption, StorageClass};

use crate::error::{detailed, fault, fault_with};
use crate::ops::tags;

/// Names and values of user metadata together, in bytes.
const MOST_METADATA: usize = 2 * 1024;
const CLASSES: [&str; 10] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
    "OUTPOSTS",
];
const STANDARD: &str = "STANDARD";
/// What AWS says an object is that nobody said it of.
const UNKNOWN_TYPE: &str = "binary/octet-stream";

/// Reads all but the checksums, and refuses what is not provided.
pub(crate) fn read(headers: &HeaderMap, metadata: Option<Metadata>) -> S3Result<Attributes> {
    refuse_unsupported(headers)?;
    Ok(Attributes {
        headers: read_headers(headers),
        metadata: read_metadata(metadata)?,
        tags: tags::from_header(text(headers, "x-amz-tagging").as_deref())?,
        checksums: Checksums::default(),
        storage_class: read_class(headers)?,
        website_redirect: read_redirect(headers)?,
    })
}

fn read_headers(headers: &HeaderMap) -> Headers {
    let encoding = text(headers, "content-encoding").and_then(|encoding| {
        // How the body travelled is no property of the object.
        let kept: Vec<&str> = encoding
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty() && *part != "aws-chunked")
            .collect();
        (!kept.is_empty()).then(|| kept.join(", "))
    });
    Headers {
        content_type: text(headers, "content-type"),
        content_encoding: encoding,
        content_disposition: text(headers, "content-disposition"),
        content_language: text(headers, "content-language"),
        cache_control: text(headers, "cache-control"),
        expires: text(headers, "expires"),
    }
}

fn read_metadata(metadata: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<String, String> = metadata.unwrap_or_default().into_iter().collect();
    let size: usize = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > MOST_METADATA {
        let (size, limit) = (size.to_string(), MOST_METADATA.to_string());
        let details = [("Size", &*size), ("MaxSizeAllowed", &*limit)];
        return Err(detailed(fault("MetadataTooLarge"), &details));
    }
    Ok(metadata)
}

fn read_class(headers: &HeaderMap) -> S3Result<Option<String>> {
    let class = text(headers, "x-amz-storage-class");
    if class
        .as_deref()
        .is_some_and(|class| !CLASSES.contains(&class))
    {
        return Err(fault("InvalidStorageClass"));
    }
    Ok(class.filter(|class| class != STANDARD))
}

fn read_redirect(headers: &HeaderMap) -> S3Result<Option<String>> {
    let target = text(headers, "x-amz-website-redirect-location");
    let starts = ["/", "http://", "https://"];
    let is_good = |target: &String| starts.iter().any(|start| target.starts_with(start));
    if target.as_ref().is_some_and(|target| !is_good(target)) {
        return Err(fault_with(
            "InvalidRedirectLocation",
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
        ));
    }
    Ok(target)
}

/// Refuses what would be ignored otherwise, and that a client relies on.
fn refuse_unsupported(headers: &HeaderMap) -> S3Result {
    refuse_keys(headers)?;
    let acl = text(headers, "x-amz-acl");
    let granted = headers
        .keys()
        .any(|name| name.as_str().starts_with("x-amz-grant-"));
    let is_own = |acl: &String| acl == "private" || acl == "bucket-owner-full-control";
    if granted || acl.as_ref().is_some_and(|acl| !is_own(acl)) {
        return Err(fault("AccessControlListNotSupported"));
    }
    if headers
        .keys()
        .any(|name| name.as_str().starts_with("x-amz-object-lock-"))
    {
        return Err(fault_with(
            "InvalidRequest",
            "Bucket is missing Object Lock Configuration",
        ));
    }
    Ok(())
}

/// Refuses encryption with keys that are not S3's own.
pub(crate) fn refuse_keys(headers: &HeaderMap) -> S3Result {
    let refuse = |what: &str| {
        Err(fault_with(
            "NotImplemented",
            format!("Squall does not provide encryption with {what}."),
        ))
    };
    let own_keys = |name: &http::HeaderName| {
        let name = name.as_str();
        name.starts_with("x-amz-server-side-encryption-customer-")
            || name.starts_with("x-amz-copy-source-server-side-encryption-customer-")
    };
    if headers.keys().any(own_keys) {
        return refuse("keys of clients (SSE-C)");
    }
    match text(headers, "x-amz-server-side-encryption").as_deref() {
        None | Some("AES256") => {}
        Some("aws:kms" | "aws:kms:dsse") => return refuse("keys of AWS KMS (SSE-KMS)"),
        Some(_) => return Err(fault("InvalidEncryptionAlgorithmError")),
    }
    if headers.contains_key("x-amz-server-side-encryption-aws-kms-key-id") {
        return refuse("keys of AWS KMS (SSE-KMS)");
    }
    Ok(())
}

/// A header that may have any characters.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    let text = String::from_utf8_lossy(value).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The headers of an object that have no place in the protocol crate's answer.
pub(crate) fn extra_headers(attributes: &Attributes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(expires) = &attributes.headers.expires
        && let Ok(value) = HeaderValue::from_str(expires)
    {
        headers.insert(http::header::EXPIRES, value);
    }
    headers
}

pub(crate) fn content_type(attributes: &Attributes) -> String {
    let kept = attributes.headers.content_type.clone();
    kept.unwrap_or_else(|| UNKNOWN_TYPE.to_owned())
}

pub(crate) fn metadata(attributes: &Attributes) -> Option<Metadata> {
    let metadata: Metadata = attributes.metadata.clone().into_iter().collect();
    (!metadata.is_empty()).then_some(metadata)
}

/// Said of objects that are not in the class that all are in.
pub(crate) fn told_class(attributes: &Attributes) -> Option<StorageClass> {
    attributes.storage_class.clone().map(StorageClass::from)
}

pub(crate) fn class(attributes: &Attributes) -> String {
    let class = attributes.storage_class.clone();
    class.unwrap_or_else(|| STANDARD.to_owned())
}

/// What every bucket says of its objects since 2023.
pub(crate) fn encryption() -> ServerSideEncryption {
    ServerSideEncryption::from_static(ServerSideEncryption::AES256)
}

/// Of what the checksum is one.
pub(crate) fn checksum_type(checksums: &Checksums) -> Option<ChecksumType> {
    checksums.iter().next()?;
    let composite = checksums.kind == Some(buckets::ChecksumKind::Composite);
    Some(ChecksumType::from_static(if composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    }))
}

/// Puts checksums into the five fields that many shapes have for them.
macro_rules! set_checksums {
    ($output:expr, $checksums:expr) => {{
        let checksums: &buckets::Checksums = $checksums;
        $output.checksum_crc32.clone_from(&checksums.crc32);
        $output.checksum_crc32c.clone_from(&checksums.crc32c);
        $output.checksum_crc64nvme.clone_from(&checksums.crc64nvme);
        $output.checksum_sha1.clone_from(&checksums.sha1);
        $output.checksum_sha256.clone_from(&checksums.sha256);
    }};
}
pub(crate) use set_checksums;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&'static str, &str)]) -> Result<Attributes, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        read(&headers, None).map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn headers_are_kept() {
        let kept = read_pairs(&[
            ("content-type", "text/csv"),
            ("content-encoding", "aws-chunked, gzip"),
            ("expires", "some day"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-tagging", "a=b"),
        ])
        .unwrap();
        assert_eq!(kept.headers.content_type.as_deref(), Some("text/csv"));
        assert_eq!(kept.headers.content_encoding.as_deref(), Some("gzip"));
        assert_eq!(kept.headers.expires.as_deref(), Some("some day"));
        assert_eq!(kept.storage_class.as_deref(), Some("STANDARD_IA"));
        assert_eq!(kept.tags["a"], "b");
        let kept = read_pairs(&[("content-encoding", "aws-chunked")]).unwrap();
        assert_eq!(kept, Attributes::default());
    }

    #[test]
    fn what_is_not_provided_is_refused() {
        for (name, value, code) in [
            ("x-amz-acl", "public-read", "AccessControlListNotSupported"),
            ("x-amz-grant-read", "id=1", "AccessControlListNotSupported"),
            ("x-amz-server-side-encryption", "aws:kms", "NotImplemented"),
            (
                "x-amz-server-side-encryption",
                "ROT13",
                "InvalidEncryptionAlgorithmError",
            ),
            (
                "x-amz-server-side-encryption-customer-algorithm",
                "AES256",
                "NotImplemented",
            ),
            ("x-amz-storage-class", "SHELF", "InvalidStorageClass"),
            ("x-amz-object-lock-mode", "GOVERNANCE", "InvalidRequest"),
            (
                "x-amz-website-redirect-location",
                "nowhere",
                "InvalidRedirectLocation",
            ),
        ] {
            assert_eq!(read_pairs(&[(name, value)]), Err(code.to_owned()), "{name}");
        }
        assert!(read_pairs(&[("x-amz-acl", "private")]).is_ok());
        let large = Metadata::from([("name".to_owned(), "v".repeat(2045))]);
        assert!(read_metadata(Some(large)).is_err());
    }
}
