//! Reads R's serialization. Nothing that a file says is believed before it was seen:
//! memory is counted as values are made, lists are walked by loops, depth has a limit.
//!
//! [`input`] are numbers and bytes in the three forms of the stream, `item` makes
//! values, `skip` goes over what is dropped, `bytecode` and `altrep` are the two forms
//! with rules of their own, `text` is about encodings.

mod altrep;
mod bytecode;
mod input;
mod item;
mod skip;
mod text;

use std::sync::Arc;

use thiserror::Error;

use crate::envelope;
use crate::value::Value;
use input::Input;
pub use item::kind;
use text::Native;

/// What reading a file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes behind the decompression.
    pub unpacked: u64,
    /// Bytes that the values take, about.
    pub memory: u64,
    /// How deeply values may be nested. It keeps the stack of all who walk them: the
    /// default is for two megabytes, in a build that is not optimised.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: 1 << 30,
            memory: 2 << 30,
            depth: 512,
        }
    }
}

/// Offsets are those of the decompressed stream.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("the file is empty")]
    Empty,
    #[error("this is no .rds file: it begins with {beginning}{}", hint(*.seems))]
    NotR {
        beginning: String,
        seems: Option<&'static str>,
    },
    #[error("the {kind} around the file is broken")]
    Envelope {
        kind: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("the file ends too early: its {kind} is not complete")]
    EnvelopeEnds { kind: &'static str },
    #[error("version {version} of R's serialization is not known, only 2 and 3")]
    Version { version: i32 },
    #[error("the file ends too early, at byte {at}")]
    Ends { at: usize },
    #[error("byte {at}: there is no type {kind} in R")]
    Kind { at: usize, kind: u8 },
    #[error("byte {at}: {what}")]
    Broken { at: usize, what: &'static str },
    #[error("byte {at}: {what} cannot be read without R")]
    NeedsR { at: usize, what: &'static str },
    #[error("{what} it is larger than {most} bytes")]
    TooLarge { what: &'static str, most: u64 },
    #[error("byte {at}: values are nested more than {most} deep")]
    TooDeep { at: usize, most: usize },
    #[error("byte {at}: the value ends, but {left} bytes follow")]
    Follows { at: usize, left: usize },
}

fn hint(seems: Option<&'static str>) -> String {
    seems.map_or_else(String::new, |seems| format!(" and seems to be {seems}"))
}

/// What references of the stream can point to.
#[derive(Debug, Clone)]
enum Reference {
    Symbol(Arc<str>),
    /// Its number, once it is part of a value.
    Environment(Option<u32>),
    Place(Arc<str>),
    Opaque(&'static str),
}

#[derive(Debug)]
struct Reader<'a> {
    input: Input<'a>,
    native: Native,
    references: Vec<Reference>,
    /// How many environments have a number.
    environments: u32,
    memory_left: u64,
    depth: usize,
    limits: Limits,
}

/// The value of a file that `saveRDS` or `serialize` wrote. What `save` wrote is a
/// pairlist.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Value, ReadError> {
    if bytes.is_empty() {
        return Err(ReadError::Empty);
    }
    match envelope::open(bytes, limits.unpacked)? {
        Some(unpacked) => read_stream(&unpacked, limits),
        None => read_stream(bytes, limits),
    }
}

/// Whether the bytes begin as a stream does.
pub(crate) fn begins_well(bytes: &[u8]) -> bool {
    Input::of(bytes, start(bytes)).is_some()
}

/// Behind what `save` puts before the stream.
fn start(bytes: &[u8]) -> usize {
    let saved = [
        b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"RDB2\n", b"RDB3\n",
    ];
    if saved.iter().any(|magic| bytes.starts_with(*magic)) {
        5
    } else {
        0
    }
}

fn read_stream(bytes: &[u8], limits: &Limits) -> Result<Value, ReadError> {
    let Some(input) = Input::of(bytes, start(bytes)) else {
        return Err(ReadError::NotR {
            beginning: envelope::beginning(bytes),
            seems: envelope::guess(bytes),
        });
    };
    let mut reader = Reader {
        input,
        native: Native::Utf8,
        references: vec![],
        environments: 0,
        memory_left: limits.memory,
        depth: 0,
        limits: *limits,
    };
    reader.header()?;
    let value = reader.item()?;
    reader.input.end()?;
    Ok(value)
}

impl Reader<'_> {
    /// Version, who wrote it, who can read it; in version 3 the native encoding, too.
    fn header(&mut self) -> Result<(), ReadError> {
        let version = self.input.integer()?;
        self.input.integer()?;
        self.input.integer()?;
        match version {
            2 => Ok(()),
            3 => {
                let length = self.input.count()?;
                let name = self.input.text(length)?;
                self.native = Native::of(&name);
                Ok(())
            }
            version => Err(ReadError::Version { version }),
        }
    }

    fn broken<T>(&self, what: &'static str) -> Result<T, ReadError> {
        Err(ReadError::Broken {
            at: self.input.at(),
            what,
        })
    }

    /// Counts memory before it is taken.
    fn charge(&mut self, bytes: u64) -> Result<(), ReadError> {
        match self.memory_left.checked_sub(bytes) {
            Some(left) => {
                self.memory_left = left;
                Ok(())
            }
            None => Err(ReadError::TooLarge {
                what: "as values",
                most: self.limits.memory,
            }),
        }
    }

    /// Room for so many elements of a size, none of which take fewer bytes than
    /// `at_least` in the stream.
    fn room(&mut self, count: u64, size: usize, at_least: usize) -> Result<usize, ReadError> {
        let left = (self.input.left() / at_least) as u64;
        if count > left {
            return Err(ReadError::Ends {
                at: self.input.at() + self.input.left(),
            });
        }
        self.charge(count * size as u64)?;
        Ok(usize::try_from(count).expect("not more than bytes"))
    }

    /// One value deeper: who enters counts down again.
    fn enter(&mut self) -> Result<(), ReadError> {
        if self.depth >= self.limits.depth {
            return Err(ReadError::TooDeep {
                at: self.input.at(),
                most: self.limits.depth,
            });
        }
        self.depth += 1;
        Ok(())
    }
}
