//! Bytes on their way out: in pieces, one of them read ahead.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::content::{Content, Hold, INLINE_MAX};
use super::model::Part;
use super::rows;
use super::shelf::Shelf;
use crate::database::Reader;
use crate::error::StoreError;

/// What is handed out at once, and held once more as it is read ahead.
const PIECE: u64 = 512 << 10;

/// Hands bytes out in pieces, in bounded memory, reading ahead.
pub struct ContentReader {
    /// What is still to be read, in order.
    stretches: VecDeque<Stretch>,
    source: Option<Source>,
    ahead: Option<JoinHandle<Result<(Source, Bytes), StoreError>>>,
}

impl fmt::Debug for ContentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentReader")
            .field("stretches", &self.stretches.len())
            .finish_non_exhaustive()
    }
}

/// A range within one content.
struct Stretch {
    content: Content,
    range: Range<u64>,
}

/// Where pieces are read from.
struct Source {
    shelf: Arc<Shelf>,
    reader: Reader,
    /// The file that the last piece came from; it is at the end of that piece.
    open: Option<(Content, File)>,
}

impl ContentReader {
    /// What of the range lies beyond the parts is left out.
    pub(crate) fn new(
        shelf: Arc<Shelf>,
        reader: Reader,
        parts: &[Part],
        range: Range<u64>,
    ) -> Self {
        let mut stretches = VecDeque::new();
        let mut offset = 0;
        for Part { content, .. } in parts {
            let within = |at: u64| at.clamp(offset, offset + content.size) - offset;
            let range = within(range.start)..within(range.end);
            if range.start < range.end {
                let content = content.clone();
                stretches.push_back(Stretch { content, range });
            }
            offset += content.size;
        }
        Self {
            stretches,
            source: Some(Source {
                shelf,
                reader,
                open: None,
            }),
            ahead: None,
        }
    }

    /// The next piece; `None` at the end. After an error there is no more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.ahead.is_none() {
            if let Some(bytes) = self.at_hand() {
                return Ok(Some(bytes));
            }
            self.read_ahead();
        }
        let Some(ahead) = &mut self.ahead else {
            return Ok(None);
        };
        let read = ahead.await;
        self.ahead = None;
        let (source, bytes) = match read {
            Ok(read) => read?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(StoreError::Closed),
        };
        self.source = Some(source);
        if !matches!(self.stretches.front(), Some(next) if next.content.is_here()) {
            self.read_ahead();
        }
        Ok(Some(bytes))
    }

    /// Small content that came along when the object was found.
    fn at_hand(&mut self) -> Option<Bytes> {
        let Hold::Here(bytes) = &self.stretches.front()?.content.hold else {
            return None;
        };
        let bytes = bytes.clone();
        let Stretch { range, .. } = self.stretches.pop_front()?;
        let at = |offset| {
            usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len())
        };
        Some(bytes.slice(at(range.start)..at(range.end)))
    }

    fn read_ahead(&mut self) {
        let Some(mut source) = self.source.take() else {
            return;
        };
        let Some(stretch) = self.stretches.front_mut() else {
            return;
        };
        let end = stretch.range.end.min(stretch.range.start + PIECE);
        let range = stretch.range.start..end;
        let content = stretch.content.clone();
        stretch.range.start = end;
        if stretch.range.is_empty() {
            self.stretches.pop_front();
        }
        self.ahead = Some(tokio::task::spawn_blocking(move || {
            let bytes = source.read(content, range)?;
            Ok((source, bytes))
        }));
    }
}

impl Source {
    fn read(&mut self, content: Content, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.shelf.root().check_open()?;
        let length = range.end - range.start;
        if content.size <= INLINE_MAX
            && let Some(bytes) = self.reader.read(|c| rows::inline_bytes(c, &content.hash))?
        {
            let at = |offset| {
                usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len())
            };
            return Ok(bytes.slice(at(range.start)..at(range.end)));
        }
        let path = self.shelf.path(&content.hash);
        let same = matches!(&self.open, Some((open, _)) if open.hash == content.hash);
        let file = match self.open.take() {
            Some((_, file)) if same => file,
            _ => File::open(&path).map_err(StoreError::io("open", &path))?,
        };
        let bytes = read_exactly(&file, &path, range.start, length)?;
        self.open = Some((content, file));
        Ok(bytes)
    }
}

fn read_exactly(
    mut file: &File,
    path: &Path,
    offset: u64,
    length: u64,
) -> Result<Bytes, StoreError> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.take(length).read_to_end(&mut bytes))
        .map_err(StoreError::io("read", path))?;
    if bytes.len() as u64 != length {
        return Err(StoreError::Corrupt {
            what: "an object",
            detail: format!("{} is shorter than it was", path.display()),
        });
    }
    Ok(bytes.into())
}
