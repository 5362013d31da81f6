//! Objects on their way out: into a file beside the target, which takes its place
//! at the end, so that nobody sees half of it. Large ones come in stretches,
//! several at once; what breaks off goes on where it was.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use tempfile::NamedTempFile;
use types::Timestamp;

use super::api::Head;
use super::backoff::ATTEMPTS;
use super::call::S3;
use super::checksum::Sum;
use super::error::S3Error;
use super::payload::aside;
use crate::progress::Progress;

/// Objects above this come in stretches of this.
const STRETCH: u64 = 16 << 20;
/// What is collected before it is written.
const BUFFER: usize = 512 << 10;
/// New files as any program makes them; the user's mask takes away from it.
const MODE: u32 = 0o666;

impl S3 {
    /// Puts an object where `target` says, and returns its size. `size` is what a
    /// listing said, if there was one.
    pub async fn download_file(
        &self,
        from: (&str, &str),
        size: Option<u64>,
        target: &Path,
        progress: &Arc<Progress>,
    ) -> Result<u64, S3Error> {
        let place = target.to_owned();
        let doing = || format!("cannot write {}", target.display());
        let destination = aside(move || Destination::open(&place))
            .await
            .map_err(|error| S3Error::local(doing(), error))?;
        let load = self.load(from, size, &destination, progress);
        let head = self.unless_cancelled(load).await?;
        aside(move || destination.publish(head.modified))
            .await
            .map_err(|error| S3Error::local(doing(), error))?;
        Ok(head.size)
    }

    /// Hands out an object piece by piece, in order.
    pub async fn download_stream(
        &self,
        from: (&str, &str),
        progress: &Arc<Progress>,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, S3Error> {
        let _turn = self.turn().await?;
        let head = self.head(from.0, from.1).await?;
        let mut sum = head.expected.sum();
        let mut stretch = Stretch::new(self, from, &head, 0..head.size);
        while let Some(piece) = self.unless_cancelled(stretch.next()).await? {
            sum.update(&piece);
            progress.add(piece.len() as u64);
            take(&piece).map_err(|error| S3Error::local("cannot write the output", error))?;
        }
        head.expected.check(sum)?;
        Ok(head.size)
    }

    async fn load(
        &self,
        from: (&str, &str),
        size: Option<u64>,
        destination: &Destination,
        progress: &Arc<Progress>,
    ) -> Result<Head, S3Error> {
        let is_small = size.is_some_and(|size| size <= STRETCH);
        if is_small && destination.is_file() {
            return self.load_small(from, destination, progress).await;
        }
        let head = self.head(from.0, from.1).await?;
        let cut = if destination.is_file() && head.size > STRETCH {
            STRETCH
        } else {
            head.size.max(1)
        };
        let is_whole = cut >= head.size;
        let stretches = (0..head.size.div_ceil(cut)).map(|index| {
            let start = index * cut;
            start..(start + cut).min(head.size)
        });
        let loads = stretches.map(|range| {
            let head = &head;
            let sum = if is_whole || head.expected.is_combinable() {
                head.expected.sum()
            } else {
                Sum::Nothing
            };
            async move {
                let _turn = self.turn().await?;
                let len = range.end - range.start;
                let stretch = Stretch::new(self, from, head, range);
                let sum = save(stretch, sum, destination, progress).await?;
                Ok::<_, S3Error>((sum, len))
            }
        });
        let loads: Vec<(Sum, u64)> = stream::iter(loads)
            .buffered(self.parallel())
            .try_collect()
            .await?;
        let combinable = head.expected.is_combinable();
        match <[(Sum, u64); 1]>::try_from(loads) {
            Ok([(sum, _)]) => head.expected.check(sum)?,
            Err(loads) if combinable && !loads.is_empty() => {
                let sums: Vec<(u64, u64)> =
                    loads.iter().map(|(sum, len)| (sum.value(), *len)).collect();
                head.expected.check_stretches(&sums)?;
            }
            // An MD5 is only had by reading all of it in order.
            Err(_) => self.check_file(&head, destination).await?,
        }
        Ok(head)
    }

    /// In one request, which says itself what it is.
    async fn load_small(
        &self,
        from: (&str, &str),
        destination: &Destination,
        progress: &Arc<Progress>,
    ) -> Result<Head, S3Error> {
        let _turn = self.turn().await?;
        let reply = self.get(from.0, from.1, None).await?;
        let head = Head::read(&reply)?;
        let mut stretch = Stretch::new(self, from, &head, 0..head.size);
        stretch.reply = Some(reply);
        let sum = save(stretch, head.expected.sum(), destination, progress).await?;
        head.expected.check(sum)?;
        Ok(head)
    }

    async fn check_file(&self, head: &Head, destination: &Destination) -> Result<(), S3Error> {
        let mut sum = head.expected.sum();
        if matches!(sum, Sum::Nothing) || !destination.is_file() {
            return Ok(());
        }
        let (file, size) = (Arc::clone(&destination.file), head.size);
        let sum = aside(move || {
            let mut at = 0;
            let mut buffer = vec![0; BUFFER];
            while at < size {
                let read = file.read_at(&mut buffer, at)?;
                if read == 0 {
                    break;
                }
                sum.update(&buffer[..read]);
                at += read as u64;
            }
            Ok(sum)
        })
        .await
        .map_err(|error| S3Error::local("cannot read what was written", error))?;
        head.expected.check(sum)
    }
}

/// A stretch of an object as it comes, over as many connections as it takes.
#[derive(Debug)]
struct Stretch<'a> {
    s3: &'a S3,
    from: (&'a str, &'a str),
    etag: &'a str,
    left: Range<u64>,
    reply: Option<aws_client::Reply>,
    failures: u32,
}

impl<'a> Stretch<'a> {
    fn new(s3: &'a S3, from: (&'a str, &'a str), head: &'a Head, left: Range<u64>) -> Self {
        Self {
            s3,
            from,
            etag: &head.etag,
            left,
            reply: None,
            failures: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            let error = match self.piece().await {
                Ok(Some(piece)) => {
                    self.left.start += piece.len() as u64;
                    self.failures = 0;
                    return Ok(Some(piece));
                }
                Ok(None) => return Ok(None),
                Err(error) => error,
            };
            self.reply = None;
            self.failures += 1;
            if self.failures == ATTEMPTS || !self.s3.may_pass(&error) {
                return Err(error);
            }
            self.s3.wait(self.failures - 1).await?;
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, S3Error> {
        let wanted = self.left.end - self.left.start;
        let reply = match &mut self.reply {
            Some(reply) => reply,
            None if wanted == 0 => return Ok(None),
            none => {
                let stretch = Some((self.left.clone(), self.etag));
                let reply = self.s3.get(self.from.0, self.from.1, stretch).await?;
                if reply.status != http::StatusCode::PARTIAL_CONTENT {
                    return Err(S3Error::Garbled("a stretch was asked for".to_owned()));
                }
                none.insert(reply)
            }
        };
        match reply.piece().await? {
            Some(piece) if piece.len() as u64 > wanted => {
                Err(S3Error::Garbled("it is longer than it was".to_owned()))
            }
            None if wanted > 0 => Err(S3Error::Garbled("it is shorter than it was".to_owned())),
            piece => Ok(piece),
        }
    }
}

/// Writes a stretch to its place, and adds it to the sum.
async fn save(
    mut stretch: Stretch<'_>,
    mut sum: Sum,
    destination: &Destination,
    progress: &Arc<Progress>,
) -> Result<Sum, S3Error> {
    let mut at = stretch.left.start;
    let mut buffer = BytesMut::with_capacity(BUFFER);
    loop {
        let piece = stretch.next().await?;
        let is_end = piece.is_none();
        if let Some(piece) = piece {
            progress.add(piece.len() as u64);
            buffer.extend_from_slice(&piece);
        }
        if buffer.len() >= BUFFER || is_end && !buffer.is_empty() {
            let full = buffer.split().freeze();
            let len = full.len() as u64;
            sum = destination.write(full, at, sum).await?;
            at += len;
            buffer.reserve(BUFFER);
        }
        if is_end {
            return Ok(sum);
        }
    }
}

/// Where bytes go: a file that takes the target's place in the end, or, where the
/// target is a device or a pipe, that itself.
#[derive(Debug)]
struct Destination {
    file: Arc<File>,
    hidden: Option<Hidden>,
}

#[derive(Debug)]
struct Hidden {
    file: NamedTempFile,
    target: PathBuf,
}

impl Destination {
    fn open(target: &Path) -> io::Result<Self> {
        // A link stays, and what it points to is replaced.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let mode = match fs::metadata(&target) {
            Ok(about) if about.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(about) if !about.is_file() => {
                let file = OpenOptions::new().write(true).open(&target)?;
                return Ok(Self {
                    file: Arc::new(file),
                    hidden: None,
                });
            }
            Ok(about) => Some(about.permissions()),
            Err(_) => None,
        };
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let hidden = tempfile::Builder::new()
            .prefix(".squall-")
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder)?;
        if let Some(mode) = mode {
            hidden.as_file().set_permissions(mode)?;
        }
        Ok(Self {
            file: Arc::new(hidden.as_file().try_clone()?),
            hidden: Some(Hidden {
                file: hidden,
                target,
            }),
        })
    }

    /// Whether it can be written in any order, and read again.
    fn is_file(&self) -> bool {
        self.hidden.is_some()
    }

    async fn write(&self, bytes: Bytes, at: u64, mut sum: Sum) -> Result<Sum, S3Error> {
        let file = Arc::clone(&self.file);
        let is_file = self.is_file();
        aside(move || {
            sum.update(&bytes);
            if is_file {
                file.write_all_at(&bytes, at)?;
            } else {
                (&*file).write_all(&bytes)?;
            }
            Ok(sum)
        })
        .await
        .map_err(|error| S3Error::local("cannot write the file", error))
    }

    /// Shows it, with the time of the object as its own.
    fn publish(self, modified: Option<Timestamp>) -> io::Result<()> {
        let Some(Hidden { file, target }) = self.hidden else {
            return Ok(());
        };
        if let Some(time) = modified.and_then(system_time) {
            self.file.set_modified(time)?;
        }
        file.persist(target)?;
        Ok(())
    }
}

fn system_time(time: Timestamp) -> Option<std::time::SystemTime> {
    let since = std::time::Duration::from_millis(u64::try_from(time.0).ok()?);
    std::time::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_target_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/data.csv");
        let destination = Destination::open(&target).unwrap();
        destination
            .write("cd".into(), 2, Sum::Nothing)
            .await
            .unwrap();
        assert!(!target.exists());
        destination
            .write("ab".into(), 0, Sum::Nothing)
            .await
            .unwrap();
        destination
            .publish(Some(Timestamp(1_700_000_000_000)))
            .unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abcd");
        let modified = fs::metadata(&target).unwrap().modified().unwrap();
        assert_eq!(Some(modified), system_time(Timestamp(1_700_000_000_000)));

        let second = Destination::open(&target).unwrap();
        second.write("zz".into(), 0, Sum::Nothing).await.unwrap();
        drop(second);
        assert_eq!(fs::read(&target).unwrap(), b"abcd");
        assert_eq!(names(&folder.path().join("new")), ["data.csv"]);
    }

    #[test]
    fn links_stay_and_modes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Destination::open(&link).unwrap().publish(None).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!((fs::read(&file).unwrap().len(), mode & 0o777), (0, 0o640));
    }

    #[test]
    fn devices_are_written_to_and_folders_refused() {
        assert!(!Destination::open(Path::new("/dev/null")).unwrap().is_file());
        let folder = tempfile::tempdir().unwrap();
        assert!(Destination::open(folder.path()).is_err());
    }
}
