//! ListObjectVersions.

use buckets::Entry;
use s3s::dto::{
    DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion,
    ObjectVersionStorageClass,
};
use s3s::{S3Request, S3Response, S3Result};
use store::{ListMark, ListQuery, StoredBody};

use crate::error::{bad_argument, refused, wire_time};
use crate::ops::attributes::{checksum_type, class};
use crate::ops::list::{Writing, after_marker, algorithms, limit, mark_text};
use crate::ops::{done, etag, owner, version};
use crate::service::Service;

pub(crate) async fn list(
    service: &Service,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<S3Response<ListObjectVersionsOutput>> {
    let input = request.input;
    let writing = Writing::of(input.encoding_type.as_ref())?;
    let limit = limit("max-keys", input.max_keys)?;
    let bucket = service.bucket(&input.bucket)?;
    let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
    let prefix = input.prefix.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    let version_marker = input.version_id_marker.filter(|marker| !marker.is_empty());
    let after = match version(version_marker.as_deref())? {
        Some(_) if key_marker.is_empty() => {
            return Err(bad_argument(
                "version-id-marker",
                version_marker.as_deref().unwrap_or_default(),
                "A version-id marker cannot be specified without a key marker.",
            ));
        }
        Some(version) => ListMark::Version(key_marker.clone(), version),
        None => after_marker(&key_marker, &prefix, delimiter.as_deref()),
    };
    let query = ListQuery {
        bucket: bucket.id,
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        after,
        limit: usize::try_from(limit).unwrap_or_default(),
    };
    let page = if limit == 0 {
        None
    } else {
        let listed = service.buckets.list_versions(&bucket, query).await;
        Some(listed.map_err(refused)?)
    };
    let page = page.as_ref();
    let entries = page.map_or(&[][..], |page| &page.entries);
    let next = page.and_then(|page| page.next.as_ref());
    done(ListObjectVersionsOutput {
        common_prefixes: page.map(|page| writing.prefixes(&page.prefixes)),
        delete_markers: Some(markers(service, entries, writing)),
        delimiter: delimiter.map(|delimiter| writing.text(&delimiter)),
        encoding_type: input.encoding_type,
        is_truncated: Some(next.is_some()),
        key_marker: Some(writing.text(&key_marker)),
        max_keys: Some(limit),
        name: Some(input.bucket),
        next_key_marker: next.map(|next| writing.text(&mark_text(next))),
        next_version_id_marker: match next {
            Some(ListMark::Version(_, version)) => Some(version.to_string()),
            _ => None,
        },
        prefix: Some(writing.text(&prefix)),
        request_charged: None,
        version_id_marker: Some(version_marker.unwrap_or_default()),
        versions: Some(versions(service, entries, writing)),
    })
}

fn versions(service: &Service, entries: &[Entry], writing: Writing) -> Vec<ObjectVersion> {
    let versions = entries.iter().filter_map(|entry| {
        let StoredBody::Object(object) = &entry.stored.body else {
            return None;
        };
        let stored = &entry.stored;
        Some(ObjectVersion {
            checksum_algorithm: algorithms(entry),
            checksum_type: checksum_type(&entry.attributes.checksums),
            e_tag: Some(etag(&object.etag)),
            is_latest: Some(stored.is_latest),
            key: Some(writing.text(stored.key.as_str())),
            last_modified: Some(wire_time(stored.modified)),
            owner: Some(owner(&service.scope)),
            restore_status: None,
            size: Some(i64::try_from(object.size).unwrap_or(i64::MAX)),
            storage_class: Some(ObjectVersionStorageClass::from(class(&entry.attributes))),
            version_id: Some(stored.version.to_string()),
        })
    });
    versions.collect()
}

fn markers(service: &Service, entries: &[Entry], writing: Writing) -> Vec<DeleteMarkerEntry> {
    let markers = entries.iter().map(|entry| &entry.stored);
    let markers = markers.filter(|stored| matches!(stored.body, StoredBody::DeleteMarker));
    markers
        .map(|stored| DeleteMarkerEntry {
            is_latest: Some(stored.is_latest),
            key: Some(writing.text(stored.key.as_str())),
            last_modified: Some(wire_time(stored.modified)),
            owner: Some(owner(&service.scope)),
            version_id: Some(stored.version.to_string()),
        })
        .collect()
}
