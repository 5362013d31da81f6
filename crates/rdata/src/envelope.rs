//! What is around the stream: gzip, bzip2, xz or nothing. And what a file is that is
//! none of R's, so that the message helps.

use std::io::{self, Read};

use crate::read::{ReadError, begins_well};

/// What a dictionary of xz may take. R's own take 8 MB, `xz -9` takes 64.
const DICTIONARY_KIB: u32 = 160 << 10;
/// What is decompressed at once.
const STEP: usize = 256 << 10;

/// The stream inside, or nothing if the bytes are no envelope.
pub fn open(bytes: &[u8], most: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let unpacked = match bytes {
        [0x1F, 0x8B, ..] => unpack(
            "gzip",
            flate2::bufread::MultiGzDecoder::new(bytes),
            bytes,
            most,
        ),
        [b'B', b'Z', b'h', ..] => {
            let reader = bzip2::bufread::MultiBzDecoder::new(bytes);
            unpack("bzip2", reader, bytes, most)
        }
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => {
            let reader = lzma_rust2::XzReader::new_mem_limit(bytes, true, DICTIONARY_KIB);
            unpack("xz", reader, bytes, most)
        }
        // The form before xz, which R reads, too.
        [0x5D, 0, 0, ..] => {
            let failed = |source| ReadError::Envelope {
                kind: "lzma",
                source,
            };
            let reader = lzma_rust2::LzmaReader::new_mem_limit(bytes, DICTIONARY_KIB, None);
            unpack("lzma", reader.map_err(failed)?, bytes, most)
        }
        _ => return Ok(None),
    };
    unpacked.map(Some)
}

fn unpack(
    kind: &'static str,
    mut reader: impl Read,
    packed: &[u8],
    most: u64,
) -> Result<Vec<u8>, ReadError> {
    // No promise of the file's is believed: memory grows with what really comes.
    let mut unpacked = Vec::with_capacity(packed.len().saturating_mul(4).min(STEP));
    loop {
        let taken = (&mut reader)
            .take(STEP as u64)
            .read_to_end(&mut unpacked)
            .map_err(|source| failed(kind, source))?;
        if unpacked.len() as u64 > most {
            return Err(ReadError::TooLarge {
                what: "decompressed",
                most,
            });
        }
        if taken == 0 {
            return Ok(unpacked);
        }
        // What is no stream of R's need not be unpacked to its end to be known as that.
        if unpacked.len() <= STEP && !begins_well(&unpacked) {
            return Err(ReadError::NotR {
                beginning: beginning(&unpacked),
                seems: guess(&unpacked),
            });
        }
    }
}

fn failed(kind: &'static str, source: io::Error) -> ReadError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::EnvelopeEnds { kind },
        _ => ReadError::Envelope { kind, source },
    }
}

/// What begins like this, as far as it is known.
const OTHERS: [(&[u8], &str); 22] = [
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (
        b"<?xml",
        "XML, perhaps the error that a web service answered",
    ),
    (b"\x80\x02", "a pickle of Python"),
    (b"\x80\x03", "a pickle of Python"),
    (b"\x80\x04", "a pickle of Python"),
    (b"\x80\x05", "a pickle of Python"),
    (b"PK\x03\x04", "a zip file"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"%PDF", "a PDF"),
    (b"\x28\xB5\x2F\xFD", "compressed by zstd"),
    (b"\x04\x22\x4D\x18", "compressed by LZ4"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file",
    ),
    (b"\x0B\x0E\x0A\x0C", "a file of R's package qs"),
    (b"\x0A", "text"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"\x08\x07\x12", "an ONNX model"),
    (b"\x08\x08\x12", "an ONNX model"),
];

/// What a file that is not R's seems to be.
pub fn guess(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..32).unwrap_or(bytes).to_ascii_lowercase();
    let begins = |mark: &&(&[u8], &str)| head.starts_with(&mark.0.to_ascii_lowercase());
    OTHERS.iter().find(begins).map(|(_, name)| *name)
}

/// The first bytes as one can show them.
pub fn beginning(bytes: &[u8]) -> String {
    let head = bytes.get(..16).unwrap_or(bytes);
    format!("\"{}\"", head.escape_ascii())
}
