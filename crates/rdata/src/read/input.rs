//! Numbers and bytes of the stream in its three forms: big-endian, native, text.

use std::borrow::Cow;

use super::ReadError;
use crate::value::{NA_INTEGER, NA_REAL};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Big,
    Little,
    Text,
}

/// A cursor that never goes behind the end.
#[derive(Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    form: Form,
}

impl<'a> Input<'a> {
    /// Behind the mark of the form; nothing if there is none.
    pub fn of(bytes: &'a [u8], start: usize) -> Option<Self> {
        let (form, mark) = match bytes.get(start..)? {
            // B is in the order of the machine that wrote: the small version tells it.
            [b'X', b'\n', ..] | [b'B', b'\n', 0, 0, 0, _, ..] => (Form::Big, 2),
            [b'A', b'\n', ..] => (Form::Text, 2),
            // Windows may have made it a text file.
            [b'A', b'\r', b'\n', ..] => (Form::Text, 3),
            [b'B', b'\n', ..] => (Form::Little, 2),
            _ => return None,
        };
        Some(Self {
            bytes,
            at: start + mark,
            form,
        })
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The fewest bytes that a number takes, or an item: for what cannot be true.
    pub fn smallest(&self, binary: usize) -> usize {
        if self.form == Form::Text { 2 } else { binary }
    }

    /// Only white space may follow a text.
    pub fn end(&self) -> Result<(), ReadError> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() || (self.form == Form::Text && rest.trim_ascii().is_empty()) {
            return Ok(());
        }
        Err(ReadError::Follows {
            at: self.at,
            left: rest.len(),
        })
    }

    fn ends<T>(&self) -> Result<T, ReadError> {
        Err(ReadError::Ends {
            at: self.bytes.len(),
        })
    }

    fn broken<T>(&self, what: &'static str) -> Result<T, ReadError> {
        Err(ReadError::Broken { at: self.at, what })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let Some(taken) = self.bytes[self.at..].get(..count) else {
            return self.ends();
        };
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("so many were taken"))
    }

    /// The next word of a text.
    fn word(&mut self) -> Result<&'a str, ReadError> {
        let rest = &self.bytes[self.at..];
        let Some(start) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) else {
            return self.ends();
        };
        let word = &rest[start..];
        let length = word.iter().position(u8::is_ascii_whitespace);
        let word = &word[..length.unwrap_or(word.len())];
        self.at += start + word.len();
        match std::str::from_utf8(word) {
            Ok(word) => Ok(word),
            Err(_) => self.broken("this is not a word"),
        }
    }

    pub fn integer(&mut self) -> Result<i32, ReadError> {
        match self.form {
            Form::Big => Ok(i32::from_be_bytes(self.array()?)),
            Form::Little => Ok(i32::from_le_bytes(self.array()?)),
            Form::Text => match self.word()? {
                "NA" => Ok(NA_INTEGER),
                word => match word.parse() {
                    Ok(number) => Ok(number),
                    Err(_) => self.broken("this is not an integer"),
                },
            },
        }
    }

    pub fn real(&mut self) -> Result<f64, ReadError> {
        match self.form {
            Form::Big => Ok(f64::from_be_bytes(self.array()?)),
            Form::Little => Ok(f64::from_le_bytes(self.array()?)),
            Form::Text => {
                let word = self.word()?;
                match real_of(word) {
                    Some(number) => Ok(number),
                    None => self.broken("this is not a number"),
                }
            }
        }
    }

    /// A count that is an integer.
    pub fn count(&mut self) -> Result<usize, ReadError> {
        match usize::try_from(self.integer()?) {
            Ok(count) => Ok(count),
            Err(_) => self.broken("a length is negative"),
        }
    }

    /// The length of a vector: two more integers where one is not enough.
    pub fn length(&mut self) -> Result<u64, ReadError> {
        match self.integer()? {
            -1 => {
                let [high, low] = [
                    self.count()? as u64,
                    u64::from(self.integer()?.cast_unsigned()),
                ];
                Ok(high << 32 | low)
            }
            length => match u64::try_from(length) {
                Ok(length) => Ok(length),
                Err(_) => self.broken("a length is negative"),
            },
        }
    }

    pub fn integers(&mut self, count: usize) -> Result<Vec<i32>, ReadError> {
        let parsed = |words: &[[u8; 4]], from: fn([u8; 4]) -> i32| {
            words.iter().map(|word| from(*word)).collect()
        };
        match self.form {
            Form::Text => (0..count).map(|_| self.integer()).collect(),
            form => {
                let Some(size) = count.checked_mul(4) else {
                    return self.ends();
                };
                let words = self.take(size)?.as_chunks().0;
                Ok(match form {
                    Form::Big => parsed(words, i32::from_be_bytes),
                    _ => parsed(words, i32::from_le_bytes),
                })
            }
        }
    }

    pub fn reals(&mut self, count: usize) -> Result<Vec<f64>, ReadError> {
        let parsed = |words: &[[u8; 8]], from: fn([u8; 8]) -> f64| {
            words.iter().map(|word| from(*word)).collect()
        };
        match self.form {
            Form::Text => (0..count).map(|_| self.real()).collect(),
            form => {
                let Some(size) = count.checked_mul(8) else {
                    return self.ends();
                };
                let words = self.take(size)?.as_chunks().0;
                Ok(match form {
                    Form::Big => parsed(words, f64::from_be_bytes),
                    _ => parsed(words, f64::from_le_bytes),
                })
            }
        }
    }

    /// The bytes of a raw vector.
    pub fn raw(&mut self, count: usize) -> Result<Cow<'a, [u8]>, ReadError> {
        if self.form != Form::Text {
            return self.take(count).map(Cow::Borrowed);
        }
        let mut bytes = Vec::with_capacity(count.min(self.left() / 2));
        for _ in 0..count {
            let word = self.word()?;
            match u8::from_str_radix(word, 16) {
                Ok(byte) => bytes.push(byte),
                Err(_) => return self.broken("this is not a byte"),
            }
        }
        Ok(Cow::Owned(bytes))
    }

    /// The bytes of a text.
    pub fn text(&mut self, count: usize) -> Result<Cow<'a, [u8]>, ReadError> {
        if self.form != Form::Text {
            return self.take(count).map(Cow::Borrowed);
        }
        if count == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let rest = &self.bytes[self.at..];
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace());
        self.at += start.unwrap_or(rest.len());
        let mut bytes = Vec::with_capacity(count.min(self.left()));
        for _ in 0..count {
            bytes.push(self.character()?);
        }
        Ok(Cow::Owned(bytes))
    }

    /// A byte of a text in a text: those that are not plain are written with `\`.
    fn character(&mut self) -> Result<u8, ReadError> {
        let [byte] = self.array()?;
        if byte != b'\\' {
            return Ok(byte);
        }
        let [kind] = self.array()?;
        Ok(match kind {
            b'n' => b'\n',
            b't' => b'\t',
            b'v' => 0x0B,
            b'b' => 0x08,
            b'r' => b'\r',
            b'f' => 0x0C,
            b'a' => 0x07,
            b'0'..=b'7' => {
                let mut code = u32::from(kind - b'0');
                for _ in 0..2 {
                    match self.bytes.get(self.at) {
                        Some(digit @ b'0'..=b'7') => code = code * 8 + u32::from(digit - b'0'),
                        _ => break,
                    }
                    self.at += 1;
                }
                // As C does: three digits can be more than a byte.
                (code & 0xFF) as u8
            }
            plain => plain,
        })
    }

    /// Goes over numbers of a size.
    pub fn skip(&mut self, count: u64, size: usize) -> Result<(), ReadError> {
        if self.form == Form::Text {
            for _ in 0..count {
                self.word()?;
            }
            return Ok(());
        }
        let bytes = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size));
        match bytes {
            Some(bytes) => self.take(bytes).map(|_| ()),
            None => self.ends(),
        }
    }
}

fn real_of(word: &str) -> Option<f64> {
    match word {
        "NA" => Some(NA_REAL),
        "NaN" => Some(f64::NAN),
        "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        word => hexadecimal(word).or_else(|| word.parse().ok()),
    }
}

/// `-0x1.8p+1`, as C's `%a` writes it: never more digits than a double has.
fn hexadecimal(word: &str) -> Option<f64> {
    let (negative, rest) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let (mantissa, exponent) = rest.strip_prefix("0x")?.split_once('p')?;
    let mut exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() > 15 || exponent.abs() > 2000 {
        return None;
    }
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    exponent -= 4 * i32::try_from(fraction.len()).ok()?;
    // In two steps, so that small ones are rounded once and only at the end.
    #[allow(clippy::cast_precision_loss, reason = "53 bits, where C wrote it")]
    let number = digits as f64;
    let half = exponent / 2;
    let number = number * 2f64.powi(half) * 2f64.powi(exponent - half);
    Some(if negative { -number } else { number })
}
