//! `PutEvents`.

use rules::{EntryError, NewEntry};
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;

use super::{Answer, bus_name, done};
use crate::api::EventsApi;
use crate::error::EventsError;
use crate::validate::Problems;

/// What one call may bring.
const ENTRIES: i64 = 10;
const BYTES: usize = 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutEvents {
    entries: Option<Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    time: Option<f64>,
    source: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    trace_header: Option<String>,
}

impl Entry {
    /// As AWS counts it.
    fn size(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let texts = texts.into_iter().flatten().chain(&self.resources);
        let time = if self.time.is_some() { 14 } else { 0 };
        time + texts.map(String::len).sum::<usize>()
    }
}

/// `trace` is that of the call itself: a function that puts events hands it on.
pub(super) async fn put_events(api: &EventsApi, input: PutEvents, trace: Option<String>) -> Answer {
    let mut problems = Problems::default();
    let count = input
        .entries
        .as_ref()
        .map(|list| i64::try_from(list.len()).unwrap_or(i64::MAX));
    if let Some(count) = count
        && !(1..=ENTRIES).contains(&count)
    {
        let (word, bound) = if count < 1 {
            ("greater", 1)
        } else {
            ("less", ENTRIES)
        };
        return Err(EventsError::invalid(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length {word} than or equal to {bound}"
        )));
    }
    let entries = problems.required("entries", input.entries);
    let entries = done(problems, entries)?;
    if entries.iter().map(Entry::size).sum::<usize>() > BYTES {
        return Err(EventsError::invalid(
            "Total size of the entries in the request is over the limit.",
        ));
    }
    let mut problems = Problems::default();
    let entries: Vec<NewEntry> = entries
        .into_iter()
        .map(|entry| NewEntry {
            bus: bus_name(&mut problems, entry.event_bus_name.as_deref()),
            source: entry.source,
            detail_type: entry.detail_type,
            detail: entry.detail,
            time: entry.time.and_then(seconds),
            resources: entry.resources,
            trace: entry.trace_header.or_else(|| trace.clone()),
        })
        .collect();
    let entries = done(problems, Some(entries))?;
    let answers = api.rules.put_events(entries).await;
    let answers = answers.map_err(|error| EventsError::Internal(error.to_string()))?;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    let shown: Vec<Value> = answers.into_iter().map(show).collect();
    Ok(json!({ "FailedEntryCount": failed, "Entries": shown }))
}

fn show(answer: Result<String, EntryError>) -> Value {
    match answer {
        Ok(id) => json!({ "EventId": id }),
        Err(error) => {
            let code = match &error {
                EntryError::Missing(_) => "InvalidArgument",
                EntryError::MalformedDetail => "MalformedDetail",
                EntryError::ReservedSource => "NotAuthorizedForSourceException",
                EntryError::Full => "ThrottlingException",
            };
            json!({ "ErrorCode": code, "ErrorMessage": error.to_string() })
        }
    }
}

/// Seconds since 1970, with or without a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked just before"
)]
pub(crate) fn seconds(seconds: f64) -> Option<Timestamp> {
    let millis = (seconds * 1000.0).round();
    (millis.abs() < 1e15).then_some(Timestamp(millis as i64))
}
