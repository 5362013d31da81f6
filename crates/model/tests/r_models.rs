//! Models that real R fits now, saved by it and predicted by both. Nothing to do where
//! there is no R.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use model::frame::{Codes, Column, Frame};
use model::input::{Field, FieldKind};
use model::predict::{Ask, Interval, Prediction, Predictor, Scale};
use rdata::value::{NA_INTEGER, NA_REAL};
use serde_json::Value as Json;
use tempfile::TempDir;

/// How far predictions may be from R's, relative to the larger of them and 1.
const CLOSE: f64 = 4e-15;
/// Standard errors and intervals go through an inverse: their bound is wider.
const CLOSE_ERRORS: f64 = 1e-11;

#[test]
fn predictions_are_those_of_r() {
    let Some((folder, listed)) = made_by_r() else {
        return;
    };
    let mut wrong = vec![];
    let mut counts = Counts::default();
    let models = listed["models"].as_array().expect("a list of models");
    assert!(models.len() > 100);
    for entry in models {
        let name = entry["name"].as_str().expect("models have names");
        match compared(folder.path(), name, entry) {
            Ok(own) => {
                if own.equal < own.all {
                    println!("{name}: {} of {} equal", own.equal, own.all);
                }
                counts.add(own);
            }
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
    }
    println!("equal bit by bit: {counts:?}");
    assert!(
        wrong.is_empty(),
        "{} models:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(counts.equal * 100 > counts.all * 95, "{counts:?}");
}

/// Numbers, and how many of them are R's bit by bit.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    equal: usize,
    all: usize,
    equal_errors: usize,
    all_errors: usize,
}

impl Counts {
    fn count(&mut self, is_error: bool, same: bool) {
        if is_error {
            self.all_errors += 1;
            self.equal_errors += usize::from(same);
        } else {
            self.all += 1;
            self.equal += usize::from(same);
        }
    }

    fn add(&mut self, more: Self) {
        self.equal += more.equal;
        self.all += more.all;
        self.equal_errors += more.equal_errors;
        self.all_errors += more.all_errors;
    }
}

#[test]
fn what_needs_r_is_refused() {
    let Some((folder, listed)) = made_by_r() else {
        return;
    };
    let refused = listed["refused"].as_array().expect("a list of models");
    assert!(refused.len() > 10);
    for entry in refused {
        let name = entry["name"].as_str().expect("models have names");
        let bytes =
            std::fs::read(folder.path().join(format!("refused.{name}.rds"))).expect("R wrote it");
        let value = rdata::read(&bytes, &rdata::Limits::default()).expect("it can be read");
        let predictor = model::from_r::model(&value).and_then(Predictor::new);
        match predictor {
            Err(needs) => println!("{name}: {needs}"),
            // A name that the data of an `lm` may have had: asked for as a column.
            Ok(predictor) => {
                let reason = entry["reason"].as_str().expect("a reason");
                let fields = predictor.inputs();
                assert!(
                    fields.iter().any(|own| &*own.name == reason),
                    "{name} is not refused"
                );
                println!("{name}: `{reason}` is taken for a column");
            }
        }
    }
}

/// In a folder of its own for each test: they may be processes that run side by side.
fn made_by_r() -> Option<(TempDir, Json)> {
    let folder = tempfile::tempdir().expect("a folder for the models");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models/make.R");
    let made = Command::new("Rscript")
        .arg("--vanilla")
        .arg(script)
        .arg(folder.path())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .ok()?;
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let listed = std::fs::read(folder.path().join("models.json")).expect("R wrote it");
    Some((folder, serde_json::from_slice(&listed).expect("JSON")))
}

fn compared(folder: &Path, name: &str, entry: &Json) -> Result<Counts, String> {
    let bytes = std::fs::read(folder.join(format!("{name}.rds"))).map_err(text)?;
    let value = rdata::read(&bytes, &rdata::Limits::default()).map_err(text)?;
    let model = model::from_r::model(&value).map_err(text)?;
    let predictor = Predictor::new(model).map_err(text)?;
    let csv = std::fs::read_to_string(folder.join(format!("{name}.new.csv"))).map_err(text)?;
    let frame = frame(&csv, predictor.inputs());
    let asked = entry["asked"].as_object().expect("what was asked");
    let mut counts = Counts::default();
    for (what, expected) in asked {
        let is_interval = matches!(&**what, "confidence" | "prediction");
        let errors = is_interval || names(expected).contains(&"se_fit");
        if errors && predictor.model().rank == 0 {
            // R's errors have a row for each row of the old data then.
            continue;
        }
        let ask = Ask {
            scale: match &**what {
                "link" => Scale::Link,
                "terms" => Scale::Terms,
                _ => Scale::Response,
            },
            se: names(expected).contains(&"se_fit"),
            interval: match &**what {
                "confidence" => Some(Interval::Confidence),
                "prediction" => Some(Interval::Prediction),
                _ => None,
            },
            level: if what == "prediction" { 0.90 } else { 0.95 },
            coerce: false,
        };
        let own = predictor
            .predict(&frame, &ask)
            .map_err(|why| format!("{what}: {why}"))?;
        let done = parts(&own, expected).map_err(|why| format!("{what}: {why}"))?;
        counts.add(done);
    }
    Ok(counts)
}

fn names(expected: &Json) -> Vec<&str> {
    let names = expected["columns"].as_array().expect("names of columns");
    names.iter().filter_map(Json::as_str).collect()
}

/// Each column that R gives beside ours: standard errors and ends of intervals by their
/// names, all others are predictions.
fn parts(own: &Prediction, expected: &Json) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let mut fits = own.fit.iter();
    let values = expected["values"]
        .as_array()
        .expect("a list for each column");
    for (name, expected) in names(expected).into_iter().zip(values) {
        let one = |own: &Option<Vec<Vec<f64>>>| own.as_ref().map(|own| own[0].clone());
        let (own, close) = match name {
            "se_fit" => (one(&own.se), CLOSE_ERRORS),
            "lwr" => (one(&own.lower), CLOSE_ERRORS),
            "upr" => (one(&own.upper), CLOSE_ERRORS),
            _ => (fits.next().cloned(), CLOSE),
        };
        let own = own.ok_or_else(|| format!("no {name}"))?;
        let expected = expected.as_array().expect("numbers").iter().map(number);
        let expected: Vec<Option<f64>> = expected.collect();
        if own.len() != expected.len() {
            let (own, expected) = (own.len(), expected.len());
            return Err(format!("{own} rows of {name}, not {expected}"));
        }
        for (row, (own, expected)) in own.iter().zip(expected).enumerate() {
            let expected = expected.unwrap_or(f64::NAN);
            let same = own.to_bits() == expected.to_bits() || (own.is_nan() && expected.is_nan());
            let near = (own - expected).abs() <= close * expected.abs().max(1.0);
            if !same && !near {
                return Err(format!(
                    "{name} of row {}: {own:e}, not {expected:e}",
                    row + 1
                ));
            }
            counts.count(close > CLOSE, same);
        }
    }
    match fits.next() {
        None => Ok(counts),
        Some(_) => Err("more columns than R gives".to_owned()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// C's hexadecimal doubles.
fn number(json: &Json) -> Option<f64> {
    let text = json.as_str()?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text),
    };
    match digits {
        "Inf" | "inf" => return Some(sign * f64::INFINITY),
        "NaN" | "nan" | "NA" => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, power) = digits.strip_prefix("0x")?.split_once('p')?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let bits = u64::from_str_radix(&format!("{whole}{part:0<13}"), 16).ok()?;
    let power: i32 = power.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "at most 53 bits")]
    let mantissa = bits as f64;
    // In two steps, so that tiny numbers are not lost on the way.
    let shift = power - 52;
    Some(sign * mantissa * 2_f64.powi(shift / 2) * 2_f64.powi(shift - shift / 2))
}

/// New data, each column as the model wants it.
fn frame(csv: &str, fields: &[Field]) -> Frame {
    let mut lines = records(csv).into_iter();
    let heads = lines.next().expect("a head");
    let rows: Vec<Vec<Option<String>>> = lines.collect();
    let columns = fields.iter().filter_map(|field| {
        let at = heads
            .iter()
            .position(|own| own.as_deref() == Some(&*field.name))?;
        let cells: Vec<Option<&str>> = rows.iter().map(|row| row[at].as_deref()).collect();
        let parsed: Option<Vec<f64>> = cells
            .iter()
            .map(|cell| cell.map_or(Some(NA_REAL), |cell| cell.parse().ok()))
            .collect();
        let column = match (field.kind, parsed) {
            (FieldKind::Number | FieldKind::Any, Some(numbers)) => Column::Number(numbers),
            (FieldKind::Logical, _) => {
                let value = |cell: Option<&str>| match cell {
                    None => NA_INTEGER,
                    Some(cell) => i32::from(cell == "TRUE"),
                };
                Column::Logical(cells.iter().copied().map(value).collect())
            }
            _ => Column::Text(codes(&cells)),
        };
        Some((field.name.clone(), column))
    });
    let columns: Vec<(Arc<str>, Column)> = columns.collect();
    if columns.is_empty() {
        return Frame::empty(rows.len());
    }
    Frame::new(columns)
}

fn codes(cells: &[Option<&str>]) -> Codes {
    let mut values: Vec<Arc<str>> = vec![];
    let of_rows = cells.iter().map(|cell| {
        let Some(cell) = cell else {
            return Codes::NA;
        };
        let known = values.iter().position(|own| **own == **cell);
        let at = known.unwrap_or_else(|| {
            values.push((*cell).into());
            values.len() - 1
        });
        u32::try_from(at).expect("few values")
    });
    let of_rows = of_rows.collect();
    Codes { values, of_rows }
}

/// Lines of cells; NA without quotes is none.
fn records(csv: &str) -> Vec<Vec<Option<String>>> {
    let mut records = vec![];
    let (mut record, mut cell, mut quoted, mut was_quoted) = (vec![], String::new(), false, false);
    let mut letters = csv.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' | '\n' if !quoted => {
                let own = std::mem::take(&mut cell);
                record.push(Some(own).filter(|own| was_quoted || own != "NA"));
                was_quoted = false;
                if letter == '\n' {
                    records.push(std::mem::take(&mut record));
                }
            }
            letter => cell.push(letter),
        }
    }
    records
}
