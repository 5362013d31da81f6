//! The lines: writing, reading and searching them.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{LogCursor, LogEvent, LogLine, LogQuery};
use types::Timestamp;

use crate::api::LogsApi;
use crate::error::ApiError;
use crate::pattern::Pattern;
use crate::streams::stream_name;

const MOST_EVENTS: usize = 10_000;
const MOST_BYTES: usize = 1_048_576;
/// What AWS counts for an event beside its text.
const EVENT_OVERHEAD: usize = 26;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Lines read at once when searching with a pattern.
const SEARCH_STEP: usize = 2_000;
/// Lines looked at for one answer; after that the client gets a token to go on with.
const SEARCH_MOST: usize = 50_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutLogEvents {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
    #[serde(default, rename = "logEvents")]
    events: Vec<InputEvent>,
}

#[derive(Debug, Deserialize)]
struct InputEvent {
    timestamp: i64,
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    start_from_head: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilterLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

impl LogsApi {
    pub(crate) async fn put_log_events(&self, input: PutLogEvents) -> Result<Value, ApiError> {
        let group = self.group_name(input.log_group_name, None)?;
        let stream = stream_name(input.log_stream_name)?;
        check_batch(&input.events)?;
        self.check_stream(&group, &stream)?;
        let now = Timestamp::now();
        let (accepted, rejected) = split_by_age(input.events, now);
        if !accepted.is_empty() {
            let (group, stream): (Arc<str>, Arc<str>) = (group.into(), stream.into());
            self.logs().append(&group, &stream, accepted).await;
        }
        // Nobody checks the token any more, but older clients read it.
        let mut answer = json!({ "nextSequenceToken": format!("{:056}", now.0) });
        if let Some(rejected) = rejected {
            answer["rejectedLogEventsInfo"] = rejected;
        }
        Ok(answer)
    }

    pub(crate) async fn get_log_events(&self, input: GetLogEvents) -> Result<Value, ApiError> {
        let group = self.group_name(input.log_group_name, input.log_group_identifier)?;
        let stream = stream_name(input.log_stream_name)?;
        let page = self
            .logs()
            .query(LogQuery {
                group,
                streams: Some(vec![stream]),
                stream_prefix: None,
                start: input.start_time.map(Timestamp),
                end: input.end_time.map(Timestamp),
                from_head: input.start_from_head,
                limit: event_limit(input.limit)?,
                cursor: cursor(input.next_token.as_deref())?,
            })
            .await?;
        let events: Vec<Value> = page
            .events
            .iter()
            .map(|event| {
                json!({
                    "timestamp": event.time.0,
                    "message": text(&event.text),
                    "ingestionTime": event.ingested.0,
                })
            })
            .collect();
        // At the end the same token comes back: that is how clients see it.
        Ok(json!({
            "events": events,
            "nextForwardToken": page.forward.to_string(),
            "nextBackwardToken": page.backward.to_string(),
        }))
    }

    pub(crate) async fn filter_log_events(
        &self,
        input: FilterLogEvents,
    ) -> Result<Value, ApiError> {
        if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
            return Err(ApiError::invalid(
                "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.",
            ));
        }
        let pattern = input.filter_pattern.as_deref().unwrap_or_default();
        let search = Search {
            pattern: Pattern::parse(pattern).map_err(ApiError::Invalid)?,
            limit: event_limit(input.limit)?,
            query: LogQuery {
                group: self.group_name(input.log_group_name, input.log_group_identifier)?,
                // Zappa sends an empty list when there are no streams yet.
                streams: input.log_stream_names.filter(|names| !names.is_empty()),
                stream_prefix: input.log_stream_name_prefix,
                start: input.start_time.map(Timestamp),
                // Here, other than in GetLogEvents, the end is part of the range.
                end: input.end_time.map(|end| Timestamp(end).plus_millis(1)),
                from_head: true,
                limit: SEARCH_STEP,
                cursor: cursor(input.next_token.as_deref())?,
            },
        };
        let (events, next) = self.search(search).await?;
        let events: Vec<Value> = events
            .iter()
            .map(|event| {
                json!({
                    "logStreamName": &*event.stream,
                    "timestamp": event.time.0,
                    "message": text(&event.text),
                    "ingestionTime": event.ingested.0,
                    "eventId": format!("{:056}", event.id),
                })
            })
            .collect();
        let mut answer = json!({ "events": events, "searchedLogStreams": [] });
        if let Some(next) = next {
            answer["nextToken"] = next.to_string().into();
        }
        Ok(answer)
    }

    /// Goes through the lines in the order of their arrival until enough match.
    async fn search(
        &self,
        mut search: Search,
    ) -> Result<(Vec<LogEvent>, Option<LogCursor>), ApiError> {
        let mut found: Vec<LogEvent> = Vec::new();
        let mut room = MOST_BYTES;
        let mut seen = 0;
        let next = 'search: loop {
            let mut page = self.logs().query(search.query.clone()).await?;
            seen += page.events.len();
            page.events.sort_by_key(|event| event.id);
            for event in page.events {
                if !search.pattern.matches(&event.text) {
                    continue;
                }
                let size = event.text.len() + EVENT_OVERHEAD;
                let fits = size <= room || found.is_empty();
                if found.len() >= search.limit || !fits {
                    break 'search Some(LogCursor::Forward(event.id));
                }
                room = room.saturating_sub(size);
                found.push(event);
            }
            match page.next {
                Some(next) if seen < SEARCH_MOST => search.query.cursor = Some(next),
                next => break next,
            }
        };
        found.sort_by_key(|event| event.time);
        Ok((found, next))
    }

    fn check_stream(&self, group: &str, stream: &str) -> Result<(), ApiError> {
        let streams = self
            .logs()
            .streams(group, stream, store::StreamOrder::Name, false)?;
        if streams.iter().any(|found| &*found.name == stream) {
            return Ok(());
        }
        Err(ApiError::NotFound(
            "The specified log stream does not exist.",
        ))
    }
}

struct Search {
    query: LogQuery,
    pattern: Pattern,
    limit: usize,
}

fn check_batch(events: &[InputEvent]) -> Result<(), ApiError> {
    if events.is_empty() || events.len() > MOST_EVENTS {
        return Err(ApiError::invalid(format!(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and {MOST_EVENTS}"
        )));
    }
    if events.iter().any(|event| event.message.is_empty()) {
        return Err(ApiError::invalid(
            "1 validation error detected: Value '' at 'logEvents.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ));
    }
    let bytes: usize = events
        .iter()
        .map(|event| event.message.len() + EVENT_OVERHEAD)
        .sum();
    if bytes > MOST_BYTES {
        return Err(ApiError::invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {MOST_BYTES}"
        )));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(ApiError::invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    if let [first, .., last] = events
        && last.timestamp.saturating_sub(first.timestamp) > DAY
    {
        return Err(ApiError::invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(())
}

/// Lines of up to 14 days ago and up to 2 hours ahead are taken; the answer says
/// which were not. They are sorted by time.
fn split_by_age(events: Vec<InputEvent>, now: Timestamp) -> (Vec<LogLine>, Option<Value>) {
    let too_old = events.partition_point(|event| event.timestamp < now.0 - 14 * DAY);
    let too_new = events.partition_point(|event| event.timestamp <= now.0 + 2 * HOUR);
    let mut rejected = json!({});
    if too_old > 0 {
        rejected["tooOldLogEventEndIndex"] = too_old.into();
    }
    if too_new < events.len() {
        rejected["tooNewLogEventStartIndex"] = too_new.into();
    }
    let is_empty = rejected.as_object().is_none_or(serde_json::Map::is_empty);
    let accepted = events
        .into_iter()
        .take(too_new)
        .skip(too_old)
        .map(|event| LogLine {
            time: Timestamp(event.timestamp),
            text: event.message.into(),
        })
        .collect();
    (accepted, (!is_empty).then_some(rejected))
}

fn event_limit(limit: Option<usize>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(MOST_EVENTS);
    if (1..=MOST_EVENTS).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value between 1 and {MOST_EVENTS}"
    )))
}

fn cursor(token: Option<&str>) -> Result<Option<LogCursor>, ApiError> {
    token
        .map(|token| {
            token
                .parse()
                .map_err(|_| ApiError::invalid("The specified nextToken is invalid."))
        })
        .transpose()
}

/// Functions may write anything; JSON holds text.
fn text(bytes: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
