//! What comes as a row is checked as R checks it, or made to fit where that is asked for.

use std::sync::Arc;

use model::error::DataError;
use model::fit::{Method, Request, fit};
use model::formula::parse;
use model::frame::{Codes, Column, Frame};
use model::input::{Cell, FieldKind};
use model::model::{Family, Link};
use model::predict::{Ask, Interval, Predictor, Scale};
use rdata::value::{NA_INTEGER, NA_REAL, is_na};

const RANKS: [&str; 4] = ["1", "2", "3", "4"];

#[test]
fn a_row_is_a_batch_of_one() {
    let predictor = admission();
    let kinds: Vec<(&str, FieldKind)> = predictor
        .inputs()
        .iter()
        .map(|own| (&*own.name, own.kind))
        .collect();
    let expected = [
        ("gre", FieldKind::Number),
        ("gpa", FieldKind::Number),
        ("rank", FieldKind::Text),
        ("legacy", FieldKind::Logical),
    ];
    assert_eq!(kinds, expected);
    let ask = Ask {
        se: true,
        ..Ask::default()
    };
    let data = students(50);
    let all = predictor.predict(&data, &ask).expect("predictions");
    for row in 0..data.rows() {
        let cells = [
            Cell::Number(number(&data, "gre", row)),
            Cell::Number(number(&data, "gpa", row)),
            Cell::Text(RANKS[row % 4]),
            Cell::Logical(row % 3 == 0),
        ];
        let own = predictor.predict_row(&cells, &ask).expect("a prediction");
        assert_eq!(own.fit[0].to_bits(), all.fit[0][row].to_bits());
        assert_eq!(
            own.se.expect("errors")[0].to_bits(),
            all.se.as_ref().expect("errors")[0][row].to_bits()
        );
    }
}

#[test]
fn many_rows_are_the_same_as_few() {
    let predictor = admission();
    let (few, many) = (students(400), students(10_000));
    let few = predictor
        .predict(&few, &Ask::default())
        .expect("predictions");
    let all = predictor
        .predict(&many, &Ask::default())
        .expect("predictions");
    assert_eq!(all.fit[0].len(), 10_000);
    for (row, own) in all.fit[0].iter().enumerate() {
        assert_eq!(own.to_bits(), few.fit[0][row % 400].to_bits());
    }
    let mut columns = many.columns().to_vec();
    columns.reverse();
    columns.push(("more".into(), Column::Logical(vec![1; 10_000])));
    let again = predictor
        .predict(&Frame::new(columns), &Ask::default())
        .expect("predictions");
    assert_eq!(again.fit, all.fit);
}

#[test]
fn what_is_missing_gives_na() {
    let predictor = admission();
    let data = replaced(
        &students(6),
        "gre",
        &Column::Number(vec![NA_REAL, 500.0, 500.0, 500.0, 500.0, 500.0]),
    );
    let data = replaced(
        &data,
        "rank",
        &text(&[Some("1"), None, Some("1"), Some("1"), Some("1"), Some("2")]),
    );
    let legacy = Column::Logical(vec![1, 1, NA_INTEGER, 1, 0, 1]);
    let data = replaced(&data, "legacy", &legacy);
    for scale in [Scale::Link, Scale::Response] {
        let ask = Ask {
            scale,
            se: true,
            ..Ask::default()
        };
        let done = predictor.predict(&data, &ask).expect("predictions");
        let missing: Vec<bool> = done.fit[0].iter().map(|own| is_na(*own)).collect();
        assert_eq!(missing, [true, true, true, false, false, false]);
        assert!(done.se.expect("errors")[0][0].is_nan());
    }
    let cells = [
        Cell::Missing,
        Cell::Number(3.0),
        Cell::Text("1"),
        Cell::Logical(true),
    ];
    let row = predictor
        .predict_row(&cells, &Ask::default())
        .expect("a prediction");
    assert!(is_na(row.fit[0]));
    let none = [Cell::Missing; 4];
    assert!(
        predictor
            .predict_row(&none, &Ask::default())
            .expect("a prediction")
            .fit[0]
            .is_nan()
    );
}

#[test]
fn errors_name_row_field_and_what_is_allowed() {
    let predictor = admission();
    let rank = |values: &[Option<&str>]| replaced(&students(3), "rank", &text(values));
    for (data, message, in_r) in [
        (
            rank(&[Some("1"), Some("5"), Some("0")]),
            "row 2, field rank: 5 is not a level; allowed: 1, 2, 3, 4",
            "factor rank has new levels 0, 5",
        ),
        (
            replaced(&students(1), "rank", &text(&[Some("9")])),
            "field rank: 9 is not a level; allowed: 1, 2, 3, 4",
            "factor rank has new level 9",
        ),
        (
            replaced(&students(1), "rank", &Column::Number(vec![1.0])),
            "field rank: 1 is a number, where a level (text) is needed",
            "variable 'rank' was fitted with type \"factor\" but type \"numeric\" was supplied",
        ),
        (
            replaced(&students(2), "gre", &text(&[None, Some("800")])),
            "row 2, field gre: 800 is text, where a number is needed",
            "variable 'gre' was fitted with type \"numeric\" but type \"character\" was supplied",
        ),
        (
            replaced(&students(1), "gre", &Column::Logical(vec![1])),
            "field gre: true is a truth value, where a number is needed",
            "variable 'gre' was fitted with type \"numeric\" but type \"logical\" was supplied",
        ),
        (
            replaced(&students(1), "legacy", &Column::Number(vec![1.0])),
            "field legacy: 1 is a number, where a truth value is needed",
            "variable 'legacy' was fitted with type \"logical\" but type \"numeric\" was supplied",
        ),
        (
            without(&students(2), "gpa"),
            "field gpa: it is missing",
            "object 'gpa' not found",
        ),
    ] {
        let error = predictor
            .predict(&data, &Ask::default())
            .expect_err(message);
        assert_eq!(error.to_string(), message);
        assert_eq!(error.as_r(), in_r);
    }
    let late = students(9_000);
    let Some(Column::Factor { codes, ordered }) = late.get("rank").cloned() else {
        panic!("rank is a factor");
    };
    let mut codes = codes;
    codes.values.push("8".into());
    codes.of_rows[8_999] = 4;
    let late = replaced(&late, "rank", &Column::Factor { codes, ordered });
    let error = predictor
        .predict(&late, &Ask::default())
        .expect_err("a new level");
    assert_eq!(error.row, Some(9_000));
    assert_eq!(error.allowed().len(), 4);
}

#[test]
fn texts_become_numbers_where_that_is_asked_for() {
    let predictor = admission();
    let ask = Ask {
        coerce: true,
        ..Ask::default()
    };
    let plain = [
        Cell::Number(800.0),
        Cell::Number(4.0),
        Cell::Text("1"),
        Cell::Logical(true),
    ];
    let expected = predictor
        .predict_row(&plain, &Ask::default())
        .expect("a prediction");
    for cells in [
        [
            Cell::Text("800"),
            Cell::Text(" 4 "),
            Cell::Number(1.0),
            Cell::Text("true"),
        ],
        [
            Cell::Text("8e2"),
            Cell::Text("4.0"),
            Cell::Text("1"),
            Cell::Number(1.0),
        ],
        plain,
    ] {
        let own = predictor.predict_row(&cells, &ask).expect("a prediction");
        assert_eq!(own, expected);
    }
    let refused = |cells: [Cell<'_>; 4]| -> DataError {
        predictor
            .predict_row(&cells, &ask)
            .expect_err("it is refused")
    };
    let [gre, gpa, rank, legacy] = plain;
    let message = |cells| refused(cells).to_string();
    assert_eq!(
        message([Cell::Text("many"), gpa, rank, legacy]),
        "field gre: \"many\" is not a number"
    );
    assert_eq!(
        message([gre, gpa, Cell::Number(5.0), legacy]),
        "field rank: 5 is not a level; allowed: 1, 2, 3, 4"
    );
    assert_eq!(
        message([gre, gpa, rank, Cell::Number(2.0)]),
        "field legacy: \"2\" is not a truth value"
    );
    let empty = predictor.predict_row(&[Cell::Text(""), gpa, rank, legacy], &ask);
    assert!(is_na(empty.expect("a prediction").fit[0]));
}

#[test]
fn what_is_inside_of_calls_is_checked_too() {
    let predictor = fitted("admit ~ log(gre) + factor(rank) + I(gpa^2)", &numbered(80));
    let fields = predictor.inputs();
    let kinds: Vec<FieldKind> = fields.iter().map(|own| own.kind).collect();
    assert_eq!(
        kinds,
        [FieldKind::Number, FieldKind::Any, FieldKind::Number]
    );
    let levels: Vec<&str> = fields[1].levels.iter().map(|own| &**own).collect();
    assert_eq!(levels, RANKS);
    let row = |cells: [Cell<'_>; 3]| predictor.predict_row(&cells, &Ask::default());
    let (gre, rank, gpa) = (Cell::Number(700.0), Cell::Number(2.0), Cell::Number(3.0));
    let expected = row([gre, rank, gpa]).expect("a prediction");
    assert_eq!(
        row([gre, Cell::Text("2"), gpa]).expect("a prediction"),
        expected
    );
    for (cells, message, in_r) in [
        (
            [Cell::Text("700"), rank, gpa],
            "field gre: 700 is not a number",
            "non-numeric argument to mathematical function",
        ),
        (
            [gre, rank, Cell::Text("3")],
            "field gpa: 3 is not a number",
            "non-numeric argument to binary operator",
        ),
        (
            [gre, Cell::Number(7.0), gpa],
            "field rank: 7 is not a level; allowed: 1, 2, 3, 4",
            "factor factor(rank) has new level 7",
        ),
    ] {
        let error = row(cells).expect_err(message);
        assert_eq!(error.to_string(), message);
        assert_eq!(error.as_r(), in_r);
    }
}

#[test]
fn what_no_model_can_answer_is_refused() {
    let predictor = admission();
    for ask in [
        Ask {
            interval: Some(Interval::Prediction),
            ..Ask::default()
        },
        Ask {
            interval: Some(Interval::Confidence),
            level: 1.5,
            ..Ask::default()
        },
        Ask {
            scale: Scale::Terms,
            interval: Some(Interval::Confidence),
            ..Ask::default()
        },
    ] {
        assert!(predictor.predict(&students(2), &ask).is_err());
    }
    assert!(
        predictor
            .predict_row(&[Cell::Missing], &Ask::default())
            .is_err()
    );
}

#[test]
fn intervals_of_probabilities_stay_between_0_and_1() {
    let predictor = admission();
    let ask = Ask {
        interval: Some(Interval::Confidence),
        level: 0.99,
        ..Ask::default()
    };
    let done = predictor.predict(&students(40), &ask).expect("predictions");
    let (lower, upper) = (
        done.lower.expect("lower")[0].clone(),
        done.upper.expect("upper")[0].clone(),
    );
    for ((low, fit), high) in lower.iter().zip(&done.fit[0]).zip(&upper) {
        assert!(0.0 < *low && low < fit && fit < high && *high < 1.0);
    }
}

#[test]
fn no_rows_give_no_predictions() {
    let predictor = admission();
    let done = predictor
        .predict(&students(0), &Ask::default())
        .expect("predictions");
    assert_eq!(done.fit, [Vec::<f64>::new()]);
}

fn admission() -> Predictor {
    fitted("admit ~ gre + gpa + rank + legacy", &students(400))
}

fn fitted(formula: &str, data: &Frame) -> Predictor {
    let method = Method::Glm {
        family: Family::Binomial,
        link: Link::Logit,
    };
    let request = Request::new(method, parse(formula).expect("a formula"));
    Predictor::new(fit(&request, data).expect("a fit")).expect("a predictor")
}

/// Made up, and always the same.
fn students(rows: usize) -> Frame {
    let place =
        |row: usize, by: usize, of: usize| f64::from(u32::try_from(row * by % of).expect("small"));
    let gre: Vec<f64> = (0..rows)
        .map(|row| 300.0 + 10.0 * place(row % 400, 37, 53))
        .collect();
    let gpa: Vec<f64> = (0..rows)
        .map(|row| 2.0 + place(row % 400, 13, 41) / 20.0)
        .collect();
    let admit = (0..rows).map(|row| f64::from(u8::from((row % 400) * 29 % 47 > 20 + row % 4 * 5)));
    let codes = Codes {
        values: RANKS.iter().map(|own| Arc::from(*own)).collect(),
        of_rows: (0..rows)
            .map(|row| u32::try_from(row % 4).expect("small"))
            .collect(),
    };
    let legacy = (0..rows).map(|row| i32::from(row % 400 % 3 == 0));
    Frame::new(vec![
        ("admit".into(), Column::Number(admit.collect())),
        ("gre".into(), Column::Number(gre)),
        ("gpa".into(), Column::Number(gpa)),
        (
            "rank".into(),
            Column::Factor {
                codes,
                ordered: false,
            },
        ),
        ("legacy".into(), Column::Logical(legacy.collect())),
    ])
}

/// The same with rank as a number.
fn numbered(rows: usize) -> Frame {
    let ranks = (0..rows).map(|row| f64::from(u32::try_from(row % 4 + 1).expect("small")));
    replaced(&students(rows), "rank", &Column::Number(ranks.collect()))
}

fn text(values: &[Option<&str>]) -> Column {
    let mut codes = Codes {
        values: vec![],
        of_rows: vec![],
    };
    for value in values {
        codes.of_rows.push(match value {
            None => Codes::NA,
            Some(value) => {
                codes.values.push((*value).into());
                u32::try_from(codes.values.len() - 1).expect("few")
            }
        });
    }
    Column::Text(codes)
}

fn replaced(data: &Frame, name: &str, column: &Column) -> Frame {
    let mut columns = data.columns().to_vec();
    for own in columns.iter_mut().filter(|own| *own.0 == *name) {
        own.1 = column.clone();
    }
    Frame::new(columns)
}

fn without(data: &Frame, name: &str) -> Frame {
    let columns = data.columns().iter().filter(|own| *own.0 != *name);
    Frame::new(columns.cloned().collect())
}

fn number(data: &Frame, name: &str, row: usize) -> f64 {
    match data.get(name) {
        Some(Column::Number(numbers)) => numbers[row],
        _ => panic!("{name} is no number"),
    }
}
