//! Formulas multiplied out, as R's `terms.formula` does it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::expr::{Argument, Expr};
use crate::needs_r::NeedsR;
use crate::terms::{Class, Coding, Term, Terms, Variable};

/// More terms than any formula has: `(a + b + c + ...)^9` by mistake.
const MAX_TERMS: usize = 10_000;

/// Variables that a term multiplies, as bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn one(at: usize) -> Self {
        let mut bits = Self::default();
        bits.set(at);
        bits
    }

    fn set(&mut self, at: usize) {
        if self.0.len() <= at / 64 {
            self.0.resize(at / 64 + 1, 0);
        }
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn without(&self, at: usize) -> Self {
        let mut bits = self.clone();
        bits.0[at / 64] &= !(1 << (at % 64));
        while bits.0.last() == Some(&0) {
            bits.0.pop();
        }
        bits
    }

    fn with(&self, other: &Self) -> Self {
        let mut bits = self.clone();
        bits.0.resize(self.0.len().max(other.0.len()), 0);
        for (own, other) in bits.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
        bits
    }

    fn holds(&self, other: &Self) -> bool {
        let word = |at: usize| self.0.get(at).copied().unwrap_or(0);
        other
            .0
            .iter()
            .enumerate()
            .all(|(at, own)| own & !word(at) == 0)
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len() * 64).filter(|at| self.has(*at))
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// Takes a formula apart.
struct Reader<'a> {
    variables: Vec<Expr>,
    /// Their names, to find them again.
    names: Vec<String>,
    /// Columns that `.` stands for.
    columns: &'a [Arc<str>],
    intercept: bool,
    /// Whether what is read is taken away in the end.
    negative: bool,
    dots: bool,
}

type Encoded = Result<Vec<Bits>, NeedsR>;

/// What a formula means for data with these columns. Classes are not known yet.
pub(crate) fn terms(formula: &Expr, columns: &[Arc<str>]) -> Result<Terms, NeedsR> {
    let (left, right) = match formula.as_call_of("~").map(|call| &call.arguments[..]) {
        Some([right]) => (None, &right.value),
        Some([left, right]) => (Some(&left.value), &right.value),
        _ => return Err(NeedsR::new(format!("`{formula}` is no formula"))),
    };
    let mut inside = HashSet::new();
    if let Some(left) = left {
        left.each_name(&mut |name| {
            inside.insert(name.clone());
        });
    }
    let columns: Vec<Arc<str>> = columns
        .iter()
        .filter(|name| !inside.contains(*name))
        .cloned()
        .collect();
    let mut reader = Reader {
        variables: vec![],
        names: vec![],
        columns: &columns,
        intercept: true,
        negative: false,
        dots: false,
    };
    let response = left.filter(|left| **left != Expr::Null);
    if let Some(response) = response {
        reader.variable(response);
    }
    let encoded = reader.encode(right)?;
    let text = if reader.dots {
        let right = expanded(right, &columns);
        let left = left.cloned().map(Argument::from);
        Expr::call("~", left.into_iter().chain([right.into()]).collect()).to_string()
    } else {
        formula.to_string()
    };
    Ok(finished(&reader, encoded, response.is_some(), text.into()))
}

fn finished(reader: &Reader<'_>, encoded: Vec<Bits>, response: bool, formula: Arc<str>) -> Terms {
    let is_offset = |expr: &Expr| expr.as_call_of("offset").is_some();
    let offsets: Vec<usize> = (0..reader.variables.len())
        .filter(|at| is_offset(&reader.variables[*at]))
        .collect();
    let mut kept: Vec<Bits> = encoded
        .into_iter()
        .filter(|term| !offsets.iter().any(|at| term.has(*at)))
        .filter(|term| !(response && *term == Bits::one(0)))
        .collect();
    kept.sort_by_key(Bits::count);
    let label = |term: &Bits| -> Arc<str> {
        let names: Vec<&str> = term.places().map(|at| &*reader.names[at]).collect();
        names.join(":").into()
    };
    let terms = kept.iter().enumerate().map(|(nth, term)| Term {
        label: label(term),
        factors: term
            .places()
            .map(|at| (at, coding(&kept[..nth], term, at)))
            .collect(),
    });
    let terms = terms.collect();
    let variables = reader.names.iter().zip(&reader.variables);
    let variables = variables.map(|(name, expr)| Variable {
        name: name.as_str().into(),
        expr: expr.clone(),
        class: Class::Numeric,
    });
    Terms {
        formula,
        variables: variables.collect(),
        terms,
        intercept: reader.intercept,
        response,
        offsets,
    }
}

/// By contrasts if what is left of the term without the variable is in the model too.
fn coding(before: &[Bits], term: &Bits, at: usize) -> Coding {
    let rest = term.without(at);
    if rest.count() == 0 || before.iter().any(|own| own.holds(&rest)) {
        Coding::Contrasts
    } else {
        Coding::Dummies
    }
}

impl Reader<'_> {
    fn variable(&mut self, expr: &Expr) -> Bits {
        let name = expr.to_string();
        let place = self.names.iter().position(|own| *own == name);
        let place = place.unwrap_or_else(|| {
            self.variables.push(expr.clone());
            self.names.push(name);
            self.names.len() - 1
        });
        Bits::one(place)
    }

    fn encode(&mut self, expr: &Expr) -> Encoded {
        let number = match expr {
            Expr::Number(number) => Some(*number),
            Expr::Integer(number) => Some(f64::from(*number)),
            _ => None,
        };
        if let Some(number) = number {
            self.intercept = match number {
                0.0 => self.negative,
                1.0 => !self.negative,
                _ => return Err(NeedsR::new("invalid model formula: a number as a term")),
            };
            return Ok(vec![]);
        }
        match expr {
            Expr::Null => Ok(vec![]),
            Expr::Name(name) if &**name == "." => {
                self.dots = true;
                let columns = self.columns.to_vec();
                Ok(columns
                    .into_iter()
                    .map(|name| self.variable(&Expr::Name(name)))
                    .collect())
            }
            Expr::Name(_) => Ok(vec![self.variable(expr)]),
            Expr::Call(call) => {
                let arguments: Vec<&Expr> = call.arguments.iter().map(|own| &own.value).collect();
                self.operator(expr, &call.function, &arguments)
            }
            _ => Err(NeedsR::new(format!(
                "invalid model formula: `{expr}` as a term"
            ))),
        }
    }

    fn operator(&mut self, expr: &Expr, function: &str, arguments: &[&Expr]) -> Encoded {
        let terms = match (function, arguments) {
            ("(" | "+", [only]) => self.encode(only)?,
            ("-", [only]) => self.removed(vec![], only)?,
            ("+", [one, other]) => {
                let mut terms = self.encode(one)?;
                terms.extend(self.encode(other)?);
                terms
            }
            ("-", [one, other]) => {
                let terms = self.encode(one)?;
                self.removed(terms, other)?
            }
            (":", [one, other]) => crossed(&self.encode(one)?, &self.encode(other)?)?,
            ("*", [one, other]) => {
                let (mut one, other) = (self.encode(one)?, self.encode(other)?);
                let both = crossed(&one, &other)?;
                one.extend(other);
                one.extend(both);
                one
            }
            ("%in%", [one, other]) => {
                let one = self.encode(one)?;
                let all = union(&self.encode(other)?);
                one.iter().map(|own| own.with(&all)).collect()
            }
            ("/", [one, other]) => {
                let mut one = self.encode(one)?;
                let other = self.encode(other)?;
                let all = union(&one);
                one.extend(other.iter().map(|own| own.with(&all)));
                one
            }
            ("^", [base, power]) => self.power(base, power)?,
            _ => vec![self.variable(expr)],
        };
        unique(terms)
    }

    fn removed(&mut self, terms: Vec<Bits>, expr: &Expr) -> Encoded {
        self.negative = !self.negative;
        let removed = self.encode(expr);
        self.negative = !self.negative;
        let removed: HashSet<Bits> = removed?.into_iter().collect();
        let left = terms.into_iter().filter(|own| !removed.contains(own));
        Ok(left.collect())
    }

    fn power(&mut self, base: &Expr, power: &Expr) -> Encoded {
        let power = match power {
            Expr::Number(number) => *number,
            Expr::Integer(number) => f64::from(*number),
            _ => 0.0,
        };
        // Beyond the number of terms nothing new comes.
        if !(1.0..=1e6).contains(&power) {
            return Err(NeedsR::new("invalid power in formula"));
        }
        let terms = self.encode(base)?;
        let mut product = terms.clone();
        let mut times = 1.0;
        while times < power {
            let before = product.len();
            let mut next = product.clone();
            next.extend(crossed(&product, &terms)?);
            product = unique(next)?;
            if product.len() == before {
                break;
            }
            times += 1.0;
        }
        Ok(product)
    }
}

fn crossed(one: &[Bits], other: &[Bits]) -> Encoded {
    if one.len().saturating_mul(other.len()) > MAX_TERMS * 16 {
        return Err(too_many());
    }
    let pairs = one
        .iter()
        .flat_map(|one| other.iter().map(move |other| one.with(other)));
    Ok(pairs.collect())
}

fn union(terms: &[Bits]) -> Bits {
    terms.iter().fold(Bits::default(), |all, own| all.with(own))
}

fn unique(terms: Vec<Bits>) -> Encoded {
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(terms.len());
    for term in terms {
        if seen.insert(term.clone()) {
            kept.push(term);
        }
    }
    if kept.len() > MAX_TERMS {
        return Err(too_many());
    }
    Ok(kept)
}

fn too_many() -> NeedsR {
    NeedsR::new(format!("the formula has more than {MAX_TERMS} terms"))
}

/// The formula with its `.` written out, as R keeps it.
fn expanded(expr: &Expr, columns: &[Arc<str>]) -> Expr {
    match expr {
        Expr::Name(name) if &**name == "." => {
            let mut columns = columns.iter().map(|name| Expr::Name(name.clone()));
            let Some(first) = columns.next() else {
                return expr.clone();
            };
            columns.fold(first, |sum, own| {
                Expr::call("+", vec![sum.into(), own.into()])
            })
        }
        Expr::Call(call)
            if matches!(
                &*call.function,
                "+" | "-" | "*" | ":" | "/" | "^" | "(" | "%in%"
            ) =>
        {
            let parts = call.arguments.iter().map(|own| {
                let inner = expanded(&own.value, columns);
                let dots = matches!(&own.value, Expr::Name(name) if &**name == ".");
                // R puts the sum into parentheses as soon as it is not all there is.
                let wrap = dots && &*call.function != "(" && columns.len() > 1;
                if wrap {
                    Expr::call("(", vec![inner.into()])
                } else {
                    inner
                }
                .into()
            });
            Expr::call(&call.function, parts.collect())
        }
        _ => expr.clone(),
    }
}
