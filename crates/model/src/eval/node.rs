//! An expression made ready: what it does with the columns of the data.

use std::borrow::Cow;
use std::sync::Arc;

use rdata::value::{NA_INTEGER, NA_REAL};

use super::basis::Basis;
use super::cut::Cut;
use super::factor::{interaction, released};
use super::math::{self, Arith, Compare};
use super::matrix::{bound, scaled, surface};
use super::vector::{Labels, Levels, Matrix, Vector, code};
use crate::frame::Codes;

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Input(usize),
    Number(f64),
    Logical(i32),
    Text(Arc<str>),
    Math(fn(f64) -> f64, Box<Node>),
    Arith(fn(f64, f64) -> f64, Box<Node>, Box<Node>),
    Compare(Compare, Box<Node>, Box<Node>),
    Logic(fn(i32, i32) -> i32, Box<Node>, Box<Node>),
    Not(Box<Node>),
    IfElse(Box<[Node; 3]>),
    Extreme {
        largest: bool,
        skip_na: bool,
        of: Vec<Node>,
    },
    IsNa(Box<Node>),
    In(Box<Node>, Set),
    Factor(Box<FactorOf>),
    /// `relevel`
    First(Box<Node>, Arc<str>),
    Convert(To, Box<Node>),
    Cut(Box<Node>, Box<Cut>),
    Interaction(Vec<Node>, Arc<str>),
    Basis(Box<Node>, Box<Basis>),
    /// `poly` of several variables: which powers each column multiplies.
    Surface(Vec<(Node, Basis)>, Vec<Vec<usize>>),
    /// With its centre and scale for each column.
    Scale(Box<Node>, Vec<f64>, Vec<f64>),
    Bind(Vec<(Arc<str>, Node)>),
}

#[derive(Debug, Clone)]
pub(crate) struct FactorOf {
    pub of: Node,
    pub levels: Option<Vec<Arc<str>>>,
    /// As many as there are levels; several may be the same.
    pub labels: Option<Vec<Arc<str>>>,
    pub ordered: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Number,
    Integer,
    Text,
    Logical,
}

/// What `%in%` looks things up in.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub numbers: Vec<f64>,
    pub texts: Vec<Arc<str>>,
    pub has_na: bool,
}

/// Why something cannot be computed: what R says of it.
pub(crate) type Refusal = &'static str;

pub(super) const NOT_NUMERIC: Refusal = "non-numeric argument to binary operator";
const NOT_MATHEMATICAL: Refusal = "non-numeric argument to mathematical function";
const NO_TRUTH: Refusal = "operations are possible only for numeric, logical or complex types";

/// Columns of the data, for some rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data<'a> {
    pub inputs: &'a [Vector<'a>],
    pub rows: usize,
}

pub(super) type Evaluated<'a> = Result<Vector<'a>, Refusal>;

impl Node {
    /// For all rows.
    pub fn column<'a>(&self, data: Data<'a>) -> Evaluated<'a> {
        Ok(self.eval(data)?.stretched(data.rows))
    }

    pub(super) fn eval<'a>(&self, data: Data<'a>) -> Evaluated<'a> {
        Ok(match self {
            Self::Input(at) => data.inputs[*at].view(),
            Self::Number(number) => Vector::numbers(vec![*number]),
            Self::Logical(value) => Vector::logicals(vec![*value]),
            Self::Text(text) => Vector::Text(Labels {
                values: Cow::Owned(vec![text.clone()]),
                of_rows: Cow::Owned(vec![0]),
            }),
            Self::Math(function, of) => {
                let numbers = of.numbers(data, NOT_MATHEMATICAL)?;
                Vector::numbers(numbers.iter().map(|x| function(*x)).collect())
            }
            Self::Arith(function, one, other) => {
                let one = one.numbers(data, NOT_NUMERIC)?;
                let other = other.numbers(data, NOT_NUMERIC)?;
                Vector::numbers(pairs(&one, &other, |a, b| function(*a, *b)))
            }
            Self::Compare(compare, one, other) => {
                comparison(*compare, one.eval(data)?, other.eval(data)?)?
            }
            Self::Logic(function, one, other) => {
                let one = one.logicals(data)?;
                let other = other.logicals(data)?;
                Vector::logicals(pairs(&one, &other, |a, b| function(*a, *b)))
            }
            Self::Not(of) => {
                let not = |value: &i32| match *value {
                    NA_INTEGER => NA_INTEGER,
                    value => i32::from(value == 0),
                };
                Vector::logicals(of.logicals(data)?.iter().map(not).collect())
            }
            Self::IfElse(parts) => if_else(parts, data)?,
            Self::Extreme {
                largest,
                skip_na,
                of,
            } => extreme(*largest, *skip_na, of, data)?,
            Self::IsNa(of) => {
                let of = of.eval(data)?;
                let missing = (0..of.len()).map(|row| i32::from(of.is_missing(row)));
                Vector::logicals(missing.collect())
            }
            Self::In(of, set) => set.holds(of.eval(data)?)?,
            Self::Factor(factor) => factor.eval(data)?,
            Self::First(of, first) => released(of.eval(data)?, first)?,
            Self::Convert(to, of) => to.convert(of.eval(data)?)?,
            Self::Cut(of, cut) => cut.apply(&of.numbers(data, "'x' must be numeric")?),
            Self::Interaction(of, separator) => interaction(of, separator, data)?,
            Self::Basis(of, basis) => {
                let x = of.numbers(data, NOT_NUMERIC)?;
                Vector::Matrix(Matrix {
                    columns: basis.columns(&stretched(x, data.rows)),
                    names: None,
                })
            }
            Self::Surface(of, powers) => surface(of, powers, data)?,
            Self::Scale(of, centre, scale) => scaled(of.column(data)?, centre, scale)?,
            Self::Bind(of) => bound(of, data)?,
        })
    }

    pub fn numbers<'a>(&self, data: Data<'a>, why: Refusal) -> Result<Cow<'a, [f64]>, Refusal> {
        self.eval(data)?.into_numbers().ok_or(why)
    }

    fn logicals<'a>(&self, data: Data<'a>) -> Result<Cow<'a, [i32]>, Refusal> {
        self.eval(data)?.into_logicals().ok_or(NO_TRUTH)
    }

    /// Whether it gives several columns.
    pub fn is_matrix(&self) -> bool {
        matches!(
            self,
            Self::Basis(..) | Self::Surface(..) | Self::Scale(..) | Self::Bind(_)
        )
    }
}

pub(super) fn stretched(x: Cow<'_, [f64]>, rows: usize) -> Cow<'_, [f64]> {
    if x.len() == rows {
        return x;
    }
    Cow::Owned(vec![x[0]; rows])
}

/// Both as long as the longer one; what is shorter has one element.
fn pairs<A, B, C>(one: &[A], other: &[B], apply: impl Fn(&A, &B) -> C) -> Vec<C> {
    match (one, other) {
        ([one], other) => other.iter().map(|other| apply(one, other)).collect(),
        (one, [other]) => one.iter().map(|one| apply(one, other)).collect(),
        _ => {
            let pairs = one.iter().zip(other);
            pairs.map(|(one, other)| apply(one, other)).collect()
        }
    }
}

fn comparison(compare: Compare, one: Vector<'_>, other: Vector<'_>) -> Evaluated<'static> {
    let is_text = |vector: &Vector<'_>| matches!(vector, Vector::Text(_) | Vector::Factor(..));
    if !is_text(&one) && !is_text(&other) {
        let one = one.into_numbers().ok_or(NOT_NUMERIC)?;
        let other = other.into_numbers().ok_or(NOT_NUMERIC)?;
        let compared = pairs(&one, &other, |a, b| compare.numbers(*a, *b));
        return Ok(Vector::logicals(compared));
    }
    let equal = match compare {
        Compare::Equal => true,
        Compare::NotEqual => false,
        _ => return by_level(compare, &one, &other),
    };
    let one = one.labels(false).ok_or(NOT_NUMERIC)?;
    let other = other.labels(false).ok_or(NOT_NUMERIC)?;
    let rows = one.of_rows.len().max(other.of_rows.len());
    let compared = (0..rows).map(|row| match (one.get(row), other.get(row)) {
        (Some(one), Some(other)) => i32::from((one == other) == equal),
        _ => NA_INTEGER,
    });
    Ok(Vector::logicals(compared.collect()))
}

/// Ordered factors against one of their levels.
fn by_level(compare: Compare, one: &Vector<'_>, other: &Vector<'_>) -> Evaluated<'static> {
    let (compare, own, than) = match (one, other) {
        (Vector::Factor(own, Levels { ordered: true }), Vector::Text(than)) => (compare, own, than),
        (Vector::Text(than), Vector::Factor(own, Levels { ordered: true })) => {
            (compare.mirrored(), own, than)
        }
        _ => return Err("text is compared by its order, which depends on the language"),
    };
    let place = |label: &Arc<str>| own.values.iter().position(|own| own == label);
    let compared = (0..own.of_rows.len()).map(|row| {
        let places = (own.get(row).and_then(place), than.get(row).and_then(place));
        match places {
            (Some(one), Some(other)) => {
                compare.numbers(f64::from(code(one)), f64::from(code(other)))
            }
            _ => NA_INTEGER,
        }
    });
    Ok(Vector::logicals(compared.collect()))
}

fn if_else(parts: &[Node; 3], data: Data<'_>) -> Evaluated<'static> {
    let [test, yes, no] = parts;
    let test = test.logicals(data)?;
    let (yes, no) = (yes.eval(data)?, no.eval(data)?);
    let rows = test.len();
    if let (Vector::Text(yes), Vector::Text(no)) = (&yes, &no) {
        let mut values: Vec<Arc<str>> = yes.values.to_vec();
        values.extend(no.values.iter().cloned());
        let shift = code(yes.values.len());
        let pick = |labels: &Labels<'_>, row: usize, shift: u32| {
            let own = labels.of_rows[if labels.of_rows.len() == 1 { 0 } else { row }];
            if own == Codes::NA { own } else { own + shift }
        };
        let of_rows = (0..rows).map(|row| match test[row] {
            NA_INTEGER => Codes::NA,
            0 => pick(no, row, shift),
            _ => pick(yes, row, 0),
        });
        return Ok(Vector::Text(Labels {
            of_rows: Cow::Owned(of_rows.collect()),
            values: Cow::Owned(values),
        }));
    }
    let logical = matches!((&yes, &no), (Vector::Logical(_), Vector::Logical(_)));
    let why = "ifelse() of text and numbers";
    let (yes, no) = (
        yes.into_numbers().ok_or(why)?,
        no.into_numbers().ok_or(why)?,
    );
    let at = |from: &[f64], row: usize| from[if from.len() == 1 { 0 } else { row }];
    let chosen = (0..rows).map(|row| match test[row] {
        NA_INTEGER => NA_REAL,
        0 => at(&no, row),
        _ => at(&yes, row),
    });
    let chosen: Vec<f64> = chosen.collect();
    Ok(if logical {
        Vector::logicals(chosen.iter().copied().map(super::vector::truth).collect())
    } else {
        Vector::numbers(chosen)
    })
}

fn extreme(largest: bool, skip_na: bool, of: &[Node], data: Data<'_>) -> Evaluated<'static> {
    let better = |one: &f64, other: &f64| {
        if one.is_nan() || other.is_nan() {
            let keep = if one.is_nan() == skip_na {
                *other
            } else {
                *one
            };
            return if one.is_nan() && other.is_nan() {
                *one
            } else {
                keep
            };
        }
        if (other > one) == largest {
            *other
        } else {
            *one
        }
    };
    let mut best: Option<Vec<f64>> = None;
    for node in of {
        let own = node.numbers(data, "invalid input type")?;
        best = Some(match best {
            None => own.into_owned(),
            Some(best) => pairs(&best, &own, better),
        });
    }
    best.map(Vector::numbers).ok_or("no arguments")
}

impl Set {
    fn holds(&self, of: Vector<'_>) -> Evaluated<'static> {
        let rows = of.len();
        #[expect(clippy::float_cmp, reason = "R compares so")]
        let found: Vec<i32> = match &of {
            Vector::Number(numbers) if self.texts.is_empty() || !self.numbers.is_empty() => numbers
                .iter()
                .map(|own| {
                    let among = self.numbers.iter().any(|one| one == own);
                    i32::from(among || (own.is_nan() && self.has_na))
                })
                .collect(),
            _ => {
                let labels = of.labels(false).ok_or(NOT_NUMERIC)?;
                (0..rows)
                    .map(|row| match labels.get(row) {
                        None => i32::from(self.has_na),
                        Some(own) => i32::from(self.texts.contains(own)),
                    })
                    .collect()
            }
        };
        Ok(Vector::logicals(found))
    }
}

/// Numbers of an arithmetic operator, by its name.
pub(crate) fn arith(name: &str) -> Option<fn(f64, f64) -> f64> {
    Some(match name {
        "log" => math::log_base,
        "round" => math::round,
        "signif" => math::signif,
        _ => Arith::of(name)?.apply(),
    })
}
