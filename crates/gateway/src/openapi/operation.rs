//! An operation: what its target says of it, and what the gateway adds, which is the same
//! for all: who may call, how often, how much may come.

use engine::http_apis::Endpoint;
use serde_json::{Map, Value, json};

use super::components::{Errors, quota_headers, reference};

/// An operation as its target makes it.
#[derive(Debug)]
pub(super) struct Draft {
    /// In lower case.
    pub method: String,
    /// The kind of the target.
    pub kind: &'static str,
    /// What stands behind the route's own path.
    pub below: &'static str,
    pub summary: String,
    pub description: Vec<String>,
    pub parameters: Vec<Value>,
    pub body: Option<Value>,
    pub takes_body: bool,
    /// Whether other methods do just the same.
    pub alike: bool,
    pub answers: Map<String, Value>,
    /// Statuses with which the target refuses.
    pub refused: Vec<&'static str>,
    pub errors: Errors,
}

impl Draft {
    pub fn new(method: &str, kind: &'static str, summary: &str, errors: Errors) -> Self {
        Self {
            method: method.to_owned(),
            kind,
            below: "",
            summary: summary.to_owned(),
            description: vec![],
            parameters: vec![],
            body: None,
            takes_body: false,
            alike: false,
            answers: Map::new(),
            refused: vec![],
            errors,
        }
    }

    /// Whether it is what the route is for, and not something that comes with it.
    pub fn is_main(&self) -> bool {
        self.below.is_empty()
    }
}

/// What the document says of an operation besides.
#[derive(Debug)]
pub(super) struct Place {
    pub id: String,
    pub tag: String,
    pub security: Vec<Value>,
    /// One of several that stand for a route which takes any method.
    pub is_any: bool,
}

/// The whole operation.
pub(super) fn finish(mut draft: Draft, endpoint: &Endpoint, place: Place) -> Value {
    let refused = refused(&draft, endpoint);
    let mut answers = std::mem::take(&mut draft.answers);
    let has_key = endpoint.route.key_required;
    for answer in answers.values_mut() {
        let headers = answer.as_object_mut().expect("it is one").entry("headers");
        let headers = headers.or_insert_with(|| json!({}));
        let headers = headers.as_object_mut().expect("it is one");
        headers.insert(
            "apigw-requestid".to_owned(),
            reference("headers", "RequestId"),
        );
        if has_key {
            quota_headers(headers);
        }
    }
    for status in refused {
        let answer = draft.errors.answer(status);
        answers.entry(status).or_insert(answer);
    }
    let mut description = std::mem::take(&mut draft.description);
    description.extend(bounds(&draft, endpoint));
    let mut operation = json!({
        "operationId": place.id,
        "tags": [place.tag],
        "summary": summary(&draft, endpoint),
        "responses": answers,
        "x-squall-target": draft.kind,
    });
    if !description.is_empty() {
        operation["description"] = description.join(" ").into();
    }
    if !draft.parameters.is_empty() {
        operation["parameters"] = draft.parameters.into();
    }
    if let Some(body) = draft.body {
        operation["requestBody"] = body;
    }
    if !place.security.is_empty() {
        operation["security"] = place.security.into();
    }
    if draft.alike {
        operation["x-squall-alike"] = true.into();
    }
    if place.is_any {
        operation["x-squall-any"] = true.into();
    }
    operation
}

fn summary(draft: &Draft, endpoint: &Endpoint) -> String {
    let integration = endpoint.integration.as_ref();
    let own = integration.and_then(|it| it.handling.summary.clone());
    let own = own.filter(|own| draft.is_main() && !own.is_empty());
    own.unwrap_or_else(|| draft.summary.clone())
}

/// All statuses with which a request may be refused.
fn refused(draft: &Draft, endpoint: &Endpoint) -> Vec<&'static str> {
    let mut all = draft.refused.clone();
    let route = &endpoint.route;
    let handling = endpoint.integration.as_ref().map(|it| &it.handling);
    let is_open = route.authorization.is_open();
    if !is_open {
        all.push("401");
    }
    if route.key_required || !is_open || handling.is_some_and(|it| !it.allow.is_empty()) {
        all.push("403");
    }
    let is_limited =
        handling.is_some_and(|it| it.concurrency.is_some()) || endpoint.throttle.is_some();
    if route.key_required || !is_open || is_limited {
        all.push("429");
    }
    if is_limited {
        all.push("503");
    }
    if draft.takes_body {
        all.extend(["400", "408", "413"]);
    }
    all.push("500");
    all
}

/// Sentences on how the route is handled.
fn bounds(draft: &Draft, endpoint: &Endpoint) -> Vec<String> {
    let mut told = vec![];
    if let Some(throttle) = &endpoint.throttle {
        told.push(format!("It takes {} requests in a second.", throttle.rate));
    }
    let Some(integration) = &endpoint.integration else {
        return told;
    };
    let handling = &integration.handling;
    if let Some(bytes) = handling.body_bytes.filter(|_| draft.takes_body) {
        told.push(format!("A body may have {bytes} bytes."));
    }
    if let Some(count) = handling.concurrency {
        told.push(format!("It works on {count} requests at one time."));
    }
    if let Some(ms) = integration.timeout_ms {
        let seconds = f64::from(ms) / 1000.0;
        told.push(format!("An answer comes within {seconds} s."));
    }
    if let Some(seconds) = handling.cache_seconds.filter(|_| draft.method == "get") {
        told.push(format!("An answer may be {seconds} s old."));
    }
    told
}
