//! The bytes of an object or part on their way in: counted, compared with what
//! the client says of them, and durable when this is done. Until they are
//! published nothing of them is seen, and dropped before that nothing remains.

use buckets::{ChecksumAlgorithm, Checksums, Hasher};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Extensions, HeaderMap};
use s3s::{S3Error, S3Result, StdError, TrailingHeaders};
use store::Content;

use crate::checksum::{Declared, content_md5, kept};
use crate::error::{fault, refused, too_large};
use crate::service::Service;
use crate::wire::framing::Faults;
use crate::wire::small::broken_off;

/// The largest object that can be written by one request, and the largest part.
pub(crate) const LARGEST: u64 = 5 << 30;

/// Bytes that are in the store, and what was computed of them.
#[derive(Debug)]
pub(crate) struct Received {
    pub content: Content,
    pub checksums: Checksums,
}

/// What a request says of the body that comes with it.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// As declared; there must be just so many bytes.
    pub length: Option<u64>,
    pub declared: Option<Declared>,
    /// Computed where the client declares none.
    pub default: ChecksumAlgorithm,
    pub md5: Option<[u8; 16]>,
    pub trailers: Option<TrailingHeaders>,
    pub faults: Faults,
    /// There may be so many bytes; more are an error of their own.
    pub most: u64,
}

impl Incoming {
    /// Of a request that has the bytes as its body.
    pub fn read(
        headers: &HeaderMap,
        extensions: &Extensions,
        length: Option<i64>,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Self> {
        let length = length.and_then(|length| u64::try_from(length).ok());
        let length = length.ok_or_else(|| fault("MissingContentLength"))?;
        check_size(length, LARGEST)?;
        Ok(Self {
            length: Some(length),
            declared: Declared::read(headers)?,
            // What AWS computes where nobody asks for anything else.
            default: ChecksumAlgorithm::Crc64nvme,
            md5: content_md5(headers)?,
            trailers,
            faults: extensions.get::<Faults>().cloned().unwrap_or_default(),
            most: LARGEST,
        })
    }

    pub fn algorithm(&self) -> ChecksumAlgorithm {
        let declared = self.declared.as_ref();
        declared.map_or(self.default, |declared| declared.algorithm)
    }
}

fn check_size(size: u64, limit: u64) -> S3Result {
    if size <= limit {
        return Ok(());
    }
    Err(too_large(size, limit))
}

/// Takes the body in.
pub(crate) async fn receive<B>(
    service: &Service,
    body: Option<B>,
    incoming: Incoming,
) -> S3Result<Received>
where
    B: Stream<Item = Result<Bytes, StdError>> + Unpin,
{
    let mut writer = service.buckets.writer(incoming.length);
    let mut hasher = Hasher::new(incoming.algorithm());
    let mut size = 0;
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| why(&error, &incoming.faults))?;
            size += piece.len() as u64;
            check_size(size, incoming.most)?;
            if incoming.length.is_some_and(|length| size > length) {
                return Err(fault("IncompleteBody"));
            }
            hasher.update(&piece);
            let written = writer.write(piece).await;
            written.map_err(|error| refused(error.into()))?;
        }
    }
    if incoming.length.is_some_and(|length| length != size) {
        return Err(fault("IncompleteBody"));
    }
    let algorithm = incoming.algorithm();
    let computed = hasher.finish();
    if let Some(declared) = &incoming.declared {
        declared.check(&computed, incoming.trailers.as_ref())?;
    }
    let content = writer.finish().await;
    let content = content.map_err(|error| refused(error.into()))?;
    if incoming.md5.is_some_and(|md5| md5 != content.md5) {
        return Err(fault("BadDigest"));
    }
    Ok(Received {
        content,
        checksums: kept(algorithm, computed),
    })
}

/// Why a body ended. The protocol crate keeps the types of its errors to itself,
/// so its texts have to do: its version is pinned, and a test reads them.
fn why(error: &StdError, faults: &Faults) -> S3Error {
    if faults.get().is_some() {
        return broken_off(faults);
    }
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        fault("XAmzContentSHA256Mismatch")
    } else if text.contains("SignatureMismatch") {
        fault("SignatureDoesNotMatch")
    } else {
        // Cut off, too long, or chunks that are not well formed.
        fault("IncompleteBody")
    }
}
