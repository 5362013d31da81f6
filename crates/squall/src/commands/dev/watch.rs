//! Which files of a project were saved. Only folders that can belong to a package are
//! watched: a virtual environment has thousands.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tokio::time::timeout_at;

use crate::failure::{Failure, Kind};

/// Editors write a file in several steps, and tools write several files.
const QUIET: Duration = Duration::from_millis(20);
/// Who never stops writing is not waited for.
const PATIENCE: Duration = Duration::from_millis(250);
/// What no project has: a watch costs memory of the kernel.
const MOST_FOLDERS: usize = 5_000;

/// Folders of tools, beside those whose names begin with a dot.
const NOT_CODE: &[&str] = &["__pycache__", "node_modules", "target", "venv", "env"];
const NOT_CODE_ENDINGS: &[&str] = &[".pyc", ".swp", ".swx", ".tmp", "~"];
/// Files with a dot that say something of a project.
const STILL_CODE: &[&str] = &[".python-version"];

#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
    ready: AsyncFd<OwnedFd>,
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// The engine's own.
    data: PathBuf,
    /// When the first of what nobody was told of yet was seen.
    first: Option<Instant>,
}

impl Watch {
    pub fn of(folder: &Path, data: &Path) -> Result<Self, Failure> {
        let root = fs::canonicalize(folder).map_err(|error| {
            let message = format!("{} cannot be watched", folder.display());
            Failure::new(Kind::Mistake, anyhow!(error).context(message))
        })?;
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags).map_err(refused)?;
        let descriptor = inotify.as_fd().try_clone_to_owned();
        let descriptor = descriptor.context("cannot watch files")?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types whose descriptor may change; this one owns its"
        )]
        let ready = AsyncFd::new(descriptor).context("cannot watch files")?;
        let mut watch = Self {
            inotify,
            ready,
            folders: HashMap::new(),
            first: None,
            data: std::path::absolute(data).context("the data directory has no place")?,
        };
        watch.add(project::root_of(&root))?;
        Ok(watch)
    }

    /// Returns when something was saved and a moment of quiet has followed; with the
    /// time at which the first of it was seen. Given up before that, it goes on from there
    /// when it is asked again.
    pub async fn changed(&mut self) -> Result<Instant, Failure> {
        let first = loop {
            if let Some(first) = self.first {
                break first;
            }
            if self.read().await? {
                self.first = Some(Instant::now());
            }
        };
        loop {
            let quiet = (Instant::now() + QUIET).min(first + PATIENCE);
            let read = timeout_at(quiet.into(), self.read()).await;
            if let Ok(Err(failure)) = read {
                return Err(failure);
            }
            if read.is_err() || Instant::now() >= first + PATIENCE {
                self.first = None;
                return Ok(first);
            }
        }
    }

    /// Waits for news; whether they are of something that may belong to the project.
    async fn read(&mut self) -> Result<bool, Failure> {
        let mut guard = self.ready.readable().await.context("cannot watch files")?;
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN | Errno::EINTR) => {
                guard.clear_ready();
                return Ok(false);
            }
            Err(error) => return Err(refused(error)),
        };
        drop(guard);
        let mut matters = false;
        for event in events {
            matters |= self.take(&event)?;
        }
        Ok(matters)
    }

    fn take(&mut self, event: &InotifyEvent) -> Result<bool, Failure> {
        // More happened than the kernel keeps: anything may have changed.
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return Ok(true);
        }
        let Some(folder) = self.folders.get(&event.wd) else {
            return Ok(false);
        };
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.folders.remove(&event.wd);
            return Ok(false);
        }
        let Some(name) = &event.name else {
            return Ok(false);
        };
        let (path, is_folder) = (
            folder.join(name),
            event.mask.contains(AddWatchFlags::IN_ISDIR),
        );
        if !is_code(&name.to_string_lossy()) || path == self.data {
            return Ok(false);
        }
        let is_new = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        if is_folder && event.mask.intersects(is_new) {
            self.add(&path)?;
        }
        // A new file matters when it has been written, which is told for itself.
        let is_begun = event.mask.contains(AddWatchFlags::IN_CREATE) && !is_folder;
        Ok(!is_begun || path.is_symlink())
    }

    /// A folder and those below it. What vanished in between is none.
    fn add(&mut self, folder: &Path) -> Result<(), Failure> {
        let mut todo = vec![folder.to_owned()];
        while let Some(folder) = todo.pop() {
            if self.folders.len() >= MOST_FOLDERS {
                let message = format!("there are more than {MOST_FOLDERS} folders to watch");
                return Err(Failure::mistake(message)
                    .hint("is this the folder of a project? --project names another"));
            }
            let flags = AddWatchFlags::IN_CLOSE_WRITE
                | AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_MOVED_FROM
                | AddWatchFlags::IN_MOVED_TO
                | AddWatchFlags::IN_ONLYDIR
                | AddWatchFlags::IN_DONT_FOLLOW;
            match self.inotify.add_watch(&folder, flags) {
                Ok(watch) => drop(self.folders.insert(watch, folder.clone())),
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => continue,
                Err(error) => return Err(refused(error)),
            }
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            let folders = entries.flatten().filter(|entry| {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                is_folder && is_code(&entry.file_name().to_string_lossy())
            });
            let folders = folders.map(|entry| entry.path());
            todo.extend(folders.filter(|path| *path != self.data));
        }
        Ok(())
    }
}

fn is_code(name: &str) -> bool {
    STILL_CODE.contains(&name)
        || !(name.starts_with('.')
            || NOT_CODE.contains(&name)
            || NOT_CODE_ENDINGS.iter().any(|ending| name.ends_with(ending)))
}

fn refused(error: Errno) -> Failure {
    let cause = anyhow!(io::Error::from(error)).context("cannot watch files");
    let failure = Failure::new(Kind::Refused, cause);
    match error {
        Errno::ENOSPC => failure.hint("raise fs.inotify.max_user_watches by sysctl"),
        Errno::EMFILE => failure.hint("raise fs.inotify.max_user_instances by sysctl"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far longer than anything takes: it ends a test that would hang.
    const DEADLINE: Duration = Duration::from_secs(20);

    async fn changes(watch: &mut Watch) -> Instant {
        let changed = tokio::time::timeout(DEADLINE, watch.changed()).await;
        changed.expect("it changed").expect("it is watched")
    }

    /// Whether anything but noise is waiting: the kernel tells of it at once.
    async fn is_quiet(watch: &mut Watch) -> bool {
        loop {
            let read = timeout_at(tokio::time::Instant::now() + QUIET, watch.read()).await;
            match read.map(|read| read.expect("it is watched")) {
                Err(_) => return true,
                Ok(true) => return false,
                Ok(false) => {}
            }
        }
    }

    #[tokio::test]
    async fn saved_files_are_seen_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("pkg/inner")).unwrap();
        let mut watch = Watch::of(root, &root.join("data")).unwrap();
        assert!(is_quiet(&mut watch).await);
        for path in ["app.py", "pkg/inner/deep.py", ".python-version"] {
            fs::write(root.join(path), "x").unwrap();
            changes(&mut watch).await;
        }
        // As editors do it: beside, and then in its place.
        fs::write(root.join(".app.py.swp"), "y").unwrap();
        fs::rename(root.join(".app.py.swp"), root.join("app.py")).unwrap();
        changes(&mut watch).await;
        fs::remove_file(root.join("app.py")).unwrap();
        changes(&mut watch).await;
        // A folder that is new is watched from then on.
        fs::create_dir_all(root.join("new/one")).unwrap();
        changes(&mut watch).await;
        fs::write(root.join("new/one/module.py"), "x").unwrap();
        changes(&mut watch).await;
    }

    #[tokio::test]
    async fn what_was_seen_is_not_lost_where_waiting_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::of(folder.path(), Path::new("data")).unwrap();
        let save = || fs::write(folder.path().join("app.py"), "x").unwrap();
        save();
        // Looked at often enough to read of it, and given up before all is quiet; unless
        // this thread is held up meanwhile.
        while watch.first.is_none() {
            tokio::select! {
                biased;
                changed = watch.changed() => changed.map(|_| save()).expect("it is watched"),
                () = tokio::task::yield_now() => {}
            }
        }
        changes(&mut watch).await;
    }

    #[tokio::test]
    async fn what_is_no_code_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["data", ".venv/lib", "__pycache__", "pkg"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let mut watch = Watch::of(root, &root.join("data")).unwrap();
        for path in [
            "data/engine.json",
            ".venv/lib/module.py",
            "__pycache__/app.pyc",
            "pkg/.hidden",
            "pkg/app.py~",
        ] {
            fs::write(root.join(path), "x").unwrap();
        }
        fs::create_dir(root.join("pkg/__pycache__")).unwrap();
        fs::write(root.join("pkg/__pycache__/x.pyc"), "x").unwrap();
        assert!(is_quiet(&mut watch).await);
        fs::write(root.join("pkg/app.py"), "x").unwrap();
        changes(&mut watch).await;
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_mistake() {
        let failure = Watch::of(Path::new("/nowhere/at/all"), Path::new("data")).unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("/nowhere/at/all cannot be watched")
        );
    }
}
