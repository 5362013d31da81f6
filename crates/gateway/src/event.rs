//! What the function sees of a request: payload format 2.0.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_wire::form;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use engine::http_apis::{RouteKey, StageName};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, Version};
use serde::Serialize;
use serde_json::{Map, Value};
use types::{RequestId, Timestamp};

use crate::caller::Caller;
use crate::target::Target;

const DEFAULT: &str = "$default";

/// A request and what is known of it beside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub parts: &'a Parts,
    pub body: &'a Bytes,
    pub target: &'a Target,
    /// Somebody, if the URL or the route asks who calls.
    pub caller: &'a Caller,
    pub source: IpAddr,
    pub request_id: RequestId,
    pub trace_id: &'a str,
    pub now: Timestamp,
    /// Set for HTTP APIs; function URLs have no routes.
    pub route: Option<&'a RouteFacts<'a>>,
}

/// What is known of a request to a route of an HTTP API.
#[derive(Debug)]
pub(crate) struct RouteFacts<'a> {
    /// Whose API it is.
    pub account: &'a str,
    pub key: &'a RouteKey,
    pub stage: &'a StageName,
    /// Decoded and with the stage, unlike that of a function URL.
    pub path: String,
    pub variables: &'a BTreeMap<String, String>,
    pub stage_variables: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: Cow<'static, str>,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: String,
    route_key: Cow<'static, str>,
    stage: &'a str,
    time: String,
    time_epoch: i64,
}

/// Who let the caller in, and what is known of the caller by it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Authorizer<'a> {
    Iam(Iam<'a>),
    Jwt(Jwt<'a>),
    Lambda(&'a Map<String, Value>),
}

#[derive(Debug, Serialize)]
struct Jwt<'a> {
    claims: &'a BTreeMap<String, String>,
    scopes: Option<&'a [String]>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    access_key: &'a str,
    account_id: &'a str,
    caller_id: &'a str,
    cognito_identity: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    user_arn: &'a str,
    user_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: Option<String>,
}

impl<'a> Facts<'a> {
    pub fn path(&self) -> &'a str {
        self.route.map_or(&self.target.path, |route| &route.path)
    }

    fn route_key(&self) -> Cow<'static, str> {
        match self.route.map(|route| route.key) {
            None | Some(RouteKey::Default) => Cow::Borrowed(DEFAULT),
            Some(key) => Cow::Owned(key.to_string()),
        }
    }
}

/// What is empty is left out.
pub(crate) fn some(map: &BTreeMap<String, String>) -> Option<&BTreeMap<String, String>> {
    Some(map).filter(|map| !map.is_empty())
}

/// The event as JSON, in format 2.0.
pub(crate) fn build(facts: &Facts<'_>) -> Bytes {
    let parts = facts.parts;
    let query = parts.uri.query().unwrap_or_default();
    let (body, is_base64_encoded) = encode_body(&parts.headers, facts.body);
    let event = Event {
        version: "2.0",
        route_key: facts.route_key(),
        raw_path: facts.path(),
        raw_query_string: query,
        cookies: cookies(&parts.headers),
        headers: headers(facts),
        query_string_parameters: query_parameters(query),
        request_context: context(facts),
        path_parameters: facts.route.and_then(|route| some(route.variables)),
        stage_variables: facts.route.and_then(|route| some(route.stage_variables)),
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event)
        .expect("texts, numbers and maps of texts are valid JSON")
        .into()
}

fn context<'a>(facts: &Facts<'a>) -> Context<'a> {
    let parts = facts.parts;
    Context {
        account_id: match (facts.route, facts.caller.signer()) {
            (Some(route), _) => route.account,
            (None, Some(caller)) => caller.principal.account.as_str(),
            (None, None) => "anonymous",
        },
        api_id: &facts.target.id,
        authorizer: authorizer(facts.caller),
        domain_name: &facts.target.domain,
        domain_prefix: &facts.target.id,
        http: Http {
            method: parts.method.as_str(),
            path: facts.path(),
            protocol: protocol(parts.version),
            source_ip: facts.source.to_string(),
            user_agent: parts.headers.get(USER_AGENT).map(text),
        },
        request_id: facts.request_id.to_string(),
        route_key: facts.route_key(),
        stage: facts.route.map_or(DEFAULT, |route| route.stage.as_str()),
        time: common_log_time(facts.now),
        time_epoch: facts.now.0,
    }
}

fn authorizer(caller: &Caller) -> Option<Authorizer<'_>> {
    match caller {
        Caller::Anybody => None,
        Caller::Signer(caller) => Some(Authorizer::Iam(Iam {
            access_key: &caller.access_key,
            account_id: caller.principal.account.as_str(),
            caller_id: &caller.principal.user_id,
            cognito_identity: None,
            principal_org_id: None,
            user_arn: &caller.principal.arn,
            user_id: &caller.principal.user_id,
        })),
        Caller::Bearer(claims) => Some(Authorizer::Jwt(Jwt {
            claims: &claims.texts,
            scopes: claims.scopes.as_deref(),
        })),
        Caller::Admitted(admitted) => Some(Authorizer::Lambda(&admitted.context)),
    }
}

/// Names in lower case, several values joined by commas; without cookies, which
/// have their own place, and without what a signature was made with.
fn headers<'a>(facts: &Facts<'a>) -> BTreeMap<&'a str, String> {
    let headers = &facts.parts.headers;
    let is_hidden = |name: &HeaderName| name == COOKIE || is_secret(facts, name);
    let mut joined: BTreeMap<&str, String> = headers
        .keys()
        .filter(|name| !is_hidden(name))
        .map(|name| {
            let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
            (name.as_str(), values.join(","))
        })
        .collect();
    add_own(facts, &mut joined);
    joined
}

/// What a signature was made with: for as long as it holds, others could use it.
pub(crate) fn is_secret(facts: &Facts<'_>, name: &HeaderName) -> bool {
    let signs = name == AUTHORIZATION || name.as_str() == "x-amz-security-token";
    signs && facts.caller.signer().is_some()
}

/// What a gateway says of a request beside the headers of the client.
pub(crate) fn add_own(facts: &Facts<'_>, headers: &mut BTreeMap<&str, String>) {
    headers.insert("x-amzn-trace-id", facts.trace_id.to_owned());
    let incoming = facts.parts.extensions.get::<watch::Incoming>();
    if let Some(parent) = incoming.and_then(watch::Incoming::traceparent) {
        headers.insert(watch::trace::TRACEPARENT, parent);
    }
    // What a proxy in front says stays, and who came to us is added to it.
    headers
        .entry("x-forwarded-for")
        .and_modify(|given| *given = format!("{given}, {}", facts.source))
        .or_insert_with(|| facts.source.to_string());
    // Frameworks make links from these, so it is not for the client to say.
    let is_safe = facts.parts.extensions.get::<Scheme>() == Some(&Scheme::HTTPS);
    let (scheme, usual) = if is_safe {
        ("https", "443")
    } else {
        ("http", "80")
    };
    headers.insert("x-forwarded-port", port(&facts.parts.headers, usual));
    headers.insert("x-forwarded-proto", scheme.to_owned());
    // There is none at AWS, where every API has a host of its own. What a client says
    // of it would be in the links that an app makes.
    headers.remove("x-forwarded-prefix");
    if let Some(prefix) = &facts.target.prefix {
        headers.insert("x-forwarded-prefix", prefix.clone());
    }
}

fn port(headers: &HeaderMap, usual: &str) -> String {
    let host = headers.get(http::header::HOST).map(text);
    let host: Option<Authority> = host.and_then(|host| host.parse().ok());
    let port = host.and_then(|host| host.port_u16());
    port.map_or_else(|| usual.to_owned(), |port| port.to_string())
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(COOKIE).iter().map(text);
    all.flat_map(|line| {
        line.split(';')
            .map(|cookie| cookie.trim().to_owned())
            .filter(|cookie| !cookie.is_empty())
            .collect::<Vec<_>>()
    })
    .collect()
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form::pairs(query) {
        parameters
            .entry(name)
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

/// Text as it is, everything else in base64.
pub(crate) fn encode_body(headers: &HeaderMap, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let content_type = headers.get(CONTENT_TYPE).map(text).unwrap_or_default();
    match std::str::from_utf8(body) {
        Ok(text) if is_text(&content_type) => (Some(text.to_owned()), false),
        _ => (Some(BASE64_STANDARD.encode(body)), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json"
                | "application/xml"
                | "application/javascript"
                | "application/graphql"
        )
}

pub(crate) fn protocol(version: Version) -> &'static str {
    if version == Version::HTTP_10 {
        "HTTP/1.0"
    } else if version == Version::HTTP_2 {
        "HTTP/2.0"
    } else {
        "HTTP/1.1"
    }
}

/// `21/Nov/2026:02:37:16 +0000`
pub(crate) fn common_log_time(now: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(now.0)
        .unwrap_or_default()
        .strftime("%d/%b/%Y:%H:%M:%S +0000")
        .to_string()
}

pub(crate) fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests;
