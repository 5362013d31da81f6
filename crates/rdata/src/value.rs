//! Values as R has them: vectors with attributes, lists, and language.
//!
//! Closures, environments and their kin are kept as what they are called, not as what
//! they hold: nothing here runs R.

use std::sync::Arc;

/// NA of integers and logicals.
pub const NA_INTEGER: i32 = i32::MIN;
/// Sequences that are longer stay what they are: a hundred bytes can mean terabytes.
pub const LONGEST_SEQUENCE: u64 = 1 << 26;
/// The low word of the NaN that is NA.
const NA_LOW_WORD: u64 = 1954;
/// NA of doubles: a NaN with R's mark.
pub const NA_REAL: f64 = f64::from_bits(0x7FF0_0000_0000_0000 | NA_LOW_WORD);

/// Whether a NaN is NA and not just no number.
pub fn is_na(number: f64) -> bool {
    number.is_nan() && number.to_bits() & 0xFFFF_FFFF == NA_LOW_WORD
}

#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub data: Data,
    /// Names, class, levels, dim and whatever else, in their order.
    pub attributes: Vec<(Arc<str>, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Null,
    /// 0, 1 or [`NA_INTEGER`].
    Logical(Vec<i32>),
    Integer(Vec<i32>),
    /// `first, first + step, ...`, kept as R keeps `1:n`. `step` is 1 or -1.
    Sequence {
        first: i64,
        step: i64,
        length: u64,
    },
    Real(Vec<f64>),
    /// The same of doubles: `1:n` where `n` is more than an integer can be.
    RealSequence {
        first: f64,
        step: f64,
        length: u64,
    },
    Complex(Vec<(f64, f64)>),
    /// None is NA.
    Text(Vec<Option<Arc<str>>>),
    Raw(Vec<u8>),
    List(Vec<Value>),
    Expression(Vec<Value>),
    /// A pairlist.
    Pairs(Vec<Member>),
    Symbol(Arc<str>),
    /// A call: the function first, then its arguments.
    Call(Vec<Member>),
    /// Numbered as they came; what is in it is dropped. Its own attributes are kept.
    Environment(u32),
    /// The environments that every R has: `global`, `base`, `empty`, `namespace:stats`.
    Place(Arc<str>),
    Builtin(Arc<str>),
    /// One that gets its arguments as they are written, such as `if`.
    Special(Arc<str>),
    Closure(Box<Closure>),
    /// Byte code, a promise, an external pointer, an S4 object, ...
    Opaque(&'static str),
    /// An argument that was left out, as in `x[, 1]`.
    Missing,
}

/// A function that is written in R. What its body is compiled to is dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Closure {
    /// [`Data::Missing`] where an argument has no default.
    pub formals: Vec<Member>,
    pub body: Value,
    pub environment: Value,
}

/// What a pairlist or call holds, with its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub tag: Option<Arc<str>>,
    pub value: Value,
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Self {
            data,
            attributes: vec![],
        }
    }
}

impl Value {
    pub fn attribute(&self, name: &str) -> Option<&Self> {
        let found = self.attributes.iter().find(|(own, _)| &**own == name);
        found.map(|(_, value)| value)
    }

    /// Texts, if that is what it is and none is NA.
    pub fn texts(&self) -> Option<Vec<Arc<str>>> {
        match &self.data {
            Data::Text(texts) => texts.iter().cloned().collect(),
            _ => None,
        }
    }

    /// The names of its elements; an element without one has an empty one.
    pub fn names(&self) -> Option<Vec<Arc<str>>> {
        self.attribute("names")?.texts()
    }

    /// The element of a list, or of a pairlist, by its name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match &self.data {
            Data::List(elements) => {
                let names = self.names()?;
                let at = names.iter().position(|own| &**own == name)?;
                elements.get(at)
            }
            Data::Pairs(members) | Data::Call(members) => {
                let tagged = |member: &&Member| member.tag.as_deref() == Some(name);
                members.iter().find(tagged).map(|member| &member.value)
            }
            _ => None,
        }
    }

    pub fn class(&self) -> Vec<Arc<str>> {
        self.attribute("class")
            .and_then(Self::texts)
            .unwrap_or_default()
    }

    pub fn inherits(&self, class: &str) -> bool {
        self.class().iter().any(|own| &**own == class)
    }

    /// As doubles, if it is numeric or logical; NA stays NA.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let widened = |number: &i32| match *number {
            NA_INTEGER => NA_REAL,
            number => f64::from(number),
        };
        match &self.data {
            Data::Real(numbers) => Some(numbers.clone()),
            Data::Integer(numbers) | Data::Logical(numbers) => {
                Some(numbers.iter().map(widened).collect())
            }
            Data::Sequence {
                first,
                step,
                length,
            } if *length <= LONGEST_SEQUENCE => {
                #[allow(clippy::cast_precision_loss, reason = "the reader keeps them small")]
                let numbers = places(*length).map(|at| (first + step * at) as f64);
                Some(numbers.collect())
            }
            Data::RealSequence {
                first,
                step,
                length,
            } if *length <= LONGEST_SEQUENCE => {
                #[allow(clippy::cast_precision_loss, reason = "below the longest")]
                let numbers = places(*length).map(|at| first + step * at as f64);
                Some(numbers.collect())
            }
            _ => None,
        }
    }

    /// As integers, if that is what it is: compact or not.
    pub fn integers(&self) -> Option<Vec<i32>> {
        match &self.data {
            Data::Integer(numbers) => Some(numbers.clone()),
            Data::Sequence {
                first,
                step,
                length,
            } if *length <= LONGEST_SEQUENCE => places(*length)
                .map(|at| i32::try_from(first + step * at).ok())
                .collect(),
            _ => None,
        }
    }

    /// How many elements R says it has.
    pub fn length(&self) -> u64 {
        let length = match &self.data {
            Data::Null => 0,
            Data::Sequence { length, .. } | Data::RealSequence { length, .. } => return *length,
            Data::Logical(values) | Data::Integer(values) => values.len(),
            Data::Real(values) => values.len(),
            Data::Complex(values) => values.len(),
            Data::Text(values) => values.len(),
            Data::Raw(values) => values.len(),
            Data::List(values) | Data::Expression(values) => values.len(),
            Data::Pairs(members) | Data::Call(members) => members.len(),
            _ => 1,
        };
        length as u64
    }

    /// The same value with one attribute more, behind those that it has.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Self>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// A list with names.
    pub fn list<'a>(elements: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let (names, values): (Vec<_>, Vec<_>) = elements.into_iter().unzip();
        Self::from(Data::List(values)).with("names", Self::strings(names))
    }

    /// A character vector without NA.
    pub fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts.into_iter().map(|text| Some(text.into()));
        Data::Text(texts.collect()).into()
    }

    pub fn symbol(name: &str) -> Self {
        Data::Symbol(name.into()).into()
    }

    /// A call, its function and arguments without tags.
    pub fn call(parts: impl IntoIterator<Item = Self>) -> Self {
        Data::Call(parts.into_iter().map(Member::from).collect()).into()
    }

    /// What R would call it, `typeof(value)`.
    pub fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Null => "NULL",
            Data::Logical(_) => "logical",
            Data::Integer(_) | Data::Sequence { .. } => "integer",
            Data::Real(_) | Data::RealSequence { .. } => "double",
            Data::Complex(_) => "complex",
            Data::Text(_) => "character",
            Data::Raw(_) => "raw",
            Data::List(_) => "list",
            Data::Expression(_) => "expression",
            Data::Pairs(_) => "pairlist",
            Data::Symbol(_) | Data::Missing => "symbol",
            Data::Call(_) => "language",
            Data::Environment(_) | Data::Place(_) => "environment",
            Data::Builtin(_) => "builtin",
            Data::Special(_) => "special",
            Data::Closure(_) => "closure",
            Data::Opaque(kind) => kind,
        }
    }
}

fn places(length: u64) -> impl Iterator<Item = i64> {
    0..i64::try_from(length).unwrap_or(i64::MAX)
}

impl From<Value> for Member {
    fn from(value: Value) -> Self {
        Self { tag: None, value }
    }
}
