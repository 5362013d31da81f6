//! `squall model compare`: coefficients side by side, and what both predict.

use model::any::{AnyModel, Ask, Values};
use model::input::{InputError, columns, csv};
use model::model::Model;
use serde_json::{Value, json};

use super::place::{self, Rowed};
use crate::args::{CompareArgs, Global};
use crate::failure::Failure;
use crate::output::{self, Table};

pub async fn run(global: &Global, args: CompareArgs) -> Result<(), Failure> {
    let one = place::predictor(global, &args.one).await?;
    let other = place::predictor(global, &args.other).await?;
    let coefficients = match (one.model(), other.model()) {
        (Some(one), Some(other)) => coefficients(one, other),
        _ => vec![],
    };
    let predicted = match &args.data {
        None => None,
        Some(data) => {
            let data = place::data(global, data, &place::silent()).await?;
            let done = place::aside(move || differences(&data, &one, &other)).await?;
            Some(done)
        }
    };
    if global.json {
        let rows: Vec<Value> = coefficients
            .iter()
            .map(|(name, one, other)| json!({ "name": name, "one": one, "other": other }))
            .collect();
        let predicted = predicted.map(|it| it.as_json());
        output::json(&json!({ "coefficients": rows, "predictions": predicted }))?;
        return Ok(());
    }
    let mut table = Table::new(&["COEFFICIENT", ">ONE", ">OTHER", ">DIFFERENCE"]);
    let cell = |number: Option<f64>| number.map_or("-".to_owned(), |it| it.to_string());
    for (name, one, other) in coefficients {
        let difference = one.zip(other).map(|(one, other)| other - one);
        table.row([name, cell(one), cell(other), cell(difference)]);
    }
    if !table.is_empty() {
        output::bytes(table.render().as_bytes())?;
    }
    if let Some(predicted) = predicted {
        output::line(&format!(
            "predictions: {} of {} rows differ, by {} on average and by {} at most (row {})",
            predicted.differ, predicted.rows, predicted.mean, predicted.most, predicted.row
        ))?;
    }
    Ok(())
}

/// Of either, in the order of the first.
fn coefficients(one: &Model, other: &Model) -> Vec<(String, Option<f64>, Option<f64>)> {
    let all = |model: &Model| {
        let coefficients = &model.coefficients;
        let mut all = Vec::new();
        for (at, values) in coefficients.values.iter().enumerate() {
            let response = coefficients.responses.get(at);
            for (name, value) in coefficients.names.iter().zip(values) {
                let name = match response {
                    Some(response) if !response.is_empty() => format!("{response}: {name}"),
                    _ => name.to_string(),
                };
                all.push((name, *value));
            }
        }
        all
    };
    let (one, other) = (all(one), all(other));
    let find = |all: &[(String, f64)], name: &str| {
        let found = all.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| *value)
    };
    let mut rows: Vec<_> = one
        .iter()
        .map(|(name, value)| (name.clone(), Some(*value), find(&other, name)))
        .collect();
    for (name, value) in &other {
        if find(&one, name).is_none() {
            rows.push((name.clone(), None, Some(*value)));
        }
    }
    rows
}

/// What both predict of the same rows.
#[derive(Debug, Default)]
struct Differences {
    rows: u64,
    differ: u64,
    sum: f64,
    mean: f64,
    most: f64,
    row: u64,
}

impl Differences {
    fn as_json(&self) -> Value {
        json!({ "rows": self.rows, "differ": self.differ, "mean": self.mean, "most": self.most,
                "row": self.row })
    }

    fn add(&mut self, one: f64, other: f64) {
        self.rows += 1;
        if one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan() {
            return;
        }
        self.differ += 1;
        let difference = (other - one).abs();
        self.sum += difference;
        if difference > self.most || difference.is_nan() {
            self.most = difference;
            self.row = self.rows;
        }
    }
}

fn differences(data: &Rowed, one: &AnyModel, other: &AnyModel) -> Result<Differences, Failure> {
    let first = fits(data, one)?;
    let second = fits(data, other)?;
    let mut all = Differences::default();
    for (one, other) in first.into_iter().zip(second) {
        all.add(one, other);
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean is not that precise")]
    let rows = all.rows.max(1) as f64;
    all.mean = all.sum / rows;
    Ok(all)
}

/// The first column of what a model predicts.
fn fits(data: &Rowed, model: &AnyModel) -> Result<Vec<f64>, Failure> {
    let bad = |error: InputError| data.bad(&error);
    let mut all = Vec::new();
    let mut add = |frame: &model::frame::Frame| {
        let answer = model.predict(frame, &Ask::default());
        let answer = answer.map_err(|error| Failure::mistake(error.behind(all.len() as u64)))?;
        match answer.columns.first().map(|column| &column.values) {
            Some(Values::Numbers(values)) => all.extend_from_slice(values),
            _ => return Err(Failure::mistake("what the models predict are not numbers")),
        }
        Ok(())
    };
    match data.rows()? {
        map::input::Rows::Csv(reader) => {
            for frame in csv::frames(reader, model.fields(), 1).map_err(bad)? {
                add(&frame.map_err(bad)?)?;
            }
        }
        map::input::Rows::Batches(batches) => {
            for batch in batches {
                let batch = batch.map_err(Failure::mistake)?;
                add(&columns::frame(&batch, model.fields()).map_err(bad)?)?;
            }
        }
    }
    Ok(all)
}
