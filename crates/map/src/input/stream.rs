//! Inputs as streams of bytes: looked at, unpacked, counted, and copied to where they
//! can be read at any place.

use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use columnar::Source;

use super::{InputError, Reader, Watch};

/// Bytes at the beginning that tell what it is.
const HEAD: usize = 8;

/// Copies what cannot be read at any place to a file that can, and has no name.
pub fn spool(mut reader: Reader, scratch: &Path) -> Result<Source, InputError> {
    /// Bytes that are copied at once.
    const PIECE: usize = 256 * 1024;
    let kept = |source| {
        let folder = scratch.to_owned();
        InputError::Data(science::Error::Scratch { folder, source })
    };
    let mut file = tempfile::tempfile_in(scratch).map_err(kept)?;
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Source::file(file).map_err(kept),
            Ok(count) => io::Write::write_all(&mut file, &piece[..count]).map_err(kept)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(InputError::Read(error)),
        }
    }
}

/// An input whose first bytes were read.
pub struct Begun {
    pub head: Vec<u8>,
    rest: Reader,
}

impl Begun {
    pub fn new(mut reader: Reader) -> Result<Self, InputError> {
        let mut head = Vec::with_capacity(HEAD);
        let mut first = reader.by_ref().take(HEAD as u64);
        first.read_to_end(&mut head).map_err(InputError::Read)?;
        Ok(Self { head, rest: reader })
    }

    pub fn whole(self) -> Reader {
        Box::new(Cursor::new(self.head).chain(self.rest))
    }
}

/// How the whole of an input is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// By its first bytes, with which no text can begin.
    pub fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(&[0x1f, 0x8b]) {
            return Some(Self::Gzip);
        }
        let zstd = head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        zstd.then_some(Self::Zstd)
    }

    pub fn unpack(self, reader: impl Read + Send + 'static) -> io::Result<Reader> {
        Ok(match self {
            // One that is made of several, as they are when files were joined.
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Self::Zstd => Box::new(zstd::Decoder::new(reader)?),
        })
    }
}

/// Counts what was read.
pub struct Counted<R> {
    pub reader: R,
    pub read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Asks before each piece whether to read on.
pub struct Watched {
    reader: Reader,
    read: u64,
    watch: Arc<Watch>,
}

impl Watched {
    pub fn new(reader: Reader, watch: Arc<Watch>) -> Self {
        Self {
            reader,
            read: 0,
            watch,
        }
    }
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (self.watch)(self.read)?;
        let count = self.reader.read(into)?;
        self.read += count as u64;
        Ok(count)
    }
}
