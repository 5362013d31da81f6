//! Where a file lies: on disk or in memory. It can be read at any place, by its
//! length, which is known.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Headers are read in steps of so many bytes.
const STEP: usize = 8 * 1024;

/// The bytes of a file. Clones are the same file.
#[derive(Debug, Clone)]
pub struct Source {
    bytes: Stored,
    length: u64,
    taken: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Stored {
    Disk(Arc<File>),
    Memory(Bytes),
}

impl Source {
    /// A regular file. What is appended to it later is not seen.
    pub fn file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::new(Stored::Disk(Arc::new(file)), length))
    }

    pub fn memory(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        Self::new(Stored::Memory(bytes), length)
    }

    fn new(bytes: Stored, length: u64) -> Self {
        let taken = Arc::default();
        Self {
            bytes,
            length,
            taken,
        }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes were read of it so far, by all clones.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Fills all of `into`. `InvalidData` if the file ends before.
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let wanted = into.len() as u64;
        let within = at.checked_add(wanted).is_some_and(|end| end <= self.length);
        if !within {
            return Err(past_the_end());
        }
        match &self.bytes {
            Stored::Disk(file) => file.read_exact_at(into, at)?,
            Stored::Memory(bytes) => {
                let at = usize::try_from(at).map_err(|_| past_the_end())?;
                into.copy_from_slice(&bytes[at..at + into.len()]);
            }
        }
        self.taken.fetch_add(wanted, Ordering::Relaxed);
        Ok(())
    }

    /// A part of it. Nothing is allocated for what is not there.
    pub(crate) fn part(&self, at: u64, length: u64) -> io::Result<Bytes> {
        let end = at.checked_add(length);
        let Some(end) = end.filter(|end| *end <= self.length) else {
            return Err(past_the_end());
        };
        let place = |at: u64| usize::try_from(at).map_err(|_| past_the_end());
        if let Stored::Memory(bytes) = &self.bytes {
            self.taken.fetch_add(length, Ordering::Relaxed);
            return Ok(bytes.slice(place(at)?..place(end)?));
        }
        let mut part = vec![0; place(length)?];
        self.read_at(at, &mut part)?;
        Ok(part.into())
    }
}

fn past_the_end() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "it refers to bytes behind its end",
    )
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Source {
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Reading, ParquetError> {
        Ok(Reading {
            source: self.clone(),
            at: start.min(self.length),
            buffer: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.part(start, length as u64)?)
    }
}

/// Reads from some place on.
#[derive(Debug)]
pub struct Reading {
    source: Source,
    at: u64,
    buffer: Bytes,
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            let length = (self.source.length - self.at).min(STEP as u64);
            self.buffer = self.source.part(self.at, length)?;
            self.at += length;
        }
        let count = into.len().min(self.buffer.len());
        into[..count].copy_from_slice(&self.buffer.split_to(count));
        Ok(count)
    }
}
