//! The part of a group that lives in memory: its streams, what is known of its
//! segments, and the lines that are not written yet. Appending touches nothing
//! else, so it costs a lock and a copy.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use types::Timestamp;

use super::frame::{Body, Frame};
use super::segment::{Segment, Tally};
use super::{LogLine, LogStream};

/// So that lines can expire by dropping whole segments.
const SEGMENT_AGE_MS: i64 = DAY_MS;
/// Bounds the index of a segment where each stream has but a few lines.
const SEGMENT_STREAMS: usize = 4096;
/// Past it the oldest lines go, so that memory stays bounded.
const STREAMS_MAX: usize = 100_000;
/// Buffers larger than this are given back after a burst.
const SPARE_BYTES: usize = 256 << 10;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How much a group and one of its segments may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) group_bytes: u64,
    pub(super) segment_bytes: u64,
}

#[derive(Debug)]
pub(super) struct Front {
    streams: HashMap<Arc<str>, Stream>,
    next_stream: u32,
    /// Never empty; lines go to the last.
    segments: VecDeque<Segment>,
    pub(super) retention_days: Option<u32>,
    work: Work,
    pending_bytes: usize,
    spare: Vec<u8>,
    /// The segment's file is spoiled; go on in another.
    spoiled: bool,
    /// The writer knows that there is work.
    pub(super) queued: bool,
    /// The group was deleted.
    pub(super) gone: bool,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    created: Timestamp,
    /// The base of the last segment that has it, and its place in there.
    segment: u64,
    slot: usize,
    /// How many segments have it.
    segments: u32,
}

/// What is to be done to the files.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) chunks: Vec<Chunk>,
    pub(super) sealed: Vec<Segment>,
    pub(super) dropped: Vec<u64>,
}

/// Frames for one segment.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) segment: u64,
    /// The position of the first of them.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
}

impl Front {
    pub(super) fn new(segments: Vec<Segment>, retention_days: Option<u32>) -> Self {
        let mut front = Self {
            streams: HashMap::new(),
            next_stream: 0,
            segments: segments.into(),
            retention_days,
            work: Work::default(),
            pending_bytes: 0,
            spare: Vec::new(),
            spoiled: false,
            queued: false,
            gone: false,
        };
        front.find_streams();
        if front.segments.is_empty() {
            front.segments.push_back(Segment::new(0, Timestamp::now()));
        }
        front
    }

    fn find_streams(&mut self) {
        let mut forgotten: HashSet<u32> = HashSet::new();
        for segment in &self.segments {
            forgotten.extend(&segment.forgotten);
            for (slot, tally) in segment.streams.iter().enumerate() {
                self.next_stream = self.next_stream.max(tally.id + 1);
                let earlier = self.streams.get(&tally.name);
                let segments = earlier
                    .filter(|stream| stream.id == tally.id)
                    .map_or(0, |stream| stream.segments);
                let stream = Stream {
                    id: tally.id,
                    created: tally.created,
                    segment: segment.base,
                    slot,
                    segments: segments + 1,
                };
                self.streams.insert(Arc::clone(&tally.name), stream);
            }
        }
        self.streams
            .retain(|_, stream| !forgotten.contains(&stream.id));
    }

    /// Appends the lines and answers with the position of the first of them.
    pub(super) fn append(
        &mut self,
        stream: &Arc<str>,
        lines: &[LogLine],
        now: Timestamp,
        bounds: Bounds,
    ) -> u64 {
        self.make_room(now, bounds);
        let (mut id, mut slot) = self.enter(stream, now);
        let mut first = None;
        for line in lines {
            if self.is_full(now, bounds) {
                self.make_room(now, bounds);
                (id, slot) = self.enter(stream, now);
            }
            first.get_or_insert(self.position());
            self.write(&Frame {
                stream: id,
                body: Body::Line {
                    time: line.time,
                    ingested: now,
                    text: &line.text,
                },
            });
            self.active()
                .count(slot, line.time, now, line.text.len() as u64);
        }
        first.unwrap_or_else(|| self.position())
    }

    pub(super) fn has_stream(&self, name: &str) -> bool {
        self.streams.contains_key(name)
    }

    /// The number of a stream and its place in the active segment, where it is
    /// written down if it is not there yet.
    pub(super) fn enter(&mut self, name: &Arc<str>, now: Timestamp) -> (u32, usize) {
        let base = self.active().base;
        let slot = self.active().streams.len();
        let (id, created) = match self.streams.get_mut(name) {
            Some(stream) if stream.segment == base => return (stream.id, stream.slot),
            Some(stream) => {
                stream.segment = base;
                stream.slot = slot;
                stream.segments += 1;
                (stream.id, stream.created)
            }
            None => {
                let id = self.next_stream;
                self.next_stream += 1;
                let stream = Stream {
                    id,
                    created: now,
                    segment: base,
                    slot,
                    segments: 1,
                };
                self.streams.insert(Arc::clone(name), stream);
                (id, now)
            }
        };
        self.active().streams.push(Tally {
            id,
            name: Arc::clone(name),
            created,
            span: None,
            ingested: created,
            bytes: 0,
        });
        self.write(&Frame {
            stream: id,
            body: Body::Define { created, name },
        });
        (id, slot)
    }

    /// Says whether the stream was there.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        let Some(stream) = self.streams.remove(name) else {
            return false;
        };
        self.active().forgotten.push(stream.id);
        self.write(&Frame {
            stream: stream.id,
            body: Body::Forget,
        });
        true
    }

    fn write(&mut self, frame: &Frame<'_>) {
        let position = self.position();
        let base = self.active().base;
        if self
            .work
            .chunks
            .last()
            .is_none_or(|last| last.segment != base)
        {
            self.work.chunks.push(Chunk {
                segment: base,
                start: position,
                bytes: std::mem::take(&mut self.spare),
            });
        }
        if let Some(chunk) = self.work.chunks.last_mut() {
            let size = frame.encode(&mut chunk.bytes);
            self.pending_bytes += size;
            self.active().end += size as u64;
        }
    }

    /// Begins a new segment where one is due, and drops the oldest where there
    /// is too much.
    pub(super) fn make_room(&mut self, now: Timestamp, bounds: Bounds) {
        if self.is_full(now, bounds) {
            self.rotate(now);
        }
        while self.segments.len() > 1
            && (self.stored_bytes() > bounds.group_bytes || self.streams.len() > STREAMS_MAX)
        {
            self.drop_oldest();
        }
    }

    fn is_full(&mut self, now: Timestamp, bounds: Bounds) -> bool {
        let spoiled = self.spoiled;
        let active = self.active();
        active.len() > 0
            && (spoiled
                || active.len() >= bounds.segment_bytes.min(bounds.group_bytes / 4)
                || active.streams.len() >= SEGMENT_STREAMS
                || now.0.saturating_sub(active.opened.0) >= SEGMENT_AGE_MS)
    }

    /// Drops segments whose lines are all older than the retention.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let Some(cutoff) = self.cutoff(now) else {
            return;
        };
        let is_old = |segment: &Segment| {
            let last = segment.span.map_or(segment.opened, |(_, last)| last);
            segment.len() > 0 && last < cutoff
        };
        if self.segments.len() == 1 && is_old(self.active()) {
            self.rotate(now);
        }
        while self.segments.len() > 1 && self.segments.front().is_some_and(is_old) {
            self.drop_oldest();
        }
    }

    /// Lines before it have expired.
    pub(super) fn cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        let days = self.retention_days?;
        Some(now.plus_millis(-(i64::from(days) * DAY_MS)))
    }

    fn rotate(&mut self, now: Timestamp) {
        let position = self.position();
        let sealed = self.active().clone();
        self.work.sealed.push(sealed);
        self.segments.push_back(Segment::new(position, now));
        self.spoiled = false;
    }

    /// A stream goes with the last segment that has it.
    fn drop_oldest(&mut self) {
        let Some(segment) = self.segments.pop_front() else {
            return;
        };
        for tally in &segment.streams {
            if let Some(stream) = self.streams.get_mut(&tally.name)
                && stream.id == tally.id
            {
                stream.segments -= 1;
                if stream.segments == 0 {
                    self.streams.remove(&tally.name);
                }
            }
        }
        self.work.dropped.push(segment.base);
    }

    /// What was not written is lost: the positions after it begin a new segment.
    pub(super) fn spoil(&mut self) {
        self.spoiled = true;
    }

    pub(super) fn take_work(&mut self) -> Work {
        self.queued = false;
        self.pending_bytes = 0;
        std::mem::take(&mut self.work)
    }

    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_BYTES && self.spare.capacity() == 0 {
            buffer.clear();
            self.spare = buffer;
        }
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(super) fn active(&mut self) -> &mut Segment {
        self.segments
            .back_mut()
            .expect("new() and rotate() leave one, and the last is never dropped")
    }

    pub(super) fn position(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.end)
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        let begin = self.segments.front().map_or(0, |segment| segment.base);
        self.position() - begin
    }

    pub(super) fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter()
    }

    /// The streams that are chosen by name, by their numbers.
    pub(super) fn choose(&self, chosen: impl Fn(&str) -> bool) -> HashMap<u32, Arc<str>> {
        self.streams
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(name, stream)| (stream.id, Arc::clone(name)))
            .collect()
    }

    pub(super) fn number_of(&self, name: &str) -> Option<(u32, Arc<str>)> {
        let (name, stream) = self.streams.get_key_value(name)?;
        Some((stream.id, Arc::clone(name)))
    }

    /// The streams with that prefix, in no order.
    pub(super) fn describe(&self, prefix: &str) -> Vec<LogStream> {
        let mut found: HashMap<u32, LogStream> = HashMap::new();
        for tally in self.segments.iter().flat_map(|segment| &segment.streams) {
            let live = self.streams.get(&tally.name);
            if !tally.name.starts_with(prefix) || live.is_none_or(|live| live.id != tally.id) {
                continue;
            }
            let stream = found.entry(tally.id).or_insert_with(|| LogStream {
                name: Arc::clone(&tally.name),
                created: tally.created,
                first_event: None,
                last_event: None,
                last_ingested: None,
                stored_bytes: 0,
            });
            if let Some((first, last)) = tally.span {
                let earliest = stream.first_event.map_or(first, |known| known.min(first));
                stream.first_event = Some(earliest);
                stream.last_event = stream.last_event.max(Some(last));
                stream.last_ingested = stream.last_ingested.max(Some(tally.ingested));
                stream.stored_bytes += tally.bytes;
            }
        }
        found.into_values().collect()
    }
}
