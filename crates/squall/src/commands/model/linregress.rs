//! `squall model linregress`: a line through points.

use model::frame::Column;
use model::input::{Data, InputError, Kind};
use model::linregress::{Linregress, linregress};
use serde_json::json;

use super::place::{self, Rowed};
use crate::args::{Global, LinregressArgs};
use crate::failure::Failure;
use crate::output;

pub async fn run(global: &Global, args: LinregressArgs) -> Result<(), Failure> {
    let data = place::data(global, &args.data, &place::silent()).await?;
    let (x, y) = (args.x.clone(), args.y.clone());
    let line = place::aside(move || fit(&data, &x, &y)).await?;
    let numbers = [
        ("slope", line.slope),
        ("intercept", line.intercept),
        ("rvalue", line.rvalue),
        ("pvalue", line.pvalue),
        ("stderr", line.stderr),
        ("intercept_stderr", line.intercept_stderr),
    ];
    if global.json {
        let object = numbers.map(|(name, number)| (name.to_owned(), json!(number)));
        output::json(&serde_json::Map::from_iter(object))?;
        return Ok(());
    }
    for (name, number) in numbers {
        output::line(&format!("{name:<17}{number}"))?;
    }
    Ok(())
}

fn fit(data: &Rowed, x: &str, y: &str) -> Result<Linregress, Failure> {
    let bad = |error: InputError| data.bad(&error);
    let looked = data.table()?.survey(&[x.into(), y.into()]).map_err(bad)?;
    for known in looked.known() {
        if known.kind != Kind::Number {
            let name = &known.name;
            return Err(Failure::mistake(format!(
                "column {name:?} is not one of numbers"
            )));
        }
    }
    let (x, y) = columns(&looked, x, y).map_err(bad)?;
    linregress(&x, &y).map_err(Failure::mistake)
}

/// The points of which both numbers are there.
fn columns(data: &Data, x: &str, y: &str) -> Result<(Vec<f64>, Vec<f64>), InputError> {
    let (mut all_x, mut all_y) = (Vec::new(), Vec::new());
    for frame in data.blocks()? {
        let frame = frame?;
        if let (Some(Column::Number(x)), Some(Column::Number(y))) = (frame.get(x), frame.get(y)) {
            let pairs = x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan());
            for (x, y) in pairs {
                all_x.push(*x);
                all_y.push(*y);
            }
        }
    }
    Ok((all_x, all_y))
}
