//! A segment: a part of a group's log in a file of its own, named by the
//! position at which it begins. Beside a sealed one lies an index, so that
//! starting need not read it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::frame::{self, Body, Frame};

/// What is known in memory of a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Segment {
    /// The position of its first frame.
    pub(super) base: u64,
    /// The position behind its last frame.
    pub(super) end: u64,
    /// When its first frame came.
    pub(super) opened: Timestamp,
    pub(super) streams: Vec<Tally>,
    /// Streams that were deleted here, by number.
    pub(super) forgotten: Vec<u32>,
    /// The span of the lines' times.
    pub(super) span: Option<(Timestamp, Timestamp)>,
}

/// What one stream has in one segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) id: u32,
    pub(super) name: Arc<str>,
    pub(super) created: Timestamp,
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) ingested: Timestamp,
    pub(super) bytes: u64,
}

impl Segment {
    pub(super) fn new(base: u64, opened: Timestamp) -> Self {
        Self {
            base,
            end: base,
            opened,
            streams: Vec::new(),
            forgotten: Vec::new(),
            span: None,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.end - self.base
    }

    pub(super) fn path(dir: &Path, base: u64) -> PathBuf {
        dir.join(format!("{base:020}.log"))
    }

    pub(super) fn index_path(dir: &Path, base: u64) -> PathBuf {
        dir.join(format!("{base:020}.idx"))
    }

    /// Counts a line of the stream in that slot of `streams`.
    pub(super) fn count(&mut self, slot: usize, time: Timestamp, ingested: Timestamp, bytes: u64) {
        widen(&mut self.span, time);
        if let Some(tally) = self.streams.get_mut(slot) {
            widen(&mut tally.span, time);
            tally.ingested = tally.ingested.max(ingested);
            tally.bytes += bytes;
        }
    }

    /// Reads what is known of a segment from its index, or else from itself.
    pub(super) fn load(dir: &Path, base: u64) -> io::Result<Self> {
        let path = Self::path(dir, base);
        let length = fs::metadata(&path)?.len();
        if let Ok(index) = fs::read(Self::index_path(dir, base))
            && let Ok(segment) = serde_json::from_slice::<Self>(&index)
            && segment.base == base
            && segment.end.checked_sub(base) == Some(length)
        {
            return Ok(segment);
        }
        let bytes = fs::read(&path)?;
        Ok(Self::scan(base, &bytes))
    }

    /// What the whole frames in `bytes` amount to.
    fn scan(base: u64, bytes: &[u8]) -> Self {
        let mut segment = Self::new(base, Timestamp::now());
        let mut slots = HashMap::new();
        let mut at = 0;
        while let Some((Frame { stream, body }, size)) = frame::decode(&bytes[at..]) {
            match body {
                Body::Define { created, name } => {
                    slots.insert(stream, segment.streams.len());
                    segment.streams.push(Tally {
                        id: stream,
                        name: name.into(),
                        created,
                        span: None,
                        ingested: created,
                        bytes: 0,
                    });
                }
                Body::Line {
                    time,
                    ingested,
                    text,
                } => {
                    if segment.span.is_none() {
                        segment.opened = ingested;
                    }
                    if let Some(&slot) = slots.get(&stream) {
                        segment.count(slot, time, ingested, text.len() as u64);
                    }
                }
                Body::Forget => segment.forgotten.push(stream),
            }
            at += size;
        }
        segment.end = base + at as u64;
        segment
    }
}

fn widen(span: &mut Option<(Timestamp, Timestamp)>, time: Timestamp) {
    *span = Some(match *span {
        None => (time, time),
        Some((first, last)) => (first.min(time), last.max(time)),
    });
}

/// The bases of all segments in a directory, in their order.
pub(super) fn bases(dir: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for file in fs::read_dir(dir)? {
        let name = file?.file_name();
        let base = name.to_str().and_then(|name| name.strip_suffix(".log"));
        if let Some(Ok(base)) = base.map(str::parse) {
            bases.push(base);
        }
    }
    bases.sort_unstable();
    Ok(bases)
}
