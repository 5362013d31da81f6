//! What a function said of items, as JSON: numbers, texts, rows. Floats have a point, as
//! they have where the function is written in Python.

use std::sync::Arc;
use std::time::Instant;

use rdata::value::{NA_INTEGER, is_na};
use rdata::{Data, Value};

use crate::error::Failure;

/// Objects within objects.
const MAX_DEPTH: usize = 100;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) json: Vec<u8>,
    pub(super) errors: Vec<(usize, Failure)>,
}

/// The answer for a chunk of `count` items, out of what the glue's loop made; nothing if
/// that is not as it should be.
pub(super) fn of(done: &Value, count: usize, began: Instant) -> Option<Answer> {
    let Data::List(results) = &done.get("results")?.data else {
        return None;
    };
    let Data::List(raised) = &done.get("errors")?.data else {
        return None;
    };
    if results.len() != count {
        return None;
    }
    let mut errors: Vec<(usize, Failure)> = raised.iter().map(error).collect::<Option<_>>()?;
    let mut json = b"{\"results\":[".to_vec();
    for (place, result) in results.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        let start = json.len();
        if let Err(reason) = write(result, &mut json, 0) {
            json.truncate(start);
            json.extend_from_slice(b"null");
            let message = format!("Unable to marshal response: {reason}");
            errors.push((place, Failure::new("Runtime.MarshalError", message)));
        }
    }
    json.extend_from_slice(b"],\"errors\":");
    let pairs = serde_json::to_vec(&errors).ok()?;
    json.extend_from_slice(&pairs);
    let seconds = |name| {
        let took = done.get(name).and_then(Value::numbers);
        took.and_then(|took| took.first().copied()).unwrap_or(0.0)
    };
    let wall = seconds("wall");
    let codec = (began.elapsed().as_secs_f64() - wall).max(0.0);
    let took = format!(
        ",\"took\":{{\"wall\":{wall:.6},\"cpu\":{:.6},\"codec\":{codec:.6}}}}}",
        seconds("cpu")
    );
    json.extend_from_slice(took.as_bytes());
    Some(Answer { json, errors })
}

fn error(value: &Value) -> Option<(usize, Failure)> {
    let text = |name: &str| {
        let texts = value.get(name)?.texts()?;
        Some(texts.first()?.to_string())
    };
    let place = value.get("place")?.integers()?;
    let trace = value.get("stackTrace")?.texts().unwrap_or_default();
    let failure = Failure {
        message: text("errorMessage")?,
        kind: text("errorType")?,
        trace: trace.iter().map(ToString::to_string).collect(),
    };
    Some((usize::try_from(*place.first()?).ok()?, failure))
}

fn write(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    if depth == MAX_DEPTH {
        return Err("it is nested too deeply".to_owned());
    }
    match &value.data {
        Data::List(columns) if value.inherits("data.frame") => rows(value, columns, out, depth),
        Data::List(values) => {
            let names = names(value);
            let parts = values.iter().map(|value| Ok(value.clone()));
            parts_of(parts, names.as_deref(), out, depth)
        }
        // One number, most of the time.
        Data::Real(numbers) if value.attributes.is_empty() && numbers.len() == 1 => {
            number(numbers[0], out);
            Ok(())
        }
        _ => vector(value, out, depth),
    }
}

fn names(value: &Value) -> Option<Vec<Arc<str>>> {
    match &value.attribute("names")?.data {
        Data::Text(names) => Some(
            names
                .iter()
                .map(|name| name.clone().unwrap_or_else(|| "NA".into()))
                .collect(),
        ),
        _ => None,
    }
}

/// An object if there are names, else a list. What has no name is called by its place.
fn parts_of(
    parts: impl Iterator<Item = Result<Value, String>>,
    names: Option<&[Arc<str>]>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), String> {
    out.push(if names.is_some() { b'{' } else { b'[' });
    for (place, part) in parts.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if let Some(names) = names {
            match names.get(place).filter(|name| !name.is_empty()) {
                Some(name) => text(name, out),
                None => text(&(place + 1).to_string(), out),
            }
            out.push(b':');
        }
        write(&part?, out, depth + 1)?;
    }
    out.push(if names.is_some() { b'}' } else { b']' });
    Ok(())
}

/// A data frame of one row is that row; of several, a list of them.
fn rows(value: &Value, columns: &[Value], out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    let names = names(value).unwrap_or_default();
    let count = columns.first().map_or(0, Value::length);
    if columns.iter().any(|column| column.length() != count) {
        return Err("its columns are of different lengths".to_owned());
    }
    let count = usize::try_from(count).map_err(|error| error.to_string())?;
    if count != 1 {
        out.push(b'[');
    }
    for row in 0..count {
        if row > 0 {
            out.push(b',');
        }
        let cells = columns.iter().map(|column| element(column, row));
        parts_of(cells, Some(&names), out, depth + 1)?;
    }
    if count != 1 {
        out.push(b']');
    }
    Ok(())
}

/// One element as a vector of its own: with the class and the levels, without the names.
fn element(value: &Value, place: usize) -> Result<Value, String> {
    let gone = || "it is shorter than it says".to_owned();
    let data = match &value.data {
        Data::List(values) => return values.get(place).cloned().ok_or_else(gone),
        Data::Real(values) => values.get(place).map(|one| Data::Real(vec![*one])),
        Data::Integer(values) => values.get(place).map(|one| Data::Integer(vec![*one])),
        Data::Logical(values) => values.get(place).map(|one| Data::Logical(vec![*one])),
        Data::Text(values) => values.get(place).map(|one| Data::Text(vec![one.clone()])),
        Data::Sequence { .. } => {
            let all = value.integers().ok_or_else(gone)?;
            all.get(place).map(|one| Data::Integer(vec![*one]))
        }
        Data::RealSequence { .. } => {
            let all = value.numbers().ok_or_else(gone)?;
            all.get(place).map(|one| Data::Real(vec![*one]))
        }
        _ => {
            return Err(format!(
                "a value of the type {} is no JSON",
                value.type_name()
            ));
        }
    };
    let attributes = value.attributes.iter();
    let attributes =
        attributes.filter(|(name, _)| !matches!(&**name, "names" | "dim" | "dimnames"));
    Ok(Value {
        data: data.ok_or_else(gone)?,
        attributes: attributes.cloned().collect(),
    })
}

fn vector(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    let plain = !["factor", "Date", "POSIXct", "json"]
        .iter()
        .any(|class| value.inherits(class));
    let names = names(value).filter(|_| value.attribute("dim").is_none());
    if names.is_none() && plain && value.length() == 1 && !value.inherits("AsIs") {
        match &value.data {
            Data::Real(numbers) => {
                number(numbers[0], out);
                return Ok(());
            }
            Data::Integer(numbers) if numbers[0] != NA_INTEGER => {
                out.extend_from_slice(numbers[0].to_string().as_bytes());
                return Ok(());
            }
            _ => {}
        }
    }
    let reals = matches!(&value.data, Data::Real(_) | Data::RealSequence { .. });
    if names.is_some() || plain && reals && value.attribute("dim").is_none() {
        let count = usize::try_from(value.length()).map_err(|error| error.to_string())?;
        let parts = (0..count).map(|place| element(value, place));
        return parts_of(parts, names.as_deref(), out, depth);
    }
    let json = rdata::json::to_json(value).map_err(|error| error.to_string())?;
    out.extend_from_slice(&json);
    Ok(())
}

/// With a point or an exponent; what JSON cannot write is an object, NA is null.
fn number(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        out.extend_from_slice(format!("{number:?}").as_bytes());
    } else if is_na(number) {
        out.extend_from_slice(b"null");
    } else if number.is_nan() {
        out.extend_from_slice(br#"{"squall":"nan"}"#);
    } else if number > 0.0 {
        out.extend_from_slice(br#"{"squall":"inf"}"#);
    } else {
        out.extend_from_slice(br#"{"squall":"-inf"}"#);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    let json = serde_json::to_vec(text).expect("a text is plain data");
    out.extend_from_slice(&json);
}

#[cfg(test)]
mod tests {
    use rdata::value::NA_REAL;

    use super::*;

    fn written(value: &Value) -> String {
        let mut out = vec![];
        write(value, &mut out, 0).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_as_python_writes_them() {
        let one = |number| written(&Data::Real(vec![number]).into());
        assert_eq!(one(6.0), "6.0");
        assert_eq!(one(0.1), "0.1");
        assert_eq!(one(NA_REAL), "null");
        assert_eq!(one(f64::NAN), r#"{"squall":"nan"}"#);
        assert_eq!(one(f64::NEG_INFINITY), r#"{"squall":"-inf"}"#);
        assert_eq!(written(&Data::Integer(vec![6]).into()), "6");
        assert_eq!(written(&Data::Integer(vec![NA_INTEGER]).into()), "null");
        assert_eq!(written(&Data::Null.into()), "null");
        assert_eq!(
            written(&Data::Real(vec![1.0, NA_REAL]).into()),
            "[1.0,null]"
        );
    }

    #[test]
    fn what_has_names_is_a_row() {
        let names = || Value::strings(["a", "b"]);
        let vector = Value::from(Data::Real(vec![1.5, f64::INFINITY])).with("names", names());
        assert_eq!(written(&vector), r#"{"a":1.5,"b":{"squall":"inf"}}"#);
        let list = Value::list([
            ("a", Data::Integer(vec![1]).into()),
            ("", Value::strings(["x\"y"])),
        ]);
        assert_eq!(written(&list), r#"{"a":1,"2":"x\"y"}"#);
        let day = Value::from(Data::Real(vec![0.0])).with("class", Value::strings(["Date"]));
        let frame = Value::list([("day", day), ("n", Data::Integer(vec![3]).into())])
            .with("class", Value::strings(["data.frame"]));
        assert_eq!(written(&frame), r#"{"day":"1970-01-01","n":3}"#);
    }

    #[test]
    fn rows_of_several_are_a_list() {
        let frame = Value::list([
            ("t", Value::strings(["a", "b"])),
            ("x", Data::Real(vec![1.0, 2.0]).into()),
        ])
        .with("class", Value::strings(["data.frame"]));
        assert_eq!(written(&frame), r#"[{"t":"a","x":1.0},{"t":"b","x":2.0}]"#);
    }

    #[test]
    fn functions_are_no_results() {
        let done = Value::list([
            (
                "results",
                Data::List(vec![Data::Opaque("closure").into(), Data::Null.into()]).into(),
            ),
            ("errors", Data::List(vec![]).into()),
        ]);
        let answer = of(&done, 2, Instant::now()).unwrap();
        assert_eq!(answer.errors.len(), 1);
        assert_eq!(answer.errors[0].1.kind, "Runtime.MarshalError");
        assert!(
            answer
                .json
                .starts_with(br#"{"results":[null,null],"errors":[[0,{"#)
        );
    }
}
