//! What a segment file consists of: frames, each with its length and checksum,
//! so that a torn end is found.

use types::Timestamp;

/// Length and checksum of what follows.
const HEAD: usize = 8;
/// Kind and stream.
const FIXED: usize = 5;
const TIMES: usize = 16;

const LINE: u8 = 1;
const DEFINE: u8 = 2;
const FORGET: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The number of the stream in its group.
    pub(super) stream: u32,
    pub(super) body: Body<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Line {
        time: Timestamp,
        ingested: Timestamp,
        text: &'a [u8],
    },
    /// Stands in each segment before the first line of a stream.
    Define { created: Timestamp, name: &'a str },
    /// The stream was deleted, with its lines up to here.
    Forget,
}

impl Frame<'_> {
    /// Appends the frame and answers with its size.
    pub(super) fn encode(&self, to: &mut Vec<u8>) -> usize {
        let start = to.len();
        to.extend_from_slice(&[0; HEAD]);
        let kind = match self.body {
            Body::Line { .. } => LINE,
            Body::Define { .. } => DEFINE,
            Body::Forget => FORGET,
        };
        to.push(kind);
        to.extend_from_slice(&self.stream.to_le_bytes());
        match self.body {
            Body::Line {
                time,
                ingested,
                text,
            } => {
                to.extend_from_slice(&time.0.to_le_bytes());
                to.extend_from_slice(&ingested.0.to_le_bytes());
                to.extend_from_slice(text);
            }
            Body::Define { created, name } => {
                to.extend_from_slice(&created.0.to_le_bytes());
                to.extend_from_slice(name.as_bytes());
            }
            Body::Forget => {}
        }
        let body = start + HEAD;
        let length = u32::try_from(to.len() - body).unwrap_or(u32::MAX);
        let checksum = crc32fast::hash(&to[body..]);
        to[start..start + 4].copy_from_slice(&length.to_le_bytes());
        to[start + 4..body].copy_from_slice(&checksum.to_le_bytes());
        to.len() - start
    }
}

/// The frame at the beginning of `bytes` and what it takes; `None` where there
/// is no whole one.
pub(super) fn decode(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let content = rest.get(..length)?;
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (fixed, rest) = content.split_at_checked(FIXED)?;
    let stream = u32::from_le_bytes(*fixed[1..].first_chunk()?);
    let body = match fixed[0] {
        LINE => Body::Line {
            time: time(rest)?,
            ingested: time(rest.get(8..)?)?,
            text: &rest[TIMES..],
        },
        DEFINE => Body::Define {
            created: time(rest)?,
            name: std::str::from_utf8(&rest[8..]).ok()?,
        },
        FORGET => Body::Forget,
        _ => return None,
    };
    Some((Frame { stream, body }, HEAD + length))
}

fn time(bytes: &[u8]) -> Option<Timestamp> {
    let bytes = bytes.first_chunk()?;
    Some(Timestamp(i64::from_le_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(stream: u32, a: i64, b: i64, text: Vec<u8>, name: String) {
            let frames = [
                Body::Line { time: Timestamp(a), ingested: Timestamp(b), text: &text },
                Body::Define { created: Timestamp(a), name: &name },
                Body::Forget,
            ]
            .map(|body| Frame { stream, body });
            let mut bytes = Vec::new();
            for frame in frames {
                frame.encode(&mut bytes);
            }
            let mut at = 0;
            for frame in frames {
                let (found, size) = decode(&bytes[at..]).unwrap();
                prop_assert_eq!(found, frame);
                prop_assert_eq!(decode(&bytes[at..at + size - 1]), None);
                at += size;
            }
            prop_assert_eq!(at, bytes.len());
        }

        #[test]
        fn anything_can_be_looked_at(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
