//! Where the data comes from: a file, a bucket, or stdin, which is put into a scratch
//! file so that it can be read twice.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::{Buf, Bytes};
use map::format::FileFormat;
use map::input::{Input, InputError};
use science::Error;
use tokio::runtime::Handle;

use crate::args::Global;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::place::Remote;
use crate::progress::Progress;
use crate::s3::S3;

/// How stdin and stdout are written.
pub const STREAM: &str = "-";
/// Pieces of an object that wait to be read.
const AHEAD: usize = 16;
/// Stretches of the object that are loaded at once.
const PARALLEL: usize = 1;

/// An input's name for people.
pub fn shown(input: &str) -> &str {
    if input == STREAM { "stdin" } else { input }
}

/// A data set that was found.
#[derive(Debug)]
pub struct Source {
    pub input: Input,
    /// None if nobody knows.
    pub size: Option<u64>,
}

/// A folder for what does not fit into memory: not where the system keeps such files,
/// if there is another, because that is often in memory, too.
pub fn scratch(global: &Global) -> PathBuf {
    let own = global.data.join("scratch");
    if global.data.is_dir() && std::fs::create_dir_all(&own).is_ok() {
        own
    } else {
        std::env::temp_dir()
    }
}

/// Finds the input. Of stdin it returns when it is read to its end.
pub async fn open(
    text: &str,
    format: Option<FileFormat>,
    scratch: &Path,
    client: impl FnOnce() -> Result<Client, Failure>,
    progress: &Progress,
) -> Result<Source, Failure> {
    let mut source = if text == STREAM {
        spool(io::stdin(), "stdin", scratch, progress).await?
    } else if text.starts_with("s3://") {
        object(&Remote::parse(text)?, client()?).await?
    } else {
        file(text, scratch, progress).await?
    };
    if let Some(format) = format {
        source.input = source.input.format(format);
    }
    Ok(source)
}

async fn file(text: &str, scratch: &Path, progress: &Progress) -> Result<Source, Failure> {
    let path = Path::new(text);
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => cannot_read(text, error)
            .hint("INPUT is a file, an object (s3://BUCKET/KEY) or - for stdin"),
        _ => cannot_read(text, error),
    })?;
    let meta = file.metadata().map_err(|error| cannot_read(text, error))?;
    if meta.is_dir() {
        return Err(Failure::mistake(format!("{text} is a folder")));
    }
    if !meta.is_file() {
        return spool(file, text, scratch, progress).await;
    }
    Ok(Source {
        input: Input::file(path),
        size: Some(meta.len()),
    })
}

/// Copies what can be read only once into a file without a name, which goes when
/// nobody uses it any more.
async fn spool(
    mut from: impl Read + Send + 'static,
    name: &str,
    scratch: &Path,
    progress: &Progress,
) -> Result<Source, Failure> {
    let scratch = scratch.to_owned();
    let (sender, mut counts) = tokio::sync::mpsc::unbounded_channel();
    let copied = tokio::task::spawn_blocking(move || {
        let mut file = tempfile::tempfile_in(&scratch)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return Ok(file);
            }
            file.write_all(&buffer[..read])?;
            let _ = sender.send(read as u64);
        }
    });
    while let Some(bytes) = counts.recv().await {
        progress.add(bytes);
    }
    let copied = copied.await.map_err(io::Error::other).flatten();
    let file = copied.map_err(|error: io::Error| cannot_read(name, error))?;
    let size = file
        .metadata()
        .map_err(|error| cannot_read(name, error))?
        .len();
    let input = Input::reader(move || {
        // A handle of its own, which begins at the beginning.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        File::open(path).map(|file| Box::new(file) as Box<dyn Read + Send>)
    });
    Ok(Source {
        input,
        size: Some(size),
    })
}

async fn object(place: &Remote, client: Client) -> Result<Source, Failure> {
    if place.is_folder() {
        return Err(Failure::mistake(format!("{place} is a folder")));
    }
    let s3 = S3::new(client, PARALLEL);
    let head = s3.head(place.bucket.as_str(), &place.key).await?;
    let runtime = Handle::current();
    let name = place.name().to_owned();
    let place = place.clone();
    let input = Input::reader(move || Ok(Box::new(loading(&runtime, &s3, &place))));
    Ok(Source {
        input: input.named(&name),
        size: Some(head.size),
    })
}

/// Begins to load an object, on a thread of its own, because the reader blocks.
fn loading(runtime: &Handle, s3: &S3, place: &Remote) -> Loading {
    let (sender, pieces) = sync_channel(AHEAD);
    let (s3, place, inside) = (s3.clone(), place.clone(), runtime.clone());
    runtime.spawn_blocking(move || inside.block_on(load(&s3, &place, &sender)));
    Loading {
        pieces,
        current: Bytes::new(),
    }
}

async fn load(s3: &S3, place: &Remote, sender: &SyncSender<io::Result<Bytes>>) {
    let take = |piece: &[u8]| {
        let piece = Bytes::copy_from_slice(piece);
        // A reader that went away wants no more.
        let sent = sender.send(Ok(piece));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    };
    let silent = Progress::silent();
    let loaded = s3.download_stream(place.pair(), &silent, take);
    if let Err(error) = loaded.await {
        let _ = sender.send(Err(io::Error::other(error.line())));
    }
}

/// An object as something that can be read.
struct Loading {
    pieces: Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Loading {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.current = piece?,
                // The sender is gone: that is the end.
                Err(_) => return Ok(0),
            }
        }
        let length = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}

/// Most of what can go wrong is in the data, and its owner can mend it.
pub fn bad_data(name: &str, error: science::Error) -> Failure {
    match error {
        Error::NoColumn { .. } => Failure::mistake(format!("{name}: {error}"))
            .hint("name the columns of ids and values: --by COLUMN --value COLUMN"),
        Error::Read(_) => {
            let error = anyhow::Error::new(error).context(name.to_owned());
            Failure::new(Kind::Mistake, error)
        }
        Error::TooMuch { .. } | Error::ItemTooLarge { .. } => Failure::new(Kind::Refused, error)
            .hint("the ids, and each item by itself, must fit into memory: --memory SIZE"),
        Error::Scratch { .. } => Failure::new(Kind::Mistake, error)
            .hint("scratch files lie in the data directory; another one: --data DIR"),
        error => Failure::mistake(format!("{name}: {error}")),
    }
}

/// Why an input cannot be collected.
pub fn bad_input(name: &str, error: InputError) -> Failure {
    match error {
        InputError::Data(error) => bad_data(name, error),
        error => {
            let error = anyhow::Error::new(error).context(name.to_owned());
            Failure::new(Kind::Mistake, error)
        }
    }
}

pub fn cannot_read(name: &str, error: io::Error) -> Failure {
    let error = anyhow::Error::new(error).context(format!("cannot read {name}"));
    Failure::new(Kind::Mistake, error)
}
