//! Checking: whether every content is what its name says, and whether what is
//! written of it agrees. It never changes anything.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::model::ContentHash;
use super::pins::Pins;
use super::shelf::{self, Shelf};
use super::usage;
use crate::database::{self, SCHEMA_VERSION, unsigned};
use crate::error::{OpenError, StoreError};
use crate::lock;

/// Rows of contents that are read at once; no read of the database lasts longer.
const PAGE: usize = 256;
/// So much of a file is read between two reports.
const REPORT_EVERY: u64 = 64 << 20;
const BUFFER: usize = 1 << 20;
/// Findings of each kind that are listed; the others are counted.
const LISTED: usize = 1000;

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckProgress {
    pub contents: u64,
    pub of: u64,
    pub bytes: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Versions of objects that were looked at.
    pub objects: u64,
    /// Different contents, each of which objects may share.
    pub contents: u64,
    pub bytes: u64,
    pub damaged: Vec<Damage>,
    /// What takes up space for nothing. The next start clears it away.
    pub orphans: Vec<Orphan>,
    /// Findings beyond those that are listed.
    pub unlisted: u64,
    /// Whether it was told to stop before it was through.
    pub stopped: bool,
}

impl CheckReport {
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.orphans.is_empty()
    }

    pub(crate) fn damage(&mut self, damage: Damage) {
        if self.damaged.len() < LISTED {
            self.damaged.push(damage);
        } else {
            self.unlisted += 1;
        }
    }

    fn orphan(&mut self, what: String, bytes: u64) {
        if self.orphans.len() < LISTED {
            self.orphans.push(Orphan { what, bytes });
        } else {
            self.unlisted += 1;
        }
    }
}

/// An object that cannot be read as it was written, or an upload's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
    pub problem: String,
}

/// Bytes that belong to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    pub what: String,
    pub bytes: u64,
}

/// Checks a data directory that no engine has open. It blocks. `progress` can
/// end it.
pub fn check(
    dir: &Path,
    progress: impl FnMut(CheckProgress) -> ControlFlow<()>,
) -> Result<CheckReport, OpenError> {
    let path = dir.join("squall.db");
    fs::metadata(&path).map_err(StoreError::io("find", &path))?;
    let _lock = lock::take(dir)?;
    let connection = database::open_reader(dir).map_err(StoreError::from)?;
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(StoreError::from)?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::TooNew {
            dir: dir.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    // An older one has no objects yet.
    if found < SCHEMA_VERSION {
        return Ok(CheckReport::default());
    }
    let mut checker = Checker::new(connection, dir, None, progress);
    let mut report = checker.run(|| {})?;
    for (path, bytes) in left_over(&dir.join("tmp")) {
        report.orphan(path.display().to_string(), bytes);
    }
    Ok(report)
}

/// As `check`, for a store that is open. `settle` returns when what is being
/// cleared away is gone.
pub(crate) fn check_open(
    shelf: &Shelf,
    progress: impl FnMut(CheckProgress) -> ControlFlow<()>,
    settle: impl FnOnce(),
) -> Result<CheckReport, StoreError> {
    let dir = shelf.root().dir();
    let connection = database::open_reader(dir)?;
    Checker::new(connection, dir, Some(shelf.pins()), progress).run(settle)
}

struct Checker<'a, P> {
    connection: Connection,
    objects: PathBuf,
    /// What is in use; nothing is in use where no engine runs.
    pins: Option<&'a Arc<Pins>>,
    progress: P,
    state: CheckProgress,
    buffer: Vec<u8>,
}

impl<'a, P: FnMut(CheckProgress) -> ControlFlow<()>> Checker<'a, P> {
    fn new(connection: Connection, dir: &Path, pins: Option<&'a Arc<Pins>>, progress: P) -> Self {
        Self {
            connection,
            objects: dir.join("objects"),
            pins,
            progress,
            state: CheckProgress {
                contents: 0,
                of: 0,
                bytes: 0,
            },
            buffer: vec![0; BUFFER],
        }
    }

    fn run(&mut self, settle: impl FnOnce()) -> Result<CheckReport, StoreError> {
        let mut report = CheckReport::default();
        let mut bad = HashMap::new();
        let unused = usage::compare(&self.connection, &mut report, &mut bad)?;
        for (hash, bytes) in unused {
            if !self.is_pinned(&hash) {
                report.orphan(format!("content {hash}"), bytes);
            }
        }
        let ended = self.check_contents(&mut bad)?;
        report.contents = self.state.contents;
        report.bytes = self.state.bytes;
        report.stopped = ended.is_break();
        if !bad.is_empty() {
            usage::name_users(&self.connection, &bad, &mut report)?;
        }
        if !report.stopped {
            self.find_orphans(settle, &mut report)?;
        }
        Ok(report)
    }

    fn check_contents(
        &mut self,
        bad: &mut HashMap<ContentHash, String>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let count = "SELECT count(*) FROM contents";
        let of = self.connection.query_row(count, [], |row| row.get(0))?;
        self.state.of = unsigned(of);
        let mut after = Vec::new();
        loop {
            let page = self.page(&after)?;
            let Some(last) = page.last() else {
                return Ok((self.progress)(self.state));
            };
            after = last.0.0.to_vec();
            for (hash, size, is_file) in page {
                let problem = if is_file {
                    match self.check_file(&hash, size)? {
                        ControlFlow::Continue(problem) => problem,
                        ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                    }
                } else {
                    self.check_row(&hash, size)?
                };
                if let Some(problem) = problem {
                    bad.insert(hash, problem.to_owned());
                }
                self.state.contents += 1;
            }
            if (self.progress)(self.state).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn page(&self, after: &[u8]) -> Result<Vec<(ContentHash, u64, bool)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT hash, size, bytes IS NULL FROM contents WHERE hash > ? ORDER BY hash LIMIT ?",
        )?;
        let rows = statement.query_map((after, PAGE), |row| {
            let size = unsigned(row.get(1)?);
            Ok((ContentHash(row.get(0)?), size, row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn check_row(
        &mut self,
        hash: &ContentHash,
        size: u64,
    ) -> Result<Option<&'static str>, StoreError> {
        let sql = "SELECT bytes FROM contents WHERE hash = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let bytes: Option<Vec<u8>> = statement.query_row([hash.0], |row| row.get(0)).optional()?;
        // One that is removed meanwhile is nobody's loss.
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        self.state.bytes += bytes.len() as u64;
        let good = bytes.len() as u64 == size && *blake3::hash(&bytes).as_bytes() == hash.0;
        Ok((!good).then_some(DAMAGED))
    }

    fn check_file(
        &mut self,
        hash: &ContentHash,
        size: u64,
    ) -> Result<ControlFlow<(), Option<&'static str>>, StoreError> {
        // From here on it cannot go, if it is still there.
        let _pin = self.pins.map(|pins| Pins::pin(pins, *hash));
        if !self.is_known(hash)? {
            return Ok(ControlFlow::Continue(None));
        }
        let path = shelf::path_of(&self.objects, hash);
        let Ok(mut file) = File::open(&path) else {
            return Ok(ControlFlow::Continue(Some(MISSING)));
        };
        let (mut hasher, mut length) = (blake3::Hasher::new(), 0);
        loop {
            let Ok(count) = file.read(&mut self.buffer) else {
                return Ok(ControlFlow::Continue(Some(UNREADABLE)));
            };
            if count == 0 {
                break;
            }
            hasher.update(self.buffer.get(..count).unwrap_or_default());
            let reports = length / REPORT_EVERY;
            length += count as u64;
            self.state.bytes += count as u64;
            if length / REPORT_EVERY > reports && (self.progress)(self.state).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let good = length == size && *hasher.finalize().as_bytes() == hash.0;
        Ok(ControlFlow::Continue((!good).then_some(DAMAGED)))
    }

    fn find_orphans(
        &self,
        settle: impl FnOnce(),
        report: &mut CheckReport,
    ) -> Result<(), StoreError> {
        if !self.objects.exists() {
            return Ok(());
        }
        let mut candidates = Vec::new();
        Shelf::walk(&self.objects, |hash| {
            if !self.is_known(&hash)? {
                candidates.push(hash);
            }
            Ok(())
        })?;
        if candidates.is_empty() {
            return Ok(());
        }
        settle();
        for hash in candidates {
            let path = shelf::path_of(&self.objects, &hash);
            if !self.is_pinned(&hash)
                && !self.is_known(&hash)?
                && let Ok(found) = fs::metadata(&path)
            {
                report.orphan(path.display().to_string(), found.len());
            }
        }
        Ok(())
    }

    fn is_pinned(&self, hash: &ContentHash) -> bool {
        self.pins.is_some_and(|pins| pins.is_pinned(hash))
    }

    fn is_known(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM contents WHERE hash = ?";
        Ok(self.connection.prepare_cached(sql)?.exists([hash.0])?)
    }
}

const MISSING: &str = "its bytes are missing";
const DAMAGED: &str = "its bytes are not what was written";
const UNREADABLE: &str = "its bytes cannot be read";

fn left_over(scratch: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(scratch).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let found = entry.metadata().ok()?;
            Some((entry.path(), found.len()))
        })
        .collect()
}
