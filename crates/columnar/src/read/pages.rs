//! How large the pages of a Parquet file are once they are unpacked. The library takes
//! memory for as much as a page's header says, so headers are looked at before.
//!
//! A header is a structure in Thrift's compact protocol, of which two numbers matter
//! here. What cannot be followed is left to the library, which will say why.

use std::io::{self, Read};

use parquet::file::reader::ChunkReader;

use crate::Source;

/// Fields of a header: the length of the page unpacked, and as it lies there.
const UNPACKED: i16 = 2;
const PACKED: i16 = 3;
/// Structures within structures. Headers have three.
const DEPTH: usize = 8;

/// The largest page between two places of a file, in bytes.
pub fn largest(source: &Source, start: u64, end: u64) -> u64 {
    let mut largest = 0;
    let mut at = start;
    while at < end {
        let Some((header, unpacked, packed)) = page(source, at) else {
            break;
        };
        largest = largest.max(unpacked);
        at = at.saturating_add(header).saturating_add(packed);
    }
    largest
}

/// The length of the header at some place, and what it says of its page.
fn page(source: &Source, at: u64) -> Option<(u64, u64, u64)> {
    let mut header = Header {
        reader: source.get_read(at).ok()?,
        read: 0,
    };
    let (mut unpacked, mut packed) = (None, None);
    header
        .structure(DEPTH, &mut |id, number| match id {
            UNPACKED => unpacked = u64::try_from(number).ok(),
            PACKED => packed = u64::try_from(number).ok(),
            _ => {}
        })
        .ok()?;
    Some((header.read, unpacked?, packed?))
}

struct Header<R> {
    reader: R,
    read: u64,
}

impl<R: Read> Header<R> {
    /// Reads a structure; `number` hears of its fields that are numbers.
    fn structure(&mut self, depth: usize, number: &mut dyn FnMut(i16, i64)) -> io::Result<()> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.number()?).map_err(io::Error::other)?,
                more => id.wrapping_add(i16::from(more)),
            };
            match head & 0xf {
                // The type of a flag is its value.
                1 | 2 => {}
                4..=6 => number(id, self.number()?),
                kind => self.skip(kind, depth)?,
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> io::Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(unknown());
        };
        match kind {
            1..=3 => self.byte().map(drop),
            4..=6 => self.number().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                (0..count).try_for_each(|_| self.skip(head & 0xf, depth))
            }
            12 => self.structure(depth, &mut |_, _| {}),
            _ => Err(unknown()),
        }
    }

    fn number(&mut self) -> io::Result<i64> {
        let bits = self.varint()?;
        Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(bits);
            }
        }
        Err(unknown())
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn pass(&mut self, length: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())?;
        self.read += passed;
        if passed == length {
            Ok(())
        } else {
            Err(unknown())
        }
    }
}

fn unknown() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
