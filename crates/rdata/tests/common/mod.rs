//! The R of this machine, and values as the same text that `r/dump.R` makes.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, one that cannot begin says so"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rdata::{Data, Member, Value, value};

/// Runs a script of the folder `r` beside this one. False where there is no R.
pub fn r(script: &str, arguments: &[&Path]) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/r")
        .join(script);
    let mut command = Command::new("Rscript");
    command.arg("--vanilla").arg(script).args(arguments);
    command.env("LC_ALL", "C.UTF-8");
    let ran = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: there is no Rscript on this machine");
            return false;
        }
        ran => ran.expect("Rscript starts"),
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "R failed:\n{said}");
    true
}

/// The files of a folder with this ending, sorted.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|own| own == ending));
    files.sort();
    files
}

pub fn dump(value: &Value) -> String {
    let mut out = String::new();
    put(value, &mut out);
    out
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

fn double(number: f64) -> String {
    if value::is_na(number) {
        "NA".into()
    } else if number.is_nan() {
        "NaN".into()
    } else {
        format!("{:016x}", number.to_bits())
    }
}

fn integer(number: i32) -> String {
    match number {
        value::NA_INTEGER => "NA".into(),
        number => number.to_string(),
    }
}

fn vector(kind: &str, texts: impl IntoIterator<Item = String>) -> String {
    let texts: Vec<_> = texts.into_iter().collect();
    format!("{kind}[{}]", texts.join(","))
}

fn members(kind: &str, members: &[Member]) -> String {
    let shown = |member: &Member| match &member.tag {
        Some(tag) => format!("{}={}", hex(tag), dump(&member.value)),
        None => dump(&member.value),
    };
    vector(kind, members.iter().map(shown))
}

/// Row names that only count the rows, as R shows them.
fn row_names(name: &str, value: &Value) -> Value {
    match &value.data {
        Data::Integer(numbers) if name == "row.names" => match numbers[..] {
            [value::NA_INTEGER, rows] => Data::Integer((1..=rows.abs()).collect()).into(),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// Long vectors show their first two elements and the last.
fn ends<T: Clone>(kind: &str, numbers: &[T], shown: impl Fn(T) -> String) -> String {
    let kind_short = &kind[..3];
    let count = numbers.len();
    if count <= 5000 {
        return vector(kind_short, numbers.iter().cloned().map(shown));
    }
    let ends = [&numbers[0], &numbers[1], &numbers[count - 1]];
    let ends = ends.into_iter().cloned().map(shown);
    format!("{kind_short}{count}{}", vector("", ends))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap)]
fn put(value: &Value, out: &mut String) {
    let opaque = |kind: &str| {
        let known = [
            ("S4", "opaque:S4"),
            ("byte code", "opaque:bytecode"),
            ("an external pointer", "opaque:externalptr"),
            ("a weak reference", "opaque:weakref"),
        ];
        let found = known.iter().find(|(own, _)| *own == kind);
        found.map_or_else(|| format!("?{kind}"), |(_, name)| (*name).into())
    };
    let data = match &value.data {
        Data::Null => "NULL".into(),
        Data::Logical(values) => vector(
            "log",
            values.iter().map(|value| match *value {
                value::NA_INTEGER => "NA".into(),
                0 => "F".into(),
                _ => "T".into(),
            }),
        ),
        Data::Integer(numbers) => ends("integer", numbers, integer),
        Data::Sequence {
            first,
            step,
            length,
        } if *length > 5000 => {
            let last = first + step * (*length as i64 - 1);
            format!("int{length}[{first},{},{last}]", first + step)
        }
        Data::Sequence { .. } => ends("integer", &value.integers().unwrap(), integer),
        Data::Real(numbers) => ends("double", numbers, double),
        Data::RealSequence {
            first,
            step,
            length,
        } if *length > 5000 => {
            let last = first + step * (*length - 1) as f64;
            let shown = [*first, first + step, last].map(double).join(",");
            format!("dou{length}[{shown}]")
        }
        Data::RealSequence { .. } => ends("double", &value.numbers().unwrap(), double),
        Data::Complex(numbers) => {
            let shown = |(re, im): &(f64, f64)| format!("{}+{}", double(*re), double(*im));
            vector("com", numbers.iter().map(shown))
        }
        Data::Text(texts) => vector(
            "cha",
            texts.iter().map(|text| match text {
                Some(text) => format!("'{}", hex(text)),
                None => "NA".into(),
            }),
        ),
        Data::Raw(bytes) => vector("raw", bytes.iter().map(|byte| format!("{byte:02x}"))),
        Data::List(values) => vector("list", values.iter().map(dump)),
        Data::Expression(values) => vector("expression", values.iter().map(dump)),
        Data::Pairs(pairs) => members("pairlist", pairs),
        Data::Call(parts) => members("language", parts),
        Data::Symbol(name) => format!("symbol:{}", hex(name)),
        Data::Environment(_) => "environment".into(),
        Data::Place(name) => format!("place:{name}"),
        Data::Builtin(name) => format!("builtin:{name}"),
        Data::Special(name) => format!("special:{name}"),
        Data::Closure(closure) => format!(
            "closure({},{},{})",
            members("pairlist", &closure.formals),
            dump(&closure.body),
            dump(&closure.environment)
        ),
        Data::Opaque(kind) => opaque(kind),
        Data::Missing => "missing".into(),
    };
    out.push_str(&data);
    let bare = matches!(value.data, Data::Environment(_) | Data::Opaque("byte code"));
    if bare || value.attributes.is_empty() {
        return;
    }
    let mut attributes: Vec<_> = value.attributes.iter().collect();
    attributes.sort_by(|a, b| a.0.cmp(&b.0));
    let shown = attributes
        .iter()
        .map(|(name, value)| format!("{}={}", hex(name), dump(&row_names(name, value))));
    let shown: Vec<_> = shown.collect();
    write!(out, "{{{}}}", shown.join(",")).unwrap();
}
