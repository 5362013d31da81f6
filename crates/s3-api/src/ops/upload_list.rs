//! Which uploads are under way, and which parts they have.

use buckets::{Upload, UploadQuery};
use s3s::dto::{
    ChecksumAlgorithm, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, Part, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result};
use store::UploadId;
use types::Scope;

use crate::error::{bad_argument, refused, wire_time};
use crate::ops::attributes::{class, set_checksums};
use crate::ops::list::{Writing, limit};
use crate::ops::upload::wire_kind;
use crate::ops::{done, etag, key, owner, owner_id};
use crate::service::Service;

pub(crate) async fn parts(
    service: &Service,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    let limit = limit("max-parts", input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or_default();
    let after = u32::try_from(marker).map_err(|_| {
        bad_argument(
            "part-number-marker",
            &marker.to_string(),
            "Argument part-number-marker must be an integer between 0 and 2147483647",
        )
    })?;
    let bucket = service.bucket(&input.bucket)?;
    let id = UploadId(input.upload_id.clone());
    let key = key(&input.key)?;
    let upload = service.buckets.upload(&bucket, &key, &id);
    let upload = upload.await.map_err(refused)?;
    let most = usize::try_from(limit).unwrap_or_default();
    let page = service.buckets.list_parts(&upload, after, most).await;
    let page = page.map_err(refused)?;
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let last = page.parts.last().map_or(after, |part| part.number);
    let parts = page.parts.iter().map(|part| {
        let mut told = Part {
            e_tag: Some(etag(&part.etag)),
            last_modified: Some(wire_time(part.modified)),
            part_number: Some(signed(part.number)),
            size: Some(i64::try_from(part.size).unwrap_or(i64::MAX)),
            ..Part::default()
        };
        set_checksums!(told, &part.checksums);
        told
    });
    done(ListPartsOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: algorithm(&upload),
        checksum_type: upload.checksum_kind.map(wire_kind),
        initiator: Some(initiator(&service.scope)),
        is_truncated: Some(page.truncated),
        key: Some(input.key),
        max_parts: Some(limit),
        next_part_number_marker: Some(signed(last)),
        owner: Some(owner(&service.scope)),
        part_number_marker: Some(marker),
        parts: Some(parts.collect()),
        storage_class: Some(StorageClass::from(class(&upload.attributes))),
        upload_id: Some(input.upload_id),
        ..ListPartsOutput::default()
    })
}

pub(crate) async fn uploads(
    service: &Service,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    let writing = Writing::of(input.encoding_type.as_ref())?;
    let limit = limit("max-uploads", input.max_uploads)?;
    let bucket = service.bucket(&input.bucket)?;
    let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
    let prefix = input.prefix.unwrap_or_default();
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let query = UploadQuery {
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        after_key: some(&input.key_marker),
        // AWS passes over it without a key.
        after_upload: some(&input.upload_id_marker).filter(|_| some(&input.key_marker).is_some()),
        limit: usize::try_from(limit).unwrap_or_default(),
    };
    let page = service.buckets.list_uploads(&bucket, query).await;
    let page = page.map_err(refused)?;
    let (next_key, next_upload) = page
        .next
        .map_or((None, None), |(key, upload)| (Some(key), upload));
    let uploads = page.uploads.iter().map(|upload| MultipartUpload {
        checksum_algorithm: algorithm(upload),
        checksum_type: upload.checksum_kind.map(wire_kind),
        initiated: Some(wire_time(upload.row.started)),
        initiator: Some(initiator(&service.scope)),
        key: Some(writing.text(upload.row.key.as_str())),
        owner: Some(owner(&service.scope)),
        storage_class: Some(StorageClass::from(class(&upload.attributes))),
        upload_id: Some(upload.row.id.0.clone()),
    });
    done(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        common_prefixes: Some(writing.prefixes(&page.prefixes)),
        delimiter: delimiter.map(|delimiter| writing.text(&delimiter)),
        encoding_type: input.encoding_type,
        is_truncated: Some(next_key.is_some()),
        key_marker: Some(writing.text(&input.key_marker.unwrap_or_default())),
        max_uploads: Some(limit),
        next_key_marker: next_key.map(|key| writing.text(&key)),
        next_upload_id_marker: next_upload,
        prefix: Some(writing.text(&prefix)),
        request_charged: None,
        upload_id_marker: input.upload_id_marker,
        uploads: Some(uploads.collect()),
    })
}

fn algorithm(upload: &Upload) -> Option<ChecksumAlgorithm> {
    let name = upload.checksum?.name();
    Some(ChecksumAlgorithm::from_static(name))
}

fn initiator(scope: &Scope) -> Initiator {
    Initiator {
        display_name: None,
        id: Some(owner_id(scope)),
    }
}
