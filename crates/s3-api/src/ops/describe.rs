//! GetObjectAttributes.

use buckets::{ChecksumKind, Checksums, GetObject};
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts,
    ObjectPart, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result};

use crate::caller::Caller;
use crate::error::wire_time;
use crate::ops::attributes::{checksum_type, class, refuse_keys, set_checksums};
use crate::ops::get::{length, look_up};
use crate::ops::{etag, key, tags, version};
use crate::service::Service;

/// GetObjectAttributes tells the entity tag without its quotes, which the protocol
/// crate cannot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BareTag;

pub(crate) async fn attributes(
    service: &Service,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let input = &request.input;
    refuse_keys(&request.headers)?;
    let wanted: Vec<&str> = input
        .object_attributes
        .iter()
        .flat_map(|names| names.as_str().split(','))
        .map(str::trim)
        .collect();
    let bucket = service.bucket(&input.bucket)?;
    let version = version(input.version_id.as_deref())?;
    let caller = Caller::of(&request.extensions);
    let key = key(&input.key)?;
    let object = look_up(service, &bucket, &key, version.as_ref(), &caller).await?;
    let attributes = &object.attributes;
    let size = i64::try_from(object.object.size).unwrap_or(i64::MAX);
    let asks = |name: &str| wanted.contains(&name);
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(wire_time(object.stored().modified)),
        version_id: tags::named(&object.stored().version, bucket.settings.versioning),
        e_tag: asks("ETag").then(|| etag(object.etag())),
        object_size: asks("ObjectSize").then_some(size),
        storage_class: asks("StorageClass").then(|| StorageClass::from(class(attributes))),
        ..GetObjectAttributesOutput::default()
    };
    if asks("Checksum") && attributes.checksums.iter().next().is_some() {
        let mut checksum = Checksum::default();
        set_checksums!(checksum, &bare(&attributes.checksums));
        checksum.checksum_type = checksum_type(&attributes.checksums);
        output.checksum = Some(checksum);
    }
    if asks("ObjectParts") && object.object.part_count > 0 {
        output.object_parts = Some(parts(&object, input));
    }
    let mut response = S3Response::new(output);
    response.extensions.insert(BareTag);
    Ok(response)
}

/// A sum of sums without the count of its parts, which only the other operations
/// write after it.
fn bare(checksums: &Checksums) -> Checksums {
    let mut bare = Checksums::default();
    for (algorithm, value) in checksums.iter() {
        let value = value.split_once('-').map_or(value, |(sum, _)| sum);
        bare.set(algorithm, value.to_owned());
    }
    bare
}

fn parts(object: &GetObject, input: &GetObjectAttributesInput) -> GetObjectAttributesParts {
    let count = object.object.part_count;
    if object.attributes.checksums.kind != Some(ChecksumKind::Composite) {
        // As on AWS, which lists parts for the sake of their checksums.
        return GetObjectAttributesParts {
            total_parts_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
            ..GetObjectAttributesParts::default()
        };
    }
    let after = input.part_number_marker.unwrap_or_default();
    let after = u32::try_from(after).unwrap_or_default();
    let most = input.max_parts.and_then(|most| u32::try_from(most).ok());
    let most = most.unwrap_or(1000).min(1000);
    let last = after.saturating_add(most).min(count);
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let listed = (after + 1..=last).filter_map(|number| {
        let (range, checksums) = object.part(number)?;
        let mut part = ObjectPart {
            part_number: Some(signed(number)),
            size: Some(length(&range)),
            ..ObjectPart::default()
        };
        set_checksums!(part, &checksums);
        Some(part)
    });
    GetObjectAttributesParts {
        is_truncated: Some(last < count),
        max_parts: Some(signed(most)),
        next_part_number_marker: Some(signed(last)),
        part_number_marker: Some(signed(after)),
        parts: Some(listed.collect()),
        total_parts_count: Some(signed(count)),
    }
}
