//! Vectors that R keeps in a short form: sequences, numbers that are texts only once
//! somebody looks, and vectors of which R knows that they are sorted.

use std::sync::Arc;

use super::{ReadError, Reader};
use crate::number;
use crate::value::{Data, LONGEST_SEQUENCE, NA_INTEGER, Value};

/// What a number takes as a text.
const TEXT: u64 = 48;

impl Reader<'_> {
    pub(super) fn altrep(&mut self) -> Result<Value, ReadError> {
        let info = self.item()?;
        let state = self.item()?;
        let flags = self.flags()?;
        let attributes = self.attribute_list(flags)?;
        let Some(class) = class(&info) else {
            return self.broken("a short form has no class");
        };
        let data = match &*class {
            "compact_intseq" => self.integers(&state)?,
            "compact_realseq" => self.reals(&state)?,
            "deferred_string" => self.deferred(state)?,
            class if class.starts_with("wrap_") => self.wrapped(state)?,
            class if class.starts_with("mmap_") => {
                return Err(ReadError::NeedsR {
                    at: self.input.at(),
                    what: "a vector that is in another file",
                });
            }
            // Of some package; whoever needs it will say so.
            _ => Data::Opaque("a vector of a package's own kind"),
        };
        Ok(Value { data, attributes })
    }

    fn sequence(&self, state: &Value) -> Result<(u64, f64, f64), ReadError> {
        let Data::Real(numbers) = &state.data else {
            return self.broken("this sequence has no numbers");
        };
        let [length, first, step] = numbers[..] else {
            return self.broken("this sequence does not have three numbers");
        };
        // The same 2^52 that is the longest vector of R.
        let fits = (0.0..=4_503_599_627_370_496.0).contains(&length) && length.fract() == 0.0;
        // Not so when it is no number at all.
        let is_step = (step.abs() - 1.0).abs() <= 0.0;
        if !fits || !is_step || !first.is_finite() {
            return self.broken("this is no sequence");
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        Ok((length as u64, first, step))
    }

    fn integers(&self, state: &Value) -> Result<Data, ReadError> {
        let (length, first, step) = self.sequence(state)?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "it saturates, and is checked"
        )]
        let (first, step) = (first as i64, step as i64);
        let spread = i64::try_from(length)
            .expect("at most 2^52")
            .saturating_sub(1)
            .max(0);
        let last = first.saturating_add(step * spread);
        let is_integer = |place: i64| i32::try_from(place).is_ok_and(|place| place != NA_INTEGER);
        if !is_integer(first) || !is_integer(last) {
            return self.broken("a sequence of integers leaves them");
        }
        if length == 0 {
            return Ok(Data::Integer(vec![]));
        }
        Ok(Data::Sequence {
            first,
            step,
            length,
        })
    }

    fn reals(&self, state: &Value) -> Result<Data, ReadError> {
        let (length, first, step) = self.sequence(state)?;
        if length == 0 {
            return Ok(Data::Real(vec![]));
        }
        Ok(Data::RealSequence {
            first,
            step,
            length,
        })
    }

    /// The texts of numbers, with the option `scipen` of the session that made them.
    fn deferred(&mut self, state: Value) -> Result<Data, ReadError> {
        let Data::Pairs(members) = state.data else {
            return self.broken("deferred texts should be a pair");
        };
        let mut members = members.into_iter().map(|member| member.value);
        let (Some(numbers), Some(scientific)) = (members.next(), members.next()) else {
            return self.broken("deferred texts should be a pair");
        };
        let penalty = match &scientific.data {
            Data::Integer(penalty) => penalty.first().copied().unwrap_or(0),
            _ => 0,
        };
        if numbers.length() > LONGEST_SEQUENCE {
            return self.broken("too many numbers should be texts");
        }
        self.charge(numbers.length() * TEXT)?;
        if let Some(integers) = numbers.integers() {
            let text = |number: i32| (number != NA_INTEGER).then(|| number.to_string().into());
            return Ok(Data::Text(integers.into_iter().map(text).collect()));
        }
        match (&numbers.data, numbers.numbers()) {
            (Data::Real(_) | Data::RealSequence { .. }, Some(reals)) => {
                let text = |number: f64| number::text(number, penalty).map(Arc::from);
                Ok(Data::Text(reals.into_iter().map(text).collect()))
            }
            _ => self.broken("deferred texts are not of numbers"),
        }
    }

    fn wrapped(&self, state: Value) -> Result<Data, ReadError> {
        let first = match state.data {
            Data::Pairs(members) => members.into_iter().next().map(|member| member.value),
            Data::List(values) => values.into_iter().next(),
            _ => None,
        };
        match first {
            Some(value) => Ok(value.data),
            None => self.broken("a wrapped vector should be here"),
        }
    }
}

/// A pairlist of class, package and type.
fn class(info: &Value) -> Option<Arc<str>> {
    let Data::Pairs(members) = &info.data else {
        return None;
    };
    match &members.first()?.value.data {
        Data::Symbol(name) => Some(Arc::clone(name)),
        _ => None,
    }
}
