//! Ids as groups are told apart while the type of all of them is not known yet.

use crate::csv;
use crate::groups::Spelling;

/// An id, as groups are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    Number(i64),
    Text(&'a [u8]),
}

impl<'a> Key<'a> {
    /// Text is a number if it is the one way to write it: the number brings it back.
    pub fn of(id: &'a [u8]) -> Self {
        let plain = match id {
            [b'0'] => return Key::Number(0),
            [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] => true,
            _ => false,
        };
        // Eighteen characters never overflow.
        if !plain || id.len() > 18 {
            return Key::Text(id);
        }
        let negative = id[0] == b'-';
        let mut value = 0;
        for digit in &id[usize::from(negative)..] {
            if !digit.is_ascii_digit() {
                return Key::Text(id);
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        Key::Number(if negative { -value } else { value })
    }

    /// By what the text stands for, now that it is known for all. What does not fit,
    /// as the input has changed meanwhile, stays text.
    pub fn spelled(id: &'a [u8], spelling: Spelling) -> Self {
        let number = match spelling {
            Spelling::Unknown | Spelling::Texts => None,
            Spelling::Integers => match csv::integer(id) {
                Some(Ok(i64::MIN)) => Some(0),
                Some(Ok(integer)) => Some(integer),
                _ => None,
            },
            // Both zeros are one number.
            Spelling::Floats => csv::float(id).map(|float| (float + 0.0).to_bits().cast_signed()),
            Spelling::Booleans => csv::flag(id).map(i64::from),
        };
        number.map_or(Key::Text(id), Key::Number)
    }

    /// High and low bits are equally good. The same everywhere, as the order of
    /// groups within a partition must not change from run to run.
    pub fn hash(self) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let fold = |value: u64| {
            let wide = u128::from(value ^ ODD) * u128::from(0xd6e8_feb8_6659_fd93_u64);
            #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
            let low = wide as u64;
            low ^ (wide >> 64) as u64
        };
        match self {
            Key::Number(number) => fold(number.cast_unsigned()),
            Key::Text(text) => {
                let mut hash = fold(text.len() as u64);
                let (words, rest) = text.as_chunks();
                for word in words {
                    hash = fold(hash ^ u64::from_le_bytes(*word));
                }
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                fold(hash ^ u64::from_le_bytes(last))
            }
        }
    }
}
