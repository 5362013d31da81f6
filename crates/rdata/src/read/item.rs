//! Values of the stream. Every kind of item is taken up to its last byte, also where
//! nothing of it is kept: else references that follow would mean something else.

use std::sync::Arc;

use super::text::decode;
use super::{ReadError, Reader, Reference};
use crate::value::{Closure, Data, Member, Value};

/// Kinds of items, by their numbers in R.
pub mod kind {
    pub const SYMBOL: u8 = 1;
    pub const LIST: u8 = 2;
    pub const CLOSURE: u8 = 3;
    pub const ENVIRONMENT: u8 = 4;
    pub const PROMISE: u8 = 5;
    pub const LANGUAGE: u8 = 6;
    pub const SPECIAL: u8 = 7;
    pub const BUILTIN: u8 = 8;
    pub const CHARACTERS: u8 = 9;
    pub const LOGICAL: u8 = 10;
    pub const INTEGER: u8 = 13;
    pub const REAL: u8 = 14;
    pub const COMPLEX: u8 = 15;
    pub const TEXT: u8 = 16;
    pub const DOTS: u8 = 17;
    pub const VECTOR: u8 = 19;
    pub const EXPRESSION: u8 = 20;
    pub const BYTE_CODE: u8 = 21;
    pub const POINTER: u8 = 22;
    pub const WEAK_REFERENCE: u8 = 23;
    pub const RAW: u8 = 24;
    pub const S4: u8 = 25;
    pub const ALTREP: u8 = 238;
    pub const ATTRIBUTED_LIST: u8 = 239;
    pub const ATTRIBUTED_LANGUAGE: u8 = 240;
    pub const BASE: u8 = 241;
    pub const EMPTY: u8 = 242;
    pub const CODE_REFERENCE: u8 = 243;
    pub const CODE_DEFINITION: u8 = 244;
    pub const PERSISTENT: u8 = 247;
    pub const PACKAGE: u8 = 248;
    pub const NAMESPACE: u8 = 249;
    pub const BASE_NAMESPACE: u8 = 250;
    pub const MISSING: u8 = 251;
    pub const UNBOUND: u8 = 252;
    pub const GLOBAL: u8 = 253;
    pub const NULL: u8 = 254;
    pub const REFERENCE: u8 = 255;
}

/// The first word of an item.
#[derive(Debug, Clone, Copy)]
pub struct Flags(u32);

impl Flags {
    pub fn kind(self) -> u8 {
        (self.0 & 0xFF) as u8
    }

    pub fn has_attributes(self) -> bool {
        self.0 & 1 << 9 != 0
    }

    pub fn has_tag(self) -> bool {
        self.0 & 1 << 10 != 0
    }

    pub fn levels(self) -> u32 {
        self.0 >> 12
    }

    fn is_list(self) -> bool {
        matches!(self.kind(), kind::LIST | kind::LANGUAGE | kind::DOTS)
    }
}

/// What a text takes beside its bytes.
const TEXT: u64 = 40;

impl Reader<'_> {
    pub(super) fn flags(&mut self) -> Result<Flags, ReadError> {
        Ok(Flags(self.input.integer()?.cast_unsigned()))
    }

    pub(super) fn item(&mut self) -> Result<Value, ReadError> {
        let flags = self.flags()?;
        self.flagged(flags)
    }

    /// Values in values come through here. What it calls does the work, so that it
    /// takes little of the stack itself.
    pub(super) fn flagged(&mut self, flags: Flags) -> Result<Value, ReadError> {
        self.enter()?;
        let value = match flags.kind() {
            kind::LIST | kind::LANGUAGE | kind::DOTS => self.pairs(flags),
            kind::CLOSURE => self.closure(flags),
            kind::ENVIRONMENT => self.environment(),
            kind::ALTREP => self.altrep(),
            kind::VECTOR | kind::EXPRESSION => self.list(flags),
            _ => self.leaf(flags),
        };
        self.depth -= 1;
        value
    }

    /// What holds no values, but for its attributes.
    #[inline(never)]
    fn leaf(&mut self, flags: Flags) -> Result<Value, ReadError> {
        let data = match flags.kind() {
            kind::PROMISE => {
                self.skip_rest(flags)?;
                return Ok(Data::Opaque("a promise").into());
            }
            kind::CHARACTERS => Data::Text(vec![self.characters(flags)?]),
            kind::SPECIAL | kind::BUILTIN => self.primitive(flags)?,
            kind::TEXT => Data::Text(self.texts()?),
            kind::LOGICAL | kind::INTEGER | kind::REAL | kind::COMPLEX | kind::RAW => {
                self.vector(flags.kind())?
            }
            kind::BYTE_CODE => {
                self.skip_code()?;
                Data::Opaque("byte code")
            }
            kind::POINTER => {
                self.reference(Reference::Opaque("an external pointer"))?;
                self.skip(2)?;
                Data::Opaque("an external pointer")
            }
            kind::WEAK_REFERENCE => {
                self.reference(Reference::Opaque("a weak reference"))?;
                Data::Opaque("a weak reference")
            }
            kind::S4 => Data::Opaque("S4"),
            _ => return self.word(flags).map(Value::from),
        };
        self.with_attributes(data, flags)
    }

    /// The attributes that follow the data.
    fn with_attributes(&mut self, data: Data, flags: Flags) -> Result<Value, ReadError> {
        let attributes = self.attributes(flags)?;
        Ok(Value { data, attributes })
    }

    fn primitive(&mut self, flags: Flags) -> Result<Data, ReadError> {
        let length = self.input.count()?;
        let name = self.input.text(length)?;
        let name = String::from_utf8_lossy(&name).into();
        Ok(match flags.kind() {
            kind::BUILTIN => Data::Builtin(name),
            _ => Data::Special(name),
        })
    }

    /// What is one word, or a name: symbols, references, places.
    fn word(&mut self, flags: Flags) -> Result<Data, ReadError> {
        let place = |name: &str| Ok(Data::Place(name.into()));
        match flags.kind() {
            kind::NULL => Ok(Data::Null),
            kind::SYMBOL => Ok(Data::Symbol(self.symbol()?)),
            kind::REFERENCE => self.referred(flags),
            kind::GLOBAL => place("global"),
            kind::BASE => place("base"),
            kind::EMPTY => place("empty"),
            kind::BASE_NAMESPACE => place("namespace:base"),
            kind::MISSING => Ok(Data::Missing),
            kind::UNBOUND => Ok(Data::Opaque("unbound")),
            kind::PACKAGE | kind::NAMESPACE | kind::PERSISTENT => {
                let reference = self.named(flags.kind())?;
                Ok(self.kept(reference))
            }
            kind => Err(ReadError::Kind {
                at: self.input.at(),
                kind,
            }),
        }
    }

    /// A namespace or package, which are found by their names.
    pub(super) fn named(&mut self, kind: u8) -> Result<usize, ReadError> {
        if self.input.integer()? != 0 {
            return self.broken("these texts should have no names");
        }
        let count = self.input.count()?;
        let mut name = None;
        for _ in 0..count {
            let flags = self.flags()?;
            let text = self.characters(flags)?;
            name = name.or(text);
        }
        let name = name.unwrap_or_default();
        self.reference(match kind {
            kind::NAMESPACE => Reference::Place(format!("namespace:{name}").into()),
            // The name has it already, as `search()` does.
            kind::PACKAGE => Reference::Place(name),
            _ => Reference::Opaque("a persistent object"),
        })
    }

    pub(super) fn symbol(&mut self) -> Result<Arc<str>, ReadError> {
        let flags = self.flags()?;
        let name = self.characters(flags)?.unwrap_or_else(|| "NA".into());
        self.reference(Reference::Symbol(Arc::clone(&name)))?;
        Ok(name)
    }

    /// Puts into the table, and says where.
    pub(super) fn reference(&mut self, reference: Reference) -> Result<usize, ReadError> {
        self.charge(2 * size_of::<Reference>() as u64)?;
        self.references.push(reference);
        Ok(self.references.len() - 1)
    }

    /// Where in the table it points.
    pub(super) fn index(&mut self, flags: Flags) -> Result<usize, ReadError> {
        let index = match flags.0 >> 8 {
            0 => self.input.count()?,
            packed => packed as usize,
        };
        match index.checked_sub(1) {
            Some(index) if index < self.references.len() => Ok(index),
            _ => self.broken("a reference points to nothing"),
        }
    }

    fn referred(&mut self, flags: Flags) -> Result<Data, ReadError> {
        let index = self.index(flags)?;
        Ok(self.kept(index))
    }

    /// What is in the table, for a value.
    fn kept(&mut self, index: usize) -> Data {
        match &mut self.references[index] {
            Reference::Symbol(name) => Data::Symbol(Arc::clone(name)),
            Reference::Place(name) => Data::Place(Arc::clone(name)),
            Reference::Opaque(kind) => Data::Opaque(kind),
            Reference::Environment(number) => {
                let number = *number.get_or_insert_with(|| {
                    self.environments += 1;
                    self.environments
                });
                Data::Environment(number)
            }
        }
    }

    /// What is in it is dropped. Its attributes are kept where it comes first.
    fn environment(&mut self) -> Result<Value, ReadError> {
        self.input.integer()?;
        let index = self.reference(Reference::Environment(None))?;
        let data = self.kept(index);
        self.skip(3)?;
        let flags = self.flags()?;
        let attributes = self.attribute_list(flags)?;
        Ok(Value { data, attributes })
    }

    pub(super) fn attributes(&mut self, flags: Flags) -> Result<Vec<(Arc<str>, Value)>, ReadError> {
        if !flags.has_attributes() {
            return Ok(vec![]);
        }
        let flags = self.flags()?;
        self.attribute_list(flags)
    }

    pub(super) fn attribute_list(
        &mut self,
        flags: Flags,
    ) -> Result<Vec<(Arc<str>, Value)>, ReadError> {
        match flags.kind() {
            kind::NULL => return Ok(vec![]),
            kind::LIST => {}
            _ => return self.broken("attributes should be a pairlist"),
        }
        let Data::Pairs(members) = self.flagged(flags)?.data else {
            return self.broken("attributes should be a pairlist");
        };
        let named = members
            .into_iter()
            .map(|member| Some((member.tag?, member.value)));
        match named.collect() {
            Some(attributes) => Ok(attributes),
            None => self.broken("an attribute has no name"),
        }
    }

    /// A pairlist or call, along its chain.
    fn pairs(&mut self, first: Flags) -> Result<Value, ReadError> {
        let attributes = self.attributes(first)?;
        let mut members = vec![];
        let mut flags = first;
        loop {
            let tag = self.tag(flags)?;
            self.charge(size_of::<Member>() as u64)?;
            let value = self.item()?;
            members.push(Member { tag, value });
            flags = self.flags()?;
            if flags.kind() == kind::NULL {
                break;
            }
            if !flags.is_list() {
                // A chain that does not end with NULL: R has these only in ALTREP.
                let value = self.flagged(flags)?;
                members.push(value.into());
                break;
            }
            if flags.has_attributes() {
                self.skip(1)?;
            }
        }
        let data = match first.kind() {
            kind::LIST => Data::Pairs(members),
            kind::LANGUAGE => Data::Call(members),
            _ => Data::Opaque("..."),
        };
        Ok(Value { data, attributes })
    }

    fn tag(&mut self, flags: Flags) -> Result<Option<Arc<str>>, ReadError> {
        if !flags.has_tag() {
            return Ok(None);
        }
        self.tag_item()
    }

    /// A tag is a symbol; where there is none it can be NULL.
    pub(super) fn tag_item(&mut self) -> Result<Option<Arc<str>>, ReadError> {
        let flags = self.flags()?;
        match self.word(flags)? {
            Data::Symbol(name) => Ok(Some(name)),
            Data::Null => Ok(None),
            _ => self.broken("a tag should be a symbol"),
        }
    }

    fn closure(&mut self, flags: Flags) -> Result<Value, ReadError> {
        let attributes = self.attributes(flags)?;
        let environment = if flags.has_tag() {
            self.item()?
        } else {
            Data::Null.into()
        };
        let formals = match self.item()?.data {
            Data::Pairs(members) => members,
            Data::Null => vec![],
            _ => return self.broken("formals should be a pairlist"),
        };
        let body = self.flags()?;
        let body = match body.kind() {
            kind::BYTE_CODE => self.code(body)?,
            _ => self.flagged(body)?,
        };
        self.charge(size_of::<Closure>() as u64)?;
        let data = Data::Closure(Box::new(Closure {
            formals,
            body,
            environment,
        }));
        Ok(Value { data, attributes })
    }

    fn list(&mut self, flags: Flags) -> Result<Value, ReadError> {
        let count = self.input.length()?;
        let at_least = self.input.smallest(4);
        let count = self.room(count, size_of::<Value>(), at_least)?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(self.item()?);
        }
        let data = match flags.kind() {
            kind::VECTOR => Data::List(values),
            _ => Data::Expression(values),
        };
        self.with_attributes(data, flags)
    }

    fn texts(&mut self) -> Result<Vec<Option<Arc<str>>>, ReadError> {
        let count = self.input.length()?;
        let at_least = self.input.smallest(8);
        let count = self.room(count, size_of::<Option<Arc<str>>>(), at_least)?;
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            let flags = self.flags()?;
            texts.push(self.characters(flags)?);
        }
        Ok(texts)
    }

    pub(super) fn characters(&mut self, flags: Flags) -> Result<Option<Arc<str>>, ReadError> {
        if flags.kind() != kind::CHARACTERS {
            return self.broken("a text should be here");
        }
        let text = match self.input.integer()? {
            -1 => None,
            length => {
                let Ok(length) = usize::try_from(length) else {
                    return self.broken("a length is negative");
                };
                let bytes = self.input.text(length)?;
                // Bytes of other encodings can become three.
                let taken = if bytes.is_ascii() { length } else { 4 * length };
                self.charge(taken as u64 + TEXT)?;
                Some(decode(&bytes, flags.levels(), self.native))
            }
        };
        // What R did not write since its texts are shared.
        if flags.has_attributes() {
            self.skip(1)?;
        }
        Ok(text)
    }

    fn vector(&mut self, kind: u8) -> Result<Data, ReadError> {
        let count = self.input.length()?;
        let size = size_of_element(kind);
        let at_least = self.input.smallest(size);
        let count = self.room(count, size, at_least)?;
        Ok(match kind {
            kind::LOGICAL => Data::Logical(self.input.integers(count)?),
            kind::INTEGER => Data::Integer(self.input.integers(count)?),
            kind::REAL => Data::Real(self.input.reals(count)?),
            kind::COMPLEX => {
                let reals = self.input.reals(2 * count)?;
                let pairs = reals.as_chunks().0.iter();
                Data::Complex(pairs.map(|&[re, im]| (re, im)).collect())
            }
            _ => Data::Raw(self.input.raw(count)?.into_owned()),
        })
    }
}

/// Bytes of an element of a vector in binary streams.
pub fn size_of_element(kind: u8) -> usize {
    match kind {
        kind::LOGICAL | kind::INTEGER => 4,
        kind::REAL => 8,
        kind::COMPLEX => 16,
        _ => 1,
    }
}
