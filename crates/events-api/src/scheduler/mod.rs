//! EventBridge Scheduler: REST JSON.

mod groups;
mod schedules;

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_wire::form;
use bytes::Bytes;
use http::{Method, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::EventsApi;
use crate::error::SchedulerError;
use crate::validate::Problems;

pub(crate) type Answer = Result<Value, SchedulerError>;

pub(crate) async fn operation(api: &EventsApi, request: &Request<Bytes>) -> Answer {
    let path = request.uri().path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<Cow<'_, str>> = path.split('/').map(form::decode).collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let query = Query(request.uri().query().unwrap_or_default());
    let body = request.body();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["schedules"]) => schedules::list(api, query),
        (&Method::POST, ["schedules", name]) => schedules::create(api, name, read(body)?).await,
        (&Method::PUT, ["schedules", name]) => schedules::update(api, name, read(body)?).await,
        (&Method::GET, ["schedules", name]) => schedules::get(api, name, query),
        (&Method::DELETE, ["schedules", name]) => schedules::delete(api, name, query).await,
        (&Method::GET, ["schedule-groups"]) => groups::list(api, query),
        (&Method::POST, ["schedule-groups", name]) => groups::create(api, name, read(body)?).await,
        (&Method::GET, ["schedule-groups", name]) => groups::get(api, name),
        (&Method::DELETE, ["schedule-groups", name]) => groups::delete(api, name).await,
        (method, ["tags", arn @ ..]) if !arn.is_empty() => {
            // Some clients leave the slash in an ARN as it is.
            let arn = arn.join("/");
            match *method {
                Method::GET => groups::list_tags(api, &arn),
                Method::POST => groups::tag(api, &arn, read(body)?).await,
                Method::DELETE => groups::untag(api, &arn, query).await,
                _ => Err(SchedulerError::UnknownOperation),
            }
        }
        _ => Err(SchedulerError::UnknownOperation),
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, SchedulerError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| SchedulerError::Unreadable(error.to_string()))
}

/// The part of an address after `?`.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn all(self, name: &'a str) -> impl Iterator<Item = String> {
        form::pairs(self.0)
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value)
    }

    fn get(self, name: &'a str) -> Option<String> {
        self.all(name).next()
    }

    /// `MaxResults`, checked.
    fn most(self, problems: &mut Problems) -> Option<usize> {
        let number = self.get("MaxResults")?.parse().unwrap_or(0);
        problems.number("maxResults", Some(number), 1, 100);
        usize::try_from(number).ok()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

fn tags(list: Vec<Tag>) -> BTreeMap<String, String> {
    list.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn show_tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

/// What was parsed, or what was wrong with it.
fn done<T>(problems: Problems, parsed: Option<T>) -> Result<T, SchedulerError> {
    match (problems.message(), parsed) {
        (None, Some(parsed)) => Ok(parsed),
        (message, _) => Err(SchedulerError::Invalid(message.unwrap_or_default())),
    }
}

fn bad_token() -> SchedulerError {
    SchedulerError::invalid("Invalid NextToken.")
}

/// Puts a member in, if there is a value.
fn set(shape: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        shape[member] = value.into();
    }
}
