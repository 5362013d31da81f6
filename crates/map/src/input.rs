//! What a data set is made of and where it lies, and how it becomes items: CSV, JSON
//! lines, Parquet or Arrow, in a file, in memory or behind a reader.

mod aggregate;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use columnar::{Batches, Names, Source};
use parking_lot::Mutex;
use science::items::{self, Collected, Columns, Wanted};
use types::table::Column;

use crate::format::FileFormat;
use stream::{Begun, Counted, Packing, Watched, spool};

/// Opens a data set anew, at its beginning.
type Open = dyn Fn() -> io::Result<Reader> + Send + Sync;
type Reader = Box<dyn Read + Send>;
/// Says whether to read on, after so many bytes as they are unpacked.
type Watch = dyn Fn(u64) -> io::Result<()> + Send + Sync;

/// What a block of a Parquet or Arrow file may take in memory, even if less than that
/// is granted for the items: files that are made as usual have no larger ones.
const LEAST_BLOCK: u64 = 64 * 1024 * 1024;

/// A data set.
#[derive(Clone)]
pub struct Input {
    place: Place,
    format: Option<FileFormat>,
    name: Option<String>,
    media_type: Option<String>,
    watch: Option<Arc<Watch>>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("place", &self.place)
            .field("format", &self.format)
            .field("name", &self.name)
            .field("media_type", &self.media_type)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Place {
    File(PathBuf),
    Memory(Bytes),
    Reader(Arc<Open>),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
            Self::Reader(_) => write!(f, "Reader"),
        }
    }
}

/// A data set as it lies there, unpacked.
pub enum Rows {
    Csv(Box<dyn Read + Send>),
    /// With the same columns in all batches.
    Batches(Box<dyn Iterator<Item = Result<Vec<Column>, InputError>> + Send>),
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv(_) => "Csv",
            Self::Batches(_) => "Batches",
        })
    }
}

/// Why a data set cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("cannot read the input")]
    Read(#[source] io::Error),
    /// Also of columns that are not there, whatever the format.
    #[error(transparent)]
    Data(#[from] science::Error),
    /// A Parquet or Arrow file that is broken, or holds what cannot be used.
    #[error(transparent)]
    Columnar(columnar::Error),
    #[error("rows are read from CSV, Parquet or Arrow, and not from lines of JSON")]
    Lines,
    #[error("items that are lines of JSON cannot be had from a file of format {format}")]
    NotLines { format: FileFormat },
}

impl Input {
    /// A file on disk. Its name tells its format, unless [`Input::named`] gives another.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name();
        let name = name.map(|name| name.to_string_lossy().into_owned());
        Self {
            name,
            ..Self::new(Place::File(path))
        }
    }

    pub fn memory(bytes: Bytes) -> Self {
        Self::new(Place::Memory(bytes))
    }

    /// Something that can only be read from its beginning, perhaps twice. What must be
    /// read from its end is copied to a scratch file first.
    pub fn reader(
        open: impl Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Place::Reader(Arc::new(open)))
    }

    /// The name it had where it came from, such as an object's key: for its extension.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let name = Some(name.to_owned());
        Self { name, ..self }
    }

    /// What the sender says it is.
    #[must_use]
    pub fn media_type(self, media_type: &str) -> Self {
        let media_type = Some(media_type.to_owned());
        Self { media_type, ..self }
    }

    /// What it is, whatever it looks like.
    #[must_use]
    pub fn format(self, format: FileFormat) -> Self {
        let format = Some(format);
        Self { format, ..self }
    }

    /// Asks `go_on` again and again how far to read, with the bytes so far as they are
    /// unpacked; its error ends the reading. A small packed input may unpack to more
    /// than anyone can wait for or has room for.
    #[must_use]
    pub fn watched(self, go_on: impl Fn(u64) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let watch: Arc<Watch> = Arc::new(go_on);
        let watch = Some(watch);
        Self { watch, ..self }
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            format: None,
            name: None,
            media_type: None,
            watch: None,
        }
    }

    fn watch(&self, reader: Reader) -> Reader {
        match &self.watch {
            Some(watch) => Box::new(Watched::new(reader, Arc::clone(watch))),
            None => reader,
        }
    }

    /// Collects its items. Reads and computes for as long as it takes, so it does not
    /// belong on a thread that serves others. What was packed by gzip or zstd is
    /// unpacked. `progress` hears of bytes of the input as they are read.
    pub fn collect(
        &self,
        wanted: &Wanted,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Collected, InputError> {
        let usual = match wanted.columns {
            Columns::Lines => FileFormat::JsonLines,
            Columns::Value(_) | Columns::All => FileFormat::Csv,
        };
        let found = self.find(usual)?;
        let format = found.format;
        match format {
            FileFormat::Csv => self.read(found, progress, |open, heard| {
                items::csv(open, wanted, heard)
            }),
            FileFormat::JsonLines => self.read(found, progress, |open, heard| {
                items::json_lines(open, wanted, heard)
            }),
            _ if wanted.columns == Columns::Lines => Err(InputError::NotLines { format }),
            FileFormat::Parquet | FileFormat::Arrow => {
                let batches = self.batches(found, wanted, progress)?;
                items::tables(batches, wanted).map_err(passed)
            }
        }
    }

    /// Its rows as they are, for who wants no items of them. What must be read at many
    /// places may be copied to `scratch` first.
    pub fn rows(&self, scratch: &Path) -> Result<Rows, InputError> {
        let found = self.find(FileFormat::Csv)?;
        match found.format {
            FileFormat::Csv => {
                let whole = found.begun.whole();
                let reader = match found.packing {
                    Some(packing) => packing.unpack(whole).map_err(InputError::Read)?,
                    None => whole,
                };
                Ok(Rows::Csv(self.watch(reader)))
            }
            FileFormat::JsonLines => Err(InputError::Lines),
            FileFormat::Parquet | FileFormat::Arrow => {
                let wanted = Wanted {
                    by: None,
                    columns: Columns::All,
                    threads: std::num::NonZeroUsize::MIN,
                    memory: LEAST_BLOCK,
                    scratch: scratch.to_owned(),
                };
                let open = match found.format {
                    FileFormat::Arrow => Batches::arrow,
                    _ => Batches::parquet,
                };
                let source = self.source(found.begun, found.packing, &wanted)?;
                let wanted = columnar::Wanted {
                    by: None,
                    columns: Names::All,
                    limit: LEAST_BLOCK,
                };
                let batches = open(&source, &wanted).map_err(of_file)?;
                let batches = batches.map(|batch| batch.map_err(of_file));
                Ok(Rows::Batches(Box::new(batches)))
            }
        }
    }

    /// Looks at the beginning, and at what is said of it.
    fn find(&self, usual: FileFormat) -> Result<Found, InputError> {
        let begun = Begun::new(self.open().map_err(InputError::Read)?)?;
        let packing = Packing::of(&begun.head);
        // The first bytes of what is packed say only how.
        let magic = || FileFormat::of_magic(&begun.head);
        let format = self.told().or_else(magic).unwrap_or(usual);
        Ok(Found {
            format,
            begun,
            packing,
        })
    }

    /// What those say who know it.
    fn told(&self) -> Option<FileFormat> {
        let name = || FileFormat::of_name(self.name.as_deref()?);
        let media_type = || FileFormat::of_media_type(self.media_type.as_deref()?);
        self.format.or_else(name).or_else(media_type)
    }

    fn open(&self) -> io::Result<Reader> {
        Ok(match &self.place {
            Place::File(path) => Box::new(File::open(path)?),
            Place::Memory(bytes) => Box::new(Cursor::new(bytes.clone())),
            Place::Reader(open) => open()?,
        })
    }

    /// Reads it from its beginning to its end.
    fn read<T>(
        &self,
        found: Found,
        progress: &(dyn Fn(u64) + Sync),
        take: impl FnOnce(&items::Open, &(dyn Fn(u64) + Sync)) -> Result<T, science::Error>,
    ) -> Result<T, InputError> {
        let packing = found.packing;
        // What was opened to look at its beginning is used up first: not everything can
        // be opened twice at the same cost.
        let begun = Mutex::new(Some(found.begun.whole()));
        let read = Arc::new(AtomicU64::new(0));
        let open = || -> io::Result<Reader> {
            let begun = begun.lock().take();
            let reader = begun.map_or_else(|| self.open(), Ok)?;
            let Some(packing) = packing else {
                return Ok(self.watch(reader));
            };
            let read = read.clone();
            let unpacked = packing.unpack(Counted { reader, read })?;
            Ok(self.watch(unpacked))
        };
        // Progress is along the input as it lies there, packed or not.
        let heard = |bytes| match packing {
            Some(_) => progress(read.swap(0, Ordering::Relaxed)),
            None => progress(bytes),
        };
        take(&open, &heard).map_err(passed)
    }

    /// Reads what must be read at many places: the columns that are wanted.
    fn batches<'p>(
        &self,
        found: Found,
        wanted: &Wanted,
        progress: &'p (dyn Fn(u64) + Sync),
    ) -> Result<impl Iterator<Item = Result<Vec<Column>, Passing>> + Send + use<'p>, InputError>
    {
        let open = match found.format {
            FileFormat::Arrow => Batches::arrow,
            _ => Batches::parquet,
        };
        let source = self.source(found.begun, found.packing, wanted)?;
        let value = match &wanted.columns {
            Columns::Value(value) => Some(value.as_str()),
            Columns::All | Columns::Lines => None,
        };
        let names: Vec<&str> = wanted.by.as_deref().into_iter().chain(value).collect();
        let wanted = columnar::Wanted {
            by: wanted.by.as_deref(),
            columns: value.map_or(Names::All, |_| Names::These(&names)),
            limit: wanted.memory.max(LEAST_BLOCK),
        };
        let batches = open(&source, &wanted).map_err(of_file)?;
        let (mut heard, mut unpacked) = (0, 0);
        let watch = self.watch.clone();
        Ok(batches.map(move |batch| {
            let taken = source.taken();
            progress(taken - heard);
            heard = taken;
            let batch = batch.map_err(Passing)?;
            if let Some(watch) = &watch {
                let sizes = batch.iter().map(|column| column.values.len() as u64 * 8);
                unpacked += sizes.sum::<u64>();
                watch(unpacked).map_err(|error| Passing(columnar::Error::Read(error)))?;
            }
            Ok(batch)
        }))
    }

    /// The bytes of a file that must be read at many places.
    fn source(
        &self,
        begun: Begun,
        packing: Option<Packing>,
        wanted: &Wanted,
    ) -> Result<Source, InputError> {
        if packing.is_none() {
            match &self.place {
                Place::Memory(bytes) => return Ok(Source::memory(bytes.clone())),
                Place::File(path) => {
                    let file = File::open(path).map_err(InputError::Read)?;
                    let about = file.metadata().map_err(InputError::Read)?;
                    if about.is_file() {
                        return Source::file(file).map_err(InputError::Read);
                    }
                }
                Place::Reader(_) => {}
            }
        }
        let reader = begun.whole();
        let reader = match packing {
            Some(packing) => packing.unpack(reader).map_err(InputError::Read)?,
            None => reader,
        };
        spool(self.watch(reader), &wanted.scratch)
    }
}

/// An input whose format is known.
struct Found {
    format: FileFormat,
    begun: Begun,
    packing: Option<Packing>,
}

/// An error of a file on its way through `science`, which knows nothing of files.
struct Passing(columnar::Error);

impl From<Passing> for science::Error {
    fn from(Passing(error): Passing) -> Self {
        Self::Read(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

fn passed(error: science::Error) -> InputError {
    match error {
        science::Error::Read(error) => match error.downcast::<columnar::Error>() {
            Ok(error) => of_file(error),
            Err(error) => InputError::Read(error),
        },
        error => InputError::Data(error),
    }
}

fn of_file(error: columnar::Error) -> InputError {
    match error {
        columnar::Error::NoColumn { name, there } => {
            InputError::Data(science::Error::NoColumn { name, there })
        }
        columnar::Error::Read(error) => InputError::Read(error),
        error => InputError::Columnar(error),
    }
}
