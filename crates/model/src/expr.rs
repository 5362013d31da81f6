//! Expressions of R: what formulas are made of.

use std::sync::Arc;

use rdata::value::{NA_INTEGER, is_na};
use rdata::{Data, Member, Value};

use crate::needs_r::NeedsR;

/// Deeper expressions are refused: whoever walks one does so by recursion.
pub const MAX_DEPTH: usize = 1_000;

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Number(f64),
    /// `5L`
    Integer(i32),
    Text(Arc<str>),
    /// `None` is NA.
    Logical(Option<bool>),
    Null,
    /// A variable: of the data, or one that was around where the model was fitted.
    Name(Arc<str>),
    Call(Box<Call>),
    /// A value that R put into the expression, such as the coefficients of `poly`.
    Value(Box<Value>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `log`, `+`, `splines::ns`.
    pub function: Arc<str>,
    pub arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: Option<Arc<str>>,
    pub value: Expr,
}

impl From<Expr> for Argument {
    fn from(value: Expr) -> Self {
        Self { name: None, value }
    }
}

impl Argument {
    pub fn named(name: &str, value: Expr) -> Self {
        Self {
            name: Some(name.into()),
            value,
        }
    }
}

impl Expr {
    pub fn name(name: &str) -> Self {
        Self::Name(name.into())
    }

    pub fn call(function: &str, arguments: Vec<Argument>) -> Self {
        let function = function.into();
        Self::Call(Box::new(Call {
            function,
            arguments,
        }))
    }

    /// `c(1, 2)`
    pub fn numbers(numbers: &[f64]) -> Self {
        let arguments = numbers.iter().map(|number| Self::Number(*number).into());
        Self::call("c", arguments.collect())
    }

    pub fn texts(texts: &[Arc<str>]) -> Self {
        let arguments = texts.iter().map(|text| Self::Text(text.clone()).into());
        Self::call("c", arguments.collect())
    }

    pub fn as_call(&self) -> Option<&Call> {
        match self {
            Self::Call(call) => Some(call),
            _ => None,
        }
    }

    /// The call, if it is one of this function, whether its package is named or not.
    pub fn as_call_of(&self, function: &str) -> Option<&Call> {
        self.as_call().filter(|call| call.short_name() == function)
    }

    /// Each name that stands for a variable, in the order in which they are written;
    /// more than once if it is there more than once.
    pub fn each_name<'a>(&'a self, take: &mut dyn FnMut(&'a Arc<str>)) {
        match self {
            Self::Name(name) => take(name),
            Self::Call(call) => {
                for argument in &call.arguments {
                    argument.value.each_name(take);
                }
            }
            _ => {}
        }
    }

    /// Language as R keeps it.
    pub fn of(value: &Value) -> Result<Self, NeedsR> {
        of_value(value, 0)
    }
}

impl Call {
    /// `ns` of `splines::ns`.
    pub fn short_name(&self) -> &str {
        match self.function.rsplit_once(':') {
            Some((package, name)) if package.len() > 1 => name,
            _ => &self.function,
        }
    }

    /// `splines` of `splines::ns`.
    pub fn package(&self) -> Option<&str> {
        let (package, _) = self.function.split_once("::")?;
        Some(package).filter(|package| !package.is_empty())
    }
}

fn of_value(value: &Value, depth: usize) -> Result<Expr, NeedsR> {
    if depth > MAX_DEPTH {
        return Err(NeedsR::new("an expression is nested too deep"));
    }
    Ok(match &value.data {
        Data::Null => Expr::Null,
        Data::Symbol(name) => Expr::Name(name.clone()),
        Data::Call(members) => of_call(members, depth)?,
        Data::Real(numbers) if plain(value, numbers.len()) => Expr::Number(numbers[0]),
        Data::Integer(numbers) if plain(value, numbers.len()) && numbers[0] != NA_INTEGER => {
            Expr::Integer(numbers[0])
        }
        Data::Logical(values) if plain(value, values.len()) => {
            Expr::Logical(Some(values[0] != 0).filter(|_| values[0] != NA_INTEGER))
        }
        Data::Text(texts) if plain(value, texts.len()) => match &texts[0] {
            Some(text) => Expr::Text(text.clone()),
            None => Expr::Value(Box::new(value.clone())),
        },
        _ => Expr::Value(Box::new(value.clone())),
    })
}

fn plain(value: &Value, length: usize) -> bool {
    length == 1 && value.attributes.is_empty()
}

fn of_call(members: &[Member], depth: usize) -> Result<Expr, NeedsR> {
    let (head, arguments) = members
        .split_first()
        .ok_or_else(|| NeedsR::new("an expression is a call of nothing"))?;
    let function = match of_value(&head.value, depth + 1)? {
        Expr::Name(name) => name,
        Expr::Call(call) if matches!(&*call.function, "::" | ":::") => joined(&call)?,
        Expr::Value(value) => match value.data {
            Data::Builtin(name) => name,
            _ => return Err(NeedsR::new("an expression calls a function without a name")),
        },
        _ => return Err(NeedsR::new("an expression calls what another call returns")),
    };
    let arguments = arguments.iter().map(|member| {
        Ok(Argument {
            name: member.tag.clone().filter(|tag| !tag.is_empty()),
            value: of_value(&member.value, depth + 1)?,
        })
    });
    let arguments = arguments.collect::<Result<Vec<_>, NeedsR>>()?;
    Ok(Expr::Call(Box::new(Call {
        function,
        arguments,
    })))
}

/// `splines::ns`, which R keeps as a call of `::`.
fn joined(call: &Call) -> Result<Arc<str>, NeedsR> {
    let parts = call
        .arguments
        .iter()
        .filter_map(|argument| match &argument.value {
            Expr::Name(name) | Expr::Text(name) => Some(&**name),
            _ => None,
        });
    match parts.collect::<Vec<_>>()[..] {
        [package, name] => Ok(format!("{package}{}{name}", call.function).into()),
        _ => Err(NeedsR::new("an expression calls a function without a name")),
    }
}

/// A number as R's `as.character` and `deparse` write it: at most 15 digits.
pub fn number_text(number: f64) -> String {
    if is_na(number) {
        return "NA".into();
    }
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.into();
    }
    if number == 0.0 {
        return "0".into();
    }
    if number.fract() == 0.0 && number.abs() < 1e5 {
        return format!("{number:.0}");
    }
    let scientific = format!("{number:.14e}");
    let (digits, power) = scientific
        .split_once('e')
        .expect("the format has an exponent");
    let power: i32 = power.parse().expect("exponents are whole numbers");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let significant = digits.bytes().filter(u8::is_ascii_digit).count();
    let significant = i32::try_from(significant).expect("at most 15");
    let decimals = (significant - power - 1).max(0);
    let fixed_width = power.max(0) + 1 + decimals + i32::from(decimals > 0);
    let point = i32::from(significant > 1);
    let scientific_width = significant + point + if power.abs() >= 100 { 5 } else { 4 };
    if fixed_width <= scientific_width {
        let decimals = usize::try_from(decimals).expect("not negative");
        return format!("{number:.decimals$}");
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_r_writes_them() {
        for (number, text) in [
            (1e5, "1e+05"),
            (123_456.0, "123456"),
            (1e-5, "1e-05"),
            (0.0001, "1e-04"),
            (0.1 + 0.2, "0.3"),
            (1e15, "1e+15"),
            (1_234_567_890_123_456_789.0, "1234567890123456768"),
            (std::f64::consts::PI, "3.14159265358979"),
            (1e-300, "1e-300"),
            (123_456.7, "123456.7"),
            (-0.5, "-0.5"),
            (-100_000.0, "-1e+05"),
            (4.0, "4"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }
}
