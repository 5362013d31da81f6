//! `/_squall/routes`: what the gateway serves under which path.

use std::error::Error;

use aws_wire::Body;
use aws_wire::form::Form;
use bytes::Bytes;
use gateway::{Route, RouteError, RoutePath, Routes};
use http::Response;
use serde_json::{Value, json};

use super::{Page, Refused, answer};

pub(super) fn list(routes: &Routes, gateway: &str) -> Response<Body> {
    let all: Vec<_> = routes
        .list()
        .iter()
        .map(|route| show(route, gateway))
        .collect();
    answer(&json!({ "routes": all }))
}

/// Makes a route, or puts it in the place of the one on its path.
pub(super) async fn put(routes: &Routes, gateway: &str, body: &Bytes) -> Page {
    let route = Route::parse(body).map_err(|error| refuse(&error))?;
    let made = routes.put(route).await;
    made.map(|route| answer(&show(&route, gateway)))
        .map_err(|error| refuse(&error))
}

/// `?path=/a`
pub(super) async fn remove(routes: &Routes, query: Option<&str>) -> Page {
    let query = Form::parse(query.unwrap_or_default());
    let path = query.get("path");
    let path = path.ok_or_else(|| Refused::invalid("path is missing: which route?"))?;
    let path: Result<RoutePath, _> = path.parse();
    let path = path.map_err(|error| Refused::invalid(error.to_string()))?;
    let removed = routes.remove(&path).await;
    removed
        .map(|()| answer(&json!({ "path": path })))
        .map_err(|error| refuse(&error))
}

/// A route, with the whole address at which it answers.
fn show(route: &Route, gateway: &str) -> Value {
    let mut shown = serde_json::to_value(route).expect("texts and maps of texts become JSON");
    shown["url"] = format!("{gateway}{}", route.path).into();
    shown
}

fn refuse(error: &RouteError) -> Refused {
    match error {
        RouteError::Bad(message) => Refused::invalid(message.clone()),
        RouteError::TooMany => Refused::invalid(error.to_string()),
        RouteError::NotFound(_) => Refused::not_found(error.to_string()),
        RouteError::Store(error) => Refused::failed(error as &(dyn Error + 'static)),
    }
}
