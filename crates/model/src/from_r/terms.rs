//! The object `terms` of a model.

use std::sync::Arc;

use rdata::{Data, Value};

use super::{dimensions, dimnames, lacks};
use crate::deparse::without_backticks;
use crate::expr::Expr;
use crate::needs_r::NeedsR;
use crate::terms::{Class, Coding, Term, Terms, Variable};

pub(super) fn terms(value: &Value) -> Result<Terms, NeedsR> {
    let written = listed(value, "variables")?.ok_or_else(|| lacks("variables"))?;
    let learned = listed(value, "predvars")?;
    let expressions = match learned {
        Some(learned) if learned.len() == written.len() => learned,
        Some(_) => return Err(NeedsR::new("its predvars do not fit its variables")),
        None => written.clone(),
    };
    let number = |name: &str| {
        let numbers = value.attribute(name).and_then(Value::integers);
        numbers.and_then(|numbers| numbers.first().copied())
    };
    let response = match number("response") {
        None | Some(0) => false,
        Some(1) => true,
        Some(_) => return Err(NeedsR::new("its response is not the first variable")),
    };
    let factors = value.attribute("factors").ok_or_else(|| lacks("factors"))?;
    let names = match dimnames(factors, 0) {
        Some(names) if names.len() == written.len() => names,
        Some(_) => return Err(NeedsR::new("its factors do not fit its variables")),
        None => written.iter().map(|own| own.to_string().into()).collect(),
    };
    let classes = Classes::of(value);
    let mut variables = vec![];
    for (at, (name, expr)) in names.into_iter().zip(expressions).enumerate() {
        variables.push(Variable {
            class: classes.get(&name, at),
            name,
            expr,
        });
    }
    let offsets = value.attribute("offset").and_then(Value::integers);
    let offsets = offsets.unwrap_or_default().into_iter();
    let offsets = offsets.map(|own| {
        let place = usize::try_from(own).ok().and_then(|own| own.checked_sub(1));
        place.filter(|place| *place < variables.len())
    });
    let offsets: Option<Vec<usize>> = offsets.collect();
    Ok(Terms {
        formula: super::text(&Value::from(value.data.clone())),
        terms: each_term(value, factors, variables.len())?,
        variables,
        intercept: number("intercept") == Some(1),
        response,
        offsets: offsets.ok_or_else(|| NeedsR::new("its offsets are odd"))?,
    })
}

/// The elements of `list(a, b)`, kept as language.
fn listed(value: &Value, name: &str) -> Result<Option<Vec<Expr>>, NeedsR> {
    let Some(own) = value.attribute(name) else {
        return Ok(None);
    };
    match &own.data {
        Data::Call(members) => {
            let elements = members.iter().skip(1);
            let elements = elements.map(|member| Expr::of(&member.value));
            elements.collect::<Result<_, _>>().map(Some)
        }
        _ => Ok(None),
    }
}

fn each_term(value: &Value, factors: &Value, variables: usize) -> Result<Vec<Term>, NeedsR> {
    let labels = value.attribute("term.labels").and_then(Value::texts);
    let labels = labels.unwrap_or_default();
    let odd = || NeedsR::new("its factors do not fit its terms");
    let codes = factors.integers().unwrap_or_default();
    if labels.is_empty() {
        return Ok(vec![]);
    }
    if dimensions(factors) != Some([variables, labels.len()])
        || codes.len() != variables * labels.len()
    {
        return Err(odd());
    }
    let mut terms = vec![];
    for (label, codes) in labels.into_iter().zip(codes.chunks_exact(variables)) {
        let mut factors = vec![];
        for (at, code) in codes.iter().enumerate() {
            match code {
                0 => {}
                1 => factors.push((at, Coding::Contrasts)),
                2 => factors.push((at, Coding::Dummies)),
                _ => return Err(odd()),
            }
        }
        terms.push(Term { label, factors });
    }
    Ok(terms)
}

/// R's `dataClasses`.
struct Classes(Vec<(Arc<str>, Arc<str>)>);

impl Classes {
    fn of(value: &Value) -> Self {
        let own = value.attribute("dataClasses");
        let names = own.and_then(Value::names).unwrap_or_default();
        let classes = own.and_then(Value::texts).unwrap_or_default();
        Self(names.into_iter().zip(classes).collect())
    }

    fn get(&self, name: &Arc<str>, at: usize) -> Class {
        let plain = without_backticks(name);
        let found = self
            .0
            .iter()
            .find(|(own, _)| own == name || **own == *plain);
        match found.or_else(|| self.0.get(at)) {
            Some((_, class)) => class_of(class),
            None => Class::Other("unknown".into()),
        }
    }
}

fn class_of(class: &Arc<str>) -> Class {
    if let Some(columns) = class.strip_prefix("nmatrix.")
        && let Ok(columns) = columns.parse()
    {
        return Class::Matrix(columns);
    }
    match &**class {
        "numeric" => Class::Numeric,
        "logical" => Class::Logical,
        "factor" => Class::Factor,
        "ordered" => Class::Ordered,
        "character" => Class::Character,
        _ => Class::Other(class.clone()),
    }
}
