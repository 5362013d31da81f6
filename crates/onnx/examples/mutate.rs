//! `mutate SECONDS MODEL...`: reads and runs models with bytes changed at random, for as
//! long as asked. It ends with how many it tried; a panic ends it earlier.

#![expect(clippy::print_stdout, reason = "this is a program")]

use std::error::Error;
use std::time::{Duration, Instant};

use onnx::{Column, Kind, Model};

/// Xorshift: the same changes in each run, so that what was found is found again.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().ok_or("seconds are missing")?.parse()?;
    let models: Result<Vec<Vec<u8>>, _> = arguments.map(std::fs::read).collect();
    let models = models?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut tried, mut read, mut run, mut longest) = (0, 0, 0, Duration::ZERO);
    while Instant::now() < end && !models.is_empty() {
        for bytes in &models {
            let mut bytes = bytes.clone();
            for _ in 0..=chance.below(3) {
                change(&mut bytes, &mut chance);
            }
            let start = Instant::now();
            tried += 1;
            if let Ok(model) = Model::read(&bytes) {
                read += 1;
                run += usize::from(predict(&model, &mut chance));
            }
            longest = longest.max(start.elapsed());
        }
    }
    println!("{tried} tried, {read} read, {run} run, the longest took {longest:?}");
    Ok(())
}

fn change(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len());
    let byte = chance.next().to_le_bytes()[0];
    // Most changes leave the frame of the file whole, else nothing would come to run.
    match chance.below(60) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at.min(bytes.len()), byte),
        2 if !bytes.is_empty() => {
            bytes.remove(at);
        }
        // What begins a length or a size becomes a large one.
        3 => {
            for place in bytes.iter_mut().skip(at).take(4) {
                *place = 0xff;
            }
        }
        4 => {
            let from = chance.below(bytes.len());
            let length = chance.below(64).min(bytes.len() - from);
            let piece = bytes[from..from + length].to_vec();
            let to = at.min(bytes.len());
            bytes.splice(to..to, piece);
        }
        5 => {
            let from = chance.below(bytes.len());
            let length = chance.below(16).min(bytes.len() - from.max(at));
            bytes.copy_within(from..from + length, at);
        }
        _ => {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
    }
}

fn predict(model: &Model, chance: &mut Chance) -> bool {
    const ROWS: usize = 3;
    let numbers: Vec<f64> = (0..ROWS)
        .map(|_| f64::from(u16::try_from(chance.below(7)).unwrap_or(0)) - 2.0)
        .collect();
    let columns: Vec<Column<'_>> = model
        .fields()
        .iter()
        .map(|field| match field.kind {
            Kind::Text => Column::Texts(&["male", "", "Q"]),
            _ => Column::Numbers(&numbers),
        })
        .collect();
    model.run(&columns, ROWS).is_ok()
}
