//! Where a model lies that is served by this process alone: a file, or an object of AWS
//! or of an engine.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use bytes::Bytes;
use gateway::model_service::{Mark, ModelSource, SourceError};
use http::StatusCode;

use crate::place::Remote;
use crate::progress::Progress;
use crate::s3::{S3, S3Error};

/// An object, by an S3 client.
#[derive(Debug)]
pub struct ObjectSource {
    s3: S3,
    place: Remote,
}

impl ObjectSource {
    pub fn new(s3: S3, place: Remote) -> Self {
        Self { s3, place }
    }
}

fn unreachable(error: &S3Error) -> SourceError {
    SourceError::Unreachable(error.line())
}

/// That nothing is there is no failure.
fn present<T>(found: Result<T, S3Error>) -> Result<Option<T>, SourceError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(S3Error::Answered { status, .. }) if status == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(unreachable(&error)),
    }
}

fn mark(etag: &str) -> Mark {
    let etag = etag.trim_matches('"');
    Mark {
        version: etag.into(),
        state: etag.into(),
    }
}

impl ModelSource for ObjectSource {
    fn place(&self) -> String {
        self.place.to_string()
    }

    async fn look(&self) -> Result<Option<Mark>, SourceError> {
        let (bucket, key) = self.place.pair();
        let head = present(self.s3.head(bucket, key).await)?;
        Ok(head.map(|head| mark(&head.etag)))
    }

    async fn fetch(&self, most: u64) -> Result<Option<(Mark, Bytes)>, SourceError> {
        let (bucket, key) = self.place.pair();
        let Some(head) = present(self.s3.head(bucket, key).await)? else {
            return Ok(None);
        };
        if head.size > most {
            let size = head.size;
            return Err(SourceError::TooLarge { size, limit: most });
        }
        let mut all = Vec::new();
        let take = |piece: &[u8]| {
            all.extend_from_slice(piece);
            Ok(())
        };
        let silent = Progress::silent();
        let loaded = self.s3.download_stream(self.place.pair(), &silent, take);
        if present(loaded.await)?.is_none() {
            return Ok(None);
        }
        // It may have been replaced between the two: then the next look tells.
        Ok(Some((mark(&head.etag), all.into())))
    }
}

/// A file, told apart by when it was written, which it is, and how large.
#[derive(Debug)]
pub struct FileSource(pub PathBuf);

impl FileSource {
    fn mark(&self) -> Result<Option<(Mark, u64)>, SourceError> {
        let meta = match std::fs::metadata(&self.0) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SourceError::Unreachable(error.to_string())),
        };
        let written = format!("{}.{:09}", meta.mtime(), meta.mtime_nsec());
        let mark = Mark {
            state: format!("{written} {} {}", meta.ino(), meta.len()).into(),
            version: written.into(),
        };
        Ok(Some((mark, meta.len())))
    }
}

impl ModelSource for FileSource {
    fn place(&self) -> String {
        self.0.display().to_string()
    }

    async fn look(&self) -> Result<Option<Mark>, SourceError> {
        Ok(self.mark()?.map(|(mark, _)| mark))
    }

    async fn fetch(&self, most: u64) -> Result<Option<(Mark, Bytes)>, SourceError> {
        let Some((mark, size)) = self.mark()? else {
            return Ok(None);
        };
        if size > most {
            return Err(SourceError::TooLarge { size, limit: most });
        }
        let read = tokio::fs::read(&self.0).await;
        let bytes = read.map_err(|error| SourceError::Unreachable(error.to_string()))?;
        Ok(Some((mark, bytes.into())))
    }
}
