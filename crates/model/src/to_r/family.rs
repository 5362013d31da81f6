//! A family for R: its functions call those of the package stats.

use rdata::value::{Closure, Member};
use rdata::{Data, Value};

use super::ToRError;
use super::language;
use crate::fit::family_expr;
use crate::model::{Family, Link};

/// Functions of a family, and their arguments.
const FUNCTIONS: [(&str, &[&str]); 8] = [
    ("linkfun", &["mu"]),
    ("linkinv", &["eta"]),
    ("variance", &["mu"]),
    ("dev.resids", &["y", "mu", "wt"]),
    ("aic", &["y", "n", "mu", "wt", "dev"]),
    ("mu.eta", &["eta"]),
    ("validmu", &["mu"]),
    ("valideta", &["eta"]),
];

pub fn value(family: Family, link: Link) -> Result<Value, ToRError> {
    if matches!(family, Family::NegativeBinomial(_) | Family::Other) {
        return Err(ToRError::Family);
    }
    let made = made(family, link);
    let of = |name: &str| Value::call([Value::symbol("$"), made.clone(), Value::symbol(name)]);
    let mut elements = vec![
        ("family", Value::strings([family.name()])),
        ("link", Value::strings([&*link.name()])),
    ];
    for (name, arguments) in FUNCTIONS {
        let body = std::iter::once(of(name)).chain(arguments.iter().map(|own| Value::symbol(own)));
        elements.push((name, function(arguments, Value::call(body))));
        if name == "mu.eta" {
            // What `glm.fit` evaluates, in its own frame.
            let start = Value::call([Value::symbol("eval"), of("initialize")]);
            elements.push(("initialize", Data::Expression(vec![start]).into()));
        }
    }
    if let Family::Quasi(variance) = family {
        elements.push(("varfun", Value::strings([variance.name()])));
    }
    Ok(Value::list(elements).with("class", Value::strings(["family"])))
}

/// `stats::binomial(link = "probit")`
fn made(family: Family, link: Link) -> Value {
    let mut call = match language::value(&family_expr(family, link)).data {
        Data::Call(members) => members,
        symbol => vec![Member {
            tag: None,
            value: symbol.into(),
        }],
    };
    let name = call[0].value.clone();
    call[0].value = Value::call([Value::symbol("::"), Value::symbol("stats"), name]);
    Data::Call(call).into()
}

fn function(arguments: &[&str], body: Value) -> Value {
    let formals = arguments.iter().map(|own| Member {
        tag: Some((*own).into()),
        value: Data::Missing.into(),
    });
    Data::Closure(Box::new(Closure {
        formals: formals.collect(),
        body,
        environment: Data::Place("namespace:stats".into()).into(),
    }))
    .into()
}
