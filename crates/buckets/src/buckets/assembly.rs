//! From the parts of an upload to its object: what must hold of them, and what
//! comes out. Pure.

use std::collections::VecDeque;

use md5::{Digest as _, Md5};
use store::{Committed, Part, PartRow, UploadId};
use types::ObjectKey;

use super::uploads::{Complete, MOST_PARTS, SMALLEST_PART, Upload, UploadedPart};
use crate::attributes::{ChecksumAlgorithm, ChecksumKind, Checksums};
use crate::checksum::{combined, composite};
use crate::error::BucketError;

/// An object that is made of parts.
#[derive(Debug)]
pub(super) struct Whole {
    pub parts: Vec<Part>,
    pub etag: String,
    pub checksums: Checksums,
}

/// `rows` are all parts that were uploaded, by number; `complete` says which of
/// them make the object.
pub(super) fn assemble(
    upload: &Upload,
    rows: &[PartRow],
    complete: &Complete,
) -> Result<Whole, BucketError> {
    let chosen = choose(rows, &complete.parts)?;
    check_sizes(&chosen)?;
    let size: u64 = chosen.iter().map(|(row, _)| row.content.size).sum();
    if complete.size.is_some_and(|wanted| wanted != size) {
        return Err(BucketError::request(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
        ));
    }
    let mut all = Md5::new();
    for (row, _) in &chosen {
        all.update(row.content.md5);
    }
    let parts = chosen.iter().map(|(row, _)| Part {
        content: row.content.clone(),
        attributes: row.attributes.clone(),
    });
    Ok(Whole {
        etag: format!("{}-{}", hex::encode(all.finalize()), chosen.len()),
        checksums: checksums(upload, &chosen, &complete.checksums)?,
        parts: parts.collect(),
    })
}

type Chosen<'a> = Vec<(&'a PartRow, Checksums)>;

fn choose<'a>(rows: &'a [PartRow], named: &[UploadedPart]) -> Result<Chosen<'a>, BucketError> {
    if named.is_empty() || named.len() > MOST_PARTS as usize {
        return Err(BucketError::MalformedXml);
    }
    if named.windows(2).any(|two| two[0].number >= two[1].number) {
        return Err(BucketError::InvalidPartOrder);
    }
    let mut chosen = Vec::with_capacity(named.len());
    for part in named {
        let etag = part.etag.trim_matches('"');
        let invalid = || BucketError::InvalidPart {
            number: part.number,
            etag: etag.to_owned(),
        };
        let found = rows.binary_search_by_key(&part.number, |row| row.number);
        let row = &rows[found.map_err(|_| invalid())?];
        let has: Checksums = serde_json::from_slice(&row.attributes).unwrap_or_default();
        let differs = |(algorithm, sum)| has.get(algorithm).is_some_and(|has| has != sum);
        if hex::encode(row.content.md5) != etag || part.checksums.iter().any(differs) {
            return Err(invalid());
        }
        chosen.push((row, has));
    }
    Ok(chosen)
}

fn check_sizes(chosen: &Chosen<'_>) -> Result<(), BucketError> {
    let all_but_last = &chosen[..chosen.len() - 1];
    match all_but_last
        .iter()
        .find(|(row, _)| row.content.size < SMALLEST_PART)
    {
        None => Ok(()),
        Some((row, _)) => Err(BucketError::EntityTooSmall {
            number: row.number,
            size: row.content.size,
            minimum: SMALLEST_PART,
        }),
    }
}

/// Those of the object, compared with what the client says they are.
fn checksums(
    upload: &Upload,
    chosen: &Chosen<'_>,
    declared: &Checksums,
) -> Result<Checksums, BucketError> {
    let mut checksums = Checksums::default();
    if let (Some(algorithm), Some(kind)) = (upload.checksum, upload.checksum_kind)
        && let Some(sum) = compute(algorithm, kind, chosen)
    {
        checksums.set(algorithm, sum);
        checksums.kind = Some(kind);
    }
    for (algorithm, declared) in declared.iter() {
        let computed = match checksums.get(algorithm) {
            Some(sum) => Some(sum.to_owned()),
            // Not the upload's own; a CRC of the bytes can still be told.
            None => compute(algorithm, ChecksumKind::FullObject, chosen),
        };
        // Clients write the checksum of checksums with and without its `-N`.
        let bare = |sum: &str| sum.split('-').next().map(str::to_owned);
        if computed.is_some_and(|computed| bare(&computed) != bare(declared)) {
            return Err(BucketError::BadChecksum {
                algorithm: algorithm.name(),
            });
        }
    }
    Ok(checksums)
}

/// `None` when a part lacks it.
fn compute(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    chosen: &Chosen<'_>,
) -> Option<String> {
    let sums = chosen.iter().map(|(_, sums)| sums.get(algorithm));
    let sums: Vec<&str> = sums.collect::<Option<_>>()?;
    match kind {
        ChecksumKind::Composite => composite(algorithm, sums),
        ChecksumKind::FullObject => {
            let sizes = chosen.iter().map(|(row, _)| row.content.size);
            combined(algorithm, sums.into_iter().zip(sizes))
        }
    }
}

/// Uploads that ended well a short while ago, for clients that did not hear the
/// answer and ask again. It is a courtesy: after a restart nothing is known.
#[derive(Debug, Default)]
pub(super) struct Completed {
    recent: VecDeque<Ended>,
}

/// So many uploads are remembered.
const MOST_REMEMBERED: usize = 256;
/// Longer lists of parts are not worth their memory.
const LONGEST_REMEMBERED: usize = 1_000;

#[derive(Debug)]
struct Ended {
    id: UploadId,
    key: ObjectKey,
    parts: Vec<UploadedPart>,
    committed: Committed,
}

impl Completed {
    pub fn add(
        &mut self,
        id: UploadId,
        key: ObjectKey,
        parts: Vec<UploadedPart>,
        committed: Committed,
    ) {
        if parts.len() > LONGEST_REMEMBERED {
            return;
        }
        if self.recent.len() >= MOST_REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(Ended {
            id,
            key,
            parts,
            committed,
        });
    }

    /// Only the same request is answered again.
    pub fn find(
        &self,
        id: &UploadId,
        key: &ObjectKey,
        parts: &[UploadedPart],
    ) -> Option<Committed> {
        let mut recent = self.recent.iter();
        let ended = recent.find(|ended| ended.id == *id && ended.key == *key)?;
        (ended.parts == parts).then(|| ended.committed.clone())
    }
}
