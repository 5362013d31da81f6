//! What is fuzzed: where its seeds are from, and what must hold for any input.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use model::input::{Cell, FieldKind};
use model::predict::{Ask, Interval, Predictor, Scale};
use rdata::{Limits, Value, Version};

#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    /// Puts what it needs into a folder of its own.
    pub seeds: fn(&Path) -> Result<Vec<Vec<u8>>>,
    /// Whether the input is accepted; the error is a promise that was broken.
    pub check: fn(&[u8]) -> Result<bool, String>,
    /// What one input may take, in bytes.
    pub memory: usize,
    /// Whether the input may also come compressed.
    pub packs: bool,
}

pub const TARGETS: [Target; 5] = [
    Target {
        name: "rds",
        seeds: values,
        check: rds,
        memory: 128 << 20,
        packs: true,
    },
    Target {
        name: "json",
        seeds: texts,
        check: json,
        memory: 1 << 30,
        packs: false,
    },
    Target {
        name: "model",
        seeds: models,
        check: model_of_r,
        memory: 256 << 20,
        packs: false,
    },
    Target {
        name: "model-file",
        seeds: model_files,
        check: model_file,
        memory: 256 << 20,
        packs: false,
    },
    Target {
        name: "formula",
        seeds: formulas,
        check: formula,
        memory: 64 << 20,
        packs: false,
    },
];

/// Larger seeds make slow inputs that say nothing new.
const LARGEST_SEED: u64 = 48 << 10;

const LIMITS: Limits = Limits {
    unpacked: 16 << 20,
    memory: 32 << 20,
    depth: 512,
};

// ---- Seeds

fn r(script: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("Rscript");
    command.arg("--vanilla").arg(crate::root().join(script));
    let output = command.args(arguments).env("LC_ALL", "C.UTF-8").output();
    let output = output.context("Rscript, which makes the seeds")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{script} failed:\n{said}");
    Ok(())
}

fn empty(folder: &Path) -> Result<PathBuf> {
    let seeds = folder.join("seeds");
    if seeds.exists() {
        fs::remove_dir_all(&seeds)?;
    }
    fs::create_dir(&seeds)?;
    Ok(seeds)
}

fn files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut paths = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_value = path.extension().is_some_and(|extension| extension == "rds");
        if is_value && entry.metadata()?.len() <= LARGEST_SEED {
            paths.push(path);
        }
    }
    // In an order that does not depend on the disk.
    paths.sort();
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}

/// The values of rdata's own test, in their forms.
fn values(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let seeds = empty(folder)?;
    let forms = "plain,hex,old_text,native,old_native,gzip,bzip2,xz,members";
    let path = seeds.to_str().context("a folder with a plain name")?;
    r("crates/rdata/tests/r/corpus.R", &[path, forms])?;
    let mut seeds = files(&seeds)?;
    // Streams as they are: a change inside of compression is only a broken file.
    let is_open = |seed: &Vec<u8>| matches!(seed[..], [b'X' | b'A' | b'B' | b'R', ..]);
    let (mut open, mut packed): (Vec<_>, Vec<_>) = seeds.drain(..).partition(is_open);
    packed.truncate(60);
    open.append(&mut packed);
    Ok(open)
}

/// The models of the project's tests, out of their envelopes.
fn models(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let seeds = empty(folder)?;
    let path = seeds.to_str().context("a folder with a plain name")?;
    r("tests/models/make.R", &[path])?;
    let mut unpacked = vec![];
    for seed in files(&seeds)? {
        let mut bytes = vec![];
        match MultiGzDecoder::new(&seed[..]).read_to_end(&mut bytes) {
            Ok(_) => unpacked.push(bytes),
            Err(_) if seed.starts_with(b"A\n") => unpacked.push(seed),
            Err(_) => {}
        }
    }
    unpacked.retain(|bytes| {
        let value = rdata::read(bytes, &LIMITS);
        value.is_ok_and(|value| model::from_r::model(&value).is_ok())
    });
    ensure!(!unpacked.is_empty(), "none of the models can be read");
    Ok(unpacked)
}

fn model_files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut written = vec![];
    for seed in models(folder)? {
        let value = rdata::read(&seed, &LIMITS)?;
        let model = model::from_r::model(&value)?;
        if let Ok(bytes) = model::file::write(&model) {
            written.push(bytes);
        }
    }
    written.retain(|bytes| model::file::read(bytes).is_ok());
    ensure!(!written.is_empty(), "none of the models can be written");
    Ok(written)
}

fn owned(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "as the other seeds")]
fn texts(_folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut texts = owned(&[
        "null",
        "[1,2.5,null,true,\"a\"]",
        "{\"gre\":800,\"gpa\":4,\"rank\":\"1\",\"more\":{\"deep\":[[1],[2,3]]}}",
        "[{\"a\":1,\"b\":\"x\"},{\"a\":2.5,\"b\":null},{\"b\":\"y\",\"c\":true}]",
        "[{\"a\":1},{\"a\":{\"b\":[1,2]}},3]",
        "\"gr\\u00fc\\ud83d\\ude00 \\\" \\\\ \\/ \\b\\f\\n\\r\\t\"",
        "[1e308,-0.0,5e-324,12345678901234567890,0.30000000000000004]",
    ]);
    let row = "{\"id\":1,\"value\":0.5,\"name\":\"n\"}";
    texts.push(format!("[{}]", vec![row; 200].join(",")).into_bytes());
    Ok(texts)
}

#[expect(clippy::unnecessary_wraps, reason = "as the other seeds")]
fn formulas(_folder: &Path) -> Result<Vec<Vec<u8>>> {
    Ok(owned(&[
        "y ~ .",
        "admit ~ gre + gpa + factor(rank)",
        "log(y) ~ poly(x, 2, raw = TRUE) * z - 1",
        "cbind(a, b) ~ splines::ns(x, df = 3):w %in% v",
        "y ~ (a + b + c)^3 + offset(log(t)) + I(x^2 / -3.5e-2)",
        "y ~ `odd name` + ifelse(x > 2 & !z, 1L, NA) + cut(u, breaks = c(0, 1, Inf))",
        "~ a | b",
    ]))
}

// ---- What must hold

/// What was read can be written and read again, and is the same.
fn rds(input: &[u8]) -> Result<bool, String> {
    let Ok(value) = rdata::read(input, &LIMITS) else {
        return Ok(false);
    };
    let _ = rdata::json::to_json_within(&value, 1 << 20);
    same_again(&value)?;
    Ok(true)
}

fn same_again(value: &Value) -> Result<(), String> {
    // What has no form without R is not written.
    let Ok(written) = rdata::write(value, Version::Three) else {
        return Ok(());
    };
    let room = Limits {
        memory: 2 * LIMITS.memory,
        unpacked: 2 * LIMITS.unpacked,
        ..LIMITS
    };
    let again = rdata::read(&written, &room);
    let again = again.map_err(|error| format!("what was written cannot be read: {error}"))?;
    let twice = rdata::write(&again, Version::Three);
    if twice.is_ok_and(|twice| twice == written) {
        return Ok(());
    }
    Err("what was written reads as something else".into())
}

fn json(input: &[u8]) -> Result<bool, String> {
    let Ok(value) = rdata::json::from_json(input) else {
        return Ok(false);
    };
    same_again(&value)?;
    let text = rdata::json::to_json(&value).map_err(|error| format!("no JSON: {error}"))?;
    // Not the same JSON: in R, `[[1]]` is a list of one number, which is `[1]` again.
    match rdata::json::from_json(&text) {
        Ok(_) => Ok(true),
        Err(error) => Err(format!("what was written is not JSON: {error}")),
    }
}

fn model_of_r(input: &[u8]) -> Result<bool, String> {
    let Ok(value) = rdata::read(input, &LIMITS) else {
        return Ok(false);
    };
    let Ok(model) = model::from_r::model(&value) else {
        return Ok(false);
    };
    if let Ok(file) = model::file::write(&model) {
        let again = model::file::read(&file);
        let again = again.map_err(|error| format!("its file cannot be read: {error:?}"))?;
        if !model::file::write(&again).is_ok_and(|twice| twice == file) {
            return Err("its file reads as another model".into());
        }
    }
    Ok(predicts(model))
}

fn model_file(input: &[u8]) -> Result<bool, String> {
    match model::file::read(input) {
        Ok(model) => Ok(predicts(model)),
        Err(_) => Ok(false),
    }
}

/// Asks for all there is, for a row that fits and for one that is missing.
fn predicts(model: model::model::Model) -> bool {
    let _ = model::summary::text(&model);
    let Ok(predictor) = Predictor::new(model) else {
        return false;
    };
    let fitting = |field: &model::input::Field| match field.kind {
        FieldKind::Number => Some(Cell::Number(1.5)),
        FieldKind::Logical => Some(Cell::Logical(true)),
        FieldKind::Text | FieldKind::Any => None,
    };
    let rows: [Vec<Cell>; 2] = [
        predictor
            .inputs()
            .iter()
            .map(|field| match (fitting(field), field.levels.first()) {
                (Some(cell), _) => cell,
                (None, Some(level)) => Cell::Text(level),
                (None, None) => Cell::Number(1.5),
            })
            .collect(),
        predictor.inputs().iter().map(|_| Cell::Missing).collect(),
    ];
    for row in &rows {
        for scale in [Scale::Link, Scale::Response, Scale::Terms] {
            for interval in [None, Some(Interval::Confidence), Some(Interval::Prediction)] {
                let ask = Ask {
                    scale,
                    se: true,
                    interval,
                    coerce: true,
                    ..Ask::default()
                };
                let _ = predictor.predict_row(row, &ask);
            }
        }
    }
    true
}

/// What is parsed is shown so that it can be parsed again, and is the same.
fn formula(input: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ok(false);
    };
    let Ok(expr) = model::formula::parse(text) else {
        return Ok(false);
    };
    let shown = expr.exact().to_string();
    let again = model::formula::parse(&shown);
    let again = again.map_err(|error| format!("{shown} cannot be parsed: {error}"))?;
    if again.exact().to_string() != shown {
        return Err(format!("{shown} is parsed as {}", again.exact()));
    }
    Ok(true)
}
