//! `/_squall/alerts`: rules about what happens, and how they stand.

use std::error::Error;

use aws_wire::Body;
use aws_wire::form::Form;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::{Page, Refused, answer};
use crate::alerts::{AlertError, Alerts};

pub(super) fn list(alerts: &Alerts) -> Response<Body> {
    answer(&json!({ "alerts": alerts.list() }))
}

/// Makes an alert, or puts it in the place of the one of its name.
pub(super) async fn put(alerts: &Alerts, body: &Bytes) -> Page {
    let made = alerts.put(body).await;
    made.map(|shown| answer(&shown))
        .map_err(|error| refuse(&error))
}

/// `?name=N`
pub(super) async fn remove(alerts: &Alerts, query: Option<&str>) -> Page {
    let name = named(query)?;
    let removed = alerts.remove(&name).await;
    removed
        .map(|()| answer(&json!({ "name": name })))
        .map_err(|error| refuse(&error))
}

/// `?name=N`: tells who would be told.
pub(super) async fn test(alerts: &Alerts, query: Option<&str>) -> Page {
    let told = alerts.test(&named(query)?).await;
    told.map(|event| answer(&event))
        .map_err(|error| refuse(&error))
}

fn named(query: Option<&str>) -> Result<String, Refused> {
    let query = Form::parse(query.unwrap_or_default());
    let name = query.get("name").map(str::to_owned);
    name.ok_or_else(|| Refused::invalid("name is missing: which alert?"))
}

fn refuse(error: &AlertError) -> Refused {
    match error {
        AlertError::Bad(message) => Refused::invalid(message.clone()),
        AlertError::TooMany => Refused::invalid(error.to_string()),
        AlertError::NotFound(_) => Refused::not_found(error.to_string()),
        AlertError::NotTold(_) => {
            Refused::new(StatusCode::BAD_GATEWAY, "NotTold", error.to_string())
        }
        AlertError::Store(error) => Refused::failed(error as &(dyn Error + 'static)),
    }
}
