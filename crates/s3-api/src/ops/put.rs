//! PutObject.

use buckets::{Write, WriteKind};
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response, S3Result};
use store::{Committed, StoredBody};

use crate::caller::Caller;
use crate::error::{fault_with, refused};
use crate::ops::attributes::{checksum_type, encryption, set_checksums};
use crate::ops::get::expiration;
use crate::ops::receive::{Incoming, Received, receive};
use crate::ops::{attributes, conditions, done, etag, key};
use crate::service::Service;

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let S3Request {
        input,
        headers,
        extensions,
        trailing_headers,
        ..
    } = request;
    let bucket = service.bucket(&input.bucket)?;
    let key = key(&input.key)?;
    if input.write_offset_bytes.is_some() {
        return Err(fault_with(
            "NotImplemented",
            "Objects of this bucket cannot be appended to.",
        ));
    }
    let mut kept = attributes::read(&headers, input.metadata)?;
    let precondition = conditions::of_write(&headers)?;
    let length = input.content_length;
    let incoming = Incoming::read(&headers, &extensions, length, trailing_headers)?;
    let received = receive(service, input.body, incoming).await?;
    let Received { content, checksums } = received;
    kept.checksums.clone_from(&checksums);
    let (size, tags) = (content.size, kept.tags.clone());
    let write = Write {
        key,
        content,
        attributes: kept,
        precondition,
        kind: WriteKind::Put,
        origin: Caller::of(&extensions).origin(),
    };
    let committed = service.buckets.put(&bucket, write).await.map_err(refused)?;
    let mut output = PutObjectOutput {
        checksum_type: checksum_type(&checksums),
        e_tag: etag_of(&committed).as_deref().map(etag),
        expiration: committed
            .written
            .as_ref()
            .and_then(|written| expiration(&bucket, written, size, &tags)),
        server_side_encryption: Some(encryption()),
        version_id: version_of(&committed),
        ..PutObjectOutput::default()
    };
    set_checksums!(output, &checksums);
    done(output)
}

/// The entity tag of what was written.
pub(crate) fn etag_of(committed: &Committed) -> Option<String> {
    match &committed.written.as_ref()?.body {
        StoredBody::Object(object) => Some(object.etag.clone()),
        StoredBody::DeleteMarker => None,
    }
}

/// The version that a write made. Of `null`, which is no version of its own,
/// nothing is said: AWS keeps silent too while versions are suspended.
pub(crate) fn version_of(committed: &Committed) -> Option<String> {
    let version = &committed.written.as_ref()?.version;
    (!version.is_null()).then(|| version.to_string())
}
