//! Buckets as websites: plain requests in, pages out. Which page a path means is
//! `buckets`'s business; here it becomes an answer.

mod address;
mod cors;
pub(crate) mod object;
mod page;
mod reading;

use std::fmt;

use aws_wire::{Body, body};
use buckets::{Bucket, Buckets, PageRequest, Protocol, SiteError, SitePage};
use http::header::{ALLOW, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::answer::without_body;
use crate::compress::compress;
use crate::gateway::source;

use address::Address;
use page::ErrorPage;

/// Serves the buckets that have a website configuration. A clone is another
/// handle.
#[derive(Clone)]
pub struct Website {
    buckets: Buckets,
}

impl fmt::Debug for Website {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Website").finish_non_exhaustive()
    }
}

impl Website {
    pub fn new(buckets: Buckets) -> Self {
        Self { buckets }
    }

    /// Whether host or path name a website, be it there or not.
    pub fn is_for(parts: &Parts) -> bool {
        Address::of(parts).is_some()
    }

    /// A website takes no bodies.
    pub async fn handle(&self, parts: &Parts) -> Response<Body> {
        let mut response = match Address::of(parts) {
            Some(address) => self.answer(parts, &address).await,
            None => ErrorPage::no_such_bucket("").respond(),
        };
        let id = watch::request_id(&parts.extensions).to_string();
        let id = HeaderValue::from_str(&id).expect("a UUID is a valid header value");
        response.headers_mut().insert("x-amz-request-id", id);
        response.extensions_mut().insert(watch::About {
            target: Some("website"),
            ..watch::About::default()
        });
        let response = compress(&parts.headers, response).await;
        without_body(&parts.method, response)
    }

    async fn answer(&self, parts: &Parts, address: &Address) -> Response<Body> {
        let bucket = address.bucket.parse();
        let bucket = bucket.ok().and_then(|name| self.buckets.bucket(&name).ok());
        let Some(bucket) = bucket else {
            return ErrorPage::no_such_bucket(&address.bucket).respond();
        };
        if cors::is_preflight(parts) {
            return cors::preflight(&bucket, parts);
        }
        let mut response = match parts.method {
            Method::GET => self.page(parts, address, &bucket).await,
            // What is said of a body needs one; it is taken away in the end.
            Method::HEAD => {
                let mut whole = parts.clone();
                whole.method = Method::GET;
                self.page(&whole, address, &bucket).await
            }
            _ => not_allowed(&parts.method),
        };
        cors::decorate(&bucket, parts, response.headers_mut());
        response
    }

    async fn page(&self, parts: &Parts, address: &Address, bucket: &Bucket) -> Response<Body> {
        let Some(path) = address.key() else {
            return ErrorPage::new(
                StatusCode::BAD_REQUEST,
                "InvalidURI",
                "Couldn't parse the specified URI.",
            )
            .respond();
        };
        let source_ip = source(parts).to_string();
        let request = PageRequest {
            path: &path,
            base: &address.base,
            protocol: Protocol::Http,
            source_ip: &source_ip,
        };
        match self.buckets.page(bucket, &request).await {
            Ok(SitePage::Object { object, status }) => {
                object::answer(&self.buckets, parts, &object, status)
            }
            Ok(SitePage::Redirect { location, status }) => redirect(&location, status),
            Ok(SitePage::Error(error)) => refused(&error, bucket),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, bucket = %bucket.name, "a page could not be read");
                ErrorPage::internal().respond()
            }
        }
    }
}

fn redirect(location: &str, status: u16) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(location) else {
        return ErrorPage::internal().respond();
    };
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
    response.headers_mut().insert(LOCATION, location);
    response
}

fn refused(error: &SiteError, bucket: &Bucket) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::NOT_FOUND);
    let page = ErrorPage::new(status, error.code, error.message);
    let page = match &error.key {
        Some(key) => page.with("Key", key),
        None => page.with("BucketName", bucket.name.as_str()),
    };
    match &error.error_document {
        Some(code) => page.without_document(code),
        None => page,
    }
    .respond()
}

fn not_allowed(method: &Method) -> Response<Body> {
    let mut response = ErrorPage::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    )
    .with("Method", method.as_str())
    .with("ResourceType", "OBJECT")
    .respond();
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}
