//! A model for tests.

use std::sync::Arc;

use model::fit::{Method, Request, fit};
use model::frame::{Codes, Column, Frame};
use model::model::{Family, Link};

/// Of admissions by `gre`, `gpa` and `rank`, as a file; `shift` is added to its intercept.
pub fn admission(shift: f64) -> Vec<u8> {
    let rows: u32 = 80;
    let texts = |values: &[&str], of_rows: Vec<u32>| {
        let values = values.iter().map(|&value| Arc::from(value)).collect();
        Column::Text(Codes { values, of_rows })
    };
    let numbers = |of: &dyn Fn(u32) -> u32| {
        let numbers = (0..rows).map(|row| f64::from(of(row)));
        Column::Number(numbers.collect())
    };
    let frame = Frame::new(vec![
        ("admit".into(), numbers(&|row| u32::from(row * 7 % 11 < 5))),
        ("gre".into(), numbers(&|row| 400 + row * 37 % 400)),
        ("gpa".into(), numbers(&|row| 2 + row * 13 % 3)),
        (
            "rank".into(),
            texts(
                &["1", "2", "3", "4"],
                (0..rows).map(|row| row % 4).collect(),
            ),
        ),
    ]);
    let formula = model::formula::parse("admit ~ gre + gpa + rank").unwrap();
    let method = Method::Glm {
        family: Family::Binomial,
        link: Link::Logit,
    };
    let mut model = fit(&Request::new(method, formula), &frame).unwrap();
    model.coefficients.values = vec![vec![-3.99 + shift, 0.00226, 0.804, -0.675, -1.34, -1.551]];
    model::file::write(&model).unwrap()
}
