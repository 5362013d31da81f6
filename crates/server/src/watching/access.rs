//! The access log: a thread of its own writes what requests leave in the queue, so that
//! no request waits for a disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use watch::line::Wanted;
use watch::{Line, Lines, Watch};

use super::files::{self, Files, Found, Mark};
use super::stage_logs::{StageLines, StageLogs};
use crate::requests::Requests;

/// How long lines are collected before they are written together.
const LINGER: Duration = Duration::from_millis(50);
/// What is written at once.
const WRITTEN: usize = 256 * 1024;

/// The log, and the last requests in memory.
#[derive(Debug)]
pub(crate) struct AccessLog {
    watch: Watch,
    /// None: nothing is kept on disk.
    folder: Option<PathBuf>,
    requests: Arc<Requests>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    closing: AtomicBool,
    /// Set once there are stages.
    stages: OnceLock<StageLogs>,
    /// Who waits until all that was told so far is written.
    asked: Mutex<Vec<oneshot::Sender<()>>>,
    written: AtomicU64,
}

impl AccessLog {
    /// Takes what `watch` is told. Without a folder only the last requests are kept.
    pub fn open(watch: Watch, folder: Option<(PathBuf, u64, usize)>) -> io::Result<Self> {
        let mut files = None;
        if let Some((folder, most_bytes, keep)) = &folder {
            files = Some(Files::open(folder.clone(), *most_bytes, *keep)?);
        }
        let requests = Arc::new(Requests::default());
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            watch: watch.clone(),
            files,
            requests: requests.clone(),
            shared: shared.clone(),
            has_failed: false,
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            watch,
            folder: folder.map(|(folder, ..)| folder),
            requests,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// From now on lines go to the log groups of stages as well.
    pub fn write_for_stages(&self, stages: StageLogs) {
        // Set twice it would be the same.
        let _ = self.shared.stages.set(stages);
    }

    /// Returns when all that was told so far is written.
    pub async fn flush(&self) {
        let (sender, written) = oneshot::channel();
        self.shared.asked.lock().push(sender);
        self.wake();
        // A thread that has ended has written all.
        let _ = written.await;
    }

    /// Looks for lines; None if there is no log.
    pub async fn find(
        &self,
        from: Option<Mark>,
        wanted: Wanted,
        most: usize,
    ) -> Option<io::Result<Found>> {
        let folder = self.folder.clone()?;
        self.flush().await;
        let found = tokio::task::spawn_blocking(move || files::find(&folder, from, &wanted, most));
        Some(
            found
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error))),
        )
    }

    /// Where the log ends now.
    pub async fn end(&self) -> io::Result<Option<Mark>> {
        let Some(folder) = self.folder.as_deref() else {
            return Ok(None);
        };
        self.flush().await;
        files::end(folder)
    }

    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Writes what waits, and ends.
    pub async fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.wake();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            let _ = joined.await;
        }
    }

    fn wake(&self) {
        self.watch.lines().map(Lines::wake);
    }
}

struct Writer {
    watch: Watch,
    files: Option<Files>,
    requests: Arc<Requests>,
    shared: Arc<Shared>,
    /// A disk that is full is told once, and again when it was not.
    has_failed: bool,
}

impl Writer {
    fn run(&mut self) {
        let watch = self.watch.clone();
        let Some(lines) = watch.lines() else { return };
        lines.be_writer();
        let (mut batch, mut buffer) = (Vec::new(), Vec::new());
        loop {
            let closing = self.shared.closing.load(Ordering::Acquire);
            // Before the lines are taken: all that was told before is among them.
            let asked = std::mem::take(&mut *self.shared.asked.lock());
            if closing || !asked.is_empty() {
                lines.take_now(&mut batch);
            } else {
                lines.take(&mut batch);
            }
            self.write(lines, &mut batch, &mut buffer);
            for waiting in asked {
                // Who asked may have gone.
                let _ = waiting.send(());
            }
            if closing {
                return;
            }
            std::thread::park_timeout(LINGER);
        }
    }

    fn write(&mut self, lines: &Lines, batch: &mut Vec<Line>, buffer: &mut Vec<u8>) {
        let mut count = 0;
        let shared = self.shared.clone();
        let stages = shared.stages.get();
        let mut of_stages = StageLines::default();
        for line in batch.drain(..) {
            if self.files.is_some() {
                line.write(buffer);
                count += 1;
            }
            if let Line::Request(answered) = line {
                if let Some(stages) = stages {
                    stages.add(&mut of_stages, &answered);
                }
                self.requests.add(*answered);
            }
            if buffer.len() >= WRITTEN {
                self.append(lines, buffer, count);
                count = 0;
            }
        }
        if !buffer.is_empty() {
            self.append(lines, buffer, count);
        }
        if let Some(stages) = stages {
            stages.write(of_stages);
        }
        // One burst must not keep its memory for ever.
        batch.shrink_to(1024);
        buffer.shrink_to(2 * WRITTEN);
    }

    fn append(&mut self, lines: &Lines, buffer: &mut Vec<u8>, count: u64) {
        let Some(files) = &mut self.files else { return };
        match files.append(buffer) {
            Ok(()) => {
                self.has_failed = false;
                self.shared.written.fetch_add(count, Ordering::Relaxed);
            }
            Err(error) => {
                lines.drop_more(count);
                if !self.has_failed {
                    tracing::warn!(%error, "the access log cannot be written");
                }
                self.has_failed = true;
            }
        }
        buffer.clear();
    }
}
