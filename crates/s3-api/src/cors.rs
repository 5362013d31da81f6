//! What browsers are told about requests from pages of other origins.

use aws_wire::{Body, body};
use buckets::{Bucket, Buckets, CorsAnswer, CorsRequest};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use s3s::S3Result;
use std::sync::Arc;

use crate::error::{detailed, fault, fault_with};

/// Answers what a browser asks before the request itself.
pub(crate) fn preflight(
    buckets: &Buckets,
    bucket: Option<&str>,
    key: Option<&str>,
    parts: &Parts,
) -> S3Result<Response<Body>> {
    let Some(origin) = header(&parts.headers, &ORIGIN) else {
        return Err(fault_with(
            "BadRequest",
            "Insufficient information. Origin request header needed.",
        ));
    };
    let method = header(&parts.headers, &ACCESS_CONTROL_REQUEST_METHOD).unwrap_or("null");
    if !["GET", "PUT", "HEAD", "POST", "DELETE"].contains(&method) {
        return Err(fault_with(
            "BadRequest",
            format!("Invalid Access-Control-Request-Method: {method}"),
        ));
    }
    let kind = if key.is_some() { "OBJECT" } else { "BUCKET" };
    let details = [("Method", method), ("ResourceType", kind)];
    let forbidden = |message| Err(detailed(fault_with("AccessForbidden", message), &details));
    let Some(bucket) = find(buckets, bucket) else {
        return forbidden("CORSResponse: Bucket not found");
    };
    let Some(cors) = &bucket.settings.cors else {
        return forbidden("CORSResponse: CORS is not enabled for this bucket.");
    };
    let asked = header(&parts.headers, &ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let asked = asked.split(',').map(str::trim);
    let asked: Vec<&str> = asked.filter(|name| !name.is_empty()).collect();
    let request = CorsRequest {
        origin,
        method,
        headers: &asked,
    };
    let Some(answer) = cors.answer(&request) else {
        return Err(detailed(fault("AccessForbidden"), &details));
    };
    let mut response = Response::new(body::empty());
    tell(response.headers_mut(), &answer);
    Ok(response)
}

/// Adds what a browser wants to know to the answer of the request itself.
pub(crate) fn decorate(
    buckets: &Buckets,
    bucket: Option<&str>,
    method: &http::Method,
    origin: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    let Some(origin) = origin.and_then(|origin| origin.to_str().ok()) else {
        return;
    };
    let bucket = find(buckets, bucket);
    let cors = bucket
        .as_ref()
        .and_then(|bucket| bucket.settings.cors.as_ref());
    let request = CorsRequest {
        origin,
        method: method.as_str(),
        headers: &[],
    };
    if let Some(answer) = cors.and_then(|cors| cors.answer(&request)) {
        tell(headers, &answer);
    }
}

fn tell(headers: &mut HeaderMap, answer: &CorsAnswer) {
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(ACCESS_CONTROL_ALLOW_ORIGIN, &answer.allow_origin);
    set(
        ACCESS_CONTROL_ALLOW_METHODS,
        &answer.allow_methods.join(", "),
    );
    if !answer.allow_headers.is_empty() {
        set(
            ACCESS_CONTROL_ALLOW_HEADERS,
            &answer.allow_headers.join(", "),
        );
    }
    if !answer.expose_headers.is_empty() {
        set(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            &answer.expose_headers.join(", "),
        );
    }
    if let Some(seconds) = answer.max_age_seconds {
        set(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    if answer.allow_credentials {
        set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(
        VARY,
        "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    );
}

fn find(buckets: &Buckets, name: Option<&str>) -> Option<Arc<Bucket>> {
    buckets.bucket(&name?.parse().ok()?).ok()
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
