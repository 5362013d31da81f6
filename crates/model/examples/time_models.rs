//! Times fits and predictions in process, for bench/models.py.
//!
//!     time_models fit COLUMNS.bin ROWS COLUMNS TIMES      the response is the last column
//!     time_models predict MODEL.rds SECONDS
//!
//! Prints one line of JSON. In here so that nothing but the crate itself is measured.

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::fit::{Method, Request, fit};
use model::frame::{Codes, Column, Frame};
use model::input::Cell;
use model::model::{Family, Link};
use model::predict::{Ask, Predictor};
use serde_json::{Value, json};

const USAGE: &str = "usage: time_models fit COLUMNS.bin ROWS COLUMNS TIMES
       time_models predict MODEL.rds SECONDS";
/// Rows of a batch: as many as a table might have.
const BATCH: u32 = 100_000;
/// Of the factor `rank`.
const LEVELS: [&str; 4] = ["1", "2", "3", "4"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = match words.as_slice() {
        ["fit", path, rows, columns, times] => {
            time_fit(path, rows.parse()?, columns.parse()?, times.parse()?)?
        }
        ["predict", path, seconds] => {
            time_predictions(path, Duration::from_secs_f64(seconds.parse()?))?
        }
        _ => return Err(USAGE.into()),
    };
    write(&said);
    Ok(())
}

#[allow(clippy::print_stdout)]
fn write(said: &Value) {
    println!("{said}");
}

fn time_fit(
    path: &str,
    rows: usize,
    columns: usize,
    times: usize,
) -> Result<Value, Box<dyn Error>> {
    let frame = read_columns(path, rows, columns)?;
    let names: Vec<String> = (1..=columns).map(|n| format!("x{n}")).collect();
    let formula = model::formula::parse(&format!("y ~ {}", names.join(" + ")))?;
    let method = Method::Glm {
        family: Family::Binomial,
        link: Link::Logit,
    };
    let request = Request::new(method, formula);
    let held = memory("VmRSS")?;
    let mut fitted = fit(&request, &frame)?;
    // Short ones many times, and the mean of them.
    let mut seconds = Vec::new();
    for _ in 0..times {
        let started = Instant::now();
        let mut count = 0;
        while count == 0 || started.elapsed() < Duration::from_millis(200) {
            fitted = black_box(fit(black_box(&request), black_box(&frame))?);
            count += 1;
        }
        seconds.push(started.elapsed().as_secs_f64() / f64::from(count));
    }
    Ok(json!({
        "seconds": seconds,
        "coefficients": fitted.coefficients.values[0],
        "iterations": fitted.fit.iterations,
        "memory_mb": memory("VmHWM")?,
        "held_mb": held,
    }))
}

fn time_predictions(path: &str, time: Duration) -> Result<Value, Box<dyn Error>> {
    let value = rdata::read(&fs::read(path)?, &rdata::Limits::default())?;
    let predictor = Predictor::new(model::from_r::model(&value)?)?;
    let ask = Ask::default();
    let row = |n: u32| {
        let spread = f64::from(n % 400);
        (400.0 + spread, 2.0 + spread / 200.0, n % 4)
    };

    let mut numbers = 0_u32;
    let started = Instant::now();
    let mut last = 0.0;
    while started.elapsed() < time {
        // The clock is not asked for each.
        for n in 0..1000 {
            let (gre, gpa, rank) = row(n);
            let cells = [
                Cell::Number(gre),
                Cell::Number(gpa),
                Cell::Text(LEVELS[rank as usize]),
            ];
            last = black_box(predictor.predict_row(black_box(&cells), &ask)?).fit[0];
        }
        numbers += 1000;
    }
    let one = started.elapsed().as_secs_f64() / f64::from(numbers);

    let rows: Vec<_> = (0..BATCH).map(row).collect();
    let codes = Codes {
        values: LEVELS.map(Arc::from).to_vec(),
        of_rows: rows.iter().map(|(_, _, rank)| *rank).collect(),
    };
    let frame = Frame::new(vec![
        (
            "gre".into(),
            Column::Number(rows.iter().map(|(gre, _, _)| *gre).collect()),
        ),
        (
            "gpa".into(),
            Column::Number(rows.iter().map(|(_, gpa, _)| *gpa).collect()),
        ),
        ("rank".into(), Column::Text(codes)),
    ]);
    let (mut count, started) = (0_u32, Instant::now());
    while started.elapsed() < time {
        black_box(predictor.predict(black_box(&frame), &ask)?);
        count += 1;
    }
    let many = started.elapsed().as_secs_f64() / f64::from(count) / f64::from(BATCH);
    Ok(json!({"row_us": 1e6 * one, "batch_row_us": 1e6 * many, "last": last}))
}

/// Doubles of this machine, column by column.
fn read_columns(path: &str, rows: usize, columns: usize) -> Result<Frame, Box<dyn Error>> {
    let mut file = fs::File::open(path)?;
    let mut made = Vec::new();
    let mut bytes = vec![0; 8 * rows];
    for n in 0..=columns {
        std::io::Read::read_exact(&mut file, &mut bytes)?;
        let (doubles, _) = bytes.as_chunks::<8>();
        let values = doubles.iter().map(|bytes| f64::from_ne_bytes(*bytes));
        let name = if n < columns {
            format!("x{}", n + 1)
        } else {
            "y".to_owned()
        };
        made.push((Arc::from(name), Column::Number(values.collect())));
    }
    Ok(Frame::new(made))
}

/// In MB, as Linux counts it.
fn memory(field: &str) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    let kilobytes: f64 = kilobytes.ok_or("there is no such field")?.parse()?;
    Ok(kilobytes / 1024.0)
}
