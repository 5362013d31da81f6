//! The events of a map, as docs/map-protocol.md describes them: how a function in R wants
//! its items, and what it says of those of a chunk.
//!
//! Reading order: [`serve`] answers an event; [`chunk`] makes R's values of the items,
//! [`answer`] makes JSON of the results. R itself only loops over them.

mod answer;
mod chunk;
mod exchange;

use std::io::Write;
use std::time::Instant;

use memchr::memmem;
use rdata::{Data, Value};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Failure;
use crate::function::{CHUNK, DESCRIBE, Function, LIMITS, Meta};

/// What Lambda returns to its caller at most.
const MOST_ANSWER: usize = 6 * 1024 * 1024;
/// Of the items of one chunk that failed: all are in the answer, whoever reads the log
/// needs some.
const MOST_LOGGED: usize = 10;

/// What every event of a map says of itself.
#[derive(Debug, Deserialize)]
struct Asked {
    map: Option<String>,
    get: Option<String>,
    put: Option<String>,
}

/// The event's own part, if it is one of a map.
fn asked(payload: &[u8]) -> Option<Asked> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        squall: Option<&'a RawValue>,
    }
    // Most events are not, and need not be read for that.
    memmem::find(payload, b"\"squall\"")?;
    let event: Event = serde_json::from_slice(payload).ok()?;
    let own = event.squall?;
    memmem::find(own.get().as_bytes(), b"\"map\"")?;
    let asked: Asked = serde_json::from_str(own.get()).ok()?;
    asked.map.is_some().then_some(asked)
}

/// The answer to an event of a map, or nothing where it is none.
pub(crate) fn serve(
    function: &Function,
    meta: &Meta,
    payload: &[u8],
) -> Option<Result<Vec<u8>, Failure>> {
    let asked = asked(payload)?;
    Some(match asked.map.as_deref() {
        Some("describe") => describe(function),
        Some("chunk") => chunk(function, meta, payload, asked),
        other => Err(bad(format!("a map has no events called {other:?}"))),
    })
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new("Squall.BadChunk", message)
}

fn describe(function: &Function) -> Result<Vec<u8>, Failure> {
    let kind = read(&function.given(DESCRIBE, &[])?)?;
    let kind = kind.texts().and_then(|texts| texts.first().cloned());
    let kind = kind.ok_or_else(|| bad("the function does not say how it wants its items"))?;
    // R has vectors and data frames, whatever they are called elsewhere.
    let said = serde_json::json!({"squall": {
        "item": &*kind,
        "formats": ["json", "zlib", "columns"],
        "numpy": true,
        "pandas": true,
    }});
    Ok(said.to_string().into_bytes())
}

fn chunk(
    function: &Function,
    meta: &Meta,
    payload: &[u8],
    asked: Asked,
) -> Result<Vec<u8>, Failure> {
    let began = Instant::now();
    let (fetched, put) = match asked.get {
        None => (None, asked.put),
        Some(from) => {
            let event = exchange::get(&from)?;
            let inner = self::asked(&event)
                .filter(|inner| inner.map.as_deref() == Some("chunk") && inner.get.is_none())
                .ok_or_else(|| bad("what was put down is not a chunk"))?;
            (Some(event), asked.put.or(inner.put))
        }
    };
    let chunk = chunk::read(fetched.as_deref().unwrap_or(payload)).map_err(|error| {
        let kind = match error {
            chunk::Error::Kind(_) => "Squall.ItemKind",
            _ => "Squall.BadChunk",
        };
        Failure::new(kind, error.to_string())
    })?;
    let count = chunk.items.len();
    let request = Value::list([
        ("", Data::List(chunk.items).into()),
        ("kind", Value::strings([chunk.kind.as_str()])),
        ("id", Value::strings([meta.id.as_str()])),
        ("arn", Value::strings([meta.arn.as_str()])),
        ("deadline", meta.deadline_value()),
    ]);
    let done = read(&function.ask(CHUNK, &request)?)?;
    drop(request);
    let answer = answer::of(&done, count, began)
        .ok_or_else(|| bad("the glue's answer is not as it should be"))?;
    log(&answer.errors, count);
    if answer.json.len() > MOST_ANSWER
        && let Some(to) = put
    {
        exchange::put(&to, &answer.json)?;
        return Ok(br#"{"squall":{"put":true}}"#.to_vec());
    }
    Ok(answer.json)
}

fn read(bytes: &[u8]) -> Result<Value, Failure> {
    rdata::read(bytes, &LIMITS).map_err(|error| {
        let message = format!("Unable to marshal response: {error}");
        Failure::new("Runtime.MarshalError", message)
    })
}

/// Each error in a line of its own, however many it has, as in AWS's log.
fn log(errors: &[(usize, Failure)], count: usize) {
    let mut text = String::new();
    for (place, error) in errors.iter().take(MOST_LOGGED) {
        let Failure {
            kind,
            message,
            trace,
        } = error;
        let mut line = format!("[ERROR] item {place} of {count}: {kind}: {message}");
        for call in trace {
            line.push_str("\n  ");
            line.push_str(call);
        }
        text.push_str(&line.replace('\n', "\r"));
        text.push('\n');
    }
    if let Some(more @ 1..) = errors.len().checked_sub(MOST_LOGGED) {
        text.push_str("[ERROR] and ");
        text.push_str(&more.to_string());
        text.push_str(" items more\n");
    }
    if text.is_empty() {
        return;
    }
    crate::r::flush();
    // The log may be gone: there is nobody else to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn other_events_are_not_of_a_map() {
        let others: [&[u8]; 6] = [
            b"",
            b"{}",
            br#"{"squall":1}"#,
            br#"{"squall":{"warm":true}}"#,
            br#"{"text":"\"squall\":{\"map\":\"chunk\"}"}"#,
            br#"[{"squall":{"map":"chunk"}}]"#,
        ];
        for event in others {
            assert!(asked(event).is_none(), "{}", String::from_utf8_lossy(event));
        }
        let one = br#"{"later":[1,2],"squall":{"more":1,"map":"describe"}}"#;
        assert_eq!(asked(one).unwrap().map.as_deref(), Some("describe"));
    }
}
