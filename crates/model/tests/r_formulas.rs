//! Formulas, as R reads, writes and multiplies them out. Nothing to do where there is no
//! R.

use std::process::Command;
use std::sync::Arc;

use model::design::{Asked, Learner, Scratch};
use model::formula::parse;
use model::frame::{Codes, Column, Frame};
use model::terms::Coding;

/// Written again by R's `deparse`.
const EXPRESSIONS: [&str; 62] = [
    "a/b",
    "a*b",
    "a^b",
    "a%%b",
    "a%/%b",
    "a%in%b",
    "-a",
    "!a",
    "~a",
    "a~b",
    "a==b",
    "a&b",
    "a&&b",
    "a|b",
    "a||b",
    "a:b",
    "stats::f(x)",
    "a$b",
    "a[b]",
    "a[[1]]",
    "f(x,y=2)",
    "1e5",
    "100000",
    "123456",
    "1e-5",
    "0.0001",
    "0x10",
    "5L",
    "1e5L",
    "1e15",
    "0.1+0.2",
    "\"a\\\"b\\n\"",
    "`my var`+1",
    "f(`a b`=1)",
    "-(1+2)",
    "(-1)^2",
    "-1^2",
    "a-b-c",
    "a-(b-c)",
    "TRUE",
    "NULL",
    "NA",
    "Inf",
    "1:3",
    "!a==b",
    "2^-1",
    "a^b^c",
    "-a:b",
    "`my f`(x)",
    "'a'",
    "a<=b",
    "1234567890123456789",
    "3.14159265358979312",
    "1e-300",
    "I(x^2)",
    "log(x,base=2)",
    "poly(x,2,raw=TRUE)",
    "a%in%c(1,2)",
    "(a+b)^2",
    "a*(b+c)",
    "ifelse(x>3,\"a\",'b')",
    "f()",
];

/// Multiplied out over the columns `y`, `a`, `b`, `f`, `g` and `my var`.
const FORMULAS: [&str; 40] = [
    "y~a",
    "y~a+b",
    "y~a*b",
    "y~a:b",
    "y~.",
    "y~.-a",
    "y~.^2",
    "y~(a+b+f)^2",
    "y~0+a",
    "y~a-1",
    "y~f",
    "y~f-1",
    "y~f*g",
    "y~f:g",
    "y~f:g-1",
    "y~a:f",
    "y~f/a",
    "y~f/g",
    "y~g%in%f",
    "y~f+g%in%f",
    "y~a+offset(b)",
    "y~offset(log(b))",
    "log(y)~.",
    "y~log(a)+I(b^2)",
    "y~factor(a)*b",
    "y~a*f-a",
    "y~(a+b)*f-a:f",
    "y~f+f:g",
    "y~g+f:g",
    "y~1",
    "y~0",
    "y~-1",
    "y~a+a+b",
    "y~a*b*f",
    "y~(a+b+f+g)^3-a:b:f",
    "y~`my var`+a",
    "y~a+b%in%f",
    "~a+f",
    "y~a+.",
    "y~f:a+f",
];

#[test]
fn text_is_that_of_r() {
    let quoted: Vec<String> = EXPRESSIONS
        .iter()
        .map(|own| format!("quote({own})"))
        .collect();
    let script = format!(
        "for (e in list({})) cat(paste(deparse(e), collapse = ' '), '\\n', sep = '')",
        quoted.join(",")
    );
    // A NULL in a list is an element too, but `for` gives it as NULL.
    let Some(expected) = r(&script) else {
        return;
    };
    for (text, expected) in EXPRESSIONS.iter().zip(expected.lines()) {
        let expr = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(expr.to_string(), expected, "{text}");
    }
}

#[test]
fn terms_are_those_of_r() {
    let each: Vec<String> = FORMULAS.iter().map(|own| format!("quote({own})")).collect();
    let script = format!(
        r"d <- data.frame(y = c(1, 2.5, 3, 4.5, 7, 6), a = c(1, 3, 2, 5, 4, 9), b = c(2, 1, 4, 3, 5, 8),
             f = c('u', 'v', 'u', 'w', 'w', 'v'), g = c('p', 'q', 'q', 'p', 'q', 'p'),
             `my var` = c(6, 5, 1, 2, 4, 3), check.names = FALSE, stringsAsFactors = TRUE)
        for (e in list({})) {{
            t <- terms(as.formula(e), data = d)
            m <- model.frame(t, d)
            cat(paste(deparse(formula(t)), collapse = ' '), '\n', sep = '')
            cat(sprintf('%s|', attr(t, 'term.labels')), '\n', sep = '')
            cat(as.vector(attr(t, 'factors')), '\n', sep = '')
            cat(sprintf('%s|', colnames(model.matrix(t, m))), '\n', sep = '')
        }}",
        each.join(",")
    );
    let Some(expected) = r(&script) else {
        return;
    };
    let mut expected = expected.lines();
    for text in FORMULAS {
        let mut learner = Learner::new(Asked {
            formula: parse(text).expect("it can be read"),
            ..Asked::default()
        })
        .expect("it is a formula");
        learner
            .observe(&frame())
            .unwrap_or_else(|why| panic!("{text}: {why}"));
        let (design, seen) = learner
            .finish()
            .unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(seen.rows, 6);
        let terms = &design.terms;
        assert_eq!(*terms.formula, *expected.next().expect("a line"), "{text}");
        let labels = ended(terms.terms.iter().map(|own| &own.label));
        assert_eq!(labels, expected.next().expect("a line"), "{text}");
        let codes: String = terms
            .terms
            .iter()
            .flat_map(|term| {
                (0..terms.variables.len()).map(|at| {
                    match term.factors.iter().find(|(own, _)| *own == at) {
                        None => '0',
                        Some((_, Coding::Contrasts)) => '1',
                        Some((_, Coding::Dummies)) => '2',
                    }
                })
            })
            .collect();
        assert_eq!(codes, expected.next().expect("a line"), "{text}");
        let columns = ended(design.columns.iter());
        assert_eq!(columns, expected.next().expect("a line"), "{text}");
    }
}

#[test]
fn what_is_learned_in_blocks_is_what_is_learned_at_once() {
    let formula =
        "y ~ factor(a) + f * g + relevel(f, 'w') + poly(b, 2) + scale(a) + cut(a, c(0, 3, 10))";
    let learned = |frames: &[Frame]| {
        let mut learner = Learner::new(Asked {
            formula: parse(formula).expect("it can be read"),
            ..Asked::default()
        })
        .expect("it is a formula");
        for frame in frames {
            learner.observe(frame).expect("a block");
        }
        learner.finish().expect("a design")
    };
    let whole = frame();
    let parts = [part(&whole, 0..1), part(&whole, 1..4), part(&whole, 4..6)];
    let (at_once, all) = learned(std::slice::from_ref(&whole));
    let (in_blocks, seen) = learned(&parts);
    assert_eq!(all, seen);
    assert_eq!(in_blocks.terms, at_once.terms);
    assert_eq!(in_blocks.levels, at_once.levels);
    assert_eq!(in_blocks.contrasts, at_once.contrasts);
    assert_eq!(in_blocks.columns, at_once.columns);
    let levels: Vec<&str> = at_once.levels[0].1.iter().map(|own| &**own).collect();
    assert_eq!(levels, ["1", "2", "3", "4", "5", "9"]);
    let mut scratch = Scratch::default();
    let rows = at_once.rows(&whole, 0..6, &mut scratch).expect("numbers");
    let expected: Vec<Vec<f64>> = rows.columns.iter().map(|own| own.to_vec()).collect();
    let mut joined = vec![vec![]; expected.len()];
    for part in &parts {
        let rows = in_blocks
            .rows(part, 0..part.rows(), &mut scratch)
            .expect("numbers");
        for (all, own) in joined.iter_mut().zip(rows.columns) {
            all.extend_from_slice(own);
        }
    }
    assert_eq!(joined, expected);
}

#[test]
fn rows_that_miss_something_are_left_out() {
    let mut learner = Learner::new(Asked {
        formula: parse("y ~ a + f").expect("it can be read"),
        offset: Some(parse("log(b)").expect("it can be read")),
        ..Asked::default()
    })
    .expect("it is a formula");
    let columns = frame()
        .columns()
        .to_vec()
        .into_iter()
        .map(|(name, column)| {
            let column = match (&*name, column) {
                ("a", Column::Number(mut own)) => {
                    own[0] = f64::NAN;
                    Column::Number(own)
                }
                ("b", Column::Number(mut own)) => {
                    own[2] = f64::NAN;
                    Column::Number(own)
                }
                (_, own) => own,
            };
            (name, column)
        });
    let data = Frame::new(columns.collect());
    learner.observe(&data).expect("a block");
    let (design, seen) = learner.finish().expect("a design");
    assert_eq!((seen.rows, seen.dropped), (4, 2));
    // Nobody is left who has `u`.
    assert_eq!(*design.levels[0].1, ["v".into(), "w".into()]);
    let mut scratch = Scratch::default();
    let rows = design.rows(&data, 0..6, &mut scratch).expect("numbers");
    assert_eq!(rows.kept, Some(&[1, 3, 4, 5][..]));
    assert_eq!(rows.columns[1], [3.0, 5.0, 4.0, 9.0]);
    assert_eq!(rows.columns[2], [0.0, 1.0, 1.0, 0.0]);
    let offset = [1.0_f64, 3.0, 5.0, 8.0].map(f64::ln);
    assert_eq!(rows.offset, Some(&offset[..]));
}

/// Some of the rows.
fn part(frame: &Frame, rows: std::ops::Range<usize>) -> Frame {
    let columns = frame.columns().iter().map(|(name, column)| {
        let column = match column {
            Column::Number(own) => Column::Number(own[rows.clone()].to_vec()),
            Column::Factor { codes, ordered } => Column::Factor {
                codes: Codes {
                    values: codes.values.clone(),
                    of_rows: codes.of_rows[rows.clone()].to_vec(),
                },
                ordered: *ordered,
            },
            other => other.clone(),
        };
        (name.clone(), column)
    });
    Frame::new(columns.collect())
}

/// Each with a `|` behind it.
fn ended<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> String {
    names.fold(String::new(), |all, own| all + own + "|")
}

fn r(script: &str) -> Option<String> {
    let done = Command::new("Rscript")
        .args(["--vanilla", "-e", script])
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
    let numbers = |own: [f64; 6]| Column::Number(own.to_vec());
    let text = |own: [&str; 6]| {
        let mut values: Vec<Arc<str>> = own.iter().map(|own| (*own).into()).collect();
        values.sort();
        values.dedup();
        let place = |own: &&str| values.iter().position(|known| **known == **own);
        let of_rows = own
            .iter()
            .map(|own| u32::try_from(place(own).expect("known")).expect("few"));
        let of_rows = of_rows.collect();
        let codes = Codes { values, of_rows };
        Column::Factor {
            codes,
            ordered: false,
        }
    };
    Frame::new(vec![
        ("y".into(), numbers([1.0, 2.5, 3.0, 4.5, 7.0, 6.0])),
        ("a".into(), numbers([1.0, 3.0, 2.0, 5.0, 4.0, 9.0])),
        ("b".into(), numbers([2.0, 1.0, 4.0, 3.0, 5.0, 8.0])),
        ("f".into(), text(["u", "v", "u", "w", "w", "v"])),
        ("g".into(), text(["p", "q", "q", "p", "q", "p"])),
        ("my var".into(), numbers([6.0, 5.0, 1.0, 2.0, 4.0, 3.0])),
    ])
}
