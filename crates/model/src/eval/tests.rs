//! Expressions, evaluated here and by R. Nothing to do where there is no R.

use std::process::Command;
use std::sync::Arc;

use rdata::value::{NA_INTEGER, NA_REAL};

use super::{Compiler, Data, Vector};
use crate::formula::parse;
use crate::frame::{Codes, Column, Frame};

const NUMBERS: [f64; 12] = [
    1.0,
    2.0,
    0.0,
    -1.0,
    3.5,
    -2.7,
    100.25,
    1e-8,
    1e10,
    NA_REAL,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
const OTHERS: [f64; 12] = [
    2.0, 3.0, 1.0, 2.0, -1.5, 0.5, 3.0, NA_REAL, 7.0, 1.0, 2.0, 0.0,
];
const TEXTS: [&str; 4] = ["b", "a", "", "NA"];

/// `x` and `y` are numbers, `i` whole ones, `l` is logical, `s` text, `f` a factor.
const EXPRESSIONS: [&str; 114] = [
    "x + y",
    "x - y",
    "x * y",
    "x / y",
    "x ^ y",
    "x %% y",
    "x %/% y",
    "-x",
    "+x",
    "(x)",
    "x ^ 2",
    "x ^ 0.5",
    "x ^ -1",
    "abs(x) ^ (1/3)",
    "2 ^ x",
    "0 ^ y",
    "log(abs(x))",
    "log(x)",
    "log(abs(x), 2)",
    "log(abs(x), base = 10)",
    "log(abs(x), 3)",
    "log(base = 3, abs(y))",
    "log2(abs(x))",
    "log10(abs(x))",
    "log1p(abs(x))",
    "exp(y)",
    "expm1(y)",
    "sqrt(abs(x))",
    "abs(x)",
    "sign(x)",
    "floor(x)",
    "ceiling(x)",
    "trunc(x)",
    "round(x)",
    "round(x, 1)",
    "round(x * 1.005, 2)",
    "signif(x, 2)",
    "sin(y)",
    "cos(y)",
    "tan(y)",
    "asin(y / 4)",
    "acos(y / 4)",
    "atan(x)",
    "sinh(y)",
    "cosh(y)",
    "tanh(x)",
    "asinh(x)",
    "acosh(abs(x) + 1)",
    "atanh(y / 4)",
    "x > y",
    "x >= y",
    "x < y",
    "x <= y",
    "x == y",
    "x != y",
    "x > 0 & y > 0",
    "x > 0 | y > 0",
    "!(x > 0)",
    "!l",
    "l & x > 0",
    "l | x > 0",
    "is.na(x)",
    "is.na(s)",
    "is.na(l)",
    "ifelse(x > 0, x, y)",
    "ifelse(x > 0, 1, 0)",
    "ifelse(l, x, -x)",
    "ifelse(is.na(x), 0, x)",
    "ifelse(s == 'a', 1, 2)",
    "ifelse(l, TRUE, x > 1)",
    "pmin(x, y)",
    "pmax(x, y)",
    "pmin(x, 1)",
    "pmax(x, y, 0, na.rm = TRUE)",
    "pmin(x, y, na.rm = TRUE)",
    "x %in% c(1, 2, NA)",
    "y %in% 2:3",
    "s %in% c('a', 'c')",
    "f %in% 'b'",
    "s == 'a'",
    "f == 'b'",
    "f != 'b'",
    "x == 1",
    "i %% 3",
    "i %/% 3",
    "i / 2",
    "as.numeric(x > 0)",
    "as.integer(x / 1e5)",
    "as.numeric(f)",
    "as.integer(l)",
    "as.logical(y)",
    "l + 0",
    "l * x",
    "I(x * y)",
    "cut(x, c(-5, 0, 2, 50), labels = FALSE)",
    "cut(y, c(-2, 0, 2, 7), labels = FALSE, right = FALSE)",
    "cut(y, c(-1.5, 0, 7), labels = FALSE, include.lowest = TRUE)",
    "cut(y, c(-1.5, 0, 7), labels = FALSE, right = FALSE, include.lowest = TRUE)",
    "as.numeric(cut(y, c(-5, 1, 10)))",
    "x - 2 * y / 3 + 1",
    "sin(2 * pi * y / 12)",
    "exp(-y / 2)",
    "1 / (1 + exp(-y))",
    "(x + y)^2 - x^2",
    "abs(x)^1.7",
    "x^3",
    "x^-2",
    "sqrt(2) * y",
    "y * 1e-3",
    "offset(y)",
    "-x^2",
    "ifelse(x > 0, T, F)",
    "l == T",
    "l & T",
];

#[test]
fn expressions_are_those_of_r() {
    let Some(expected) = by_r(&EXPRESSIONS) else {
        return;
    };
    let frame = frame();
    let mut wrong = vec![];
    for (text, expected) in EXPRESSIONS.iter().zip(expected.lines()) {
        let own = numbers(text, &frame);
        let expected: Vec<u64> = expected
            .split(' ')
            .map(|own| u64::from_str_radix(own, 16).expect("bits"))
            .collect();
        assert_eq!(own.len(), expected.len(), "{text}");
        for (at, (own, expected)) in own.iter().zip(expected).enumerate() {
            let expected = f64::from_bits(expected);
            // Whether it is NA or NaN is lost in R's own sums too.
            let same = own.to_bits() == expected.to_bits() || (own.is_nan() && expected.is_nan());
            if !same {
                wrong.push(format!("{text} [{}]: {own:e}, not {expected:e}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn factors_are_labelled_as_in_r() {
    let expressions = [
        "factor(i)",
        "as.factor(y)",
        "factor(s)",
        "factor(l)",
        "factor(i, levels = c(3, 1, 2))",
        "factor(i, levels = 1:3, labels = c('one', 'two', 'two'))",
        "factor(i, labels = 'k', levels = 1:12)",
        "relevel(f, ref = 'c')",
        "relevel(factor(i), '4')",
        "ordered(f, levels = c('c', 'b', 'a'))",
        "cut(y, c(-5, 0, 2.5, 10))",
        "cut(x, c(-Inf, 0, 1e5, Inf))",
        "cut(y, c(-5, 1, 10), c('low', 'high'))",
        "cut(y, c(-1.5, 0, 7), include.lowest = TRUE, dig.lab = 2)",
        "interaction(f, l)",
        "interaction(f, factor(i > 3), sep = ':')",
        "factor(x > 0, levels = c(TRUE, FALSE))",
        "factor(round(y))",
        "factor(s, exclude = NA)",
        "as.character(f)",
        "factor(ifelse(x > 0, 'plus', 'minus'))",
        "as.character(y)",
        "factor(y / 3)",
        "as.factor(f)",
        "factor(f, levels = c('b', 'a'))",
        "C(f, sum)",
        "droplevels(f)",
    ];
    let labels = expressions.map(|own| {
        format!(
            "local({{ v <- {own}; v <- if (is.factor(v)) v else as.factor(v); \
                 cat(paste(ifelse(is.na(v), '-', as.character(v)), collapse = ';'), '|', \
                 paste(levels(v), collapse = ';'), '\\n', sep = '') }})"
        )
    });
    let Some(expected) = r(&labels.join("\n")) else {
        return;
    };
    let frame = frame();
    for (text, expected) in expressions.iter().zip(expected.lines()) {
        let labels = evaluated(text, &frame, |vector| {
            let labels = vector.labels(true).expect("labels");
            let rows = (0..frame.rows())
                .map(|row| labels.get(row).map_or("-".into(), ToString::to_string));
            let rows: Vec<String> = rows.collect();
            (rows.join(";"), labels.values.join(";"))
        });
        let (rows, levels) = expected.split_once('|').expect("two parts");
        assert_eq!(labels.0, rows, "{text}");
        // What is text has its levels only once it is a factor.
        if !text.starts_with("as.character") {
            assert_eq!(labels.1, levels, "{text}");
        }
    }
}

#[test]
fn what_is_not_known_is_left_to_r() {
    for (text, reason) in [
        ("bs2(x)", "`bs2` is not a function that is known without R"),
        (
            "mine::log(x)",
            "`mine::log` is not a function that is known without R",
        ),
        (
            "x - mean(x)",
            "`mean` is not a function that is known without R",
        ),
        (
            "cut(x, 3)",
            "cut() into a number of intervals takes its breaks from the new data",
        ),
        (
            "cut(x, edges)",
            "cut() takes its `breaks` from `edges`, which is not in the file of the model",
        ),
        ("poly(x, 2)", "`poly` has no coefficients in the file"),
        ("scale(x)", "scale() takes its `center` from the new data"),
        (
            "splines::ns(x, 3)",
            "splines::ns() without boundary knots takes them from the new data",
        ),
        (
            "as.numeric(factor(i))",
            "the numbers of `factor(i)` depend on which levels the new data have",
        ),
        (
            "s > 'a'",
            "text is compared by its order, which depends on the language of R",
        ),
        ("x + c(1, 2)", "`c(1, 2)` is not known without R"),
        (
            "log(x, base = 2, 3)",
            "log() is called with too many arguments",
        ),
        (
            "factor(i, labels = c('a', 'b'))",
            "factor() with such a `labels` is not known without R",
        ),
        (
            "round(x, d = 1, e = 2)",
            "round() with the argument `e` is not known without R",
        ),
        (
            "I(poly(x, 2, raw = TRUE)^2)",
            "arithmetic on the columns of `poly(x, 2, raw = TRUE)` is not known without R",
        ),
        (
            "factor(s, exclude = 'a')",
            "factor() with such a `exclude` is not known without R",
        ),
        ("a$b", "`$` is not a function that is known without R"),
    ] {
        let expr = parse(text).expect("it can be read");
        let refused = Compiler::default().compile(&expr);
        assert_eq!(refused.expect_err(text).reason, reason);
    }
}

fn numbers(text: &str, frame: &Frame) -> Vec<f64> {
    evaluated(text, frame, |vector| {
        vector.into_numbers().expect("numbers").into_owned()
    })
}

fn evaluated<T>(text: &str, frame: &Frame, take: impl FnOnce(Vector<'_>) -> T) -> T {
    let expr = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
    let mut compiler = Compiler::default();
    let node = compiler
        .compile(&expr)
        .unwrap_or_else(|why| panic!("{text}: {why}"));
    let columns = compiler.inputs.iter().map(|wanted| {
        let column = frame.get(&wanted.name).expect("it is there");
        Vector::of(column, 0..frame.rows())
    });
    let columns: Vec<Vector<'_>> = columns.collect();
    let data = Data {
        inputs: &columns,
        rows: frame.rows(),
    };
    take(
        node.column(data)
            .unwrap_or_else(|why| panic!("{text}: {why}")),
    )
}

/// Bits of doubles, a line for each expression.
fn by_r(expressions: &[&str]) -> Option<String> {
    let each = expressions.iter().map(|own| format!("show({own})"));
    let each: Vec<String> = each.collect();
    r(&each.join("\n"))
}

fn r(script: &str) -> Option<String> {
    let numbers = |own: &[f64]| -> String {
        let texts = own.iter().map(|own| match own {
            own if own.is_nan() => "NA".to_owned(),
            own if own.is_infinite() => if *own > 0.0 { "Inf" } else { "-Inf" }.to_owned(),
            own => format!("{own:e}"),
        });
        texts.collect::<Vec<_>>().join(",")
    };
    let head = format!(
        "show <- function(v) {{ r <- matrix(as.character(writeBin(rev(as.numeric(v)), raw(), endian = 'big')), 8)\n\
           cat(rev(apply(r, 2, paste, collapse = '')), sep = ' '); cat('\\n') }}\n\
         options(warn = -1); x <- c({}); y <- c({}); i <- 1:12\n\
         l <- rep(c(TRUE, FALSE, NA), 4); s <- rep(c('b', 'a', '', NA), 3)\n\
         f <- factor(rep(c('b', 'a', 'c', NA), 3))\n",
        numbers(&NUMBERS),
        numbers(&OTHERS)
    );
    let done = Command::new("Rscript")
        .args(["--vanilla", "-e", &format!("{head}{script}")])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .ok()?;
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Some(String::from_utf8(done.stdout).expect("text"))
}

fn frame() -> Frame {
    let codes = |values: &[&str], places: [u32; 4]| Codes {
        values: values.iter().map(|own| Arc::from(*own)).collect(),
        of_rows: (0..12).map(|row| places[row % 4]).collect(),
    };
    let logical = (0..12).map(|row| [1, 0, NA_INTEGER][row % 3]);
    let levels = codes(&["a", "b", "c"], [1, 0, 2, Codes::NA]);
    Frame::new(vec![
        ("x".into(), Column::Number(NUMBERS.to_vec())),
        ("y".into(), Column::Number(OTHERS.to_vec())),
        (
            "i".into(),
            Column::Number((1..=12).map(f64::from).collect()),
        ),
        ("l".into(), Column::Logical(logical.collect())),
        (
            "s".into(),
            Column::Text(codes(&TEXTS[..3], [0, 1, 2, Codes::NA])),
        ),
        (
            "f".into(),
            Column::Factor {
                codes: levels,
                ordered: false,
            },
        ),
    ])
}
