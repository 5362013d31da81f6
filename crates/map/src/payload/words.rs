//! Plain numbers as base64, written straight to where they belong: a chunk holds
//! megabytes of them, taken from here and there in a shelf.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes that are collected before they are encoded. Groups of three become four
/// characters, and values have eight bytes: of both it holds a whole number.
const BLOCK: usize = 24 * 256;

/// Writes base64 behind `out`.
pub struct Base64<'a> {
    out: &'a mut Vec<u8>,
    block: [u8; BLOCK],
    filled: usize,
}

impl<'a> Base64<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            block: [0; BLOCK],
            filled: 0,
        }
    }

    pub fn floats(&mut self, values: &[f64]) {
        self.words(values, f64::to_le_bytes);
    }

    pub fn integers(&mut self, values: &[i64]) {
        self.words(values, i64::to_le_bytes);
    }

    /// One byte each. The next column must be [`aligned`](Self::align).
    pub fn flags(&mut self, values: &[bool]) {
        for value in values {
            if self.filled == BLOCK {
                self.flush();
            }
            self.block[self.filled] = u8::from(*value);
            self.filled += 1;
        }
    }

    /// Fills up with zeros to a multiple of eight.
    pub fn align(&mut self) {
        let end = self.filled.next_multiple_of(8);
        self.block[self.filled..end].fill(0);
        self.filled = end;
    }

    /// Writes what is left. What is written afterwards would stand behind padding.
    pub fn finish(mut self) {
        self.flush();
    }

    fn words<T: Copy>(&mut self, mut values: &[T], bytes: impl Fn(T) -> [u8; 8]) {
        while !values.is_empty() {
            if self.filled == BLOCK {
                self.flush();
            }
            let room = &mut self.block[self.filled..];
            let (now, later) = values.split_at(values.len().min(room.len() / 8));
            for (room, value) in room.chunks_exact_mut(8).zip(now) {
                room.copy_from_slice(&bytes(*value));
            }
            self.filled += now.len() * 8;
            values = later;
        }
    }

    fn flush(&mut self) {
        let start = self.out.len();
        self.out.resize(start + self.filled.div_ceil(3) * 4, 0);
        STANDARD
            .encode_slice(&self.block[..self.filled], &mut self.out[start..])
            .expect("there is room for four characters for each three bytes");
        self.filled = 0;
    }
}

/// Base64 of bytes that are already there.
pub fn encode_behind(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("there is room for four characters for each three bytes");
}
