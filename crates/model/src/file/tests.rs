//! Files that come back as they were, and files that are damaged.

use crate::fit::{Method, Request, fit};
use crate::formula;
use crate::frame::{Codes, Column, Frame};
use crate::model::{Family, Link, Model};

use super::*;

fn model() -> Model {
    let number = |step: f64| (0..30).map(|row| (f64::from(row) * step).sin()).collect();
    let counts = (0..30).map(|row| f64::from(row % 4)).collect();
    let groups = Codes {
        values: ["b", "a", "c"].map(Into::into).into(),
        of_rows: (0..30).map(|row| row % 3).collect(),
    };
    let frame = Frame::new(vec![
        ("k".into(), Column::Number(counts)),
        ("x".into(), Column::Number(number(0.7))),
        ("z".into(), Column::Number(number(1.3))),
        ("g".into(), Column::Text(groups)),
    ]);
    let method = Method::Glm {
        family: Family::Poisson,
        link: Link::Log,
    };
    let formula = formula::parse("k ~ poly(x, 2) * g + offset(z / 3) + I(2 * z)").unwrap();
    fit(&Request::new(method, formula), &frame).unwrap()
}

#[test]
fn comes_back_bit_by_bit() {
    let mut model = model();
    model.fit.dispersion = f64::INFINITY;
    model.fit.deviance = -0.0;
    let bytes = write(&model).unwrap();
    let again = read(&bytes).unwrap();
    assert_eq!(write(&again).unwrap(), bytes);
    let bits = |model: &Model| {
        let values = model.coefficients.values[0].iter();
        values.map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(&again), bits(&model));
    assert_eq!(again.triangle, model.triangle);
    assert_eq!(again.levels, model.levels);
    assert_eq!(again.fit.few_residuals, model.fit.few_residuals);
    assert!(again.fit.deviance.is_sign_negative());
}

#[test]
fn says_what_is_wrong() {
    let good = String::from_utf8(write(&model()).unwrap()).unwrap();
    let message = |text: &str| {
        let error = read(text.as_bytes()).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    };
    assert!(message("{}").contains("no \"squall_model\""));
    assert!(message("[]").contains("not right"));
    assert!(message("{\"squall_model\": 2}").contains("version 2"));
    for (from, to, says) in [
        ("\"rank\": 10", "\"rank\": 9", "triangle"),
        ("\"rank\": 10", "\"rank\": 900", "rank 900 of 10 columns"),
        (
            "\"name\": \"poisson\"",
            "\"name\": \"fish\"",
            "unknown family \"fish\"",
        ),
        ("\"expr\": \"g\"", "\"expr\": \"g +\"", "`g +`"),
        ("\"Inf\"", "1e999", "1e999 is not a number"),
    ] {
        let good = good.replacen("\"dispersion\": 1.0", "\"dispersion\": \"Inf\"", 1);
        assert!(good.contains(from), "{from} is not in {good}");
        let told = message(&good.replacen(from, to, 1));
        assert!(told.contains(says), "{told}");
    }
}

/// Every cut of a file, and every byte of it changed: an error, or a model.
#[test]
fn damaged_files_do_no_harm() {
    let good = write(&model()).unwrap();
    for at in 0..good.len() {
        assert!(read(&good[..at]).is_err() || at + 1 == good.len());
        let mut changed = good.clone();
        for byte in [b'9', b'"', b'-'] {
            changed[at] = byte;
            let _ = read(&changed);
        }
    }
}
