//! Writes R's serialization, big-endian, so that R reads back the same value.
//!
//! Environments were emptied when they were read: they are written empty, inside the
//! global one. What has no form without R, such as byte code, is an error.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use thiserror::Error;

use crate::read::kind;
use crate::value::{Closure, Data, LONGEST_SEQUENCE, Member, Value};

/// Of the serialization. R reads the second since 2.3, the third since 3.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Two,
    Three,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    #[error("{kind} cannot be written without R")]
    NeedsR { kind: &'static str },
    #[error("values are nested more than {DEEPEST} deep")]
    TooDeep,
    #[error("a sequence of {length} elements is too long to be written")]
    TooLong { length: u64 },
    #[error("a text of {length} bytes is longer than R's texts can be")]
    TextTooLong { length: usize },
}

/// Twice what is read by default.
const DEEPEST: usize = 1024;
/// R 4.2.2, as R counts.
const WRITTEN_BY: i32 = 0x0004_0202;
const OBJECT: u32 = 1 << 8;
const ATTRIBUTES: u32 = 1 << 9;
const TAG: u32 = 1 << 10;
/// Levels of texts.
const UTF8: u32 = 1 << (12 + 3);
const ASCII: u32 = 1 << (12 + 6);
const S4: u32 = 1 << (12 + 4);

/// What `unserialize` reads.
pub fn write(value: &Value, version: Version) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer {
        out: b"X\n".to_vec(),
        version,
        references: HashMap::new(),
        depth: 0,
    };
    writer.header();
    writer.item(value)?;
    Ok(writer.out)
}

/// What `readRDS` reads, in every R since 2.3.
pub fn write_rds(value: &Value) -> Result<Vec<u8>, WriteError> {
    Ok(gzip(&write(value, Version::Two)?))
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// What can be referred to.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Named {
    Symbol(Arc<str>),
    Place(Arc<str>),
    Environment(u32),
}

#[derive(Debug)]
struct Writer {
    out: Vec<u8>,
    version: Version,
    /// Counted from 1.
    references: HashMap<Named, u32>,
    depth: usize,
}

impl Writer {
    fn header(&mut self) {
        match self.version {
            Version::Two => {
                self.integer(2);
                self.integer(WRITTEN_BY);
                self.integer(0x0002_0300);
            }
            Version::Three => {
                self.integer(3);
                self.integer(WRITTEN_BY);
                self.integer(0x0003_0500);
                self.integer(5);
                self.out.extend_from_slice(b"UTF-8");
            }
        }
    }

    fn integer(&mut self, number: i32) {
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn real(&mut self, number: f64) {
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn flags(&mut self, kind: u8, flags: u32) {
        self.integer((u32::from(kind) | flags).cast_signed());
    }

    fn length(&mut self, length: usize) {
        if let Ok(length) = i32::try_from(length) {
            return self.integer(length);
        }
        let length = (length as u64).to_be_bytes();
        self.integer(-1);
        self.out.extend_from_slice(&length);
    }

    fn item(&mut self, value: &Value) -> Result<(), WriteError> {
        if self.depth >= DEEPEST {
            return Err(WriteError::TooDeep);
        }
        self.depth += 1;
        let done = self.value(value);
        self.depth -= 1;
        done
    }

    fn value(&mut self, value: &Value) -> Result<(), WriteError> {
        match &value.data {
            Data::Null => self.flags(kind::NULL, 0),
            Data::Missing => self.flags(kind::MISSING, 0),
            Data::Symbol(name) => self.symbol(name)?,
            Data::Place(name) => self.place(name)?,
            Data::Environment(number) => self.environment(*number, value)?,
            Data::Pairs(members) => self.pairs(kind::LIST, members, value)?,
            Data::Call(members) => self.pairs(kind::LANGUAGE, members, value)?,
            Data::Closure(closure) => self.closure(closure, value)?,
            Data::Sequence {
                first,
                step,
                length,
            } => self.sequence(*first, *step, *length, value)?,
            Data::RealSequence {
                first,
                step,
                length,
            } => self.real_sequence(*first, *step, *length, value)?,
            _ => return self.vector(value),
        }
        Ok(())
    }

    /// All that have their attributes behind the data.
    fn vector(&mut self, value: &Value) -> Result<(), WriteError> {
        let flags = flags_of(value);
        match &value.data {
            Data::Logical(numbers) => self.integers(kind::LOGICAL, numbers, flags),
            Data::Integer(numbers) => self.integers(kind::INTEGER, numbers, flags),
            Data::Real(numbers) => {
                self.flags(kind::REAL, flags);
                self.length(numbers.len());
                let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
                self.out.extend(bytes);
            }
            Data::Complex(numbers) => {
                self.flags(kind::COMPLEX, flags);
                self.length(numbers.len());
                for (re, im) in numbers {
                    self.real(*re);
                    self.real(*im);
                }
            }
            Data::Raw(bytes) => {
                self.flags(kind::RAW, flags);
                self.length(bytes.len());
                self.out.extend_from_slice(bytes);
            }
            Data::Text(texts) => {
                self.flags(kind::TEXT, flags);
                self.length(texts.len());
                for text in texts {
                    self.characters(text.as_deref())?;
                }
            }
            Data::List(values) => self.values(kind::VECTOR, values, flags)?,
            Data::Expression(values) => self.values(kind::EXPRESSION, values, flags)?,
            Data::Builtin(name) => self.primitive(kind::BUILTIN, name, flags),
            Data::Special(name) => self.primitive(kind::SPECIAL, name, flags),
            Data::Opaque("S4") => self.flags(kind::S4, flags | OBJECT | S4),
            Data::Opaque(kind) => return Err(WriteError::NeedsR { kind }),
            _ => unreachable!("written by `value`"),
        }
        self.attributes(value)
    }

    fn integers(&mut self, kind: u8, numbers: &[i32], flags: u32) {
        self.flags(kind, flags);
        self.length(numbers.len());
        let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
        self.out.extend(bytes);
    }

    fn values(&mut self, kind: u8, values: &[Value], flags: u32) -> Result<(), WriteError> {
        self.flags(kind, flags);
        self.length(values.len());
        values.iter().try_for_each(|value| self.item(value))
    }

    fn primitive(&mut self, kind: u8, name: &str, flags: u32) {
        self.flags(kind, flags);
        self.length(name.len());
        self.out.extend_from_slice(name.as_bytes());
    }

    fn characters(&mut self, text: Option<&str>) -> Result<(), WriteError> {
        let Some(text) = text else {
            self.flags(kind::CHARACTERS, 0);
            self.integer(-1);
            return Ok(());
        };
        let encoding = if text.is_ascii() { ASCII } else { UTF8 };
        self.flags(kind::CHARACTERS, encoding);
        let length = text.len();
        let counted = i32::try_from(length).map_err(|_| WriteError::TextTooLong { length })?;
        self.integer(counted);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Attributes behind the data; nothing if there are none.
    fn attributes(&mut self, value: &Value) -> Result<(), WriteError> {
        if value.attributes.is_empty() {
            return Ok(());
        }
        self.attribute_list(value)
    }

    fn attribute_list(&mut self, value: &Value) -> Result<(), WriteError> {
        for (name, value) in &value.attributes {
            self.flags(kind::LIST, TAG);
            self.symbol(name)?;
            self.item(value)?;
        }
        self.flags(kind::NULL, 0);
        Ok(())
    }

    /// Whether it was written before; then it is now a reference.
    fn seen(&mut self, name: Named) -> bool {
        if let Some(index) = self.references.get(&name) {
            let index = *index;
            self.flags(kind::REFERENCE, index << 8);
            return true;
        }
        let index = u32::try_from(self.references.len() + 1).expect("fewer than bytes");
        self.references.insert(name, index);
        false
    }

    fn symbol(&mut self, name: &Arc<str>) -> Result<(), WriteError> {
        if self.seen(Named::Symbol(Arc::clone(name))) {
            return Ok(());
        }
        self.flags(kind::SYMBOL, 0);
        self.characters(Some(name))
    }

    fn place(&mut self, name: &Arc<str>) -> Result<(), WriteError> {
        let kind = match &**name {
            "global" => kind::GLOBAL,
            "base" => kind::BASE,
            "empty" => kind::EMPTY,
            "namespace:base" => kind::BASE_NAMESPACE,
            _ => {
                if self.seen(Named::Place(Arc::clone(name))) {
                    return Ok(());
                }
                let (kind, name) = match name.strip_prefix("namespace:") {
                    Some(name) => (kind::NAMESPACE, name),
                    None => (kind::PACKAGE, &**name),
                };
                self.flags(kind, 0);
                self.integer(0);
                self.integer(1);
                return self.characters(Some(name));
            }
        };
        self.flags(kind, 0);
        Ok(())
    }

    fn environment(&mut self, number: u32, value: &Value) -> Result<(), WriteError> {
        if self.seen(Named::Environment(number)) {
            return Ok(());
        }
        self.flags(kind::ENVIRONMENT, 0);
        // Not locked; what is around it, its variables, its hash table.
        self.integer(0);
        self.flags(kind::GLOBAL, 0);
        self.flags(kind::NULL, 0);
        self.flags(kind::NULL, 0);
        self.attribute_list(value)
    }

    fn pairs(&mut self, kind: u8, members: &[Member], value: &Value) -> Result<(), WriteError> {
        let mut kind = kind;
        let mut flags = flags_of(value);
        for (place, member) in members.iter().enumerate() {
            let tag = if member.tag.is_some() { TAG } else { 0 };
            self.flags(kind, flags | tag);
            if place == 0 {
                self.attributes(value)?;
            }
            if let Some(tag) = &member.tag {
                self.symbol(tag)?;
            }
            self.item(&member.value)?;
            (kind, flags) = (kind::LIST, 0);
        }
        self.flags(kind::NULL, 0);
        Ok(())
    }

    fn closure(&mut self, closure: &Closure, value: &Value) -> Result<(), WriteError> {
        self.flags(kind::CLOSURE, flags_of(value) | TAG);
        self.attributes(value)?;
        self.item(&closure.environment)?;
        let formals = Data::Pairs(closure.formals.clone());
        self.item(&formals.into())?;
        self.item(&closure.body)
    }

    fn sequence(
        &mut self,
        first: i64,
        step: i64,
        length: u64,
        value: &Value,
    ) -> Result<(), WriteError> {
        if self.version == Version::Three && length > 0 {
            #[allow(clippy::cast_precision_loss, reason = "integers of R")]
            return self.compact(
                "compact_intseq",
                kind::INTEGER,
                first as f64,
                step as f64,
                value,
            );
        }
        if length > LONGEST_SEQUENCE {
            return Err(WriteError::TooLong { length });
        }
        let numbers = value.integers().expect("a sequence of integers");
        self.integers(kind::INTEGER, &numbers, flags_of(value));
        self.attributes(value)
    }

    fn real_sequence(
        &mut self,
        first: f64,
        step: f64,
        length: u64,
        value: &Value,
    ) -> Result<(), WriteError> {
        if self.version == Version::Three && length > 0 {
            return self.compact("compact_realseq", kind::REAL, first, step, value);
        }
        let Some(numbers) = value.numbers() else {
            return Err(WriteError::TooLong { length });
        };
        self.flags(kind::REAL, flags_of(value));
        self.length(numbers.len());
        for number in numbers {
            self.real(number);
        }
        self.attributes(value)
    }

    fn compact(
        &mut self,
        class: &str,
        of: u8,
        first: f64,
        step: f64,
        value: &Value,
    ) -> Result<(), WriteError> {
        self.flags(kind::ALTREP, flags_of(value));
        for name in [class, "base"] {
            self.flags(kind::LIST, 0);
            self.symbol(&name.into())?;
        }
        self.flags(kind::LIST, 0);
        self.integers(kind::INTEGER, &[i32::from(of)], 0);
        self.flags(kind::NULL, 0);
        self.flags(kind::REAL, 0);
        self.length(3);
        #[allow(clippy::cast_precision_loss, reason = "at most 2^52")]
        self.real(value.length() as f64);
        self.real(first);
        self.real(step);
        self.attribute_list(value)
    }
}

fn flags_of(value: &Value) -> u32 {
    if value.attributes.is_empty() {
        return 0;
    }
    let Some(class) = value.attribute("class") else {
        return ATTRIBUTES;
    };
    // Only classes of S4 say which package they are from.
    let formal = class.attribute("package").is_some();
    ATTRIBUTES | OBJECT | if formal { S4 } else { 0 }
}
