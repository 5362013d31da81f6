//! Text of R and expressions: what is written is read again as the same, and hostile text
//! is refused.

use std::sync::Arc;

use model::expr::{Argument, Expr};
use model::formula::parse;
use proptest::prelude::*;

const BINARY: [&str; 18] = [
    "+", "-", "*", "/", "^", ":", "%%", "%/%", "%in%", "==", "<", ">=", "&", "||", "~", "$", "!=",
    "%o%",
];

fn leaf() -> impl Strategy<Value = Expr> {
    prop_oneof![
        (0..1_000_i32).prop_map(|own| Expr::Number(f64::from(own))),
        (1e-300..1e300_f64).prop_map(Expr::Number),
        (0..i32::MAX).prop_map(Expr::Integer),
        "[a-z][a-z0-9._]{0,6}".prop_filter_map("a word of R", |own| {
            let word = matches!(
                &*own,
                "if" | "else" | "in" | "for" | "next" | "break" | "while"
            );
            (!word).then(|| Expr::name(&own))
        }),
        "[ -~é]{1,8}".prop_map(|own| Expr::name(&own)),
        "[ -~\n\té]{0,8}".prop_map(|own| Expr::Text(own.as_str().into())),
        Just(Expr::Logical(Some(true))),
        Just(Expr::Logical(None)),
        Just(Expr::Null),
        Just(Expr::Number(f64::INFINITY)),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(6, 40, 3, |inner| {
        let binary = (
            prop::sample::select(&BINARY[..]),
            inner.clone(),
            inner.clone(),
        );
        let call = (
            "[a-z]{1,5}",
            prop::collection::vec(argument(inner.clone()), 0..3),
        );
        prop_oneof![
            binary.prop_map(|(name, one, other)| Expr::call(name, vec![one.into(), other.into()])),
            (
                prop::sample::select(&["-", "!", "+", "("][..]),
                inner.clone()
            )
                .prop_map(|(name, own)| Expr::call(name, vec![own.into()])),
            call.prop_map(|(name, own)| Expr::call(&format!("f.{name}"), own)),
            (inner.clone(), inner).prop_map(|(of, at)| Expr::call("[", vec![of.into(), at.into()])),
        ]
    })
}

fn argument(inner: impl Strategy<Value = Expr>) -> impl Strategy<Value = Argument> {
    (prop::option::of("[a-z]{1,4}|[ -~]{1,4}"), inner).prop_map(|(name, value)| Argument {
        name: name.map(|own| Arc::from(own.as_str())),
        value,
    })
}

/// Without the parentheses, which are calls of their own in R.
fn bare(expr: &Expr) -> Expr {
    let Expr::Call(call) = expr else {
        return expr.clone();
    };
    let arguments = call.arguments.iter().map(|own| Argument {
        name: own.name.clone(),
        value: bare(&own.value),
    });
    let mut arguments: Vec<Argument> = arguments.collect();
    if &*call.function == "(" && arguments.len() == 1 && arguments[0].name.is_none() {
        return arguments.remove(0).value;
    }
    Expr::call(&call.function, arguments)
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(expr in expr()) {
        let text = expr.exact().to_string();
        let read = parse(&text).map_err(|why| TestCaseError::fail(format!("{text}: {why}")))?;
        prop_assert_eq!(bare(&read), bare(&expr), "{}", text);
        // Once read, it is written the same.
        prop_assert_eq!(read.exact().to_string(), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9 ~+*/^:()\\[\\],.`\"'%=!&|<>$@\\\\\n-]{0,60}") {
        if let Ok(expr) = parse(&text) {
            let written = expr.to_string();
            prop_assert!(parse(&written).is_ok(), "{} became {}", text, written);
        }
    }

    #[test]
    fn any_letters_are_read_or_refused(text in "\\PC{0,40}") {
        let _ = parse(&text);
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for text in [
        "(".repeat(100_000),
        "-".repeat(100_000),
        "!".repeat(100_000),
        "f(".repeat(100_000),
        "a^".repeat(100_000),
        "a[".repeat(100_000),
        format!("y ~ a{}", "+a".repeat(100_000)),
        format!("a{}", "[1]".repeat(100_000)),
        "~".repeat(2_000_000),
    ] {
        let error = parse(&text).expect_err("too deep");
        assert!(!error.problem.is_empty());
    }
}

#[test]
fn long_sums_are_read_in_a_small_stack() {
    let text = format!("y ~ a{}", "+ log(b)".repeat(900));
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let read = small.spawn(move || parse(&text).map(|expr| expr.to_string().len()));
    let length = read.expect("a thread").join().expect("no overflow");
    assert_eq!(length, Ok("y ~ a".len() + 900 * " + log(b)".len()));
}

#[test]
fn errors_say_where() {
    for (text, message) in [
        ("y ~ ", "unexpected end at character 5 of the formula"),
        (
            "y ~ a b",
            "unexpected name `b` at character 7 of the formula",
        ),
        ("é ~ )", "unexpected `)` at character 5 of the formula"),
        (
            "y ~ 'a",
            "text without its end at character 5 of the formula",
        ),
        (
            "y ~ a %in b",
            "an operator without its end at character 7 of the formula",
        ),
        (
            "y ~ function(x) x",
            "this word of R is not known here at character 5 of the formula",
        ),
        ("a < b < c", "unexpected `<` at character 7 of the formula"),
        ("1e", "a number that is none at character 1 of the formula"),
        (
            "2i",
            "complex numbers are not known here at character 1 of the formula",
        ),
    ] {
        assert_eq!(parse(text).expect_err(text).to_string(), message);
    }
}
