//! A group with its files. Two locks, always taken in this order: `back` for
//! who writes to the files, `front` for the state in memory, never held while
//! a file is waited for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::front::{Bounds, Chunk, Front};
use super::segment::{self, Segment};
use super::{LogGroup, LogLine};
use crate::error::StoreError;
use crate::files::Root;

/// So much unwritten text makes the one who appends wait for the disk.
const PENDING_MAX: usize = 2 << 20;
const ABOUT: &str = "group.json";

#[derive(Debug)]
pub(super) struct Group {
    about: About,
    pub(super) dir: PathBuf,
    front: Mutex<Front>,
    back: Mutex<Back>,
}

/// What is written down about a group beside its segments.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct About {
    name: Arc<str>,
    created: Timestamp,
    retention_days: Option<u32>,
}

#[derive(Debug, Default)]
struct Back {
    open: Option<Open>,
    gone: bool,
}

/// The file that lines go to.
#[derive(Debug)]
struct Open {
    base: u64,
    end: u64,
    file: File,
}

/// What became of lines.
pub(super) struct Appended {
    pub(super) position: u64,
    /// The writer does not know yet that there is something to write.
    pub(super) wake: bool,
    /// There is so much to write that it should be written now.
    pub(super) full: bool,
}

impl Group {
    /// Makes a group on disk: it is there whole or not at all.
    pub(super) fn create(root: &Root, dir: PathBuf, name: &str) -> Result<Self, StoreError> {
        let about = About {
            name: name.into(),
            created: Timestamp::now(),
            retention_days: None,
        };
        let scratch = root.scratch();
        crate::files::make_dir(&scratch)?;
        root.place(&scratch.join(ABOUT), &about.to_bytes())?;
        root.move_into_place(&scratch, &dir)?;
        Ok(Self::with(about, dir, Vec::new()))
    }

    /// Reads what an earlier process left.
    pub(super) fn load(dir: PathBuf) -> Result<Self, StoreError> {
        let path = dir.join(ABOUT);
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        let about: About = serde_json::from_slice(&bytes).map_err(|error| StoreError::Corrupt {
            what: "a log group",
            detail: error.to_string(),
        })?;
        let bases = segment::bases(&dir).map_err(StoreError::io("read", &dir))?;
        let mut segments = Vec::new();
        for base in bases {
            let path = Segment::path(&dir, base);
            let segment = Segment::load(&dir, base).map_err(StoreError::io("read", &path))?;
            segments.push(segment);
        }
        if let Some(last) = segments.last() {
            cut_torn_end(&dir, last)?;
        }
        Ok(Self::with(about, dir, segments))
    }

    fn with(about: About, dir: PathBuf, segments: Vec<Segment>) -> Self {
        Self {
            front: Mutex::new(Front::new(segments, about.retention_days)),
            back: Mutex::default(),
            about,
            dir,
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.about.name
    }

    pub(super) fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock()
    }

    pub(super) fn describe(&self) -> LogGroup {
        let front = self.front.lock();
        LogGroup {
            name: Arc::clone(&self.about.name),
            created: self.about.created,
            retention_days: front.retention_days,
            stored_bytes: front.stored_bytes(),
        }
    }

    /// `None` if the group was deleted meanwhile.
    pub(super) fn append(
        &self,
        stream: &Arc<str>,
        lines: &[LogLine],
        now: Timestamp,
        bounds: Bounds,
    ) -> Option<Appended> {
        let mut front = self.front.lock();
        if front.gone {
            return None;
        }
        let position = front.append(stream, lines, now, bounds);
        let wake = !std::mem::replace(&mut front.queued, true);
        Some(Appended {
            position,
            wake,
            full: front.pending_bytes() > PENDING_MAX,
        })
    }

    pub(super) fn set_retention(&self, root: &Root, days: Option<u32>) -> Result<(), StoreError> {
        let about = About {
            retention_days: days,
            ..self.about.clone()
        };
        // Whoever writes this file holds the lock, so that the last one wins in both places.
        let back = self.back.lock();
        if back.gone {
            return Ok(());
        }
        root.place(&self.dir.join(ABOUT), &about.to_bytes())?;
        self.front.lock().retention_days = days;
        Ok(())
    }

    /// Brings what is in memory into the files.
    pub(super) fn flush(&self) {
        let mut back = self.back.lock();
        let (work, active) = {
            let mut front = self.front.lock();
            (front.take_work(), front.active().base)
        };
        if back.gone {
            return;
        }
        for chunk in work.chunks {
            if let Err(error) = back.write(&self.dir, &chunk) {
                let (group, bytes) = (&self.about.name, chunk.bytes.len());
                tracing::error!(%error, %group, bytes, "log lines were lost");
                self.front.lock().spoil();
            }
            self.front.lock().give_back(chunk.bytes);
        }
        for segment in work.sealed {
            self.write_index(&segment);
        }
        if !work.dropped.is_empty() {
            // Positions go on after a restart, even if no line is left.
            if let Err(error) = back.open(&self.dir, active) {
                tracing::warn!(%error, group = %self.about.name, "a log segment was not made");
            }
            for base in work.dropped {
                self.remove_segment(base);
            }
        }
    }

    /// Writes everything, and down what is known of the active segment, so
    /// that the next start need not read it.
    pub(super) fn seal(&self) {
        self.flush();
        let active = self.front.lock().active().clone();
        if active.len() > 0 && !self.back.lock().gone {
            self.write_index(&active);
        }
    }

    /// After this nothing touches the group's files any more.
    pub(super) fn end(&self) {
        let mut back = self.back.lock();
        back.gone = true;
        back.open = None;
        self.front.lock().gone = true;
    }

    /// An index is a convenience: a broken or a missing one is made good by
    /// reading the segment.
    fn write_index(&self, segment: &Segment) {
        let path = Segment::index_path(&self.dir, segment.base);
        let written = serde_json::to_vec(segment)
            .map_err(io::Error::other)
            .and_then(|bytes| fs::write(&path, bytes));
        if let Err(error) = written {
            tracing::warn!(%error, path = %path.display(), "a log index was not written");
        }
    }

    fn remove_segment(&self, base: u64) {
        for path in [
            Segment::path(&self.dir, base),
            Segment::index_path(&self.dir, base),
        ] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, path = %path.display(), "an old log was not removed");
                }
                _ => {}
            }
        }
    }
}

impl About {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers have a JSON form")
    }
}

impl Back {
    fn write(&mut self, dir: &Path, chunk: &Chunk) -> io::Result<()> {
        let open = self.open(dir, chunk.segment)?;
        if open.end != chunk.start {
            return Err(io::Error::other("the lines before them are missing"));
        }
        if let Err(error) = open.file.write_all(&chunk.bytes) {
            // Half a frame must not stand before whole ones.
            let _ = open.file.set_len(open.end - open.base);
            return Err(error);
        }
        open.end += chunk.bytes.len() as u64;
        Ok(())
    }

    fn open(&mut self, dir: &Path, base: u64) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) if open.base == base => open,
            _ => {
                let file = File::options()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(Segment::path(dir, base))?;
                let end = base + file.metadata()?.len();
                Open { base, end, file }
            }
        };
        Ok(self.open.insert(open))
    }
}

/// A process that was killed, or a full disk, may have left half a frame.
fn cut_torn_end(dir: &Path, last: &Segment) -> Result<(), StoreError> {
    let path = Segment::path(dir, last.base);
    File::options()
        .write(true)
        .open(&path)
        .and_then(|file| {
            if file.metadata()?.len() > last.len() {
                file.set_len(last.len())?;
            }
            Ok(())
        })
        .map_err(StoreError::io("mend", &path))
}
