//! Fits that are refused or warned of, and the same fit in different ways.

use std::sync::Arc;

use super::*;
use crate::formula;
use crate::frame::{Codes, Column, Frame};

fn frame(columns: &[(&str, Vec<f64>)]) -> Frame {
    let column = |(name, values): &(&str, Vec<f64>)| {
        let name: Arc<str> = (*name).into();
        (name, Column::Number(values.clone()))
    };
    Frame::new(columns.iter().map(column).collect())
}

fn glm(family: Family) -> Method {
    Method::Glm {
        family,
        link: family.default_link(),
    }
}

fn refused(method: Method, text: &str, frame: &Frame) -> String {
    let request = Request::new(method, formula::parse(text).unwrap());
    let error = fit(&request, frame).expect_err(text);
    error.to_string()
}

#[test]
fn what_cannot_be_fitted() {
    let na = rdata::value::NA_REAL;
    let text = Column::Text(Codes {
        values: ["a".into(), "b".into()].into(),
        of_rows: vec![0, 1, 0, 1],
    });
    let mut columns = frame(&[
        ("x", vec![1.0, 2.0, 3.0, 5.0]),
        ("y", vec![-1.0, 0.0, 2.0, 3.0]),
        ("gone", vec![na; 4]),
        ("endless", vec![1.0, 2.0, f64::INFINITY, 4.0]),
    ])
    .columns()
    .to_vec();
    columns.push(("text".into(), text));
    let data = Frame::new(columns);
    for (method, formula, says) in [
        (Method::Lm, "y ~ gone", "0 (non-NA) cases"),
        (Method::Lm, "gone ~ x", "0 (non-NA) cases"),
        (Method::Lm, "~ x", "without a response"),
        (
            Method::Lm,
            "text ~ x",
            "the response text is text or a factor; lm takes numbers",
        ),
        (Method::Lm, "y ~ endless", "NA/NaN/Inf in 'x'"),
        (Method::Lm, "endless ~ x", "NA/NaN/Inf in 'y'"),
        (Method::Lm, "y ~ nothing", "nothing"),
        (glm(Family::Gaussian), "y ~ endless", "NA/NaN/Inf in 'x'"),
        (
            glm(Family::Poisson),
            "y ~ x",
            "negative values not allowed for the 'Poisson' family",
        ),
        (glm(Family::Poisson), "text ~ x", "poisson takes numbers"),
        (
            glm(Family::Poisson),
            "cbind(x, x) ~ x",
            "2 columns; poisson takes one",
        ),
        (
            glm(Family::Gamma),
            "y ~ x",
            "non-positive values not allowed for the 'Gamma' family",
        ),
        (
            glm(Family::Binomial),
            "y ~ x",
            "y values must be 0 <= y <= 1",
        ),
        (
            glm(Family::Binomial),
            "cbind(x, x, x) ~ y",
            "2 column matrix",
        ),
        (
            Method::Glm {
                family: Family::Gaussian,
                link: Link::Log,
            },
            "y ~ x",
            "cannot find valid starting values",
        ),
        (
            Method::Glm {
                family: Family::Gamma,
                link: Link::Logit,
            },
            "x ~ y",
            "link \"logit\" not available for Gamma family",
        ),
    ] {
        let told = refused(method, formula, &data);
        assert!(told.contains(says), "{formula}: {told}");
    }
    let mut request = Request::new(Method::Lm, formula::parse("y ~ x").unwrap());
    request.weights = Some(formula::parse("y").unwrap());
    assert!(
        fit(&request, &data)
            .unwrap_err()
            .to_string()
            .contains("negative weights")
    );
    request.method = glm(Family::Gaussian);
    assert!(
        fit(&request, &data)
            .unwrap_err()
            .to_string()
            .contains("negative weights")
    );
}

#[test]
fn contrasts_are_for_factors() {
    let data = frame(&[("x", vec![1.0, 2.0, 4.0]), ("y", vec![1.0, 2.0, 2.0])]);
    let mut request = Request::new(Method::Lm, formula::parse("y ~ x").unwrap());
    request.contrasts = vec![("x".into(), "contr.sum".into())];
    let told = fit(&request, &data).unwrap_err().to_string();
    assert_eq!(told, "contrasts apply only to factors, and x is none");
    request.contrasts = vec![("z".into(), "contr.sum".into())];
    let warnings = fit(&request, &data).unwrap().fit.warnings;
    assert_eq!(
        warnings,
        ["variable 'z' is absent, its contrast will be ignored"]
    );
}

#[test]
fn separation_is_warned_of() {
    let rows: Vec<f64> = (0..20).map(f64::from).collect();
    let above = rows.iter().map(|x| f64::from(u8::from(*x > 9.5))).collect();
    let data = frame(&[("x", rows), ("y", above)]);
    let request = Request::new(glm(Family::Binomial), formula::parse("y ~ x").unwrap());
    let model = fit(&request, &data).unwrap();
    assert_eq!(
        model.fit.warnings,
        [
            "glm.fit: algorithm did not converge",
            "glm.fit: fitted probabilities numerically 0 or 1 occurred"
        ]
    );
    assert_eq!(model.fit.iterations, 25);
}

/// Too many rows to be a matrix, so that they are evaluated in each pass.
const MANY: u32 = 180_000;

fn many() -> Frame {
    let wave = |step: f64| move |row: u32| (f64::from(row) * step).sin();
    let column = |step: f64| (0..MANY).map(wave(step)).collect::<Vec<f64>>();
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut columns: Vec<_> = names
        .into_iter()
        .zip([0.7, 1.1, 1.9, 2.3, 3.1, 0.9, 0.3].map(column))
        .collect();
    let response = (0..MANY).map(|row| {
        let sum: f64 = columns.iter().map(|(_, own)| own[row as usize]).sum();
        f64::from(u8::from(sum + 2.0 * (f64::from(row) * 5.3).sin() > 0.0))
    });
    let response = response.collect();
    columns.push(("y", response));
    columns[2].1[77] = rdata::value::NA_REAL;
    frame(&columns)
}

/// The same rows in blocks.
#[derive(Debug)]
struct Blocks(Vec<Frame>);

impl Source for Blocks {
    fn columns(&self) -> Result<Vec<Arc<str>>, FitError> {
        Source::columns(&self.0[0])
    }

    fn blocks(
        &self,
        _: &[Arc<str>],
        each: &mut dyn FnMut(&Frame) -> Result<(), FitError>,
    ) -> Result<(), FitError> {
        self.0.iter().try_for_each(each)
    }
}

fn cut(frame: &Frame, rows: usize) -> Blocks {
    let part = |from: usize| {
        let columns = frame.columns().iter().map(|(name, column)| {
            let Column::Number(values) = column else {
                unreachable!("all are numbers")
            };
            let to = (from + rows).min(values.len());
            (name.clone(), Column::Number(values[from..to].to_vec()))
        });
        Frame::new(columns.collect())
    };
    Blocks((0..frame.rows()).step_by(rows).map(part).collect())
}

fn near(one: &Model, other: &Model) {
    assert_eq!(one.fit.iterations, other.fit.iterations);
    assert_eq!(one.fit.rows, other.fit.rows);
    assert_eq!(one.fit.rows_dropped, 1);
    let close = |a: f64, b: f64, bound: f64| assert!((a - b).abs() <= bound * b.abs(), "{a} {b}");
    close(one.fit.deviance, other.fit.deviance, 1e-14);
    close(one.fit.dispersion, other.fit.dispersion, 1e-13);
    let pairs = one.coefficients.values[0]
        .iter()
        .zip(&other.coefficients.values[0]);
    pairs.for_each(|(a, b)| close(*a, *b, 1e-11));
    let quantiles = |model: &Model| model.fit.residual_quantiles.unwrap();
    for (a, b) in quantiles(one).into_iter().zip(quantiles(other)) {
        close(a, b, 1e-10);
    }
}

#[test]
fn in_memory_in_blocks_and_kept_alike() {
    let data = many();
    let blocks = cut(&data, 10_000);
    for method in [
        glm(Family::Binomial),
        glm(Family::QuasiBinomial),
        Method::Lm,
    ] {
        let formula = formula::parse("y ~ a + b + c + d + e + I(f * g)").unwrap();
        let mut request = Request::new(method, formula);
        let memory = fit(&request, &data).unwrap();
        near(&fit(&request, &blocks).unwrap(), &memory);
        request.keep = true;
        let kept = fit(&request, &data).unwrap();
        near(&kept, &memory);
        let rows = kept.fit.kept.unwrap();
        assert_eq!(rows.residuals.len(), MANY as usize - 1);
        assert!(!rows.places.contains(&77));
        assert!(memory.fit.kept.is_none());
    }
}
