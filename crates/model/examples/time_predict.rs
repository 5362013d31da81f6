//! Times predictions in process: single rows, and a batch.
//!
//!     time_predict MODEL.rds [SECONDS]
//!
//! The rows are made up: numbers, and the levels that the model knows.

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::frame::{Codes, Column, Frame};
use model::input::{Cell, Field, FieldKind};
use model::predict::{Ask, Predictor};
use serde_json::json;

/// Rows of a batch: as many as a table might have.
const BATCH: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let path = arguments
        .first()
        .ok_or("usage: time_predict MODEL.rds [SECONDS]")?;
    let seconds: f64 = arguments.get(1).map_or(Ok(1.0), |own| own.parse())?;
    let bytes = fs::read(path)?;
    let value = rdata::read(&bytes, &rdata::Limits::default())?;
    let predictor = Predictor::new(model::from_r::model(&value)?)?;
    let ask = Ask {
        coerce: true,
        ..Ask::default()
    };
    let fields = predictor.inputs();
    let cells: Vec<Cell<'_>> = fields.iter().map(cell).collect();
    let row = time(seconds, || {
        black_box(predictor.predict_row(black_box(&cells), &ask).is_ok());
    });
    let errors = Ask {
        se: true,
        ..ask.clone()
    };
    let row_with_errors = time(seconds, || {
        black_box(predictor.predict_row(black_box(&cells), &errors).is_ok());
    });
    let frame = Frame::new(fields.iter().map(column).collect());
    let batch = time(seconds, || {
        black_box(predictor.predict(black_box(&frame), &ask).is_ok());
    });
    predictor.predict(&frame, &ask)?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let rows = BATCH as f64;
    let said = json!({
        "row_ns": row * 1e9,
        "row_with_errors_ns": row_with_errors * 1e9,
        "row_of_batch_ns": batch / rows * 1e9,
    });
    write(&said.to_string());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what it is for")]
fn write(said: &str) {
    println!("{said}");
}

/// Seconds that one run takes, of many.
fn time(seconds: f64, mut run: impl FnMut()) -> f64 {
    let all = Duration::from_secs_f64(seconds);
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < all {
        for _ in 0..8 {
            run();
        }
        count += 8;
    }
    started.elapsed().as_secs_f64() / f64::from(count)
}

fn cell(field: &Field) -> Cell<'_> {
    match (field.levels.first(), field.kind) {
        (Some(level), _) => Cell::Text(level),
        (None, FieldKind::Logical) => Cell::Logical(true),
        (None, _) => Cell::Number(3.5),
    }
}

fn column(field: &Field) -> (Arc<str>, Column) {
    let count = u32::try_from(field.levels.len()).unwrap_or(u32::MAX);
    let rows = 0..u32::try_from(BATCH).unwrap_or(u32::MAX);
    let column = match (count, field.kind) {
        (0, FieldKind::Logical) => Column::Logical(vec![1; BATCH]),
        (0, _) => Column::Number(rows.map(|row| 1.0 + f64::from(row % 797)).collect()),
        (count, _) => Column::Text(Codes {
            values: field.levels.clone(),
            of_rows: rows.map(|row| row % count).collect(),
        }),
    };
    (field.name.clone(), column)
}
