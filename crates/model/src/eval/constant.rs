//! Expressions without variables: `c(0, 10, 20)`, `2 * pi`, what R learned.

use std::sync::Arc;

use rdata::value::NA_INTEGER;
use rdata::{Data, Value};

use super::math::{self, Arith};
use crate::expr::{Argument, Call, Expr};

/// More elements than any formula has a use for.
const MAX_ELEMENTS: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Null,
    Numbers(Vec<f64>),
    Logicals(Vec<i32>),
    Texts(Vec<Option<Arc<str>>>),
    List(Vec<(Option<Arc<str>>, Constant)>),
    /// Column by column.
    Matrix(Vec<Vec<f64>>),
}

impl Constant {
    pub fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Number(number) => Some(Self::Numbers(vec![*number])),
            Expr::Integer(number) => Some(Self::Numbers(vec![f64::from(*number)])),
            Expr::Text(text) => Some(Self::Texts(vec![Some(text.clone())])),
            Expr::Logical(value) => {
                let value = value.map_or(NA_INTEGER, i32::from);
                Some(Self::Logicals(vec![value]))
            }
            Expr::Null => Some(Self::Null),
            Expr::Name(name) => named(name),
            Expr::Value(value) => Self::of_value(value),
            Expr::Call(call) => Self::of_call(call),
        }
    }

    pub fn of_value(value: &Value) -> Option<Self> {
        if let Data::List(elements) = &value.data {
            let names = value.names().unwrap_or_default();
            let elements = elements.iter().enumerate().map(|(at, element)| {
                let name = names.get(at).filter(|name| !name.is_empty()).cloned();
                Some((name, Self::of_value(element)?))
            });
            return elements.collect::<Option<_>>().map(Self::List);
        }
        match &value.data {
            Data::Null => Some(Self::Null),
            Data::Logical(values) => Some(Self::Logicals(values.clone())),
            Data::Text(texts) => Some(Self::Texts(texts.clone())),
            _ => {
                let numbers = value.numbers()?;
                match value.attribute("dim").and_then(Value::numbers).as_deref() {
                    Some([rows, columns]) if *rows * *columns > 0.0 => {
                        let height = place(*rows)?;
                        place(*columns)?;
                        let columns = numbers.chunks_exact(height).map(<[f64]>::to_vec);
                        Some(Self::Matrix(columns.collect()))
                    }
                    _ => Some(Self::Numbers(numbers)),
                }
            }
        }
    }

    fn of_call(call: &Call) -> Option<Self> {
        let function = call.short_name();
        let arguments = &call.arguments;
        match (function, &arguments[..]) {
            ("(" | "I" | "+" | "as.numeric" | "as.integer" | "as.double", [only])
                if only.name.is_none() =>
            {
                Self::of(&only.value)
            }
            ("-", [only]) => {
                let numbers = Self::of(&only.value)?.into_numbers()?;
                Some(Self::Numbers(
                    numbers.iter().map(|number| -number).collect(),
                ))
            }
            ("list", elements) => {
                let elements = elements
                    .iter()
                    .map(|own| Some((own.name.clone(), Self::of(&own.value)?)));
                elements.collect::<Option<_>>().map(Self::List)
            }
            ("c", elements) => combined(elements),
            (":", [from, to]) => sequence(scalar(from)?, scalar(to)?, None),
            ("seq" | "seq.int", [from, to]) if to.name.as_deref().is_none_or(|own| own == "to") => {
                sequence(scalar(from)?, scalar(to)?, None)
            }
            ("seq" | "seq.int", [from, to, by])
                if by.name.as_deref().is_none_or(|own| own == "by") =>
            {
                sequence(scalar(from)?, scalar(to)?, Some(scalar(by)?))
            }
            ("seq_len", [only]) => sequence(1.0, scalar(only)?, None),
            (_, [only]) => {
                let function = math::function(function)?;
                let numbers = Self::of(&only.value)?.into_numbers()?;
                Some(Self::Numbers(numbers.into_iter().map(function).collect()))
            }
            (_, [one, other]) => {
                let apply = Arith::of(function)?.apply();
                let one = Self::of(&one.value)?.into_numbers()?;
                let other = Self::of(&other.value)?.into_numbers()?;
                recycled(&one, &other, apply).map(Self::Numbers)
            }
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Numbers(numbers) => numbers.len(),
            Self::Logicals(values) => values.len(),
            Self::Texts(texts) => texts.len(),
            Self::List(elements) => elements.len(),
            Self::Matrix(columns) => columns.len(),
        }
    }

    pub fn into_numbers(self) -> Option<Vec<f64>> {
        match self {
            Self::Numbers(numbers) => Some(numbers),
            Self::Logicals(values) => {
                Some(values.iter().copied().map(super::vector::number).collect())
            }
            Self::Null => Some(vec![]),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Numbers(numbers) => Some(*numbers.first()?).filter(|_| numbers.len() == 1),
            Self::Logicals(values) if values.len() == 1 => Some(super::vector::number(values[0])),
            _ => None,
        }
    }

    pub fn logical(&self) -> Option<bool> {
        let number = self.number().filter(|number| !number.is_nan())?;
        Some(number != 0.0)
    }

    pub fn text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Texts(texts) if texts.len() == 1 => texts[0].as_ref(),
            _ => None,
        }
    }

    /// As R's `as.character` has them; NA drops out.
    pub fn texts(&self) -> Option<Vec<Arc<str>>> {
        let number = |number: &f64| -> Arc<str> { crate::expr::number_text(*number).into() };
        match self {
            Self::Null => Some(vec![]),
            Self::Texts(texts) => Some(texts.iter().flatten().cloned().collect()),
            Self::Numbers(numbers) => {
                let known = numbers.iter().filter(|number| !number.is_nan());
                Some(known.map(number).collect())
            }
            Self::Logicals(values) => {
                let known = values.iter().filter(|value| **value != NA_INTEGER);
                let text = |value: &i32| if *value == 0 { "FALSE" } else { "TRUE" }.into();
                Some(known.map(text).collect())
            }
            Self::List(_) | Self::Matrix(_) => None,
        }
    }

    /// Of a list.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::List(elements) = self else {
            return None;
        };
        let found = elements
            .iter()
            .find(|(own, _)| own.as_deref() == Some(name));
        found.map(|(_, element)| element)
    }
}

/// `pi` and what else has a name in every R; a column of the data by this name is asked
/// for before.
fn named(name: &str) -> Option<Constant> {
    Some(match name {
        "pi" => Constant::Numbers(vec![std::f64::consts::PI]),
        "T" => Constant::Logicals(vec![1]),
        "F" => Constant::Logicals(vec![0]),
        "letters" => alphabet('a'..='z'),
        "LETTERS" => alphabet('A'..='Z'),
        _ => return None,
    })
}

fn alphabet(letters: std::ops::RangeInclusive<char>) -> Constant {
    Constant::Texts(letters.map(|own| Some(own.to_string().into())).collect())
}

fn scalar(argument: &Argument) -> Option<f64> {
    Constant::of(&argument.value)?.number()
}

fn place(number: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (1.0..1e9).contains(&number).then_some(number as usize)
}

fn combined(elements: &[Argument]) -> Option<Constant> {
    let parts = elements.iter().map(|own| Constant::of(&own.value));
    let parts = parts.collect::<Option<Vec<_>>>()?;
    if parts.iter().map(Constant::len).sum::<usize>() > MAX_ELEMENTS {
        return None;
    }
    if parts.iter().any(|part| matches!(part, Constant::Texts(_))) {
        let mut texts = vec![];
        for part in parts {
            match part {
                Constant::Texts(own) => texts.extend(own),
                other => texts.extend(other.texts()?.into_iter().map(Some)),
            }
        }
        return Some(Constant::Texts(texts));
    }
    let only_logical = |part: &Constant| matches!(part, Constant::Logicals(_) | Constant::Null);
    if !parts.is_empty() && parts.iter().all(only_logical) {
        let values = parts.into_iter().flat_map(|part| match part {
            Constant::Logicals(values) => values,
            _ => vec![],
        });
        return Some(Constant::Logicals(values.collect()));
    }
    let mut numbers = vec![];
    for part in parts {
        numbers.extend(part.into_numbers()?);
    }
    Some(Constant::Numbers(numbers))
}

fn sequence(from: f64, to: f64, by: Option<f64>) -> Option<Constant> {
    let by = by.unwrap_or(if from <= to { 1.0 } else { -1.0 });
    let steps = ((to - from) / by + 1e-10).floor();
    if !(steps >= 0.0 && steps < f64::from(1 << 20)) {
        return None;
    }
    let count = place(steps + 1.0)?;
    #[expect(clippy::cast_precision_loss, reason = "bounded above")]
    let at = |step: usize| from + step as f64 * by;
    Some(Constant::Numbers((0..count).map(at).collect()))
}

fn recycled(one: &[f64], other: &[f64], apply: fn(f64, f64) -> f64) -> Option<Vec<f64>> {
    if one.is_empty() || other.is_empty() {
        return Some(vec![]);
    }
    let count = one.len().max(other.len());
    if count > MAX_ELEMENTS {
        return None;
    }
    let at = |from: &[f64], place: usize| from[place % from.len()];
    let numbers = (0..count).map(|place| apply(at(one, place), at(other, place)));
    Some(numbers.collect())
}
