//! Values that are made here, as R sees them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::r;
use rdata::value::{NA_INTEGER, NA_REAL};
use rdata::{Closure, Data, Member, Value, Version};

fn tagged(tag: &str, value: impl Into<Value>) -> Member {
    Member {
        tag: Some(tag.into()),
        value: value.into(),
    }
}

fn real(number: f64) -> Value {
    Data::Real(vec![number]).into()
}

fn text(text: &str) -> Value {
    Value::strings([text])
}

fn place(name: &str) -> Value {
    Data::Place(name.into()).into()
}

fn symbol(name: &str) -> Value {
    Value::symbol(name)
}

fn frame() -> Value {
    let factor = Value::from(Data::Integer(vec![1, 2]))
        .with("levels", Value::strings(["b", "a"]))
        .with("class", text("factor"));
    Value::list([
        ("x", Data::Real(vec![1.5, NA_REAL]).into()),
        ("n", Data::Integer(vec![1, 2]).into()),
        ("f", factor),
        ("s", Data::Text(vec![Some("u".into()), None]).into()),
    ])
    .with("class", text("data.frame"))
    .with("row.names", Data::Integer(vec![NA_INTEGER, -2]))
}

fn formula(right: Value) -> Value {
    Value::call([symbol("~"), symbol("y"), right])
}

fn call() -> Value {
    let log = Value::call([symbol("log"), symbol("z")]);
    let right = Value::call([symbol("+"), symbol("x"), log]);
    let part = Value::call([symbol("["), symbol("d"), Data::Missing.into(), real(1.0)]);
    Value::from(Data::Call(vec![
        symbol("glm").into(),
        tagged("formula", formula(right)),
        tagged("family", symbol("binomial")),
        tagged("data", part),
    ]))
}

fn closure(formals: Vec<Member>, body: Value, environment: &str) -> Value {
    Value::from(Data::Closure(Box::new(Closure {
        formals,
        body,
        environment: place(environment),
    })))
}

/// `function(mu) stats::binomial("logit")$linkfun(mu)`
fn link() -> Value {
    let binomial = Value::call([symbol("::"), symbol("stats"), symbol("binomial")]);
    let family = Value::call([binomial, text("logit")]);
    let function = Value::call([symbol("$"), family, symbol("linkfun")]);
    let body = Value::call([function, symbol("mu")]);
    closure(vec![tagged("mu", Data::Missing)], body, "namespace:stats")
}

fn values() -> Vec<(&'static str, Value)> {
    let names = Value::from(Data::List(vec![
        Data::Null.into(),
        Value::strings(["a", "b"]),
    ]));
    let matrix = Value::from(Data::Real(vec![1.0, 2.0, 3.0, 4.0]))
        .with("dim", Data::Integer(vec![2, 2]))
        .with("dimnames", names);
    let sequence = |first, step, length| {
        Value::from(Data::Sequence {
            first,
            step,
            length,
        })
    };
    let product = Value::call([symbol("*"), symbol("a"), symbol("b")]);
    let formals = vec![tagged("a", Data::Missing), tagged("b", real(10.0))];
    let places = [
        "global",
        "empty",
        "base",
        "namespace:stats",
        "namespace:base",
    ];
    let environment = || Value::from(Data::Environment(3));
    let texts = vec![
        Some("grüß".into()),
        None,
        Some("".into()),
        Some("\u{1F600}".into()),
    ];
    vec![
        ("frame", frame()),
        ("matrix", matrix),
        ("call", call()),
        (
            "formula",
            formula(symbol("x"))
                .with("class", text("formula"))
                .with(".Environment", place("global")),
        ),
        (
            "pairs",
            Data::Pairs(vec![
                tagged("a", real(1.0)),
                Value::from(Data::Integer(vec![2])).into(),
            ])
            .into(),
        ),
        ("sequence", sequence(1, 1, 1_000_000)),
        ("down", sequence(5, -1, 5).with("note", text("kept"))),
        ("texts", Data::Text(texts).into()),
        ("logical", Data::Logical(vec![1, NA_INTEGER, 0]).into()),
        (
            "specials",
            Data::Real(vec![NA_REAL, f64::NAN, f64::NEG_INFINITY, -0.0]).into(),
        ),
        (
            "expression",
            Data::Expression(vec![Value::call([symbol("+"), symbol("a"), real(1.0)])]).into(),
        ),
        ("places", Data::List(places.map(place).to_vec()).into()),
        (
            "environment",
            Data::List(vec![environment(), environment()]).into(),
        ),
        ("closure", link()),
        ("default", closure(formals, product, "global")),
        (
            "builtin",
            Data::List(vec![
                Data::Builtin("sum".into()).into(),
                Data::Special("quote".into()).into(),
            ])
            .into(),
        ),
        (
            "complex",
            Data::Complex(vec![(1.0, 2.0), (NA_REAL, NA_REAL)]).into(),
        ),
        ("raw", Data::Raw(vec![0, 255]).into()),
    ]
}

#[test]
fn what_is_made_here_is_what_r_would_have_made() {
    for version in [Version::Two, Version::Three] {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in values() {
            let stream = rdata::write(&value, version).unwrap();
            let file = folder.path().join(format!("{name}.rds"));
            std::fs::write(file, rdata::gzip(&stream)).unwrap();
        }
        r("written.R", &[folder.path()]);
    }
}

#[test]
fn what_has_no_form_is_refused() {
    let value = Value::from(Data::List(vec![Data::Opaque("byte code").into()]));
    let error = rdata::write_rds(&value).unwrap_err();
    assert_eq!(error.to_string(), "byte code cannot be written without R");
}
