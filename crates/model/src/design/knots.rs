//! What `poly`, `scale`, `ns` and `bs` learn from the data of a fit, and keep for new
//! data: R's `makepredictcall`.

use crate::error::DataError;
use crate::eval::basis::{Orthogonal, mean, sum};
use crate::eval::call::Matched;
use crate::eval::compile_basis::{Poly, spline_parameters};
use crate::eval::{Compiler, Constant, Data, Node, Vector};
use crate::expr::{Argument, Call, Expr};
use crate::needs_r::NeedsR;

use super::DesignError;

/// A call that learns, with the values that it learns from: 8 bytes for each row.
#[derive(Debug)]
pub(super) struct Pupil {
    call: Call,
    lesson: Lesson,
    of: Vec<Node>,
    values: Vec<Vec<f64>>,
}

#[derive(Debug)]
enum Lesson {
    Poly(usize),
    Scale { centre: bool, scale: bool },
    Spline { natural: bool },
}

impl Pupil {
    /// None if the expression learns nothing.
    pub fn of(expr: &Expr, compiler: &mut Compiler) -> Result<Option<Self>, NeedsR> {
        let Some(call) = expr.as_call() else {
            return Ok(None);
        };
        let (lesson, variables) = match call.short_name() {
            "poly" | "polym" => {
                let asked = Poly::of(call)?;
                if asked.raw || asked.coefs.is_some() {
                    return Ok(None);
                }
                (Lesson::Poly(asked.degree), asked.variables)
            }
            "scale" | "scale.default" => {
                let matched = Matched::new(call, &["x", "center", "scale"])?;
                let learns = |parameter: &str| -> Result<bool, NeedsR> {
                    let constant = matched.constant(parameter)?;
                    Ok(constant.is_none_or(|own| own == Constant::Logicals(vec![1])))
                };
                let (centre, scale) = (learns("center")?, learns("scale")?);
                if !centre && !scale {
                    return Ok(None);
                }
                (
                    Lesson::Scale { centre, scale },
                    vec![matched.required("x")?],
                )
            }
            name @ ("ns" | "bs") => {
                let natural = name == "ns";
                let matched = Matched::new(call, spline_parameters(natural))?;
                let variables = vec![matched.required("x")?];
                (Lesson::Spline { natural }, variables)
            }
            _ => return Ok(None),
        };
        let mut of = vec![];
        for variable in variables {
            of.push(compiler.compile(variable)?);
        }
        Ok(Some(Self {
            call: call.clone(),
            lesson,
            of,
            values: vec![],
        }))
    }

    /// The values of a block; what is missing in a row makes the row incomplete.
    pub fn observe(&mut self, data: Data<'_>) -> Result<Vec<Vec<f64>>, DesignError> {
        let mut columns: Vec<Vec<f64>> = vec![];
        for node in &self.of {
            match node.column(data).map_err(DataError::other)? {
                Vector::Matrix(matrix) => columns.extend(matrix.columns),
                other => {
                    let numbers = other.into_numbers();
                    let numbers = numbers.ok_or_else(|| DataError::other("'x' must be numeric"))?;
                    columns.push(numbers.into_owned());
                }
            }
        }
        let missing = columns.iter().flatten().any(|value| value.is_nan());
        if missing && matches!(self.lesson, Lesson::Poly(_)) {
            let why = "missing values are not allowed in 'poly'";
            return Err(DataError::other(why).into());
        }
        self.values.resize_with(columns.len(), Vec::new);
        for (all, more) in self.values.iter_mut().zip(&columns) {
            all.extend_from_slice(more);
        }
        Ok(columns)
    }

    /// The call with what was learned.
    pub fn finish(self) -> Result<Expr, DesignError> {
        match self.lesson {
            Lesson::Poly(degree) => self.poly(degree),
            Lesson::Scale { centre, scale } => Ok(self.scale(centre, scale)),
            Lesson::Spline { natural } => self.spline(natural),
        }
    }

    fn with(&self, learned: Vec<(&str, Expr)>) -> Expr {
        let mut arguments = self.call.arguments.clone();
        for (name, value) in learned {
            let known = arguments
                .iter_mut()
                .find(|own| own.name.as_deref() == Some(name));
            match known {
                Some(own) => own.value = value,
                None => arguments.push(Argument::named(name, value)),
            }
        }
        Expr::call(&self.call.function, arguments)
    }

    fn poly(self, degree: usize) -> Result<Expr, DesignError> {
        let learn = |values: &Vec<f64>| {
            let learned = Orthogonal::learn(values, degree).ok_or_else(|| {
                DataError::other("'degree' must be less than number of unique points")
            })?;
            Ok::<Expr, DesignError>(Expr::call(
                "list",
                vec![
                    Argument::named("alpha", Expr::numbers(&learned.alpha)),
                    Argument::named("norm2", Expr::numbers(&learned.norm2)),
                ],
            ))
        };
        let learned = self.values.iter().map(learn);
        let mut learned = learned.collect::<Result<Vec<_>, _>>()?;
        let coefs = match learned.len() {
            1 => learned.remove(0),
            _ => Expr::call("list", learned.into_iter().map(Argument::from).collect()),
        };
        Ok(self.with(vec![("coefs", coefs)]))
    }

    #[expect(clippy::cast_precision_loss, reason = "rows are fewer than 2^53")]
    fn scale(self, centre: bool, scale: bool) -> Expr {
        let matched = Matched::new(&self.call, &["x", "center", "scale"]);
        let given = matched
            .ok()
            .and_then(|own| own.constant("center").ok().flatten());
        let given = given.and_then(|own| match own {
            Constant::Numbers(numbers) => Some(numbers),
            _ => None,
        });
        let (mut centres, mut scales) = (vec![], vec![]);
        for (at, values) in self.values.iter().enumerate() {
            let known = || values.iter().copied().filter(|value| !value.is_nan());
            let count = known().count() as f64;
            let own = match &given {
                Some(given) => given.get(at).copied().unwrap_or(0.0),
                None if centre => mean(&known().collect::<Vec<f64>>()),
                None => 0.0,
            };
            let squares = known().map(|value| (value - own) * (value - own));
            scales.push((sum(squares) / (count - 1.0).max(1.0)).sqrt());
            centres.push(own);
        }
        let numbers = |numbers: &[f64]| match numbers {
            [only] => Expr::Number(*only),
            several => Expr::numbers(several),
        };
        let mut learned = vec![];
        if centre {
            learned.push(("center", numbers(&centres)));
        }
        if scale {
            learned.push(("scale", numbers(&scales)));
        }
        self.with_matched(&["x", "center", "scale"], learned)
    }

    /// As [`Self::with`], where the parameters may have been given by their places.
    fn with_matched(
        &self,
        parameters: &'static [&'static str],
        learned: Vec<(&str, Expr)>,
    ) -> Expr {
        let Ok(matched) = Matched::new(&self.call, parameters) else {
            return self.with(learned);
        };
        let mut arguments = vec![];
        for parameter in parameters {
            let new = learned.iter().find(|(name, _)| name == parameter);
            match (new, matched.given(parameter)) {
                (None, Some(value)) if *parameter == "x" => arguments.push(value.clone().into()),
                (Some((_, value)), _) | (None, Some(value)) => {
                    arguments.push(Argument::named(parameter, value.clone()));
                }
                (None, None) => {}
            }
        }
        Expr::call(&self.call.function, arguments)
    }

    fn spline(self, natural: bool) -> Result<Expr, DesignError> {
        let matched = Matched::new(&self.call, spline_parameters(natural))?;
        let mut x: Vec<f64> = self.values[0].clone();
        x.retain(|x| !x.is_nan());
        x.sort_by(f64::total_cmp);
        let (Some(first), Some(last)) = (x.first(), x.last()) else {
            return Err(DataError::other("a spline of a variable without values").into());
        };
        let given = |parameter: &str| -> Result<Option<Vec<f64>>, NeedsR> {
            match matched.constant(parameter)? {
                None | Some(Constant::Null) => Ok(None),
                Some(constant) => {
                    let numbers = constant.into_numbers();
                    numbers.map(Some).ok_or_else(|| matched.odd(parameter))
                }
            }
        };
        let mut boundary = given("Boundary.knots")?.unwrap_or_else(|| vec![*first, *last]);
        boundary.sort_by(f64::total_cmp);
        let [low, high] = boundary[..] else {
            return Err(matched.odd("Boundary.knots").into());
        };
        let degree = if natural {
            3
        } else {
            matched.count("degree", 3)?
        };
        let intercept = matched.logical("intercept", false)?;
        let knots = if let Some(knots) = given("knots")? {
            knots
        } else if matched.given("df").is_some() {
            let order = if natural { 2 } else { degree + 1 };
            let inner = matched.count("df", order)?;
            let inner = inner.saturating_sub(order - usize::from(!intercept));
            x.retain(|x| (low..=high).contains(x));
            quantiles(&x, inner)
        } else {
            vec![]
        };
        let mut arguments: Vec<Argument> = vec![matched.required("x")?.clone().into()];
        if !natural {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_possible_wrap,
                reason = "at most 100"
            )]
            let degree = Expr::Integer(degree as i32);
            arguments.push(Argument::named("degree", degree));
        }
        arguments.push(Argument::named("knots", Expr::numbers(&knots)));
        arguments.push(Argument::named(
            "Boundary.knots",
            Expr::numbers(&[low, high]),
        ));
        arguments.push(Argument::named("intercept", Expr::Logical(Some(intercept))));
        Ok(Expr::call(&self.call.function, arguments))
    }
}

/// So many quantiles between the ends, R's type 7. The values are sorted.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places of elements"
)]
fn quantiles(sorted: &[f64], count: usize) -> Vec<f64> {
    if sorted.is_empty() {
        return vec![];
    }
    let steps = (count + 1) as f64;
    let quantile = |at: usize| {
        let place = (sorted.len() - 1) as f64 * (at as f64 / steps);
        let (low, part) = (place.floor(), place - place.floor());
        let (low, high) = (sorted[low as usize], sorted[place.ceil() as usize]);
        #[expect(clippy::float_cmp, reason = "R compares so")]
        if part > 0.0 && high != low {
            (1.0 - part) * low + part * high
        } else {
            low
        }
    };
    (1..=count).map(quantile).collect()
}
