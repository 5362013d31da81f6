//! Reading lines. Pages follow the positions, the order in which lines came, so
//! that none is missed and none comes twice, whatever their times are; inside a
//! page they are sorted by time, as AWS shows them.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use types::Timestamp;

use super::frame::{self, Body, Frame};
use super::group::Group;
use super::segment::Segment;
use super::{LogCursor, LogError, LogEvent, LogPage, LogQuery};
use crate::error::StoreError;

const EVENTS_MAX: usize = 10_000;
const BYTES_MAX: usize = 1 << 20;
/// What AWS counts for a line beside its text.
const EVENT_OVERHEAD: usize = 26;
/// So many chosen streams are looked for in what is known of a segment.
const LOOK_MAX: usize = 16;

/// Answers a query; it reads files.
pub(super) fn run(group: &Group, query: &LogQuery) -> Result<LogPage, LogError> {
    group.flush();
    let view = View::of(group, query)?;
    let (mut found, more) = match direction(query) {
        LogCursor::Forward(from) => view.first(from)?,
        LogCursor::Backward(before) => view.last(before)?,
    };
    let first = found.front().map(|event| event.id);
    let last = found.back().map(|event| event.id);
    // In an empty page the cursor stays, as clients compare it to see the end.
    let (backward, forward) = match (first, last, query.cursor) {
        (Some(first), Some(last), _) => (first, last + 1),
        (_, _, Some(LogCursor::Forward(at) | LogCursor::Backward(at))) => (at, at),
        _ => (view.end, view.end),
    };
    let (backward, forward) = (LogCursor::Backward(backward), LogCursor::Forward(forward));
    let next = match direction(query) {
        _ if !more => None,
        LogCursor::Forward(_) => Some(forward),
        LogCursor::Backward(_) => Some(backward),
    };
    found.make_contiguous().sort_by_key(|event| event.time);
    Ok(LogPage {
        events: found.into(),
        next,
        forward,
        backward,
    })
}

fn direction(query: &LogQuery) -> LogCursor {
    match query.cursor {
        Some(cursor) => cursor,
        None if query.from_head => LogCursor::Forward(0),
        None => LogCursor::Backward(u64::MAX),
    }
}

/// What a query needs to know of a group, at one moment.
struct View {
    parts: Vec<Part>,
    streams: HashMap<u32, Arc<str>>,
    start: Option<Timestamp>,
    end_time: Option<Timestamp>,
    limit: usize,
    end: u64,
}

struct Part {
    base: u64,
    end: u64,
    path: PathBuf,
}

/// The events of a page, and whether there are more in its direction.
type Found = (VecDeque<LogEvent>, bool);

impl View {
    fn of(group: &Group, query: &LogQuery) -> Result<Self, LogError> {
        let front = group.front();
        let prefix = query.stream_prefix.as_deref().unwrap_or_default();
        let mut streams = match &query.streams {
            None => front.choose(|name| name.starts_with(prefix)),
            Some(names) => names
                .iter()
                .map(|name| {
                    front.number_of(name).ok_or_else(|| LogError::NoSuchStream {
                        stream: name.clone(),
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        streams.retain(|_, name| name.starts_with(prefix));
        let mut view = Self {
            parts: Vec::new(),
            streams,
            start: query.start.max(front.cutoff(Timestamp::now())),
            end_time: query.end,
            limit: query.limit.clamp(1, EVENTS_MAX),
            end: front.position(),
        };
        view.parts = front
            .segments()
            .filter(|segment| view.may_be_in(segment))
            .map(|segment| Part {
                base: segment.base,
                end: segment.end,
                path: Segment::path(&group.dir, segment.base),
            })
            .collect();
        Ok(view)
    }

    fn may_be_in(&self, segment: &Segment) -> bool {
        let Some((first, last)) = segment.span else {
            return false;
        };
        let in_time = self.start.is_none_or(|start| last >= start)
            && self.end_time.is_none_or(|end| first < end);
        in_time
            && (self.streams.len() > LOOK_MAX
                || segment
                    .streams
                    .iter()
                    .any(|tally| self.streams.contains_key(&tally.id)))
    }

    fn first(&self, from: u64) -> Result<Found, LogError> {
        let mut found = VecDeque::new();
        let mut room = Room::new(self.limit);
        for part in self.parts.iter().filter(|part| part.end > from) {
            let mut more = false;
            self.scan(part, |event| {
                if event.id < from {
                    return true;
                }
                more = !room.take(&event);
                if !more {
                    found.push_back(event);
                }
                !more
            })?;
            if more {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// From the last segment backwards; in each, forwards.
    fn last(&self, before: u64) -> Result<Found, LogError> {
        let mut found = VecDeque::new();
        let mut room = Room::new(self.limit);
        for part in self.parts.iter().rev().filter(|part| part.base < before) {
            let mut here: VecDeque<LogEvent> = VecDeque::new();
            let mut room_here = room;
            let mut more = false;
            self.scan(part, |event| {
                if event.id >= before {
                    return false;
                }
                while !room_here.take(&event) {
                    more = true;
                    let Some(oldest) = here.pop_front() else {
                        return true;
                    };
                    room_here.give(&oldest);
                }
                here.push_back(event);
                true
            })?;
            room = room_here;
            here.append(&mut found);
            found = here;
            if more {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// Shows the matching lines of a segment in their order, while they are wanted.
    fn scan(&self, part: &Part, mut show: impl FnMut(LogEvent) -> bool) -> Result<(), LogError> {
        let bytes = match fs::read(&part.path) {
            Ok(bytes) => bytes,
            // It has expired since we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io("read", &part.path)(error).into()),
        };
        let known = usize::try_from(part.end - part.base).unwrap_or(usize::MAX);
        let bytes = &bytes[..known.min(bytes.len())];
        let mut at = 0;
        while let Some((frame, size)) = frame::decode(&bytes[at..]) {
            let id = part.base + at as u64;
            at += size;
            if let Some(event) = self.matching(id, &frame)
                && !show(event)
            {
                return Ok(());
            }
        }
        if at < bytes.len() {
            tracing::error!(path = %part.path.display(), at, "a log segment is damaged");
        }
        Ok(())
    }

    fn matching(&self, id: u64, frame: &Frame<'_>) -> Option<LogEvent> {
        let Body::Line {
            time,
            ingested,
            text,
        } = frame.body
        else {
            return None;
        };
        if self.start.is_some_and(|start| time < start)
            || self.end_time.is_some_and(|end| time >= end)
        {
            return None;
        }
        Some(LogEvent {
            stream: Arc::clone(self.streams.get(&frame.stream)?),
            time,
            ingested,
            text: Bytes::copy_from_slice(text),
            id,
        })
    }
}

/// What still fits on a page. The first event fits, however long it is.
#[derive(Clone, Copy)]
struct Room {
    events: usize,
    bytes: usize,
    empty: bool,
    limit: usize,
}

impl Room {
    fn new(limit: usize) -> Self {
        Self {
            events: limit,
            bytes: BYTES_MAX,
            empty: true,
            limit,
        }
    }

    fn take(&mut self, event: &LogEvent) -> bool {
        let size = event.text.len() + EVENT_OVERHEAD;
        let fits = self.events > 0 && (size <= self.bytes || self.empty);
        if fits {
            self.events -= 1;
            self.bytes = self.bytes.saturating_sub(size);
            self.empty = false;
        }
        fits
    }

    fn give(&mut self, event: &LogEvent) {
        self.events += 1;
        self.empty = self.events == self.limit;
        self.bytes = if self.empty {
            BYTES_MAX
        } else {
            self.bytes + event.text.len() + EVENT_OVERHEAD
        };
    }
}
