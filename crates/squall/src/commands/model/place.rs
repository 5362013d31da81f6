//! Where models and data come from, and where results go: files, objects, streams.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use map::input::{Input, Rows};
use model::any::{AnyModel, Unreadable};
use model::input::{Batches, InputError, Table};

use crate::args::Global;
use crate::commands::map::source::{self, STREAM};
use crate::commands::session;
use crate::failure::{Failure, Kind};
use crate::place::Remote;
use crate::progress::Progress;

/// The largest file that is taken for a model.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// The bytes of a model.
pub async fn bytes(global: &Global, text: &str) -> Result<Bytes, Failure> {
    if text.starts_with("s3://") {
        let place = Remote::parse(text)?;
        let s3 = session::s3(global, 1)?;
        let head = s3.head(place.bucket.as_str(), &place.key).await?;
        bounded(text, head.size)?;
        let mut all = Vec::new();
        let take = |piece: &[u8]| {
            all.extend_from_slice(piece);
            Ok(())
        };
        let silent = Progress::silent();
        s3.download_stream(place.pair(), &silent, take).await?;
        return Ok(all.into());
    }
    let path = Path::new(text);
    let found = std::fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (meta, mut file) = found.map_err(|error| {
        source::cannot_read(text, error).hint("MODEL is a file or an object (s3://BUCKET/KEY)")
    })?;
    bounded(text, meta.len())?;
    let mut all = Vec::new();
    let read = file.read_to_end(&mut all);
    read.map_err(|error| source::cannot_read(text, error))?;
    Ok(all.into())
}

fn bounded(text: &str, size: u64) -> Result<(), Failure> {
    if size <= MOST_BYTES {
        return Ok(());
    }
    let error = anyhow::anyhow!("{text} has {size} bytes; a model may have {MOST_BYTES}");
    Err(Failure::new(Kind::Refused, error))
}

/// A model that predicts.
pub async fn predictor(global: &Global, text: &str) -> Result<AnyModel, Failure> {
    let bytes = bytes(global, text).await?;
    let read = aside(move || AnyModel::read(&bytes)).await;
    read.map_err(|error| unreadable(text, &error))
}

pub fn unreadable(text: &str, error: &Unreadable) -> Failure {
    let failure = Failure::mistake(format!("{text}: {error}"));
    match error {
        Unreadable::NeedsR(_) => {
            failure.hint("squall model predict runs it by Rscript, where R is")
        }
        Unreadable::Image => failure.hint("in R: saveRDS(model, \"model.rds\")"),
        _ => failure,
    }
}

/// Work that takes its time, beside the threads that wait for others.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// A data set, and how it is called.
#[derive(Debug, Clone)]
pub struct Rowed {
    input: Input,
    name: String,
    scratch: std::path::PathBuf,
}

pub async fn data(global: &Global, text: &str, progress: &Progress) -> Result<Rowed, Failure> {
    let scratch = source::scratch(global);
    let client = || crate::client::find(global);
    let found = source::open(text, None, &scratch, client, progress).await?;
    Ok(Rowed {
        input: found.input,
        name: source::shown(text).to_owned(),
        scratch,
    })
}

impl Rowed {
    pub fn rows(&self) -> Result<Rows, Failure> {
        let rows = self.input.rows(&self.scratch);
        rows.map_err(|error| source::bad_input(&self.name, error))
    }

    pub fn bad(&self, error: &InputError) -> Failure {
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            let next_told = next.to_string();
            if !told.contains(&next_told) {
                told = format!("{told}: {next_told}");
            }
            cause = next.source();
        }
        Failure::mistake(format!("{}: {told}", self.name))
    }

    /// As a table that is read as often as needed.
    pub fn table(&self) -> Result<Table, Failure> {
        let first = self.rows()?;
        let (input, scratch) = (self.input.clone(), self.scratch.clone());
        let again = move || {
            input
                .rows(&scratch)
                .map_err(|error| InputError::Other(Box::new(error)))
        };
        Ok(match first {
            Rows::Csv(_) => Table::csv(move || match again() {
                Ok(Rows::Csv(reader)) => Ok(reader),
                Ok(Rows::Batches(_)) => Err(std::io::ErrorKind::InvalidData.into()),
                Err(error) => Err(std::io::Error::other(error.to_string())),
            }),
            Rows::Batches(_) => Table::batches(move || match again()? {
                Rows::Batches(batches) => {
                    let passed = batches
                        .map(|batch| batch.map_err(|error| InputError::Other(Box::new(error))));
                    let batches: Batches = Box::new(passed);
                    Ok(batches)
                }
                Rows::Csv(_) => Err(InputError::Changed),
            }),
        })
    }
}

/// Where a result goes: all of it or nothing.
pub async fn put(global: &Global, text: &str, bytes: Vec<u8>) -> Result<(), Failure> {
    if text == STREAM {
        return Ok(crate::output::bytes(&bytes)?);
    }
    if text.starts_with("s3://") {
        let place = Remote::parse(text)?;
        if place.is_folder() {
            return Err(Failure::mistake(format!("{place} is a folder")));
        }
        let s3 = session::s3(global, 1)?;
        s3.put_bytes(place.pair(), bytes.into()).await?;
        return Ok(());
    }
    let mut target = Target::open(text)?;
    target.write(&bytes)?;
    target.publish()
}

/// A file that takes its name when it is whole.
pub struct Target {
    text: String,
    to: To,
}

enum To {
    Stream,
    File(tempfile::NamedTempFile),
    /// A device or a pipe.
    Device(std::fs::File),
}

impl Target {
    /// `-` or a path.
    pub fn open(text: &str) -> Result<Self, Failure> {
        let path = Path::new(text);
        let is_device = std::fs::metadata(path).is_ok_and(|meta| !meta.is_file());
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let opened = if text == STREAM {
            Ok(To::Stream)
        } else if is_device {
            let opened = std::fs::OpenOptions::new().write(true).open(path);
            opened.map(To::Device)
        } else {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o666);
            let mut builder = tempfile::Builder::new();
            let builder = builder.prefix(".squall-").permissions(mode);
            let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")));
            file.map(To::File)
        };
        let to = opened.with_context(|| format!("cannot write {text}"));
        let to = to.map_err(|error| Failure::new(Kind::Mistake, error))?;
        Ok(Self {
            text: text.to_owned(),
            to,
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.to {
            To::Stream => return Ok(crate::output::bytes(bytes)?),
            To::File(file) => file.write_all(bytes),
            To::Device(file) => file.write_all(bytes),
        };
        let written = written.with_context(|| format!("cannot write {}", self.text));
        written.map_err(|error| Failure::new(Kind::Mistake, error))
    }

    pub fn publish(self) -> Result<(), Failure> {
        let To::File(file) = self.to else {
            return Ok(());
        };
        let kept = file.persist(&self.text).map_err(|error| error.error);
        let kept = kept.with_context(|| format!("cannot write {}", self.text));
        kept.map(drop)
            .map_err(|error| Failure::new(Kind::Mistake, error))
    }
}

/// A word on what is done, where somebody looks.
pub fn spinner(text: &str, quiet: bool) -> crate::progress::Spinner {
    crate::progress::Spinner::new(text, quiet)
}

pub fn silent() -> Arc<Progress> {
    Progress::silent()
}
