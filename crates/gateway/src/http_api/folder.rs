//! Objects of a bucket as pages below a route.
//!
//! The key of a page is made of what was sent and not of what a variable stands for: part
//! by part, so that no coded slash, dot or backslash leads past a route that asks who is
//! there to an object that lies behind it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_wire::{Body, body};
use buckets::{Bucket, BucketError, Buckets, GetObject};
use engine::http_apis::SiteTarget;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use parking_lot::RwLock;
use percent_encoding::percent_decode_str;
use store::BucketId;
use types::ObjectKey;

use super::fill::{segments, variable};
use super::refusal::ApiRefusal;
use crate::site::object;

/// What a site takes.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// Longer than any key; what begins a path counts not for it.
const LONGEST: usize = 8 * 1024;

/// Pages that are held, and how large each may be: as large as what lies in the database
/// and needs no file.
const MOST_PAGES: usize = 1_000;
const LARGEST_PAGE: u64 = 32 << 10;

/// Small pages as they were read last. They are given again while no object of the engine
/// has changed since: to look them up in the database takes longer than all else.
#[derive(Debug, Default)]
pub(super) struct Pages(RwLock<HashMap<(BucketId, ObjectKey), Page>>);

#[derive(Debug)]
struct Page {
    object: Arc<GetObject>,
    /// The number of changes when it was read.
    changes: u64,
}

impl Pages {
    fn get(&self, place: &(BucketId, ObjectKey), changes: u64) -> Option<Arc<GetObject>> {
        let pages = self.0.read();
        let page = pages.get(place).filter(|page| page.changes == changes)?;
        Some(Arc::clone(&page.object))
    }

    fn put(&self, place: (BucketId, ObjectKey), object: &Arc<GetObject>, changes: u64) {
        if object.object.size > LARGEST_PAGE {
            return;
        }
        let mut pages = self.0.write();
        if pages.len() >= MOST_PAGES && !pages.contains_key(&place) {
            pages.clear();
        }
        let object = Arc::clone(object);
        pages.insert(place, Page { object, changes });
    }
}

/// What is asked of a site.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub parts: &'a Parts,
    pub template: &'a str,
    /// The path below the stage, as it came.
    pub below: &'a str,
    /// Whether the same route takes the path with a slash behind it: the page of a folder
    /// can be shown there, and the links in it hold.
    pub has_slash: &'a (dyn Fn() -> bool + Sync),
}

pub(super) async fn answer(
    buckets: &Buckets,
    pages: &Pages,
    target: &SiteTarget,
    asked: &Asked<'_>,
) -> Result<Response<Body>, ApiRefusal> {
    match asked.parts.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(options()),
        _ => {
            let allow = METHODS.to_owned();
            return Err(ApiRefusal::Method { allow });
        }
    }
    let name = name(asked.template, asked.below).ok_or(ApiRefusal::BadPath)?;
    let bucket = buckets.bucket(&target.bucket).map_err(|error| {
        tracing::warn!(%error, bucket = %target.bucket, "a route's bucket is not there");
        ApiRefusal::NoTarget
    })?;
    let site = Site {
        buckets,
        pages,
        bucket: &bucket,
        target,
    };
    site.page(&name, asked).await
}

struct Site<'a> {
    buckets: &'a Buckets,
    pages: &'a Pages,
    bucket: &'a Bucket,
    target: &'a SiteTarget,
}

impl Site<'_> {
    async fn page(&self, name: &str, asked: &Asked<'_>) -> Result<Response<Body>, ApiRefusal> {
        let parts = asked.parts;
        let index = &self.target.index;
        if name.is_empty() || name.ends_with('/') {
            let found = self.find(&format!("{name}{index}")).await?;
            let at_slash = asked.parts.uri.path().ends_with('/');
            return match found {
                Some(_) if name.is_empty() && !at_slash && (asked.has_slash)() => {
                    Ok(to_slash(parts))
                }
                Some(object) => Ok(object::answer(self.buckets, parts, &object, 200)),
                None => self.missing(parts).await,
            };
        }
        if let Some(object) = self.find(name).await? {
            return Ok(object::answer(self.buckets, parts, &object, 200));
        }
        // A folder has its page one level below.
        if (asked.has_slash)() && self.find(&format!("{name}/{index}")).await?.is_some() {
            return Ok(to_slash(parts));
        }
        self.missing(parts).await
    }

    async fn missing(&self, parts: &Parts) -> Result<Response<Body>, ApiRefusal> {
        let Some(error) = &self.target.error else {
            return Err(ApiRefusal::NotFound);
        };
        let object = self.find(error).await?.ok_or(ApiRefusal::NotFound)?;
        Ok(object::answer(self.buckets, parts, &object, 404))
    }

    async fn find(&self, name: &str) -> Result<Option<Arc<GetObject>>, ApiRefusal> {
        let key = format!("{}{name}", self.target.prefix);
        let Ok(key) = key.parse::<ObjectKey>() else {
            return Ok(None);
        };
        // Asked before it is read, so that no change in between is missed.
        let changes = self.buckets.changes();
        let place = (self.bucket.id, key);
        if let Some(object) = self.pages.get(&place, changes) {
            return Ok(Some(object));
        }
        match self.buckets.get(self.bucket, &place.1, None).await {
            Ok(object) => {
                let object = Arc::new(object);
                self.pages.put(place, &object, changes);
                Ok(Some(object))
            }
            Err(BucketError::NoSuchKey { .. } | BucketError::Deleted { .. }) => Ok(None),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, bucket = %self.bucket.name, "a page could not be read");
                Err(ApiRefusal::NotRead)
            }
        }
    }
}

/// The name of an object below the prefix, by the path: what stands for the variable at
/// the end of the route's. None: no object is meant by it.
fn name(template: &str, below: &str) -> Option<String> {
    if below.len() > LONGEST {
        return None;
    }
    let skipped = if template == "$default" {
        0
    } else {
        let last = segments(template).next_back().unwrap_or_default();
        match variable(last) {
            Some(_) => segments(template).count() - 1,
            None => return Some(String::new()),
        }
    };
    let mut parts = Vec::new();
    let mut rest = segments(below).skip(skipped).peekable();
    while let Some(part) = rest.next() {
        // Only the last one may be empty: a folder.
        if part.is_empty() && rest.peek().is_none() {
            parts.push(String::new());
            break;
        }
        parts.push(plain(part)?);
    }
    Some(parts.join("/"))
}

/// A part of a name, decoded; None where it is more or less than one.
fn plain(part: &str) -> Option<String> {
    let text = percent_decode_str(part).decode_utf8().ok()?;
    let is_plain = !matches!(&*text, "" | "." | "..")
        && !text
            .chars()
            .any(|c| matches!(c, '/' | '\\') || c.is_control());
    is_plain.then(|| text.into_owned())
}

/// The same address with a slash behind it. It begins with one slash, and browsers take no
/// other letter for a second one.
fn to_slash(parts: &Parts) -> Response<Body> {
    let path = parts.uri.path();
    let query = parts.uri.query().map(|query| format!("?{query}"));
    let to = format!("{path}/{}", query.unwrap_or_default());
    let mut response = Response::new(body::empty());
    if let Ok(to) = HeaderValue::from_str(&to)
        && !path.starts_with("//")
        && !path.contains('\\')
    {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(LOCATION, to);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

fn options() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = HeaderValue::from_static(METHODS);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_object_below_its_route() {
        for (template, below, expected) in [
            ("/pages/{proxy+}", "/pages/a/b.html", "a/b.html"),
            ("/pages/{proxy+}", "/pages/a/", "a/"),
            ("/pages/{proxy+}", "/pages/a%20b/%C3%A4", "a b/\u{e4}"),
            ("/pages/{file}", "/pages/a.html", "a.html"),
            ("/{proxy+}", "/a..b/...", "a..b/..."),
            ("/pages", "/pages", ""),
            ("/pages/", "/pages/", ""),
            ("/", "/", ""),
            ("$default", "/", ""),
            ("$default", "/a/b", "a/b"),
        ] {
            let given = name(template, below);
            assert_eq!(given.as_deref(), Some(expected), "{template} {below}");
        }
    }

    #[test]
    fn no_path_leads_out_or_around() {
        for path in [
            "/pages/../secret",
            "/pages/..",
            "/pages/.",
            "/pages/%2e%2e/secret",
            "/pages/%2E%2e/secret",
            "/pages/.%2e/secret",
            "/pages/..%2fsecret",
            "/pages/a/../../secret",
            "/pages/a%2Fb",
            "/pages/%2Fetc",
            "/pages//a",
            "/pages/a//b",
            "/pages/a//",
            "/pages/a%5Cb",
            "/pages/..%5Csecret",
            "/pages/a\\b",
            "/pages/a%00",
            "/pages/a%0d%0ab",
            "/pages/%ff",
            "/pages/%c0%ae%c0%ae/secret",
        ] {
            assert_eq!(name("/pages/{proxy+}", path), None, "{path}");
        }
        let long = format!("/pages/{}", "a".repeat(LONGEST));
        assert_eq!(name("/pages/{proxy+}", &long), None);
    }
}
