//! Checksums of bytes on their way in: which a client declares, and whether they
//! agree with those that were computed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buckets::{ChecksumAlgorithm, Checksums};
use http::HeaderMap;
use s3s::{S3Result, TrailingHeaders};

use crate::error::{fault, fault_with};

const HEADER_PREFIX: &str = "x-amz-checksum-";

/// In bytes.
fn width(algorithm: ChecksumAlgorithm) -> usize {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    }
}

/// What a request says of its body's checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub algorithm: ChecksumAlgorithm,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Given(String),
    /// It comes after the body.
    InTrailer,
}

impl Declared {
    /// `None` where the request says nothing.
    pub fn read(headers: &HeaderMap) -> S3Result<Option<Self>> {
        let mut found = None;
        for algorithm in ChecksumAlgorithm::ALL {
            let name = header_name(algorithm);
            if let Some(value) = headers.get(&name) {
                let value = value.to_str().unwrap_or_default();
                check_form(&name, value, algorithm)?;
                let value = Value::Given(value.to_owned());
                if found.replace(Self { algorithm, value }).is_some() {
                    return Err(several());
                }
            }
        }
        for algorithm in trailers(headers) {
            let value = Value::InTrailer;
            if found.replace(Self { algorithm, value }).is_some() {
                return Err(several());
            }
        }
        let named = ["x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"]
            .iter()
            .find_map(|name| headers.get(*name)?.to_str().ok());
        match (named, &found) {
            (Some(_), None) if headers.contains_key("x-amz-sdk-checksum-algorithm") => {
                Err(fault_with(
                    "InvalidRequest",
                    "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
                ))
            }
            (Some(named), Some(found)) if !named.eq_ignore_ascii_case(found.algorithm.name()) => {
                Err(fault_with(
                    "InvalidRequest",
                    "Value for x-amz-sdk-checksum-algorithm header is invalid.",
                ))
            }
            _ => Ok(found),
        }
    }

    /// Compares with what was computed; trailers are there once the body was read.
    pub fn check(&self, computed: &str, trailers: Option<&TrailingHeaders>) -> S3Result {
        let name = header_name(self.algorithm);
        let declared = match &self.value {
            Value::Given(value) => value.clone(),
            Value::InTrailer => {
                let read =
                    |headers: &HeaderMap| Some(headers.get(&name)?.to_str().ok()?.to_owned());
                let value = trailers.and_then(|trailers| trailers.read(read)).flatten();
                let value = value.ok_or_else(malformed_trailer)?;
                check_form(&name, &value, self.algorithm)?;
                value
            }
        };
        if declared == computed {
            return Ok(());
        }
        let name = self.algorithm.name();
        Err(fault_with(
            "BadDigest",
            format!("The {name} you specified did not match the calculated checksum."),
        ))
    }
}

/// The one checksum as it is kept.
pub(crate) fn kept(algorithm: ChecksumAlgorithm, value: String) -> Checksums {
    let mut checksums = Checksums::default();
    checksums.set(algorithm, value);
    checksums
}

/// `x-amz-checksum-crc32`, ...
pub(crate) fn header_name(algorithm: ChecksumAlgorithm) -> String {
    format!("{HEADER_PREFIX}{}", algorithm.name().to_ascii_lowercase())
}

/// By its name on the wire, in either case.
pub(crate) fn by_name(name: &str) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
}

/// The MD5 that a request declares of its body.
pub(crate) fn content_md5(headers: &HeaderMap) -> S3Result<Option<[u8; 16]>> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    let decoded = STANDARD.decode(value.as_bytes()).ok();
    let digest = decoded.and_then(|bytes| bytes.try_into().ok());
    digest.map(Some).ok_or_else(|| fault("InvalidDigest"))
}

fn trailers(headers: &HeaderMap) -> impl Iterator<Item = ChecksumAlgorithm> {
    let values = headers.get_all("x-amz-trailer").into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| {
            let name = name.trim().to_ascii_lowercase();
            by_name(name.strip_prefix(HEADER_PREFIX)?)
        })
}

fn check_form(header: &str, value: &str, algorithm: ChecksumAlgorithm) -> S3Result {
    let length = STANDARD.decode(value).map(|bytes| bytes.len());
    if length == Ok(width(algorithm)) {
        return Ok(());
    }
    Err(fault_with(
        "InvalidRequest",
        format!("Value for {header} header is invalid."),
    ))
}

fn several() -> s3s::S3Error {
    fault_with(
        "InvalidRequest",
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
}

fn malformed_trailer() -> s3s::S3Error {
    fault_with(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn one_checksum_is_declared() {
        let read = |pairs: &[(&'static str, &str)]| {
            Declared::read(&headers(pairs)).map_err(|error| error.code().as_str().to_owned())
        };
        assert_eq!(read(&[]), Ok(None));
        let given = read(&[("x-amz-checksum-crc32", "y/Q5Jg==")])
            .unwrap()
            .unwrap();
        assert_eq!(given.algorithm, ChecksumAlgorithm::Crc32);
        assert!(given.check("y/Q5Jg==", None).is_ok());
        let error = given.check("AAAAAA==", None).unwrap_err();
        assert_eq!(error.code().as_str(), "BadDigest");
        let trailer = read(&[("x-amz-trailer", "x-amz-checksum-sha256")])
            .unwrap()
            .unwrap();
        assert_eq!(trailer.value, Value::InTrailer);
        let error = trailer.check("AAAA", None).unwrap_err();
        assert_eq!(error.code().as_str(), "MalformedTrailerError");
        for bad in [
            &[("x-amz-checksum-crc32", "y/Q5")][..],
            &[("x-amz-checksum-crc32", "!")],
            &[
                ("x-amz-checksum-crc32", "y/Q5Jg=="),
                ("x-amz-checksum-crc32c", "4waSgw=="),
            ],
            &[("x-amz-sdk-checksum-algorithm", "CRC32")],
            &[
                ("x-amz-sdk-checksum-algorithm", "SHA1"),
                ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ],
        ] {
            assert_eq!(read(bad), Err("InvalidRequest".to_owned()), "{bad:?}");
        }
    }

    #[test]
    fn an_md5_has_sixteen_bytes() {
        let read = |text: &str| content_md5(&headers(&[("content-md5", text)]));
        assert!(read("1B2M2Y8AsgTpgAmY7PhCfg==").unwrap().is_some());
        assert!(read("AAAA").is_err());
        assert!(read("not base64").is_err());
    }
}
