//! A fitted model as R's own object: R prints, summarises and predicts from it.
//!
//! [`language`] turns expressions and terms into R's, [`family`] makes the functions of a
//! family. The rows must have been kept by the fit: R's `summary` starts from them.

mod family;
mod language;
mod parts;

use rdata::{Data, Value};

use crate::fit::{GLM_TOLERANCE, LM_TOLERANCE};
use crate::linalg::Pivoted;
use crate::model::{Family, Kept, Kind, Link, Model};
use parts::{Names, integer, integers, logical, named, number, numbers};

#[derive(Debug, thiserror::Error)]
pub enum ToRError {
    #[error("R's object holds the rows of the fit, and they were not kept")]
    NoRows,
    #[error("a model of several responses is not written for R")]
    SeveralResponses,
    #[error("the family of this model is not written for R")]
    Family,
    #[error("`{0}` is no expression of R")]
    Expression(String),
}

/// The object of class `lm`, or `glm` and `lm`.
pub fn value(model: &Model) -> Result<Value, ToRError> {
    let kept = model.fit.kept.as_deref().ok_or(ToRError::NoRows)?;
    let object = match model.kind {
        Kind::Lm => linear(model, kept)?,
        Kind::Glm { family, link } => generalised(model, kept, family, link)?,
        Kind::Mlm | Kind::Aov => return Err(ToRError::SeveralResponses),
    };
    let class: &[&str] = match model.kind {
        Kind::Glm { .. } => &["glm", "lm"],
        _ => &["lm"],
    };
    Ok(Value::list(object).with("class", Value::strings(class.iter().copied())))
}

type Element = (&'static str, Value);

/// The decomposition as R would have it, and `Q'z`.
struct Decomposed {
    own: Pivoted,
    effects: Vec<f64>,
    /// Places among the kept rows.
    rows: Vec<usize>,
    tolerance: f64,
}

impl Decomposed {
    /// Of the rows with weight, each times its factor.
    fn new(kept: &Kept, response: &[f64], factors: Option<&[f64]>, tolerance: f64) -> Self {
        let all = 0..kept.places.len();
        let weighted = |row: &usize| factors.is_none_or(|own| own[*row] > 0.0);
        let rows: Vec<usize> = all.filter(weighted).collect();
        let times = |row: usize, value: f64| factors.map_or(value, |own| value * own[row]);
        let column = |column: &Vec<f64>| -> Vec<f64> {
            rows.iter().map(|row| times(*row, column[*row])).collect()
        };
        let values = kept.columns.iter().flat_map(column);
        let own = Pivoted::new(values.collect(), rows.len(), kept.columns.len(), tolerance);
        let mut effects: Vec<f64> = rows.iter().map(|row| times(*row, response[*row])).collect();
        own.rotate(&mut effects);
        Self {
            own,
            effects,
            rows,
            tolerance,
        }
    }

    fn qr(&self, names: &Names) -> Value {
        let columns: Vec<_> = names.pivoted(&self.own.pivot);
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| names.rows[*row].clone())
            .collect();
        let qr = parts::matrix(self.own.values.clone(), &rows, &columns);
        let pivot = self.own.pivot.iter().map(|place| place + 1);
        Value::list([
            ("qr", qr),
            ("qraux", numbers(self.own.heads.clone())),
            ("pivot", integers(pivot)),
            ("tol", number(self.tolerance)),
            ("rank", integer(self.own.rank)),
        ])
        .with("class", Value::strings(["qr"]))
    }

    /// Residuals of an `lm` and what is fitted: by Q, as R has them, where a row has weight.
    fn residuals(&self, kept: &Kept, factors: Option<&[f64]>) -> (Vec<f64>, Vec<f64>) {
        let mut rest = self.effects.clone();
        rest[..self.own.rank].fill(0.0);
        self.own.rotate_back(&mut rest);
        let (mut residuals, mut fitted) = (kept.residuals.clone(), kept.fitted.clone());
        for (row, rest) in self.rows.iter().zip(rest) {
            residuals[*row] = factors.map_or(rest, |own| rest / own[*row]);
            fitted[*row] = kept.response[*row] - residuals[*row];
        }
        (residuals, fitted)
    }

    fn effects(&self, names: &Names) -> Value {
        let mut own = names.pivoted(&self.own.pivot);
        own.truncate(self.own.rank);
        own.resize(self.effects.len(), "".into());
        named(numbers(self.effects.clone()), &own)
    }

    /// What `glm` calls R: the triangle, with names.
    fn triangle(&self, names: &Names) -> Value {
        let columns = self.own.columns;
        let mut values = vec![0.0; columns * columns];
        for column in 0..columns {
            for row in 0..columns {
                let inside = row < self.own.rows;
                values[column * columns + row] = match row {
                    _ if row > column => 0.0,
                    _ if inside => self.own.values[column * self.own.rows + row],
                    // As R fills it up where there are fewer rows than columns.
                    _ => f64::from(u8::from(row == column)),
                };
            }
        }
        let pivoted = names.pivoted(&self.own.pivot);
        parts::matrix(values, &pivoted, &pivoted)
    }
}

fn linear(model: &Model, kept: &Kept) -> Result<Vec<Element>, ToRError> {
    let names = Names::new(model, kept);
    let of_rows = |values: &[f64]| named(numbers(values.to_vec()), &names.rows);
    let weighted = !kept.weights.is_empty();
    let mut response = kept.response.clone();
    if let Some(offset) = &kept.offset {
        for (response, offset) in response.iter_mut().zip(offset) {
            *response -= offset;
        }
    }
    let roots: Vec<f64> = kept.weights.iter().map(|own| own.sqrt()).collect();
    let roots = weighted.then_some(&*roots);
    let decomposed = Decomposed::new(kept, &response, roots, LM_TOLERANCE);
    let (residuals, fitted) = decomposed.residuals(kept, roots);
    let mut object = vec![
        ("coefficients", names.coefficients(model)),
        ("residuals", of_rows(&residuals)),
        ("fitted.values", of_rows(&fitted)),
    ];
    if weighted {
        object.push(("weights", numbers(kept.weights.clone())));
    }
    object.push(("rank", integer(model.rank)));
    if !model.coefficients.names.is_empty() {
        object.push(("effects", decomposed.effects(&names)));
        object.push(("assign", integers(language::assign(model))));
        object.push(("qr", decomposed.qr(&names)));
    }
    object.push(("df.residual", parts::count(model.fit.df_residual)));
    object.extend(common(model, kept, &names)?);
    Ok(object)
}

fn generalised(
    model: &Model,
    kept: &Kept,
    family: Family,
    link: Link,
) -> Result<Vec<Element>, ToRError> {
    let names = Names::new(model, kept);
    let of_rows = |values: &[f64]| named(numbers(values.to_vec()), &names.rows);
    let fit = &model.fit;
    let mut object = vec![
        ("coefficients", names.coefficients(model)),
        ("residuals", of_rows(&kept.residuals)),
        ("fitted.values", of_rows(&kept.fitted)),
    ];
    if !model.coefficients.names.is_empty() {
        let roots: Vec<f64> = kept.weights.iter().map(|own| own.sqrt()).collect();
        let decomposed = Decomposed::new(kept, &kept.working, Some(&roots), GLM_TOLERANCE);
        object.extend([
            ("effects", decomposed.effects(&names)),
            ("R", decomposed.triangle(&names)),
            ("qr", decomposed.qr(&names)),
        ]);
    }
    object.extend([
        ("rank", integer(model.rank)),
        ("family", family::value(family, link)?),
        ("linear.predictors", of_rows(&kept.linear)),
        ("deviance", number(fit.deviance)),
        ("aic", number(fit.aic)),
        ("null.deviance", number(fit.null_deviance)),
        (
            "iter",
            integer(usize::try_from(fit.iterations).unwrap_or(0)),
        ),
        ("weights", of_rows(&kept.weights)),
        ("prior.weights", of_rows(&kept.prior_weights)),
        ("df.residual", parts::count(fit.df_residual)),
        ("df.null", parts::count(fit.df_null)),
        ("y", of_rows(&kept.response)),
        ("converged", logical(fit.converged)),
        ("boundary", logical(at_boundary(&fit.warnings))),
    ]);
    object.extend(common(model, kept, &names)?);
    object.extend([
        ("formula", language::formula(&model.terms.formula)?),
        (
            "control",
            Value::list([
                ("epsilon", number(1e-8)),
                ("maxit", number(25.0)),
                ("trace", logical(false)),
            ]),
        ),
        ("method", Value::strings(["glm.fit"])),
    ]);
    Ok(object)
}

fn at_boundary(warnings: &[String]) -> bool {
    let says = "glm.fit: algorithm stopped at boundary value";
    warnings.iter().any(|warning| warning == says)
}

/// What both have.
fn common(model: &Model, kept: &Kept, names: &Names) -> Result<Vec<Element>, ToRError> {
    let mut object = vec![];
    if let Some(omitted) = parts::omitted(model, kept) {
        object.push(("na.action", omitted));
    }
    if let Some(offset) = &kept.offset {
        object.push(("offset", numbers(offset.clone())));
    }
    let contrasts = language::contrasts(model);
    let levels = language::levels(model);
    let some = |value: &Value| value.data != Data::Null;
    let both = [("contrasts", contrasts.clone()), ("xlevels", levels)];
    object.extend(both.into_iter().filter(|(_, value)| some(value)));
    object.push(("call", language::call(&model.call)?));
    object.push(("terms", language::terms(&model.terms)?));
    // With it, R needs no data to make the model matrix again.
    let matrix = parts::matrix(kept.columns.concat(), &names.rows, &names.columns);
    let matrix = matrix.with("assign", integers(language::assign(model)));
    let matrix = if some(&contrasts) {
        matrix.with("contrasts", contrasts)
    } else {
        matrix
    };
    object.push(("x", matrix));
    Ok(object)
}
