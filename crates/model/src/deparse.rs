//! Expressions as text: as R's `deparse` writes them, because the names of terms and
//! coefficients are made of that; and exactly, for files.

use std::fmt;

use rdata::value::{NA_INTEGER, is_na};
use rdata::{Data, Value};

use crate::expr::{Argument, Call, Expr, number_text};

/// How strongly operators bind, as in R's grammar.
pub(crate) mod bind {
    pub const TILDE: u8 = 10;
    pub const OR: u8 = 20;
    pub const AND: u8 = 30;
    pub const NOT: u8 = 40;
    pub const COMPARE: u8 = 50;
    pub const SUM: u8 = 60;
    pub const PRODUCT: u8 = 70;
    pub const SPECIAL: u8 = 80;
    pub const COLON: u8 = 90;
    pub const SIGN: u8 = 100;
    pub const POWER: u8 = 110;
    pub const PART: u8 = 120;
}

/// How an operator between two operands binds, and whether R puts blanks around it.
pub(crate) fn binary(function: &str) -> Option<(u8, bool)> {
    Some(match function {
        "~" => (bind::TILDE, true),
        "|" | "||" => (bind::OR, true),
        "&" | "&&" => (bind::AND, true),
        "==" | "!=" | "<" | ">" | "<=" | ">=" => (bind::COMPARE, true),
        "+" | "-" => (bind::SUM, true),
        "*" => (bind::PRODUCT, true),
        "/" => (bind::PRODUCT, false),
        "%%" | "%/%" => (bind::SPECIAL, false),
        ":" => (bind::COLON, false),
        "^" => (bind::POWER, false),
        "$" | "@" => (bind::PART, false),
        special if special.len() > 2 && special.starts_with('%') && special.ends_with('%') => {
            (bind::SPECIAL, true)
        }
        _ => return None,
    })
}

pub(crate) fn unary(function: &str) -> Option<u8> {
    Some(match function {
        "~" => bind::TILDE,
        "!" => bind::NOT,
        "+" | "-" => bind::SIGN,
        _ => return None,
    })
}

impl fmt::Display for Expr {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        Writer { exact: false }.expr(self, to)
    }
}

/// See [`Expr::exact`].
#[derive(Debug)]
pub struct Exact<'a>(&'a Expr);

impl fmt::Display for Exact<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        Writer { exact: true }.expr(self.0, to)
    }
}

impl Expr {
    /// With all digits: [`crate::formula::parse`] gets the same numbers out of it.
    pub fn exact(&self) -> Exact<'_> {
        Exact(self)
    }
}

struct Writer {
    exact: bool,
}

impl Writer {
    fn expr(&self, expr: &Expr, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match expr {
            Expr::Number(number) => self.number(*number, "NA_real_", to),
            Expr::Integer(number) => write!(to, "{number}L"),
            Expr::Text(text) => quoted(text, to),
            Expr::Logical(Some(true)) => to.write_str("TRUE"),
            Expr::Logical(Some(false)) => to.write_str("FALSE"),
            Expr::Logical(None) => to.write_str("NA"),
            Expr::Null => to.write_str("NULL"),
            Expr::Name(name) => to.write_str(&backticked(name)),
            Expr::Call(call) => self.call(call, to),
            Expr::Value(value) => self.value(value, to),
        }
    }

    fn number(&self, number: f64, na: &str, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match number {
            _ if is_na(number) => to.write_str(na),
            _ if self.exact && number.is_finite() => write!(to, "{number:e}"),
            _ => to.write_str(&number_text(number)),
        }
    }

    fn call(&self, call: &Call, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unnamed = call.arguments.iter().all(|own| own.name.is_none());
        match &call.arguments[..] {
            [inner] if &*call.function == "(" && unnamed => {
                to.write_str("(")?;
                self.expr(&inner.value, to)?;
                to.write_str(")")
            }
            [operand] if unnamed => match unary(&call.function) {
                Some(own) => {
                    to.write_str(&call.function)?;
                    self.operand(&operand.value, own, to)
                }
                None => self.plain_call(call, to),
            },
            [left, right] if unnamed => match binary(&call.function) {
                Some((own, blanks)) => {
                    let right_first = own == bind::POWER;
                    self.left(&left.value, own + u8::from(right_first), to)?;
                    let blank = if blanks { " " } else { "" };
                    write!(to, "{blank}{}{blank}", call.function)?;
                    let strict = !right_first || own == bind::COMPARE;
                    if own == bind::PART
                        && right.value.as_call_of("(").is_none()
                        && right.value.as_call().is_some()
                    {
                        return self.in_parentheses(&right.value, to);
                    }
                    self.operand(&right.value, own + u8::from(strict), to)
                }
                None => self.plain_call(call, to),
            },
            _ => self.plain_call(call, to),
        }
    }

    /// What stands left of an operator: `-a^b` is `-(a^b)`, and `(a == b) == c` cannot do
    /// without.
    fn left(&self, expr: &Expr, needed: u8, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compares = needed == bind::COMPARE && strength(expr) == bind::COMPARE;
        let open_end = takes_all_that_follows(expr, needed);
        if compares || open_end {
            return self.in_parentheses(expr, to);
        }
        self.operand(expr, needed, to)
    }

    /// In parentheses where it would be read otherwise without them.
    fn operand(&self, expr: &Expr, needed: u8, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = is_prefix(expr);
        if strength(expr) < needed && !(prefix && needed == bind::POWER) {
            return self.in_parentheses(expr, to);
        }
        self.expr(expr, to)
    }

    fn in_parentheses(&self, expr: &Expr, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("(")?;
        self.expr(expr, to)?;
        to.write_str(")")
    }

    fn plain_call(&self, call: &Call, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (function, arguments) = (&*call.function, &call.arguments);
        if let ("[" | "[[", Some((whole, places))) = (function, arguments.split_first()) {
            self.operand(&whole.value, bind::PART, to)?;
            to.write_str(function)?;
            self.arguments(places, to)?;
            return to.write_str(if function == "[" { "]" } else { "]]" });
        }
        match call.package() {
            Some(_) => to.write_str(function)?,
            None => to.write_str(&backticked(function))?,
        }
        to.write_str("(")?;
        self.arguments(arguments, to)?;
        to.write_str(")")
    }

    fn arguments(&self, arguments: &[Argument], to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, argument) in arguments.iter().enumerate() {
            if at > 0 {
                to.write_str(", ")?;
            }
            if let Some(name) = &argument.name {
                write!(to, "{} = ", backticked(name))?;
            }
            self.expr(&argument.value, to)?;
        }
        Ok(())
    }

    fn value(&self, value: &Value, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &value.data {
            Data::Null => to.write_str("NULL"),
            Data::Missing => Ok(()),
            Data::Symbol(name) => to.write_str(&backticked(name)),
            Data::Real(numbers) => self.vector(value, numbers, to, |number, one, to| {
                self.number(*number, if one { "NA_real_" } else { "NA" }, to)
            }),
            Data::Integer(numbers) => {
                self.vector(value, numbers, to, |number, _, to| match *number {
                    NA_INTEGER => to.write_str("NA"),
                    number => write!(to, "{number}L"),
                })
            }
            Data::Logical(values) => self.vector(value, values, to, |value, _, to| {
                to.write_str(match *value {
                    NA_INTEGER => "NA",
                    0 => "FALSE",
                    _ => "TRUE",
                })
            }),
            Data::Text(texts) => self.vector(value, texts, to, |text, _, to| match text {
                Some(text) => quoted(text, to),
                None => to.write_str("NA"),
            }),
            Data::List(elements) => {
                to.write_str("list(")?;
                self.elements(value, elements, to, |element, to| self.value(element, to))?;
                to.write_str(")")
            }
            _ => to.write_str("<value>"),
        }
    }

    fn vector<T>(
        &self,
        value: &Value,
        elements: &[T],
        to: &mut fmt::Formatter<'_>,
        write: impl Fn(&T, bool, &mut fmt::Formatter<'_>) -> fmt::Result,
    ) -> fmt::Result {
        if let ([one], None) = (elements, value.attribute("names")) {
            return write(one, true, to);
        }
        to.write_str("c(")?;
        self.elements(value, elements, to, |element, to| write(element, false, to))?;
        to.write_str(")")
    }

    #[expect(clippy::unused_self, reason = "as its neighbours are called")]
    fn elements<T>(
        &self,
        value: &Value,
        elements: &[T],
        to: &mut fmt::Formatter<'_>,
        write: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let names = value.names().unwrap_or_default();
        for (at, element) in elements.iter().enumerate() {
            if at > 0 {
                to.write_str(", ")?;
            }
            if let Some(name) = names.get(at).filter(|name| !name.is_empty()) {
                write!(to, "{} = ", backticked(name))?;
            }
            write(element, to)?;
        }
        Ok(())
    }
}

/// How strongly the outermost operator binds; what is no operator binds most.
fn strength(expr: &Expr) -> u8 {
    let number = match expr {
        Expr::Number(number) => *number,
        Expr::Integer(number) => f64::from(*number),
        _ => 0.0,
    };
    if number < 0.0 {
        return bind::SIGN;
    }
    let Some(call) = expr.as_call() else {
        return u8::MAX;
    };
    if call.arguments.iter().any(|own| own.name.is_some()) {
        return u8::MAX;
    }
    match call.arguments.len() {
        1 => unary(&call.function).unwrap_or(u8::MAX),
        2 => binary(&call.function).map_or(u8::MAX, |(own, _)| own),
        _ => u8::MAX,
    }
}

fn is_prefix(expr: &Expr) -> bool {
    let one = |call: &&Call| call.arguments.len() == 1 && call.arguments[0].name.is_none();
    let call = expr.as_call().filter(one);
    call.is_some_and(|call| unary(&call.function).is_some())
}

/// Whether its last operand would go on into an operator that binds as `needed` does, as
/// in `2^-1` followed by `^`.
fn takes_all_that_follows(expr: &Expr, needed: u8) -> bool {
    if is_prefix(expr) {
        return strength(expr) < needed;
    }
    let two = |call: &&Call| call.arguments.len() == 2 && strength(expr) < u8::MAX;
    let last = expr.as_call().filter(two).map(|call| &call.arguments[1]);
    last.is_some_and(|last| takes_all_that_follows(&last.value, needed))
}

/// A name as it is written in code.
pub fn backticked(name: &str) -> String {
    if is_syntactic(name) {
        return name.into();
    }
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A name without the backticks that [`backticked`] put around it.
pub fn without_backticks(name: &str) -> String {
    let inner = name
        .strip_prefix('`')
        .and_then(|name| name.strip_suffix('`'));
    match inner {
        Some(inner) => inner.replace("\\`", "`").replace("\\\\", "\\"),
        None => name.into(),
    }
}

const RESERVED: [&str; 19] = [
    "if",
    "else",
    "repeat",
    "while",
    "function",
    "for",
    "next",
    "break",
    "TRUE",
    "FALSE",
    "NULL",
    "Inf",
    "NaN",
    "NA",
    "NA_integer_",
    "NA_real_",
    "NA_character_",
    "NA_complex_",
    "in",
];

fn is_syntactic(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next();
    let starts = match first {
        Some('.') => !letters
            .clone()
            .next()
            .is_some_and(|next| next.is_ascii_digit()),
        Some(first) => first.is_alphabetic(),
        None => false,
    };
    let goes_on = letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '_'));
    starts && goes_on && !RESERVED.contains(&name)
}

fn quoted(text: &str, to: &mut fmt::Formatter<'_>) -> fmt::Result {
    to.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' => to.write_str("\\\"")?,
            '\\' => to.write_str("\\\\")?,
            '\n' => to.write_str("\\n")?,
            '\r' => to.write_str("\\r")?,
            '\t' => to.write_str("\\t")?,
            letter if letter.is_control() => write!(to, "\\u{{{:04x}}}", u32::from(letter))?,
            letter => write!(to, "{letter}")?,
        }
    }
    to.write_str("\"")
}
