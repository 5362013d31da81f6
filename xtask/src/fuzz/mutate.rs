//! How input is changed: bytes, the words that formats are made of, and whole parts.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A small generator (xorshift64*): the same seed, the same inputs.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below a bound, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Numbers at which readers go wrong.
const WORDS: [u32; 16] = [
    0,
    1,
    2,
    3,
    0xFF,
    0xFFFF_FFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0x1000_0000,
    0x0001_0000,
    0xFE,
    0xFB,
    0xEE,
    0xF3,
    0xF4,
    0x0004_0009,
];

/// What can stand in texts.
const TOKENS: [&str; 24] = [
    "NA",
    "NaN",
    "Inf",
    "-1",
    "0",
    "2147483647",
    "1e308",
    "0x1p+1023",
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
    "\"",
    ",",
    ":",
    "(",
    ")",
    "~",
    "^",
    "%in%",
    "\n",
    "254\n",
];

/// Changes it in a few places; `other` is where parts come from.
pub fn change(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    // One change is the most telling, many reach further.
    let changes = [1, 1, 1, 2, 3, 6];
    for _ in 0..*random.of(&changes) {
        if input.is_empty() {
            input.extend_from_slice(other);
        }
        let at = random.below(input.len());
        match random.below(12) {
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = u8::try_from(random.below(256)).unwrap_or(0),
            2 => input[at] = input[at].wrapping_add(1),
            3 => word(input, at, *random.of(&WORDS)),
            // A kind of item, with any of the marks that it can have.
            4 => {
                let kind = random.below(256) | random.below(8) << 8;
                word(input, at, u32::try_from(kind).unwrap_or(0));
            }
            // A length that is a little off.
            5 => {
                let length = u32::try_from(random.below(64)).unwrap_or(0);
                word(input, at, length);
            }
            6 => {
                let end = input.len().min(at + 1 + random.below(16));
                input.drain(at..end);
            }
            7 => {
                let end = input.len().min(at + 1 + random.below(64));
                let part = input[at..end].to_vec();
                let place = random.below(input.len());
                input.splice(place..place, part);
            }
            8 => {
                let token = random.of(&TOKENS).bytes();
                let end = input.len().min(at + random.below(4));
                input.splice(at..end, token);
            }
            9 if !other.is_empty() => {
                // A part of another input, in the place of one of this.
                let from = random.below(other.len());
                let to = other.len().min(from + 1 + random.below(256));
                let end = input.len().min(at + random.below(256));
                input.splice(at..end, other[from..to].iter().copied());
            }
            10 if !other.is_empty() => {
                let from = random.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            11 if random.below(4) == 0 => input.truncate(at),
            _ => input[at] = input[at].wrapping_sub(1),
        }
    }
}

fn word(input: &mut [u8], at: usize, word: u32) {
    let end = input.len().min(at + 4);
    input[at..end].copy_from_slice(&word.to_be_bytes()[..end - at]);
}

/// Inside gzip, which is broken now and then.
pub fn packed(input: &[u8], random: &mut Random) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(input).and_then(|()| encoder.finish());
    let mut packed = written.unwrap_or_default();
    if random.below(4) == 0 {
        change(&mut packed, input, random);
    }
    packed
}
