//! CopyObject and UploadPartCopy. No bytes move where none have to.

use std::ops::Range;
use std::sync::Arc;

use buckets::{Attributes, Bucket, BucketError, Copy, GetObject, Hasher};
use http::HeaderMap;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource,
    UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Response, S3Result};
use store::UploadId;

use crate::caller::Caller;
use crate::checksum::{by_name, kept};
use crate::error::{bad_argument, fault, fault_with, refused, wire_time};
use crate::ops::attributes::{checksum_type, encryption, refuse_keys, set_checksums};
use crate::ops::conditions::{self, Conditions};
use crate::ops::get::look_up;
use crate::ops::put::{etag_of, version_of};
use crate::ops::receive::LARGEST;
use crate::ops::upload::part_number;
use crate::ops::{attributes, done, etag, key, tags, version};
use crate::service::Service;

/// An object that is copied from.
struct Source {
    bucket: Arc<Bucket>,
    object: GetObject,
    version_named: bool,
}

pub(crate) async fn copy(
    service: &Service,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let S3Request {
        input,
        headers,
        extensions,
        ..
    } = request;
    let bucket = service.bucket(&input.bucket)?;
    let key = key(&input.key)?;
    let caller = Caller::of(&extensions);
    let source = find(service, &input.copy_source, &headers, &caller).await?;
    if source.object.object.size > LARGEST {
        return Err(too_large());
    }
    let same_place = source.bucket.id == bucket.id && source.object.stored().key == key;
    let precondition = conditions::of_write(&headers)?;
    if same_place && precondition.if_none_match.is_some() {
        return Err(conditions::failed("If-None-Match"));
    }
    if same_place && !source.version_named && !changes(&headers) {
        return Err(fault_with(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut attributes = copied(&source.object.attributes, &headers, input.metadata)?;
    attributes.checksums = checksums(service, &source.object, &headers).await?;
    let told = attributes.checksums.clone();
    let copy = Copy {
        source: &source.object,
        key,
        attributes,
        precondition,
        origin: caller.origin(),
    };
    let committed = service.buckets.copy(&bucket, copy).await.map_err(refused)?;
    let modified = committed.written.as_ref().map(|written| written.modified);
    let mut result = CopyObjectResult {
        checksum_type: checksum_type(&told),
        e_tag: etag_of(&committed).as_deref().map(etag),
        last_modified: modified.map(wire_time),
        ..CopyObjectResult::default()
    };
    set_checksums!(result, &told);
    done(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source.version(),
        server_side_encryption: Some(encryption()),
        version_id: version_of(&committed),
        ..CopyObjectOutput::default()
    })
}

pub(crate) async fn part(
    service: &Service,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let S3Request {
        input,
        headers,
        extensions,
        ..
    } = request;
    let bucket = service.bucket(&input.bucket)?;
    let number = part_number(input.part_number)?;
    let id = UploadId(input.upload_id);
    let key = key(&input.key)?;
    let upload = service.buckets.upload(&bucket, &key, &id);
    let upload = upload.await.map_err(refused)?;
    let caller = Caller::of(&extensions);
    let source = find(service, &input.copy_source, &headers, &caller).await?;
    let size = source.object.object.size;
    let range = input.copy_source_range.as_deref();
    let range = range.map(|text| range_of(text, size)).transpose()?;
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    if length > LARGEST {
        return Err(too_large());
    }
    let copied = service
        .buckets
        .copy_part(&upload, number, &source.object, range)
        .await;
    let part = copied.map_err(refused)?;
    let mut result = CopyPartResult {
        e_tag: Some(etag(&part.etag)),
        last_modified: Some(wire_time(part.modified)),
        ..CopyPartResult::default()
    };
    set_checksums!(result, &part.checksums);
    done(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: source.version(),
        server_side_encryption: Some(encryption()),
        ..UploadPartCopyOutput::default()
    })
}

impl Source {
    fn version(&self) -> Option<String> {
        let version = &self.object.stored().version;
        tags::named(version, self.bucket.settings.versioning)
    }
}

async fn find(
    service: &Service,
    source: &CopySource,
    headers: &HeaderMap,
    caller: &Caller,
) -> S3Result<Source> {
    refuse_keys(headers)?;
    let CopySource::Bucket {
        bucket,
        key: source_key,
        version_id,
    } = source
    else {
        return Err(fault_with(
            "NotImplemented",
            "Squall does not provide access points.",
        ));
    };
    let bucket = service.bucket(bucket)?;
    let version = version(version_id.as_deref())?;
    let key = key(source_key)?;
    let found = match service.buckets.get(&bucket, &key, version.as_ref()).await {
        Err(BucketError::IsDeleteMarker { .. }) => {
            return Err(fault_with(
                "InvalidRequest",
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ));
        }
        Ok(found) => found,
        Err(_) => look_up(service, &bucket, &key, version.as_ref(), caller).await?,
    };
    Conditions::read(headers, "x-amz-copy-source-")
        .check_source(found.etag(), found.stored().modified)?;
    Ok(Source {
        bucket,
        object: found,
        version_named: version.is_some(),
    })
}

/// Does the request change anything but the bytes?
fn changes(headers: &HeaderMap) -> bool {
    replaces(headers, "x-amz-metadata-directive")
        || [
            "x-amz-storage-class",
            "x-amz-website-redirect-location",
            "x-amz-server-side-encryption",
        ]
        .iter()
        .any(|name| headers.contains_key(*name))
}

fn replaces(headers: &HeaderMap, directive: &str) -> bool {
    headers
        .get(directive)
        .is_some_and(|value| value == "REPLACE")
}

/// What the copy has: its source's, or what the request says instead.
fn copied(
    source: &Attributes,
    headers: &HeaderMap,
    metadata: Option<s3s::dto::Metadata>,
) -> S3Result<Attributes> {
    for (name, what) in [
        ("x-amz-metadata-directive", "metadata"),
        ("x-amz-tagging-directive", "tagging"),
    ] {
        let value = headers.get(name);
        if let Some(value) = value
            && value != "COPY"
            && value != "REPLACE"
        {
            let value = value.to_str().unwrap_or_default();
            let message = format!("Unknown {what} directive.");
            return Err(bad_argument(name, value, message));
        }
    }
    let mut attributes = attributes::read(headers, metadata)?;
    if !replaces(headers, "x-amz-metadata-directive") {
        attributes.headers.clone_from(&source.headers);
        attributes.metadata.clone_from(&source.metadata);
    }
    if !replaces(headers, "x-amz-tagging-directive") {
        attributes.tags.clone_from(&source.tags);
    }
    Ok(attributes)
}

/// The source's checksums hold for the copy, unless another kind is wanted.
async fn checksums(
    service: &Service,
    source: &GetObject,
    headers: &HeaderMap,
) -> S3Result<buckets::Checksums> {
    let own = &source.attributes.checksums;
    let Some(wanted) = headers.get("x-amz-checksum-algorithm") else {
        return Ok(own.clone());
    };
    let wanted = wanted.to_str().ok().and_then(by_name);
    let wanted = wanted.ok_or_else(|| {
        fault_with(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })?;
    if own.get(wanted).is_some() {
        return Ok(own.clone());
    }
    let mut hasher = Hasher::new(wanted);
    let mut reader = service.buckets.read(&source.found, 0..source.object.size);
    loop {
        match reader.next().await {
            Ok(Some(piece)) => hasher.update(&piece),
            Ok(None) => return Ok(kept(wanted, hasher.finish())),
            Err(error) => return Err(refused(error.into())),
        }
    }
}

/// `bytes=FIRST-LAST`, both of which must be there.
fn range_of(text: &str, size: u64) -> S3Result<Range<u64>> {
    let parsed = text.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        (is_number(first) && is_number(last))
            .then(|| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)))?
    });
    match parsed {
        Some((first, last)) if first <= last && last < size => Ok(first..last + 1),
        Some((first, last)) if first <= last => Err(bad_argument(
            "x-amz-copy-source-range",
            text,
            format!("Range specified is not valid for source object of size: {size}"),
        )),
        _ => Err(bad_argument(
            "x-amz-copy-source-range",
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        )),
    }
}

fn too_large() -> s3s::S3Error {
    let mut error = fault("InvalidRequest");
    error.set_message(format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST}"
    ));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_sources_are_whole() {
        assert_eq!(range_of("bytes=0-9", 10).unwrap(), 0..10);
        for bad in [
            "bytes=0-10",
            "bytes=5-",
            "bytes=-5",
            "bytes=6-5",
            "0-9",
            "bytes=+1-2",
        ] {
            let error = range_of(bad, 10).unwrap_err();
            assert_eq!(error.code().as_str(), "InvalidArgument", "{bad}");
        }
    }
}
