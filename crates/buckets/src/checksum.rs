//! Checksums as S3 defines them: of bytes, of parts, and of an object that was
//! put together from parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;

use crate::attributes::ChecksumAlgorithm;

/// A checksum that is being computed.
pub struct Hasher {
    algorithm: ChecksumAlgorithm,
    state: State,
}

enum State {
    Crc(crc_fast::Digest),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Hasher {
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match (crc(algorithm), algorithm) {
            (Some(crc), _) => State::Crc(crc_fast::Digest::new(crc)),
            (None, ChecksumAlgorithm::Sha1) => State::Sha1(sha1::Digest::new()),
            (None, _) => State::Sha256(sha2::Digest::new()),
        };
        Self { algorithm, state }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(crc) => crc.update(bytes),
            State::Sha1(sha) => sha1::Digest::update(sha, bytes),
            State::Sha256(sha) => sha2::Digest::update(sha, bytes),
        }
    }

    /// In base64, as it travels.
    pub fn finish(self) -> String {
        match self.state {
            State::Crc(crc) => write_crc(self.algorithm, crc.finalize()),
            State::Sha1(sha) => STANDARD.encode(sha1::Digest::finalize(sha)),
            State::Sha256(sha) => STANDARD.encode(sha2::Digest::finalize(sha)),
        }
    }
}

/// The checksum of checksums, `-N` behind it. `None` when one is not a checksum.
pub(crate) fn composite<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let mut hasher = Hasher::new(algorithm);
    let mut count = 0;
    for part in parts {
        hasher.update(&read(algorithm, part)?);
        count += 1;
    }
    Some(format!("{}-{count}", hasher.finish()))
}

/// The checksum of all bytes from those of stretches and their lengths, which
/// only CRCs allow. `None` for others, and when one is not a checksum.
pub(crate) fn combined<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = (&'a str, u64)>,
) -> Option<String> {
    let crc = crc(algorithm)?;
    let mut all: Option<u64> = None;
    for (part, length) in parts {
        let part = read(algorithm, part)?;
        let part = part.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        all = Some(match all {
            Some(all) => crc_fast::checksum_combine(crc, all, part, length),
            None => part,
        });
    }
    Some(write_crc(algorithm, all?))
}

fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

fn read(algorithm: ChecksumAlgorithm, text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    (bytes.len() == algorithm.width()).then_some(bytes)
}

fn write_crc(algorithm: ChecksumAlgorithm, crc: u64) -> String {
    let bytes = crc.to_be_bytes();
    STANDARD.encode(&bytes[bytes.len() - algorithm.width()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn known_sums_of_nine_digits() {
        for (algorithm, sum) in [
            (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
            (ChecksumAlgorithm::Crc32c, "4waSgw=="),
            (ChecksumAlgorithm::Crc64nvme, "rosUhgp5mIg="),
            (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                ChecksumAlgorithm::Sha256,
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
        ] {
            assert_eq!(hash(algorithm, b"123456789"), sum, "{algorithm:?}");
        }
    }

    proptest! {
        #[test]
        fn crcs_of_parts_make_the_crc_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cuts in proptest::collection::vec(0_usize..300, 0..4),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64nvme] {
                let parts: Vec<(String, u64)> = cuts
                    .windows(2)
                    .map(|cut| (hash(algorithm, &bytes[cut[0]..cut[1]]), (cut[1] - cut[0]) as u64))
                    .collect();
                let parts = parts.iter().map(|(sum, length)| (sum.as_str(), *length));
                prop_assert_eq!(combined(algorithm, parts), Some(hash(algorithm, &bytes)));
            }
        }
    }

    #[test]
    fn composites_are_hashes_of_hashes() {
        let one = hash(ChecksumAlgorithm::Sha256, b"a");
        let raw = STANDARD.decode(&one).unwrap();
        let wanted = hash(ChecksumAlgorithm::Sha256, &[raw.as_slice(), &raw].concat());
        let parts = [one.as_str(), one.as_str()];
        let all = composite(ChecksumAlgorithm::Sha256, parts);
        assert_eq!(all, Some(format!("{wanted}-2")));
        assert_eq!(composite(ChecksumAlgorithm::Sha1, parts), None);
        assert_eq!(
            combined(ChecksumAlgorithm::Sha256, [(one.as_str(), 1)]),
            None
        );
    }
}
