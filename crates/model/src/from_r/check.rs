//! The model is tried on the data that it was fitted to, which R keeps in the object.

use std::borrow::Cow;
use std::sync::Arc;

use rdata::value::NA_INTEGER;
use rdata::{Data, Value};

use super::{dimensions, dimnames};
use crate::design::plan::Computed;
use crate::eval::basis::mean;
use crate::eval::vector::{Levels, Matrix};
use crate::eval::{Labels, Vector};
use crate::frame::Codes;
use crate::model::{Kind, Model};
use crate::needs_r::NeedsR;
use crate::predict::Predictor;

/// How far from R's own fitted values is another model.
const CLOSE: f64 = 1e-6;

/// Refuses what cannot be predicted; finds the means of the columns.
pub(super) fn check(model: &mut Model, value: &Value) -> Result<(), NeedsR> {
    let columns = value.get("data").filter(|data| data.inherits("data.frame"));
    let columns = columns.and_then(Value::names);
    let predictor = Predictor::among(model.clone(), columns)?;
    model.means = value.get("x").and_then(means_of);
    let Some(frame) = value
        .get("model")
        .filter(|own| matches!(own.data, Data::List(_)))
    else {
        return Ok(());
    };
    let Some(variables) = variables(&predictor, frame) else {
        return Ok(());
    };
    let Some(rows) = rows(frame, value) else {
        return Ok(());
    };
    let offset = value.get("offset").and_then(Value::numbers);
    let means = compare(&predictor, &variables, rows, offset.as_deref(), value)?;
    model.means = Some(means);
    Ok(())
}

/// Of the model matrix, where the object keeps that.
fn means_of(matrix: &Value) -> Option<Vec<f64>> {
    let [rows, columns] = dimensions(matrix)?;
    let numbers = matrix.numbers()?;
    if rows == 0 || rows.checked_mul(columns) != Some(numbers.len()) {
        return None;
    }
    Some(numbers.chunks_exact(rows).map(mean).collect())
}

/// Rows of the model frame, where there are as many fitted values.
fn rows(frame: &Value, value: &Value) -> Option<usize> {
    let Data::List(columns) = &frame.data else {
        return None;
    };
    let fitted = value.get("fitted.values")?;
    let rows = match (dimensions(fitted), columns.first()) {
        (Some([rows, _]), _) => rows,
        (None, Some(_)) => usize::try_from(fitted.length()).ok()?,
        (None, None) => return None,
    };
    // Values that are there, not only said to be: a sequence is kept as its ends.
    let there = match &fitted.data {
        Data::Real(numbers) => numbers.len(),
        _ => return None,
    };
    (rows > 0 && rows <= there).then_some(rows)
}

/// The variables as the model frame has them, already computed. None if one is not
/// there, or is nothing that is known here.
fn variables(predictor: &Predictor, frame: &Value) -> Option<Vec<Computed<'static>>> {
    let names = frame.names()?;
    let Data::List(columns) = &frame.data else {
        return None;
    };
    let variables = predictor.variables_of_plan().iter().map(|variable| {
        if variable.node.is_none() {
            return Some(Computed::Unused);
        }
        let at = names.iter().position(|own| *own == variable.name)?;
        let vector = vector(columns.get(at)?)?;
        variable.fit(vector).ok()
    });
    variables.collect()
}

fn vector(value: &Value) -> Option<Vector<'static>> {
    if let Some([rows, columns]) = dimensions(value) {
        let numbers = value.numbers()?;
        if rows.checked_mul(columns) != Some(numbers.len()) || rows == 0 {
            return None;
        }
        return Some(Vector::Matrix(Matrix {
            columns: numbers.chunks_exact(rows).map(<[f64]>::to_vec).collect(),
            names: dimnames(value, 1),
        }));
    }
    if let Some(levels) = value.attribute("levels") {
        let levels = levels.texts()?;
        let code = |own: i32| match own {
            NA_INTEGER => Codes::NA,
            // Codes without a level are missing, whatever a file says.
            own => match usize::try_from(own - 1) {
                Ok(place) if place < levels.len() => crate::eval::vector::code(place),
                _ => Codes::NA,
            },
        };
        let labels = Labels {
            of_rows: Cow::Owned(value.integers()?.into_iter().map(code).collect()),
            values: Cow::Owned(levels),
        };
        let ordered = value.inherits("ordered");
        return Some(Vector::Factor(labels, Levels { ordered }));
    }
    match &value.data {
        Data::Logical(values) => Some(Vector::logicals(values.clone())),
        Data::Text(texts) => Some(Vector::Text(labels(texts))),
        _ => Some(Vector::numbers(value.numbers()?)),
    }
}

fn labels(texts: &[Option<Arc<str>>]) -> Labels<'static> {
    let mut values: Vec<Arc<str>> = texts.iter().flatten().cloned().collect();
    values.sort();
    values.dedup();
    let code = |text: &Option<Arc<str>>| match text {
        Some(text) => values
            .binary_search(text)
            .map_or(Codes::NA, crate::eval::vector::code),
        None => Codes::NA,
    };
    let of_rows = texts.iter().map(code).collect();
    Labels {
        of_rows: Cow::Owned(of_rows),
        values: Cow::Owned(values),
    }
}

/// Means of the columns, if R's fitted values come out.
fn compare(
    predictor: &Predictor,
    variables: &[Computed<'_>],
    rows: usize,
    offset: Option<&[f64]>,
    value: &Value,
) -> Result<Vec<f64>, NeedsR> {
    let model = predictor.model();
    let is_glm = matches!(model.kind, Kind::Glm { .. });
    let name = if is_glm {
        "linear.predictors"
    } else {
        "fitted.values"
    };
    let expected = value.get(name).and_then(Value::numbers).unwrap_or_default();
    let count = model.coefficients.values.len();
    let known = rows > 0 && expected.len() == rows * count;
    let mut sums = vec![0.0; rows * count];
    let mut buffer = vec![];
    let mut means = vec![];
    for column in 0..model.coefficients.names.len() {
        let x = predictor.column(column, variables, rows, &mut buffer);
        means.push(mean(x));
        for (response, own) in model.coefficients.values.iter().enumerate() {
            let beta = own[column];
            if beta.is_nan() {
                continue;
            }
            let sums = &mut sums[response * rows..(response + 1) * rows];
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += beta * x;
            }
        }
    }
    if !known {
        return Ok(means);
    }
    let offset = |at: usize| {
        offset
            .and_then(|own| own.get(at % rows))
            .copied()
            .unwrap_or(0.0)
    };
    let scale = expected
        .iter()
        .fold(0.0_f64, |most, own| most.max(own.abs()));
    let close = |(at, (sum, expected)): (usize, (&f64, &f64))| {
        let off = (sum + offset(at) - expected).abs();
        off <= CLOSE * scale || !off.is_finite()
    };
    if sums.iter().zip(&expected).enumerate().all(close) {
        return Ok(means);
    }
    Err(NeedsR::new(
        "what comes out for its own data is not what R fitted",
    ))
}
