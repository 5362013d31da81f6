//! Logs: groups of streams of lines. Each group is a sequence of append-only
//! segment files; lines are buffered in memory and written by one thread, some
//! times a second. A line's position is its distance from the beginning of the
//! group's log.

mod frame;
mod front;
mod group;
mod query;
mod segment;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use types::{BadName, Timestamp};

use self::front::Bounds;
use self::group::Group;
use crate::error::StoreError;
use crate::files::{Root, blocking, make_dir};
use crate::mailbox::Mailbox;

/// How long lines lie in memory.
const LINGER: Duration = Duration::from_millis(50);
/// How often expired lines are looked for.
const SWEEP: Duration = Duration::from_hours(1);
const GROUP_BYTES_DEFAULT: u64 = 256 << 20;
const SEGMENT_BYTES_DEFAULT: u64 = 4 << 20;

/// One line to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub time: Timestamp,
    pub text: Bytes,
}

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    pub name: Arc<str>,
    pub created: Timestamp,
    pub retention_days: Option<u32>,
    pub stored_bytes: u64,
}

/// What is known of a stream. One whose lines have all expired is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStream {
    pub name: Arc<str>,
    pub created: Timestamp,
    pub first_event: Option<Timestamp>,
    pub last_event: Option<Timestamp>,
    pub last_ingested: Option<Timestamp>,
    pub stored_bytes: u64,
}

/// How streams are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamOrder {
    Name,
    /// By the time of the last line; those without lines come first.
    LastEvent,
}

/// Where a page begins or ends; travels as text (`f/123`, `b/123`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCursor {
    /// What is at this position or after it, from there on.
    Forward(u64),
    /// What is before this position, the last of it.
    Backward(u64),
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(position) => write!(f, "f/{position}"),
            Self::Backward(position) => write!(f, "b/{position}"),
        }
    }
}

impl FromStr for LogCursor {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let parsed = text.split_once('/').and_then(|(direction, position)| {
            let position = position.parse().ok()?;
            match direction {
                "f" => Some(Self::Forward(position)),
                "b" => Some(Self::Backward(position)),
                _ => None,
            }
        });
        parsed.ok_or_else(|| BadName {
            kind: "log cursor",
            value: text.chars().take(200).collect(),
            reason: "use one that an earlier page gave",
        })
    }
}

/// Which lines to read.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    pub group: String,
    /// Only these streams; one that does not exist is an error.
    pub streams: Option<Vec<String>>,
    /// Only streams whose names begin so.
    pub stream_prefix: Option<String>,
    /// At this time or later.
    pub start: Option<Timestamp>,
    /// Before this time.
    pub end: Option<Timestamp>,
    /// Without a cursor: the first lines, not the last.
    pub from_head: bool,
    /// At most 10,000 lines or about a megabyte make a page.
    pub limit: usize,
    /// Goes on where a page ended; its direction wins over `from_head`.
    pub cursor: Option<LogCursor>,
}

/// A line that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    pub stream: Arc<str>,
    pub time: Timestamp,
    pub ingested: Timestamp,
    pub text: Bytes,
    /// Its position: unique in its group, growing in the order of arrival.
    pub id: u64,
}

/// What a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// In the order of their times; of one time, in the order of arrival.
    pub events: Vec<LogEvent>,
    /// The next page in the same direction; `None` if there is none by now.
    pub next: Option<LogCursor>,
    /// What arrives after this page. With nothing new it stays the same.
    pub forward: LogCursor,
    /// What is before this page.
    pub backward: LogCursor,
}

/// Why a log could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log group {group:?} does not exist")]
    NoSuchGroup { group: String },
    #[error("the log stream {stream:?} does not exist")]
    NoSuchStream { stream: String },
    #[error("the log group {group:?} exists")]
    GroupExists { group: String },
    #[error("the log stream {stream:?} exists")]
    StreamExists { stream: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub struct Logs {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    root: Arc<Root>,
    dir: PathBuf,
    groups: RwLock<HashMap<Arc<str>, Arc<Group>>>,
    /// Who makes or deletes a group holds it.
    making: Mutex<()>,
    group_bytes: AtomicU64,
    segment_bytes: AtomicU64,
    /// Groups with lines to write.
    mailbox: Mailbox<Arc<Group>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("groups", &self.groups.read().len())
            .finish_non_exhaustive()
    }
}

impl Logs {
    pub(crate) fn open(root: Arc<Root>) -> Result<Self, StoreError> {
        let dir = root.dir().join("logs");
        make_dir(&dir)?;
        let mut groups = HashMap::new();
        for entry in fs::read_dir(&dir).map_err(StoreError::io("read", &dir))? {
            let path = entry.map_err(StoreError::io("read", &dir))?.path();
            // One group that cannot be read shall not keep the engine down.
            match Group::load(path.clone()) {
                Ok(group) => {
                    groups.insert(Arc::clone(group.name()), Arc::new(group));
                }
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    path = %path.display(),
                    "a log group is left out"
                ),
            }
        }
        let shared = Arc::new(Shared {
            root,
            dir,
            groups: RwLock::new(groups),
            making: Mutex::new(()),
            group_bytes: AtomicU64::new(GROUP_BYTES_DEFAULT),
            segment_bytes: AtomicU64::new(SEGMENT_BYTES_DEFAULT),
            mailbox: Mailbox::new(usize::MAX),
        });
        let working = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || working.work())
            .map_err(StoreError::io("start a thread for", &shared.dir))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Appends the lines, making the group and the stream if they are missing,
    /// and answers with the position of the first. They are in a file some
    /// milliseconds later, and in `query` at once.
    pub async fn append(&self, group: &Arc<str>, stream: &Arc<str>, lines: Vec<LogLine>) -> u64 {
        let now = Timestamp::now();
        let bounds = self.shared.bounds();
        while !self.shared.root.is_closed() {
            let Some(found) = self.shared.find(group) else {
                match self.create_group(group).await {
                    Ok(()) | Err(LogError::GroupExists { .. }) => continue,
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "log lines were lost"
                        );
                        break;
                    }
                }
            };
            let Some(appended) = found.append(stream, &lines, now, bounds) else {
                // Deleted just now: make it again.
                continue;
            };
            if appended.full {
                let _ = blocking(move || {
                    found.flush();
                    Ok::<_, StoreError>(())
                })
                .await;
            } else if appended.wake {
                let _ = self.shared.mailbox.push(found, false);
            }
            return appended.position;
        }
        0
    }

    pub async fn query(&self, query: LogQuery) -> Result<LogPage, LogError> {
        let group = self.existing(&query.group)?;
        blocking(move || query::run(&group, &query)).await
    }

    /// Returns when all that was appended before is in the hands of the kernel,
    /// and so survives the end of the process.
    pub async fn flush(&self) -> Result<(), LogError> {
        self.shared.root.check_open()?;
        let groups = self.shared.all();
        blocking(move || {
            for group in groups {
                group.flush();
            }
            Ok(())
        })
        .await
    }

    pub async fn create_group(&self, name: &str) -> Result<(), LogError> {
        self.shared.root.check_open()?;
        let (shared, name) = (Arc::clone(&self.shared), name.to_owned());
        blocking(move || {
            let _making = shared.making.lock();
            if shared.find(&name).is_some() {
                return Err(LogError::GroupExists { group: name });
            }
            let group = Group::create(&shared.root, shared.dir_of(&name), &name)?;
            let name = Arc::clone(group.name());
            shared.groups.write().insert(name, Arc::new(group));
            Ok(())
        })
        .await
    }

    pub async fn delete_group(&self, name: &str) -> Result<(), LogError> {
        self.existing(name)?;
        let (shared, name) = (Arc::clone(&self.shared), name.to_owned());
        blocking(move || {
            let _making = shared.making.lock();
            let gone = shared.groups.write().remove(name.as_str());
            let group = gone.ok_or(LogError::NoSuchGroup { group: name })?;
            group.end();
            shared.root.remove_tree(&group.dir)?;
            Ok(())
        })
        .await
    }

    /// Returns when the stream is in the hands of the kernel.
    pub async fn create_stream(&self, group: &str, stream: &str) -> Result<(), LogError> {
        let group = self.existing(group)?;
        let stream: Arc<str> = stream.into();
        let bounds = self.shared.bounds();
        blocking(move || {
            let now = Timestamp::now();
            {
                let mut front = group.front();
                if front.has_stream(&stream) {
                    let stream = stream.as_ref().to_owned();
                    return Err(LogError::StreamExists { stream });
                }
                front.make_room(now, bounds);
                front.enter(&stream, now);
            }
            group.flush();
            Ok(())
        })
        .await
    }

    /// Returns when the end of the stream is in the hands of the kernel.
    pub async fn delete_stream(&self, group: &str, stream: &str) -> Result<(), LogError> {
        let group = self.existing(group)?;
        let stream = stream.to_owned();
        blocking(move || {
            if !group.front().forget(&stream) {
                return Err(LogError::NoSuchStream { stream });
            }
            group.flush();
            Ok(())
        })
        .await
    }

    /// Those with the prefix, sorted by name.
    pub fn groups(&self, prefix: &str) -> Vec<LogGroup> {
        let mut groups: Vec<LogGroup> = self
            .shared
            .groups
            .read()
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, group)| group.describe())
            .collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        groups
    }

    pub fn group(&self, name: &str) -> Option<LogGroup> {
        Some(self.shared.find(name)?.describe())
    }

    /// Those with the prefix, in that order.
    pub fn streams(
        &self,
        group: &str,
        prefix: &str,
        order: StreamOrder,
        descending: bool,
    ) -> Result<Vec<LogStream>, LogError> {
        let mut streams = self.existing(group)?.front().describe(prefix);
        match order {
            StreamOrder::Name => streams.sort_by(|a, b| a.name.cmp(&b.name)),
            StreamOrder::LastEvent => {
                streams.sort_by(|a, b| (a.last_event, &a.name).cmp(&(b.last_event, &b.name)));
            }
        }
        if descending {
            streams.reverse();
        }
        Ok(streams)
    }

    /// How long lines are kept; `None` is for ever, within the group's size.
    pub async fn set_retention(&self, group: &str, days: Option<u32>) -> Result<(), LogError> {
        let group = self.existing(group)?;
        let root = Arc::clone(&self.shared.root);
        blocking(move || {
            group.set_retention(&root, days)?;
            group.front().expire(Timestamp::now());
            group.flush();
            Ok(())
        })
        .await
    }

    /// How much one group may keep; past it the oldest lines go.
    pub fn set_group_bytes(&self, bytes: u64) {
        self.shared.group_bytes.store(bytes, Ordering::Relaxed);
    }

    /// To be called when the root is closed; writes everything.
    pub(crate) async fn close(&self) {
        self.shared.mailbox.close();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = blocking(move || {
                let _ = thread.join();
                Ok::<_, StoreError>(())
            });
            let _ = joined.await;
        }
    }

    /// As `close`, where nothing can be awaited.
    pub(crate) fn close_now(&self) {
        self.shared.mailbox.close();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }

    fn existing(&self, name: &str) -> Result<Arc<Group>, LogError> {
        self.shared.root.check_open()?;
        self.shared.find(name).ok_or_else(|| LogError::NoSuchGroup {
            group: name.to_owned(),
        })
    }
}

impl Shared {
    fn find(&self, name: &str) -> Option<Arc<Group>> {
        self.groups.read().get(name).cloned()
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            group_bytes: self.group_bytes.load(Ordering::Relaxed),
            segment_bytes: self.segment_bytes.load(Ordering::Relaxed),
        }
    }

    fn all(&self) -> Vec<Arc<Group>> {
        self.groups.read().values().cloned().collect()
    }

    /// Names of groups have slashes and can be long; their directories do not.
    fn dir_of(&self, name: &str) -> PathBuf {
        let digest = hex::encode(Sha256::digest(name));
        self.dir.join(&digest[..32])
    }

    /// What the thread does.
    fn work(&self) {
        self.sweep();
        let mut swept = Instant::now();
        while let Some(groups) = self.mailbox.take(LINGER, Some(SWEEP)) {
            for group in groups {
                group.flush();
            }
            if swept.elapsed() >= SWEEP {
                self.sweep();
                swept = Instant::now();
            }
        }
        for group in self.all() {
            group.seal();
        }
    }

    fn sweep(&self) {
        let now = Timestamp::now();
        for group in self.all() {
            group.front().expire(now);
            group.flush();
        }
    }
}

#[cfg(test)]
mod tests;
