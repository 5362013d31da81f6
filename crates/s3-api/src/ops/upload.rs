//! Multipart uploads: begun, filled, ended.

use buckets::{
    Attributes, BucketError, ChecksumKind, Checksums, Complete, NewUpload, UploadedPart,
};
use http::HeaderMap;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result};
use store::{Committed, StoredBody, UploadId};

use crate::caller::Caller;
use crate::checksum::by_name;
use crate::error::{fault, fault_with, refused};
use crate::ops::attributes::{checksum_type, encryption, refuse_keys, set_checksums};
use crate::ops::put::{etag_of, version_of};
use crate::ops::receive::{Incoming, receive};
use crate::ops::{attributes, conditions, done, etag, key};
use crate::service::Service;

const MOST_PARTS: i32 = 10_000;

pub(crate) async fn create(
    service: &Service,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let S3Request { input, headers, .. } = request;
    let bucket = service.bucket(&input.bucket)?;
    let checksum = match header(&headers, "x-amz-checksum-algorithm") {
        None => None,
        Some(name) => Some(by_name(name).ok_or_else(unknown_algorithm)?),
    };
    let checksum_kind = kind(&headers)?;
    let new = NewUpload {
        key: key(&input.key)?,
        attributes: attributes::read(&headers, input.metadata)?,
        checksum,
        checksum_kind,
    };
    let upload = service.buckets.create_upload(&bucket, new).await;
    let upload = upload.map_err(refused)?;
    done(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: upload
            .checksum
            .map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: upload.checksum_kind.map(wire_kind),
        key: Some(input.key),
        server_side_encryption: Some(encryption()),
        upload_id: Some(upload.row.id.0),
        ..CreateMultipartUploadOutput::default()
    })
}

pub(crate) async fn part(
    service: &Service,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let S3Request {
        input,
        headers,
        extensions,
        trailing_headers,
        ..
    } = request;
    refuse_keys(&headers)?;
    let bucket = service.bucket(&input.bucket)?;
    let number = part_number(input.part_number)?;
    let id = UploadId(input.upload_id);
    let key = key(&input.key)?;
    let upload = service.buckets.upload(&bucket, &key, &id);
    let upload = upload.await.map_err(refused)?;
    let length = input.content_length;
    let mut incoming = Incoming::read(&headers, &extensions, length, trailing_headers)?;
    if let Some(chosen) = upload.checksum {
        let given = incoming
            .declared
            .as_ref()
            .map(|declared| declared.algorithm);
        if let Some(given) = given.filter(|given| *given != chosen) {
            let [chosen, given] = [chosen, given].map(|name| name.name().to_ascii_lowercase());
            return Err(fault_with(
                "InvalidRequest",
                format!(
                    "Checksum Type mismatch occurred, expected checksum Type: {chosen}, actual checksum Type: {given}"
                ),
            ));
        }
        incoming.default = chosen;
    }
    let received = receive(service, input.body, incoming).await?;
    let part = service
        .buckets
        .put_part(&upload, number, received.content, received.checksums)
        .await
        .map_err(refused)?;
    let mut output = UploadPartOutput {
        e_tag: Some(etag(&part.etag)),
        server_side_encryption: Some(encryption()),
        ..UploadPartOutput::default()
    };
    set_checksums!(output, &part.checksums);
    done(output)
}

pub(crate) async fn complete(
    service: &Service,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let S3Request {
        input,
        headers,
        extensions,
        ..
    } = request;
    let bucket = service.bucket(&input.bucket)?;
    let caller = Caller::of(&extensions);
    let location = format!(
        "http://{}/{}/{}",
        caller.asked.host,
        input.bucket,
        aws_wire::form::encode(&input.key)
    );
    let checksums = Checksums {
        crc32: input.checksum_crc32,
        crc32c: input.checksum_crc32c,
        crc64nvme: input.checksum_crc64nvme,
        sha1: input.checksum_sha1,
        sha256: input.checksum_sha256,
        kind: kind(&headers)?,
    };
    let listed = input.multipart_upload.and_then(|listed| listed.parts);
    let parts: S3Result<Vec<_>> = listed
        .unwrap_or_default()
        .into_iter()
        .map(listed_part)
        .collect();
    let parts = parts?;
    if parts.is_empty() {
        return Err(fault("MalformedXML"));
    }
    let size = input.mpu_object_size.map(u64::try_from).transpose();
    let complete = Complete {
        parts,
        checksums,
        size: size.map_err(|_| fault("InvalidArgument"))?,
        precondition: conditions::of_write(&headers)?,
        origin: caller.origin(),
    };
    let (key, id) = (key(&input.key)?, UploadId(input.upload_id));
    let completed = service
        .buckets
        .complete_upload(&bucket, &key, &id, complete);
    let committed = completed.await.map_err(refused)?;
    let told = checksums_of(&committed);
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket),
        checksum_type: checksum_type(&told),
        e_tag: etag_of(&committed).as_deref().map(etag),
        key: Some(input.key),
        location: Some(location),
        server_side_encryption: Some(encryption()),
        version_id: version_of(&committed),
        ..CompleteMultipartUploadOutput::default()
    };
    set_checksums!(output, &told);
    done(output)
}

pub(crate) async fn abort(
    service: &Service,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    let bucket = service.bucket(&input.bucket)?;
    let id = UploadId(input.upload_id);
    let key = key(&input.key)?;
    let upload = service.buckets.upload(&bucket, &key, &id);
    let upload = upload.await.map_err(refused)?;
    let aborted = service.buckets.abort_upload(&upload).await;
    aborted.map_err(refused)?;
    done(AbortMultipartUploadOutput::default())
}

/// From 1 on.
pub(crate) fn part_number(number: i32) -> S3Result<u32> {
    let number = Some(number).filter(|number| (1..=MOST_PARTS).contains(number));
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| refused(BucketError::BadPartNumber))
}

fn listed_part(part: CompletedPart) -> S3Result<UploadedPart> {
    let etag = part.e_tag.ok_or_else(|| fault("MalformedXML"))?;
    Ok(UploadedPart {
        number: part_number(part.part_number.ok_or_else(|| fault("MalformedXML"))?)?,
        etag: etag.value().to_owned(),
        checksums: Checksums {
            crc32: part.checksum_crc32,
            crc32c: part.checksum_crc32c,
            crc64nvme: part.checksum_crc64nvme,
            sha1: part.checksum_sha1,
            sha256: part.checksum_sha256,
            kind: None,
        },
    })
}

fn checksums_of(committed: &Committed) -> Checksums {
    let body = committed.written.as_ref().map(|written| &written.body);
    let Some(StoredBody::Object(object)) = body else {
        return Checksums::default();
    };
    let attributes: Attributes = serde_json::from_slice(&object.attributes).unwrap_or_default();
    attributes.checksums
}

fn kind(headers: &HeaderMap) -> S3Result<Option<ChecksumKind>> {
    match header(headers, "x-amz-checksum-type") {
        None => Ok(None),
        Some("FULL_OBJECT") => Ok(Some(ChecksumKind::FullObject)),
        Some("COMPOSITE") => Ok(Some(ChecksumKind::Composite)),
        Some(_) => Err(fault_with(
            "InvalidRequest",
            "Value for x-amz-checksum-type header is invalid.",
        )),
    }
}

pub(crate) fn wire_kind(kind: ChecksumKind) -> ChecksumType {
    ChecksumType::from_static(match kind {
        ChecksumKind::FullObject => ChecksumType::FULL_OBJECT,
        ChecksumKind::Composite => ChecksumType::COMPOSITE,
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn unknown_algorithm() -> s3s::S3Error {
    fault_with(
        "InvalidRequest",
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    )
}
