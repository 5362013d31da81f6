//! Pages of other origins that read a website's files: the bucket's own rules say
//! which may.

use aws_wire::{Body, body};
use buckets::{Bucket, CorsAnswer, CorsRequest};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::page::ErrorPage;

/// A browser asking beforehand.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

pub(super) fn preflight(bucket: &Bucket, parts: &Parts) -> Response<Body> {
    let asked = |name| text(parts, name).unwrap_or_default();
    let names: Vec<&str> = asked(ACCESS_CONTROL_REQUEST_HEADERS)
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let request = CorsRequest {
        origin: asked(ORIGIN),
        method: asked(ACCESS_CONTROL_REQUEST_METHOD),
        headers: &names,
    };
    let rules = bucket.settings.cors.as_ref();
    match rules.map(|rules| rules.answer(&request)) {
        Some(Some(answer)) => {
            let mut response = Response::new(body::empty());
            tell(&answer, response.headers_mut());
            response
        }
        Some(None) => refused(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
        ),
        None => refused("CORSResponse: CORS is not enabled for this bucket."),
    }
}

/// Adds what a browser wants to know to the answer to the request itself.
pub(super) fn decorate(bucket: &Bucket, parts: &Parts, headers: &mut HeaderMap) {
    let (Some(rules), Some(origin)) = (&bucket.settings.cors, text(parts, ORIGIN)) else {
        return;
    };
    let request = CorsRequest {
        origin,
        method: parts.method.as_str(),
        headers: &[],
    };
    if let Some(answer) = rules.answer(&request) {
        tell(&answer, headers);
    }
}

fn tell(answer: &CorsAnswer, headers: &mut HeaderMap) {
    set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, &answer.allow_origin);
    if answer.allow_credentials {
        set(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    for (name, values) in [
        (ACCESS_CONTROL_ALLOW_METHODS, &answer.allow_methods),
        (ACCESS_CONTROL_ALLOW_HEADERS, &answer.allow_headers),
        (ACCESS_CONTROL_EXPOSE_HEADERS, &answer.expose_headers),
    ] {
        if !values.is_empty() {
            set(headers, name, &values.join(", "));
        }
    }
    if let Some(seconds) = answer.max_age_seconds {
        headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
    }
    let asked = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    headers.insert(VARY, HeaderValue::from_static(asked));
}

fn refused(message: &'static str) -> Response<Body> {
    ErrorPage::new(StatusCode::FORBIDDEN, "AccessForbidden", message).respond()
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn text(parts: &Parts, name: HeaderName) -> Option<&str> {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
}
