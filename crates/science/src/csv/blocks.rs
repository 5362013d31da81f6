//! Cutting the input into blocks of whole records.
//!
//! Where a record ends is known only from the beginning, because of newlines inside
//! quotes; so one thread at a time cuts, and what it does for that is kept small: a
//! search for quotes, and for the last newline. What lies in the block is for the
//! thread that took it.

use std::io::{ErrorKind, Read};

use memchr::{memchr, memrchr};

use crate::Error;

/// Small enough to stay in a core's second cache with all that is made of it.
const BLOCK: usize = 256 * 1024;
/// The longest record. It bounds what one unclosed quote can take.
const MAX_RECORD: usize = 64 * 1024 * 1024;
/// Bytes behind a block that may be looked at, so that loads of words need no care.
const PAD: usize = 64;

/// Whole records: `bytes[start..end]`, followed by at least [`PAD`] bytes.
#[derive(Debug, Default)]
pub struct Block {
    pub bytes: Vec<u8>,
    pub start: usize,
    pub end: usize,
    /// Counted from 0.
    pub index: usize,
    /// Whether any field may be quoted.
    pub quotes: bool,
}

#[derive(Debug)]
pub struct Blocks<R> {
    input: R,
    /// The beginning of a record that was cut off.
    carry: Vec<u8>,
    next: usize,
    ended: bool,
    limit: usize,
    block: usize,
    /// Records are lines, whatever is quoted in them.
    lines: bool,
    /// Bytes read so far.
    pub read: u64,
}

impl<R: Read> Blocks<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            carry: Vec::new(),
            next: 0,
            ended: false,
            limit: MAX_RECORD,
            block: BLOCK,
            lines: false,
            read: 0,
        }
    }

    /// For tests, which would else need much input for many blocks.
    #[cfg(test)]
    pub fn of_size(input: R, block: usize) -> Self {
        Self {
            block,
            ..Self::new(input)
        }
    }

    /// Blocks of lines.
    pub fn of_lines(input: R) -> Self {
        Self {
            lines: true,
            ..Self::new(input)
        }
    }

    /// Fills the block. False at the end of the input. A record that is too long
    /// comes back as the error's row 0, as rows are counted elsewhere.
    pub fn next(&mut self, block: &mut Block) -> Result<bool, Error> {
        if self.ended && self.carry.is_empty() {
            return Ok(false);
        }
        let bytes = &mut block.bytes;
        let mut filled = self.carry.len();
        if bytes.len() < filled + self.block + PAD {
            bytes.resize(filled + self.block + PAD, 0);
        }
        bytes[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        let (cut, quotes) = loop {
            let room = bytes.len() - PAD;
            filled += self.fill(&mut bytes[filled..room])?;
            if self.next == 0 && filled >= 3 && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.copy_within(3..filled, 0);
                filled -= 3;
                continue;
            }
            if self.ended {
                break (filled, memchr(b'"', &bytes[..filled]).is_some());
            }
            let (cut, quotes) = if self.lines {
                (
                    memrchr(b'\n', &bytes[..filled]).map_or(0, |at| at + 1),
                    false,
                )
            } else {
                cut(&bytes[..filled])
            };
            if cut > 0 {
                break (cut, quotes);
            }
            if filled > self.limit {
                return Err(Error::TooLong {
                    row: 0,
                    limit: self.limit,
                });
            }
            bytes.resize(filled * 2 + PAD, 0);
        };
        self.carry.extend_from_slice(&bytes[cut..filled]);
        block.start = 0;
        block.end = cut;
        block.quotes = quotes;
        block.index = self.next;
        self.next += 1;
        if self.ended {
            end_line(block);
        }
        Ok(block.end > 0)
    }

    fn fill(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < room.len() && !self.ended {
            match self.input.read(&mut room[filled..]) {
                Ok(0) => self.ended = true,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error)),
            }
        }
        self.read += filled as u64;
        Ok(filled)
    }
}

/// The last line of a file may lack its end; those who read blocks need not know.
fn end_line(block: &mut Block) {
    let last = block.bytes[..block.end].last();
    if last.is_some_and(|last| !matches!(last, b'\n' | b'\r')) {
        block.bytes[block.end] = b'\n';
        block.end += 1;
        if block.bytes.len() < block.end + PAD {
            block.bytes.resize(block.end + PAD, 0);
        }
    }
}

/// Where the last record that is whole ends, 0 if none does; and whether there are quotes.
fn cut(bytes: &[u8]) -> (usize, bool) {
    let Some(mut quote) = memchr(b'"', bytes) else {
        return (last_line_end(bytes).unwrap_or(0), false);
    };
    let mut cut = 0;
    // All before it is well known, and it lies outside of quotes.
    let mut at = 0;
    loop {
        if let Some(end) = last_line_end(&bytes[at..=quote]) {
            cut = at + end;
        }
        at = quote + 1;
        // Elsewhere it is a character like any other.
        if quote == 0 || matches!(bytes[quote - 1], b',' | b'\n' | b'\r') {
            match closing(bytes, at) {
                Some(end) => at = end + 1,
                None => return (cut, true),
            }
        }
        match memchr(b'"', &bytes[at..]) {
            Some(next) => quote = at + next,
            None => break,
        }
    }
    match last_line_end(&bytes[at..]) {
        Some(end) => (at + end, true),
        None => (cut, true),
    }
}

/// The quote that closes, if it is certain that it does: the last byte might be the
/// first half of a doubled one.
fn closing(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let quote = at + memchr(b'"', &bytes[at..])?;
        if *bytes.get(quote + 1)? != b'"' {
            return Some(quote);
        }
        at = quote + 2;
    }
}

/// Behind the last newline. A lone CR ends a line as well, but the last byte may be
/// the first half of CRLF.
fn last_line_end(bytes: &[u8]) -> Option<usize> {
    let newline = memrchr(b'\n', bytes);
    newline
        .or_else(|| memrchr(b'\r', &bytes[..bytes.len().saturating_sub(1)]))
        .map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str, size: usize) -> Vec<String> {
        let mut blocks = Blocks::of_size(text.as_bytes(), size);
        let mut block = Block::default();
        let mut all = Vec::new();
        while blocks.next(&mut block).unwrap() {
            let text = &block.bytes[block.start..block.end];
            all.push(String::from_utf8(text.to_vec()).unwrap());
        }
        all
    }

    #[test]
    fn cuts_lie_between_records_wherever_the_blocks_end() {
        let records = [
            "a,b\n",
            "1,\"x\ny\"\n",
            "\"\"\"\n\",2\n",
            "z\"\n",
            ",3\r\n",
            "\"q\"\"\n\"w\"\r\n",
            "\"\",\"\r\n\n\"\n",
            "5,6\n",
        ];
        let text = records.concat();
        let mut between = vec![];
        for record in records {
            between.push(between.last().unwrap_or(&0) + record.len());
        }
        for size in 1..=text.len() + 1 {
            let all = blocks(text.trim_end(), size);
            assert_eq!(all.concat(), text, "size {size}");
            let mut end = 0;
            for block in all {
                end += block.len();
                assert!(between.contains(&end), "size {size} cuts at {end}");
            }
        }
    }

    #[test]
    fn marks_of_byte_order_and_old_line_ends_are_known() {
        assert_eq!(blocks("\u{feff}a\rb\rc", 4).concat(), "a\rb\rc\n");
        assert_eq!(blocks("", 4).len(), 0);
        assert_eq!(blocks("\u{feff}", 4).len(), 0);
    }

    #[test]
    fn a_record_without_end_is_given_up() {
        let mut blocks =
            Blocks::of_size("x\n\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy".as_bytes(), 4);
        blocks.limit = 16;
        let mut block = Block::default();
        let error = loop {
            match blocks.next(&mut block) {
                Ok(true) => {}
                Ok(false) => panic!("it is refused"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooLong { limit: 16, .. }));
    }
}
