//! Checksums that vouch for bytes on their way. CRC-64/NVME is the one that we
//! send: it is as quick as copying, and the sums of parts make that of the whole.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use http::HeaderMap;
use md5::{Digest as _, Md5};

use super::error::S3Error;

/// The header that carries what we send.
pub const HEADER: &str = "x-amz-checksum-crc64nvme";

/// A running CRC-64/NVME.
#[derive(Debug)]
pub struct Crc(Digest);

impl Crc {
    pub fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Nvme))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> u64 {
        self.0.finalize()
    }
}

pub fn of(bytes: &[u8]) -> u64 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.finish()
}

/// As headers and documents spell it.
pub fn spelled(sum: u64) -> String {
    STANDARD.encode(sum.to_be_bytes())
}

/// The sum of a whole from those of its parts: `(sum, length)` in order.
pub fn combined(parts: &[(u64, u64)]) -> u64 {
    combine(CrcAlgorithm::Crc64Nvme, parts)
}

fn combine(algorithm: CrcAlgorithm, parts: &[(u64, u64)]) -> u64 {
    let mut parts = parts.iter();
    let Some(&(first, _)) = parts.next() else {
        return Digest::new(algorithm).finalize();
    };
    parts.fold(first, |sum, &(next, length)| {
        crc_fast::checksum_combine(algorithm, sum, next, length)
    })
}

pub fn content_md5(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// What an object says of its bytes, the best of it first.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    Crc {
        algorithm: CrcAlgorithm,
        sum: Vec<u8>,
    },
    Md5(String),
    Nothing,
}

impl Expected {
    /// By the headers of a GET or HEAD of the whole object.
    pub fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // That of an object in parts may be a sum over the sums of its parts.
        if text("x-amz-checksum-type") != Some("COMPOSITE") {
            for (name, algorithm, width) in [
                (HEADER, CrcAlgorithm::Crc64Nvme, 8),
                ("x-amz-checksum-crc32c", CrcAlgorithm::Crc32Iscsi, 4),
                ("x-amz-checksum-crc32", CrcAlgorithm::Crc32IsoHdlc, 4),
            ] {
                let sum = text(name).and_then(|value| STANDARD.decode(value).ok());
                // Some servers give the sum of another algorithm by this name.
                if let Some(sum) = sum.filter(|sum| sum.len() == width) {
                    return Self::Crc { algorithm, sum };
                }
            }
        }
        let etag = text("etag").map(|etag| etag.trim_matches('"').to_owned());
        // Encrypted with a key of its own, an object has a tag that is no MD5.
        let is_plain = !matches!(
            text("x-amz-server-side-encryption"),
            Some("aws:kms" | "aws:kms:dsse")
        ) && text("x-amz-server-side-encryption-customer-algorithm").is_none();
        match etag {
            Some(etag) if is_plain && is_md5(&etag) => Self::Md5(etag),
            _ => Self::Nothing,
        }
    }

    /// To be fed with the bytes from a point on; sums of stretches are put
    /// together by [`Self::check_stretches`].
    pub fn sum(&self) -> Sum {
        match self {
            Self::Crc { algorithm, .. } => Sum::Crc(Box::new(Digest::new(*algorithm))),
            Self::Md5(_) => Sum::Md5(Box::default()),
            Self::Nothing => Sum::Nothing,
        }
    }

    /// Whether the whole can be checked by sums of its stretches.
    pub fn is_combinable(&self) -> bool {
        matches!(self, Self::Crc { .. })
    }

    /// Compares with what arrived.
    pub fn check(&self, arrived: Sum) -> Result<(), S3Error> {
        match (self, arrived) {
            (Self::Crc { .. }, Sum::Crc(digest)) => self.check_crc(digest.finalize()),
            (Self::Md5(expected), Sum::Md5(md5)) => {
                if hex::encode(md5.finalize()) == *expected {
                    Ok(())
                } else {
                    Err(S3Error::Damaged { what: "MD5" })
                }
            }
            _ => Ok(()),
        }
    }

    /// As [`Self::check`], for stretches in order: `(sum, length)`.
    pub fn check_stretches(&self, stretches: &[(u64, u64)]) -> Result<(), S3Error> {
        match self {
            Self::Crc { algorithm, .. } => self.check_crc(combine(*algorithm, stretches)),
            _ => Ok(()),
        }
    }

    fn check_crc(&self, arrived: u64) -> Result<(), S3Error> {
        let Self::Crc { sum, .. } = self else {
            return Ok(());
        };
        let bytes = arrived.to_be_bytes();
        // The shorter ones are the low bytes.
        let start = bytes.len().saturating_sub(sum.len());
        if bytes[start..] == sum[..] {
            Ok(())
        } else {
            Err(S3Error::Damaged { what: "checksum" })
        }
    }
}

/// A checksum under way.
#[derive(Debug)]
pub enum Sum {
    Crc(Box<Digest>),
    Md5(Box<Md5>),
    Nothing,
}

impl Sum {
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(digest) => digest.update(bytes),
            Self::Md5(md5) => md5.update(bytes),
            Self::Nothing => {}
        }
    }

    /// The value so far, of those that can be combined.
    pub fn value(&self) -> u64 {
        match self {
            Self::Crc(digest) => digest.finalize(),
            Self::Md5(_) | Self::Nothing => 0,
        }
    }
}

/// Whether an entity tag is an MD5: of an object in parts it ends in their number.
pub fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The entity tag of an object in parts, from the MD5s that are the tags of its parts.
pub fn etag_of_parts<'a>(etags: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all = Md5::new();
    let mut count = 0_usize;
    for etag in etags {
        all.update(hex::decode(etag.trim_matches('"')).ok()?);
        count += 1;
    }
    Some(format!("{}-{count}", hex::encode(all.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn parts_make_the_sum_of_the_whole() {
        // The check value of CRC-64/NVME.
        assert_eq!(of(b"123456789"), 0xae8b_1486_0a79_9888);
        let parts = [(of(b"1234"), 4), (of(b""), 0), (of(b"56789"), 5)];
        assert_eq!(combined(&parts), of(b"123456789"));
        assert_eq!(combined(&[]), of(b""));
        assert_eq!(spelled(of(b"123456789")), "rosUhgp5mIg=");
    }

    #[test]
    fn whatever_an_object_says_of_its_bytes_is_compared() {
        for said in [
            headers(&[(HEADER, "rosUhgp5mIg=")]),
            headers(&[("x-amz-checksum-crc32", "y/Q5Jg==")]),
            headers(&[("x-amz-checksum-crc32c", "4waSgw==")]),
            headers(&[("etag", "\"25f9e794323b453885f5181f1b624d0b\"")]),
        ] {
            let expected = Expected::read(&said);
            assert_ne!(expected, Expected::Nothing, "{said:?}");
            let arrived = |bytes: &[u8]| {
                let mut sum = expected.sum();
                sum.update(bytes);
                sum
            };
            assert!(expected.check(arrived(b"123456789")).is_ok(), "{said:?}");
            assert!(expected.check(arrived(b"123456780")).is_err(), "{said:?}");
            if expected.is_combinable() {
                let stretches = [
                    (arrived(b"123").value(), 3),
                    (arrived(b"456789").value(), 6),
                ];
                assert!(expected.check_stretches(&stretches).is_ok(), "{said:?}");
                let swapped = [stretches[1], stretches[0]];
                assert!(expected.check_stretches(&swapped).is_err(), "{said:?}");
            }
        }
    }

    #[test]
    fn tags_that_are_no_md5_are_not_compared() {
        for said in [
            headers(&[("etag", "\"25f9e794323b453885f5181f1b624d0b-2\"")]),
            headers(&[
                ("etag", "\"25f9e794323b453885f5181f1b624d0b\""),
                ("x-amz-server-side-encryption", "aws:kms"),
            ]),
            headers(&[(HEADER, "y/Q5Jg==")]),
            headers(&[
                ("x-amz-checksum-crc32", "y/Q5Jg==-2"),
                ("x-amz-checksum-type", "COMPOSITE"),
            ]),
        ] {
            assert_eq!(Expected::read(&said), Expected::Nothing, "{said:?}");
        }
    }

    #[test]
    fn the_tag_of_an_object_in_parts_is_the_md5_of_their_md5s() {
        let parts = [
            "\"25f9e794323b453885f5181f1b624d0b\"",
            "d41d8cd98f00b204e9800998ecf8427e",
        ];
        let tag = etag_of_parts(parts.into_iter()).unwrap();
        let raw = hex::decode(format!("{}{}", parts[0].trim_matches('"'), parts[1])).unwrap();
        assert_eq!(tag, format!("{}-2", hex::encode(Md5::digest(raw))));
        assert_eq!(etag_of_parts(["odd"].into_iter()), None);
    }
}
