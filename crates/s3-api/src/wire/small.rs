//! Bodies that are documents and no objects: read whole, and compared with what
//! the request says of them, before they are looked at.

use std::error::Error;

use buckets::Hasher;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use md5::Md5;
use s3s::{S3Error, S3Result};
use sha2::Sha256;

use crate::checksum::{Declared, content_md5};
use crate::error::{detailed, fault};
use crate::wire::framing::{Fault, Faults};

/// The largest document: it has to hold 10,000 parts with their checksums, or 1,000
/// keys of 1,024 bytes.
const MOST: usize = 2_621_440;

/// Is the body an object's, or a part's? Then it is not read here.
pub(crate) fn is_object(method: &Method, key: Option<&str>, query: Option<&str>) -> bool {
    const DOCUMENTS: [&str; 4] = ["acl", "legal-hold", "retention", "tagging"];
    let mut names = query
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default());
    method == Method::PUT && key.is_some() && !names.any(|name| DOCUMENTS.contains(&name))
}

/// A document, and what is wrong with it. That is told to who may send one: the
/// signature is looked at first.
#[derive(Debug)]
pub(crate) struct Document {
    pub bytes: Bytes,
    pub objection: Option<S3Error>,
}

/// Reads and checks a document.
pub(crate) async fn read<B>(parts: &mut Parts, body: B, faults: &Faults) -> S3Result<Document>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let read = Limited::new(body, MOST).collect().await;
    let bytes = match read {
        Ok(all) => all.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(fault("MaxMessageLengthExceeded"));
        }
        Err(_) => return Err(broken_off(faults)),
    };
    check_length(&mut parts.headers, bytes.len())?;
    let objection = check(parts, &bytes).err();
    Ok(Document { bytes, objection })
}

/// Why a body could not be read.
pub(crate) fn broken_off(faults: &Faults) -> S3Error {
    match faults.get() {
        Some(Fault::Stalled) => fault("RequestTimeout"),
        Some(Fault::LargeChunk) => crate::error::fault_with(
            "InvalidChunkSizeError",
            "The size of a signed chunk exceeds 16 MiB",
        ),
        Some(Fault::Unsigned) => fault("SignatureDoesNotMatch"),
        Some(Fault::Incomplete | Fault::BadChunk) | None => fault("IncompleteBody"),
    }
}

fn check_length(headers: &mut HeaderMap, length: usize) -> S3Result {
    let declared = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    match declared {
        Some(declared) if declared != length.to_string().as_bytes() => Err(fault("IncompleteBody")),
        Some(_) => Ok(()),
        None => {
            // Now it is known; what comes after wants to be told.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            Ok(())
        }
    }
}

fn check(parts: &Parts, bytes: &[u8]) -> S3Result {
    let headers = &parts.headers;
    if let Some(md5) = content_md5(headers)?
        && md5 != *<Md5 as md5::Digest>::digest(bytes)
    {
        return Err(fault("BadDigest"));
    }
    if let Some(declared) = headers.get("x-amz-content-sha256")
        && let Ok(declared) = declared.to_str()
        && declared.len() == 64
    {
        let computed = hex::encode(<Sha256 as sha2::Digest>::digest(bytes));
        if !computed.eq_ignore_ascii_case(declared) {
            let details = [
                ("ClientComputedContentSHA256", declared),
                ("S3ComputedContentSHA256", &computed),
            ];
            return Err(detailed(fault("XAmzContentSHA256Mismatch"), &details));
        }
    }
    if !bytes.is_empty() && !speaks_of_object(parts) {
        check_sum(headers, bytes)?;
    }
    // Characters that no XML has, and that no JSON has as they are.
    let is_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r');
    if !bytes.iter().all(is_text) {
        return Err(fault("MalformedXML"));
    }
    Ok(())
}

/// CompleteMultipartUpload gives the checksum of the object that comes of it.
fn speaks_of_object(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    parts.method == Method::POST && query.split('&').any(|pair| pair.starts_with("uploadId="))
}

fn check_sum(headers: &HeaderMap, bytes: &[u8]) -> S3Result {
    if let Some(declared) = Declared::read(headers)? {
        let mut hasher = Hasher::new(declared.algorithm);
        hasher.update(bytes);
        declared.check(&hasher.finish(), None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    async fn read_with(pairs: &[(&'static str, &str)], body: &[u8]) -> Result<usize, String> {
        let mut request = http::Request::put("/b?tagging");
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let body = Full::new(Bytes::copy_from_slice(body));
        let code = |error: S3Error| error.code().as_str().to_owned();
        let read = read(&mut parts, body, &Faults::default()).await;
        let Document { bytes, objection } = read.map_err(code)?;
        objection.map_or(Ok(bytes.len()), |error| Err(code(error)))
    }

    #[tokio::test]
    async fn documents_are_what_they_are_said_to_be() {
        assert_eq!(read_with(&[], b"abc").await, Ok(3));
        let good = [("content-md5", "kAFQmDzST7DWlj99KOF/cg==")];
        assert_eq!(read_with(&good, b"abc").await, Ok(3));
        for (name, value, code) in [
            ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
            ("content-md5", "AAAA", "InvalidDigest"),
            ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
            ("content-length", "4", "IncompleteBody"),
        ] {
            let read = read_with(&[(name, value)], b"abc").await;
            assert_eq!(read, Err(code.to_owned()), "{name}: {value}");
        }
        let hash = "0".repeat(64);
        assert_eq!(
            read_with(&[("x-amz-content-sha256", &hash)], b"abc").await,
            Err("XAmzContentSHA256Mismatch".to_owned())
        );
        assert_eq!(
            read_with(&[], &vec![b' '; MOST + 1]).await,
            Err("MaxMessageLengthExceeded".to_owned())
        );
    }

    #[test]
    fn objects_are_told_from_documents() {
        let is_object = |key, query| is_object(&Method::PUT, key, query);
        assert!(is_object(Some("k"), None));
        assert!(is_object(Some("k"), Some("partNumber=1&uploadId=x")));
        assert!(!is_object(Some("k"), Some("tagging")));
        assert!(!is_object(Some("k"), Some("tagging=&versionId=x")));
        assert!(!is_object(None, None));
    }
}
