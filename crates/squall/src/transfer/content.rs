//! Whether a file has the bytes of an object, without loading it: by the entity
//! tag, which is an MD5, or one of the MD5s of the parts.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use crate::s3::checksum::{etag_of_parts, is_md5};
use crate::s3::part_size;

const BUFFER: usize = 256 << 10;
/// In MiB: what clients cut large objects into, beside our own size.
const USUAL_PARTS: [u64; 15] = [5, 6, 7, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 512];

/// Reads the file, once for each size that the parts may have had.
pub fn has_tag(path: &Path, etag: &str) -> io::Result<bool> {
    if is_md5(etag) {
        let mut file = File::open(path)?;
        let whole = md5_of(&mut file, u64::MAX)?;
        return Ok(hex::encode(whole) == etag.to_ascii_lowercase());
    }
    let Some(count) = part_count(etag) else {
        return Ok(false);
    };
    let size = std::fs::metadata(path)?.len();
    for part in candidates(size, count) {
        if tag_in_parts(path, part)?.as_deref() == Some(etag) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn part_count(etag: &str) -> Option<u64> {
    let (hash, count) = etag.split_once('-')?;
    is_md5(hash).then(|| count.parse().ok()).flatten()
}

fn candidates(size: u64, count: u64) -> Vec<u64> {
    let usual = USUAL_PARTS.iter().map(|mib| mib << 20);
    let mut sizes: Vec<u64> = std::iter::once(part_size(size))
        .chain(usual)
        // One part may have had any size.
        .chain((count == 1).then_some(size.max(1)))
        .filter(|part| size.div_ceil(*part).max(1) == count)
        .collect();
    if count == 1 {
        sizes.truncate(1);
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn tag_in_parts(path: &Path, part: u64) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let mut left = file.metadata()?.len();
    let mut tags = Vec::new();
    while left > 0 || tags.is_empty() {
        tags.push(hex::encode(md5_of(&mut file, part)?));
        left = left.saturating_sub(part);
    }
    Ok(etag_of_parts(tags.iter().map(String::as_str)))
}

/// Of the next `most` bytes.
fn md5_of(file: &mut File, most: u64) -> io::Result<[u8; 16]> {
    let mut md5 = Md5::new();
    let mut file = file.take(most);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(md5.finalize().into());
        }
        md5.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_tags() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "a").unwrap();
        assert!(has_tag(&path, "0cc175b9c0f1b6a831c399e269772661").unwrap());
        assert!(!has_tag(&path, "92eb5ffee6ae2fec3ad71c777531578f").unwrap());
        // The MD5 of the raw MD5 of "a": an object in one part.
        let one = hex::encode(Md5::digest(Md5::digest("a"))) + "-1";
        assert!(has_tag(&path, &one).unwrap());
        for odd in ["", "x", "0cc175b9c0f1b6a831c399e269772661-2", "x-1"] {
            assert!(!has_tag(&path, odd).unwrap(), "{odd}");
        }
    }

    #[test]
    fn a_file_in_parts_is_known_whatever_client_cut_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes = vec![7; 17 << 20];
        std::fs::write(&path, &bytes).unwrap();
        for part in [5 << 20, 8 << 20, 15 << 20] {
            let tags: Vec<String> = bytes
                .chunks(part)
                .map(|c| hex::encode(Md5::digest(c)))
                .collect();
            let tag = etag_of_parts(tags.iter().map(String::as_str)).unwrap();
            assert!(has_tag(&path, &tag).unwrap(), "{part}");
        }
    }

    #[test]
    fn only_sizes_that_give_the_count_are_tried() {
        assert_eq!(candidates(17 << 20, 3), [6 << 20, 7 << 20, 8 << 20]);
        assert_eq!(candidates(1, 1).len(), 1);
        assert!(candidates(1, 9).is_empty());
    }
}
