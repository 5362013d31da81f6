//! `predict MODEL < DATA.csv`: what a model says of each row, without anything else of
//! Squall. With `--time` it says instead how long a row takes.

#![expect(clippy::print_stdout, reason = "this is a program")]

use std::error::Error;
use std::io::Read;
use std::time::Instant;

use onnx::{Column, Kind, Model};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("the name of a model is missing")?;
    let model = Model::read(&std::fs::read(path)?)?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    let header: Vec<&str> = text.lines().next().unwrap_or("").split(',').collect();
    let texts: Vec<Vec<&str>> = (0..)
        .zip(model.fields())
        .map(|(at, field)| {
            let named = header.iter().position(|name| *name == field.name);
            let at = named.unwrap_or(at);
            let cells = rows.iter().map(|row| *row.get(at).unwrap_or(&""));
            cells.collect()
        })
        .collect();
    let numbers: Vec<Vec<f64>> = texts
        .iter()
        .map(|column| {
            column
                .iter()
                .map(|n| n.parse().unwrap_or(f64::NAN))
                .collect()
        })
        .collect();
    let columns = |start: usize, end: usize| -> Vec<Column<'_>> {
        let fields = model.fields().iter().zip(&texts).zip(&numbers);
        fields
            .map(|((field, texts), numbers)| match field.kind {
                Kind::Text => Column::Texts(&texts[start..end]),
                _ => Column::Numbers(&numbers[start..end]),
            })
            .collect()
    };
    if arguments.any(|argument| argument == "--time") {
        return time(&model, &columns, rows.len());
    }
    let predicted = model.run(&columns(0, rows.len()), rows.len())?;
    let names: Vec<&str> = predicted.columns.iter().map(|made| &*made.name).collect();
    println!("{}", names.join(","));
    for row in 0..rows.len() {
        let cells = predicted.columns.iter().map(|made| made.values.text(row));
        println!("{}", cells.collect::<Vec<_>>().join(","));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "only shown")]
fn time<'a>(
    model: &Model,
    columns: &dyn Fn(usize, usize) -> Vec<Column<'a>>,
    rows: usize,
) -> Result<(), Box<dyn Error>> {
    const TIMES: usize = 5;
    let start = Instant::now();
    for _ in 0..TIMES {
        for row in 0..rows {
            model.run(&columns(row, row + 1), 1)?;
        }
    }
    let single = start.elapsed().as_secs_f64();
    let start = Instant::now();
    for _ in 0..TIMES {
        model.run(&columns(0, rows), rows)?;
    }
    let table = start.elapsed().as_secs_f64();
    let each = |seconds: f64| seconds / (rows * TIMES) as f64 * 1e6;
    println!(
        "{:.2} us for a row alone, {:.2} us for a row of a table",
        each(single),
        each(table)
    );
    Ok(())
}
