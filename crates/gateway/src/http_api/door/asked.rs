//! What a function sees that is asked who may in: the request as other functions see it,
//! but for its body, in the older format and in the newer one.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::http_apis::RouteKey;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use types::Timestamp;

use super::knock::Knock;
use crate::caller::Caller;
use crate::event::{self, Facts, RouteFacts};
use crate::http_api::event_v1;

/// A request, and what is known of it beside.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub knock: &'a Knock<'a>,
    pub account: &'a str,
    /// What is to be invoked.
    pub arn: &'a str,
    /// What the caller brought.
    pub identity: &'a [String],
    pub trace_id: &'a str,
    pub is_v1: bool,
}

pub(super) fn event(asked: &Asked<'_>) -> Bytes {
    let knock = asked.knock;
    let path = percent_decode_str(&knock.target.path).decode_utf8_lossy();
    let key: &RouteKey = &knock.found.endpoint.route.key;
    let variables: &BTreeMap<String, String> = &knock.found.variables;
    let route = RouteFacts {
        account: asked.account,
        key,
        stage: &knock.served.stage,
        path: path.into_owned(),
        variables,
        stage_variables: &knock.served.variables,
    };
    let facts = Facts {
        parts: knock.parts,
        body: &Bytes::new(),
        target: knock.target,
        caller: &Caller::Anybody,
        source: knock.source(),
        request_id: knock.request_id,
        trace_id: asked.trace_id,
        now: Timestamp::now(),
        route: Some(&route),
    };
    let whole = if asked.is_v1 {
        event_v1::build(&facts, &route)
    } else {
        event::build(&facts)
    };
    let mut event: Map<String, Value> =
        serde_json::from_slice(&whole).expect("events are made as JSON objects");
    event.remove("body");
    event.remove("isBase64Encoded");
    event.insert("type".to_owned(), "REQUEST".into());
    if asked.is_v1 {
        older(&mut event, asked);
    } else {
        event.insert("routeArn".to_owned(), asked.arn.into());
        event.insert("identitySource".to_owned(), json!(asked.identity));
    }
    let written = serde_json::to_vec(&event);
    written.expect("it was JSON before").into()
}

/// One value for each name, and objects where there is nothing.
fn older(event: &mut Map<String, Value>, asked: &Asked<'_>) {
    let identity = asked.identity.join(",");
    event.insert("methodArn".to_owned(), asked.arn.into());
    event.insert("identitySource".to_owned(), identity.clone().into());
    event.insert("authorizationToken".to_owned(), identity.into());
    for name in ["multiValueHeaders", "multiValueQueryStringParameters"] {
        event.remove(name);
    }
    for name in ["queryStringParameters", "pathParameters", "stageVariables"] {
        let value = event.entry(name).or_insert(Value::Null);
        if value.is_null() {
            *value = json!({});
        }
    }
    if let Some(context) = event
        .get_mut("requestContext")
        .and_then(Value::as_object_mut)
    {
        context.remove("authorizer");
    }
}
