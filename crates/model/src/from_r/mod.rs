//! Models that R saved: the list that `lm`, `glm` and `aov` return becomes a [`Model`].
//!
//! Nothing is guessed: what is made of the file is tried on the data that R keeps in it,
//! and where its own fitted values do not come out, the model is left to R.

mod check;
mod fit;
mod link;
mod terms;

use std::sync::Arc;

use rdata::{Data, Value};

use crate::design::contrast::contrast;
use crate::expr::Expr;
use crate::model::{Coefficients, Contrast, Kind, Model};
use crate::needs_r::NeedsR;
use crate::terms::{Class, Terms};

/// Objects of other classes have a `predict` of their own.
const KNOWN: [&[&str]; 6] = [
    &["lm"],
    &["aov", "lm"],
    &["mlm", "lm"],
    &["maov", "aov", "mlm", "lm"],
    &["glm", "lm"],
    &["negbin", "glm", "lm"],
];

/// The model in a value that [`rdata::read`] found in a file.
pub fn model(value: &Value) -> Result<Model, NeedsR> {
    let kind = kind(value)?;
    let terms = value.get("terms").ok_or_else(|| lacks("terms"))?;
    let terms = terms::terms(terms)?;
    let coefficients = coefficients(value)?;
    let (pivot, rank) = pivot(value, &coefficients)?;
    let levels = levels(value)?;
    let contrasts = contrasts(value, &terms, &levels)?;
    let call = value.get("call");
    let offset = call.and_then(|call| call.get("offset"));
    let offset = offset.filter(|offset| offset.data != Data::Null);
    let mut model = Model {
        triangle: triangle(value, rank),
        fit: fit::fit(value, &kind),
        kind,
        call: call.map(broken).unwrap_or_default(),
        terms,
        levels,
        contrasts,
        coefficients,
        pivot,
        rank,
        offset: offset.map(Expr::of).transpose()?,
        means: None,
        weighted: call.is_some_and(|call| call.get("weights").is_some()),
    };
    check::check(&mut model, value)?;
    Ok(model)
}

fn kind(value: &Value) -> Result<Kind, NeedsR> {
    let class = value.class();
    let names: Vec<&str> = class.iter().map(|own| &**own).collect();
    if !KNOWN.contains(&&names[..]) || !matches!(value.data, Data::List(_)) {
        let what = match names[..] {
            [] => class_of(value).to_owned(),
            _ => names.join(", "),
        };
        let reason = format!("an object of class {what} is not a model that is known without R");
        return Err(NeedsR::new(reason));
    }
    if names.contains(&"glm") {
        return link::kind(value);
    }
    Ok(match names[..] {
        ["lm"] => Kind::Lm,
        ["aov", "lm"] => Kind::Aov,
        _ => Kind::Mlm,
    })
}

/// As R's `class` has it for what has no attribute of that name.
fn class_of(value: &Value) -> &'static str {
    match &value.data {
        _ if dimensions(value).is_some() => "matrix",
        Data::Real(_) | Data::RealSequence { .. } => "numeric",
        Data::Closure(_) | Data::Builtin(_) | Data::Special(_) => "function",
        Data::Symbol(_) => "name",
        Data::Call(_) => "call",
        _ => value.type_name(),
    }
}

fn lacks(part: &str) -> NeedsR {
    NeedsR::new(format!("the object has no `{part}`"))
}

/// Language as text; nothing where it holds what has no text.
fn text(value: &Value) -> Arc<str> {
    let expr = Expr::of(value).map(|expr| expr.to_string());
    expr.unwrap_or_default().into()
}

/// The same in the lines that R prints a call in.
fn broken(value: &Value) -> Arc<str> {
    let expr = Expr::of(value).map(|expr| crate::fit::in_lines(&expr));
    expr.unwrap_or_default().into()
}

/// Dimensions of a matrix.
fn dimensions(value: &Value) -> Option<[usize; 2]> {
    let numbers = value.attribute("dim")?.integers()?;
    let sizes: Option<Vec<usize>> = numbers
        .iter()
        .map(|own| usize::try_from(*own).ok())
        .collect();
    sizes?.try_into().ok()
}

/// Names of rows and columns.
fn dimnames(value: &Value, at: usize) -> Option<Vec<Arc<str>>> {
    match &value.attribute("dimnames")?.data {
        Data::List(names) => names.get(at)?.texts(),
        _ => None,
    }
}

fn coefficients(value: &Value) -> Result<Coefficients, NeedsR> {
    let own = value
        .get("coefficients")
        .ok_or_else(|| lacks("coefficients"))?;
    let numbers = own.numbers().ok_or_else(|| lacks("coefficients"))?;
    let Some([rows, columns]) = dimensions(own) else {
        let names = own.names().unwrap_or_default();
        if names.len() != numbers.len() {
            return Err(NeedsR::new("its coefficients have no names"));
        }
        return Ok(Coefficients {
            names,
            responses: vec![],
            values: vec![numbers],
        });
    };
    let names = dimnames(own, 0).unwrap_or_default();
    if names.len() != rows || rows.checked_mul(columns) != Some(numbers.len()) {
        return Err(NeedsR::new("its coefficients have no names"));
    }
    let numbered = || (1..=columns).map(|at| format!("Y{at}").into()).collect();
    let values = (0..columns).map(|at| numbers[at * rows..(at + 1) * rows].to_vec());
    Ok(Coefficients {
        names,
        responses: dimnames(own, 1).unwrap_or_else(numbered),
        values: values.collect(),
    })
}

/// From the decomposition, or from which coefficients are missing.
fn pivot(value: &Value, coefficients: &Coefficients) -> Result<(Vec<usize>, usize), NeedsR> {
    let count = coefficients.names.len();
    let given = value.get("qr").and_then(|qr| qr.get("pivot"));
    let given = given.and_then(Value::integers);
    if let Some(given) = given {
        let places = given
            .iter()
            .map(|own| usize::try_from(*own).ok()?.checked_sub(1));
        let places: Option<Vec<usize>> = places.collect();
        let rank = value.get("rank").and_then(Value::numbers);
        let rank = rank.and_then(|own| crate::eval::call::place(*own.first()?));
        let odd = || NeedsR::new("the pivot of its decomposition is odd");
        return Ok((places.ok_or_else(odd)?, rank.ok_or_else(odd)?));
    }
    let known = |at: &usize| coefficients.values.iter().all(|own| !own[*at].is_nan());
    let (mut pivot, rest): (Vec<usize>, Vec<usize>) = (0..count).partition(known);
    let rank = pivot.len();
    pivot.extend(rest);
    Ok((pivot, rank))
}

/// R of the decomposition.
fn triangle(value: &Value, rank: usize) -> Option<Vec<f64>> {
    if rank == 0 {
        return Some(vec![]);
    }
    let matrix = value.get("qr")?.get("qr")?;
    let [rows, columns] = dimensions(matrix)?;
    let numbers = matrix.numbers()?;
    if rank > rows || rank > columns || rows.checked_mul(columns)? != numbers.len() {
        return None;
    }
    let mut triangle = vec![0.0; rank.checked_mul(rank)?];
    for column in 0..rank {
        let own = &numbers[column * rows..=column * rows + column];
        triangle[column * rank..=column * rank + column].copy_from_slice(own);
    }
    Some(triangle)
}

/// Elements of a list with their names.
fn entries(value: Option<&Value>) -> Vec<(Arc<str>, &Value)> {
    let Some(value) = value else {
        return vec![];
    };
    let names = value.names().unwrap_or_default();
    match &value.data {
        Data::List(elements) => names.into_iter().zip(elements).collect(),
        _ => vec![],
    }
}

type Levels = Vec<(Arc<str>, Vec<Arc<str>>)>;

fn levels(value: &Value) -> Result<Levels, NeedsR> {
    let entries = entries(value.get("xlevels")).into_iter();
    entries
        .map(|(name, levels)| match levels.texts() {
            Some(levels) => Ok((name, levels)),
            None => Err(NeedsR::new(format!("NA is a level of `{name}`"))),
        })
        .collect()
}

fn contrasts(
    value: &Value,
    terms: &Terms,
    levels: &Levels,
) -> Result<Vec<(Arc<str>, Contrast)>, NeedsR> {
    let mut contrasts = vec![];
    for (name, own) in entries(value.get("contrasts")) {
        let known = levels.iter().find(|(variable, _)| *variable == name);
        let truth: [Arc<str>; 2] = ["FALSE".into(), "TRUE".into()];
        let is_logical = |variable: &crate::terms::Variable| {
            variable.class == Class::Logical && crate::design::plan::key(variable) == name
        };
        let own_levels = match known {
            Some((_, levels)) => &levels[..],
            None if terms.variables.iter().any(is_logical) => &truth,
            None => continue,
        };
        contrasts.push((name.clone(), of_value(&name, own, own_levels)?));
    }
    Ok(contrasts)
}

fn of_value(name: &Arc<str>, own: &Value, levels: &[Arc<str>]) -> Result<Contrast, NeedsR> {
    if let Data::Text(texts) = &own.data
        && let [Some(kind)] = &texts[..]
    {
        return contrast(kind, levels, None);
    }
    let odd = || NeedsR::new(format!("the contrasts of `{name}` are not known without R"));
    let [rows, columns] = dimensions(own).ok_or_else(odd)?;
    let values = own.numbers().ok_or_else(odd)?;
    if rows != levels.len() || rows.checked_mul(columns) != Some(values.len()) {
        return Err(odd());
    }
    let numbered = || (1..=columns).map(|at| at.to_string().into()).collect();
    Ok(Contrast {
        kind: None,
        columns: dimnames(own, 1).unwrap_or_else(numbered),
        values,
    })
}
