//! Arguments of a call, put to the parameters of its function as R does it.

use crate::expr::{Call, Expr};
use crate::needs_r::NeedsR;

use super::constant::Constant;

/// The argument of each parameter: exact names first, then beginnings of names, then
/// what is left in its order.
pub(crate) struct Matched<'a> {
    function: &'a str,
    parameters: &'static [&'static str],
    values: Vec<Option<&'a Expr>>,
}

impl<'a> Matched<'a> {
    pub fn new(call: &'a Call, parameters: &'static [&'static str]) -> Result<Self, NeedsR> {
        let mut values: Vec<Option<&Expr>> = vec![None; parameters.len()];
        let mut unnamed = vec![];
        for argument in &call.arguments {
            let Some(name) = &argument.name else {
                unnamed.push(&argument.value);
                continue;
            };
            let exact = parameters.iter().position(|own| *own == &**name);
            let begun = parameters.iter().position(|own| own.starts_with(&**name));
            let place = exact.or(begun).filter(|place| values[*place].is_none());
            let Some(place) = place else {
                let function = &call.function;
                let reason =
                    format!("{function}() with the argument `{name}` is not known without R");
                return Err(NeedsR::new(reason));
            };
            values[place] = Some(&argument.value);
        }
        let mut unnamed = unnamed.into_iter();
        for free in values.iter_mut().filter(|own| own.is_none()) {
            *free = unnamed.next();
        }
        if unnamed.next().is_some() {
            let reason = format!("{}() is called with too many arguments", call.function);
            return Err(NeedsR::new(reason));
        }
        Ok(Self {
            function: &call.function,
            parameters,
            values,
        })
    }

    pub fn given(&self, parameter: &str) -> Option<&'a Expr> {
        let place = self.parameters.iter().position(|own| *own == parameter);
        self.values[place.expect("parameters are asked for by their names")]
    }

    pub fn required(&self, parameter: &str) -> Result<&'a Expr, NeedsR> {
        self.given(parameter).ok_or_else(|| {
            let function = self.function;
            NeedsR::new(format!("{function}() is called without `{parameter}`"))
        })
    }

    /// What is known before there are data.
    pub fn constant(&self, parameter: &str) -> Result<Option<Constant>, NeedsR> {
        let Some(expr) = self.given(parameter) else {
            return Ok(None);
        };
        if let Some(constant) = Constant::of(expr) {
            return Ok(Some(constant));
        }
        let mut outside = None;
        expr.each_name(&mut |name| outside = outside.or(Some(name)));
        let function = self.function;
        let what = match outside {
            Some(name) => format!("`{name}`, which is not in the file of the model"),
            None => format!("`{expr}`"),
        };
        Err(NeedsR::new(format!(
            "{function}() takes its `{parameter}` from {what}"
        )))
    }

    pub fn logical(&self, parameter: &str, default: bool) -> Result<bool, NeedsR> {
        let Some(constant) = self.constant(parameter)? else {
            return Ok(default);
        };
        constant.logical().ok_or_else(|| self.odd(parameter))
    }

    pub fn number(&self, parameter: &str) -> Result<Option<f64>, NeedsR> {
        let Some(constant) = self.constant(parameter)? else {
            return Ok(None);
        };
        constant
            .number()
            .map(Some)
            .ok_or_else(|| self.odd(parameter))
    }

    /// A small whole number, such as a degree.
    pub fn count(&self, parameter: &str, default: usize) -> Result<usize, NeedsR> {
        let Some(number) = self.number(parameter)? else {
            return Ok(default);
        };
        small(number).ok_or_else(|| self.odd(parameter))
    }

    pub fn odd(&self, parameter: &str) -> NeedsR {
        let function = self.function;
        NeedsR::new(format!(
            "{function}() with such a `{parameter}` is not known without R"
        ))
    }
}

/// Degrees and digits are small.
const MOST: f64 = 100.0;

pub(crate) fn small(number: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (0.0..=MOST).contains(&number).then_some(number as usize)
}

/// A count of things.
pub(crate) fn place(number: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (0.0..1e9).contains(&number).then_some(number as usize)
}
