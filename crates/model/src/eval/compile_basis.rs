//! Calls that make several columns: `poly`, `ns`, `bs`, `scale`, `cbind`.

use super::basis::{Basis, Orthogonal, Spline};
use super::call::{Matched, small};
use super::compile::{Compiled, Compiler, Need, odd, unknown};
use super::constant::Constant;
use super::node::Node;
use crate::expr::{Argument, Call, Expr};
use crate::needs_r::NeedsR;

impl Compiler {
    pub(super) fn poly(&mut self, call: &Call) -> Compiled {
        let asked = Poly::of(call)?;
        let mut of = vec![];
        for variable in &asked.variables {
            of.push(self.number(variable, Need::Binary)?);
        }
        let learned = || {
            let what = format!("`{}` has no coefficients in the file", call.function);
            NeedsR::new(what)
        };
        let bases = match (&asked.coefs, asked.raw) {
            (_, true) => vec![Basis::Powers(asked.degree); of.len()],
            (Some(coefs), false) if of.len() == 1 => {
                vec![orthogonal(coefs, asked.degree).ok_or_else(learned)?]
            }
            (Some(Constant::List(each)), false) if each.len() == of.len() => {
                let each = each.iter();
                let bases = each.map(|(_, coefs)| orthogonal(coefs, asked.degree));
                bases.collect::<Option<_>>().ok_or_else(learned)?
            }
            _ => return Err(learned()),
        };
        let mut parts: Vec<(Node, Basis)> = of.into_iter().map(|node| *node).zip(bases).collect();
        if let [_] = &parts[..] {
            let (node, basis) = parts.remove(0);
            return Ok(Node::Basis(Box::new(node), Box::new(basis)));
        }
        let powers = asked.powers().ok_or_else(|| unknown(call))?;
        Ok(Node::Surface(parts, powers))
    }

    pub(super) fn spline(&mut self, natural: bool, call: &Call) -> Compiled {
        let matched = Matched::new(call, spline_parameters(natural))?;
        let of = self.number(matched.required("x")?, Need::Binary)?;
        let numbers = |parameter: &str| -> Result<Vec<f64>, NeedsR> {
            let constant = matched.constant(parameter)?.unwrap_or(Constant::Null);
            constant
                .into_numbers()
                .ok_or_else(|| matched.odd(parameter))
        };
        let [low, high] = numbers("Boundary.knots")?[..] else {
            let reason = format!(
                "{}() without boundary knots takes them from the new data",
                call.function
            );
            return Err(NeedsR::new(reason));
        };
        let inner = numbers("knots")?;
        if inner.is_empty() && matched.given("df").is_some() && matched.given("knots").is_none() {
            return Err(matched.odd("df"));
        }
        let degree = if natural {
            3
        } else {
            matched.count("degree", 3)?
        };
        let intercept = matched.logical("intercept", false)?;
        let spline = Spline::new(&inner, [low, high], degree, intercept, natural);
        let spline = spline
            .filter(|_| degree > 0)
            .ok_or_else(|| matched.odd("knots"))?;
        Ok(Node::Basis(of, Box::new(Basis::Spline(spline))))
    }

    pub(super) fn scale(&mut self, call: &Call) -> Compiled {
        let matched = Matched::new(call, &["x", "center", "scale"])?;
        let of = self.compile(matched.required("x")?)?;
        self.need(&of, Need::Binary);
        let part = |parameter: &str| -> Result<Vec<f64>, NeedsR> {
            match matched.constant(parameter)? {
                Some(Constant::Numbers(numbers)) => Ok(numbers),
                Some(constant) if constant.logical() == Some(false) => Ok(vec![]),
                _ => {
                    let reason = format!("scale() takes its `{parameter}` from the new data");
                    Err(NeedsR::new(reason))
                }
            }
        };
        let (centre, scale) = (part("center")?, part("scale")?);
        Ok(Node::Scale(Box::new(of), centre, scale))
    }

    pub(super) fn bind(&mut self, call: &Call) -> Compiled {
        let parts = call.arguments.iter().map(|Argument { name, value }| {
            let name = match (name, value) {
                (Some(name), _) | (None, Expr::Name(name)) => name.clone(),
                _ => "".into(),
            };
            Ok((name, self.compile(value)?))
        });
        parts.collect::<Result<_, NeedsR>>().map(Node::Bind)
    }
}

pub(crate) fn spline_parameters(natural: bool) -> &'static [&'static str] {
    if natural {
        &["x", "df", "knots", "intercept", "Boundary.knots"]
    } else {
        &["x", "df", "knots", "degree", "intercept", "Boundary.knots"]
    }
}

/// A call of `poly`, whose dots are variables or the degree.
pub(crate) struct Poly<'a> {
    pub variables: Vec<&'a Expr>,
    pub degree: usize,
    pub raw: bool,
    pub coefs: Option<Constant>,
}

/// Columns that `poly` of several variables may have.
const MAX_SURFACE: usize = 4_096;

impl<'a> Poly<'a> {
    pub fn of(call: &'a Call) -> Result<Self, NeedsR> {
        let (mut variables, mut degree, mut raw, mut coefs) = (vec![], None, false, None);
        for argument in &call.arguments {
            let constant = Constant::of(&argument.value);
            let number = constant.as_ref().and_then(Constant::number).and_then(small);
            match argument.name.as_deref() {
                None | Some("x") => match number {
                    Some(number) if !variables.is_empty() => degree = Some(number),
                    _ => variables.push(&argument.value),
                },
                Some("degree") => {
                    degree = Some(number.ok_or_else(|| odd(&argument.value))?);
                }
                Some("raw") => {
                    let value = constant.and_then(|constant| constant.logical());
                    raw = value.ok_or_else(|| odd(&argument.value))?;
                }
                Some("coefs") => coefs = constant.filter(|own| *own != Constant::Null),
                Some("simple") => {}
                Some(_) => return Err(unknown(call)),
            }
        }
        let degree = degree.unwrap_or(1);
        if variables.is_empty() || degree < 1 {
            return Err(unknown(call));
        }
        Ok(Self {
            variables,
            degree,
            raw,
            coefs,
        })
    }

    /// The powers of each column: the first variable's run fastest.
    fn powers(&self) -> Option<Vec<Vec<usize>>> {
        let count = u32::try_from(self.variables.len()).ok()?;
        let all = (self.degree + 1).checked_pow(count)?;
        if all > MAX_SURFACE {
            return None;
        }
        let powers = (0..all).map(|mut place| {
            let mut powers = vec![];
            for _ in 0..self.variables.len() {
                powers.push(place % (self.degree + 1));
                place /= self.degree + 1;
            }
            powers
        });
        let wanted = |powers: &Vec<usize>| (1..=self.degree).contains(&powers.iter().sum());
        Some(powers.filter(wanted).collect())
    }
}

fn orthogonal(coefs: &Constant, degree: usize) -> Option<Basis> {
    let alpha = coefs.get("alpha")?.clone().into_numbers()?;
    let norm2 = coefs.get("norm2")?.clone().into_numbers()?;
    let enough = alpha.len() >= degree && norm2.len() >= degree + 2;
    enough.then_some(Basis::Orthogonal(Orthogonal {
        alpha,
        norm2,
        degree,
    }))
}
