//! Protocol buffers as far as reading needs them: a message is a row of numbered
//! fields. What a field means is told by its number, which `proto` knows.

use crate::Error;

pub(crate) enum Wire<'a> {
    /// A whole number, a flag or a choice.
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Number and content of the next field.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(self.array()?),
            _ => return Err(Error::NotOnnx("a field is of an unknown type")),
        };
        Ok(Some((key >> 3, wire)))
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(CUT)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::NotOnnx("a number is too long"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CUT)?;
        self.rest = rest;
        Ok(*taken)
    }
}

const CUT: Error = Error::NotOnnx("it ends in the middle");
const OTHER: Error = Error::NotOnnx("a field has the type of another");

impl<'a> Wire<'a> {
    pub(crate) fn bytes(&self) -> Result<&'a [u8], Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(OTHER),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::NotOnnx("a text is not UTF-8"))
    }

    /// Negative numbers are written as their two's complement.
    pub(crate) fn whole(&self) -> Result<i64, Error> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            _ => Err(OTHER),
        }
    }

    pub(crate) fn single(&self) -> Result<f32, Error> {
        match self {
            Self::Fixed32(bytes) => Ok(f32::from_le_bytes(*bytes)),
            _ => Err(OTHER),
        }
    }

    /// Repeated numbers come one by one, or all in one field.
    pub(crate) fn wholes(&self, into: &mut Vec<i64>) -> Result<(), Error> {
        match self {
            Self::Bytes(bytes) => {
                let mut packed = Fields::of(bytes);
                while !packed.rest.is_empty() {
                    into.push(packed.varint()?.cast_signed());
                }
            }
            other => into.push(other.whole()?),
        }
        Ok(())
    }

    pub(crate) fn singles(&self, into: &mut Vec<f32>) -> Result<(), Error> {
        match self {
            Self::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err(CUT);
                }
                into.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            other => into.push(other.single()?),
        }
        Ok(())
    }

    pub(crate) fn doubles(&self, into: &mut Vec<f64>) -> Result<(), Error> {
        match self {
            Self::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err(CUT);
                }
                into.extend(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)));
            }
            Self::Fixed64(bytes) => into.push(f64::from_le_bytes(*bytes)),
            _ => return Err(OTHER),
        }
        Ok(())
    }
}
