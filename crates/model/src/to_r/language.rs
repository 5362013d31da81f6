//! Expressions, terms and what goes with them, as R keeps them.

use std::sync::Arc;

use rdata::value::Member;
use rdata::{Data, Value};

use super::ToRError;
use super::parts::{integer, integers, named, texts};
use crate::expr::Expr;
use crate::model::{Contrast, Model};
use crate::terms::{Class, Coding, Term, Terms};

/// An expression as language.
pub fn value(expr: &Expr) -> Value {
    match expr {
        Expr::Number(number) => Data::Real(vec![*number]).into(),
        Expr::Integer(number) => Data::Integer(vec![*number]).into(),
        Expr::Text(text) => Value::strings([&**text]),
        Expr::Logical(value) => {
            let value = value.map_or(rdata::value::NA_INTEGER, i32::from);
            Data::Logical(vec![value]).into()
        }
        Expr::Null => Data::Null.into(),
        Expr::Name(name) => Value::symbol(name),
        Expr::Value(value) => (**value).clone(),
        Expr::Call(call) => {
            let function = match call.package() {
                Some(package) => {
                    let colons = if call.function.contains(":::") {
                        ":::"
                    } else {
                        "::"
                    };
                    let name = Value::symbol(call.short_name());
                    Value::call([Value::symbol(colons), Value::symbol(package), name])
                }
                None => Value::symbol(&call.function),
            };
            let mut members = vec![Member {
                tag: None,
                value: function,
            }];
            members.extend(call.arguments.iter().map(|argument| Member {
                tag: argument.name.clone(),
                value: value(&argument.value),
            }));
            Data::Call(members).into()
        }
    }
}

fn parsed(text: &str) -> Result<Value, ToRError> {
    let expr = crate::formula::parse(text);
    let expr = expr.map_err(|_| ToRError::Expression(text.into()))?;
    Ok(value(&expr))
}

pub fn call(text: &str) -> Result<Value, ToRError> {
    parsed(text)
}

fn everywhere() -> Value {
    Data::Place("global".into()).into()
}

pub fn formula(text: &str) -> Result<Value, ToRError> {
    let formula = parsed(text)?.with("class", Value::strings(["formula"]));
    Ok(formula.with(".Environment", everywhere()))
}

/// `list(admit, gre)`
fn listed(values: impl IntoIterator<Item = Value>) -> Value {
    Value::call(std::iter::once(Value::symbol("list")).chain(values))
}

pub fn terms(terms: &Terms) -> Result<Value, ToRError> {
    let names: Vec<Arc<str>> = terms.variables.iter().map(|own| own.name.clone()).collect();
    let labels: Vec<Arc<str>> = terms.terms.iter().map(|own| own.label.clone()).collect();
    let variables = names.iter().map(|name| parsed(name));
    let variables = listed(variables.collect::<Result<Vec<_>, _>>()?);
    let mut object = parsed(&terms.formula)?.with("variables", variables);
    if !terms.offsets.is_empty() {
        object = object.with("offset", integers(terms.offsets.iter().map(|own| own + 1)));
    }
    let order = terms.terms.iter().map(|term| term.factors.len());
    let predictions = listed(terms.variables.iter().map(|own| value(&own.expr)));
    let classes: Vec<Arc<str>> = terms
        .variables
        .iter()
        .map(|own| class(&own.class))
        .collect();
    Ok(object
        .with("factors", factors(terms, &names, &labels))
        .with("term.labels", texts(&labels))
        .with("order", integers(order))
        .with("intercept", integer(usize::from(terms.intercept)))
        .with("response", integer(usize::from(terms.response)))
        .with("class", Value::strings(["terms", "formula"]))
        .with(".Environment", everywhere())
        .with("predvars", predictions)
        .with("dataClasses", named(texts(&classes), &names)))
}

fn factors(terms: &Terms, names: &[Arc<str>], labels: &[Arc<str>]) -> Value {
    if labels.is_empty() {
        return integers([]);
    }
    let code = |term: &Term, variable: usize| {
        let own = term.factors.iter().find(|(own, _)| *own == variable);
        match own {
            None => 0,
            Some((_, Coding::Contrasts)) => 1,
            Some((_, Coding::Dummies)) => 2,
        }
    };
    let codes = terms
        .terms
        .iter()
        .flat_map(|term| (0..names.len()).map(move |variable| code(term, variable)));
    let both = Data::List(vec![texts(names), texts(labels)]);
    integers(codes)
        .with("dim", integers([names.len(), labels.len()]))
        .with("dimnames", Value::from(both))
}

fn class(class: &Class) -> Arc<str> {
    match class {
        Class::Numeric => "numeric".into(),
        Class::Logical => "logical".into(),
        Class::Factor => "factor".into(),
        Class::Ordered => "ordered".into(),
        Class::Character => "character".into(),
        Class::Matrix(columns) => format!("nmatrix.{columns}").into(),
        Class::Other(name) => name.clone(),
    }
}

/// Levels by variable; nothing, if there are none.
pub fn levels(model: &Model) -> Value {
    if model.levels.is_empty() {
        return Data::Null.into();
    }
    let levels = model.levels.iter();
    Value::list(levels.map(|(name, levels)| (&**name, texts(levels))))
}

/// Names of contrasts, or the matrices themselves.
pub fn contrasts(model: &Model) -> Value {
    if model.contrasts.is_empty() {
        return Data::Null.into();
    }
    let own = |contrast: &Contrast, variable: &str| {
        if let Some(kind) = &contrast.kind {
            Value::strings([&**kind])
        } else {
            let levels = model.levels.iter().find(|(name, _)| **name == *variable);
            let levels = levels.map(|(_, levels)| levels.clone()).unwrap_or_default();
            super::parts::matrix(contrast.values.clone(), &levels, &contrast.columns)
        }
    };
    let contrasts = model.contrasts.iter();
    Value::list(contrasts.map(|(name, contrast)| (&**name, own(contrast, name))))
}

/// Of each column of the model matrix the number of its term, 0 for the intercept.
pub fn assign(model: &Model) -> Vec<usize> {
    let mut assign = vec![];
    if model.terms.intercept {
        assign.push(0);
    }
    for (number, term) in (1..).zip(&model.terms.terms) {
        let factors = term.factors.iter();
        let columns = factors.map(|(variable, coding)| width(model, *variable, *coding));
        assign.extend(std::iter::repeat_n(number, columns.product()));
    }
    assign.resize(model.coefficients.names.len(), model.terms.terms.len());
    assign
}

fn width(model: &Model, variable: usize, coding: Coding) -> usize {
    let Some(own) = model.terms.variables.get(variable) else {
        return 1;
    };
    match own.class {
        Class::Matrix(columns) => columns,
        Class::Numeric | Class::Other(_) => 1,
        _ => {
            let contrast = model.contrasts.iter().find(|(name, _)| *name == own.name);
            let levels = model.levels.iter().find(|(name, _)| *name == own.name);
            let levels = levels.map_or(2, |(_, levels)| levels.len());
            match coding {
                Coding::Dummies => levels,
                Coding::Contrasts => contrast.map_or(levels - 1, |(_, own)| own.columns.len()),
            }
        }
    }
}
