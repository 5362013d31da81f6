//! Pages of a bucket that answer as a Lambda function. What path means which object is
//! as in the engine's gateway.

use anyhow::anyhow;
use aws_wire::{Body, body};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::header::{LAST_MODIFIED, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use types::RequestId;

use super::event::Event;
use super::functions::Remote;
use super::guard::problem;
use super::redirect::prefix;
use crate::place;
use crate::s3::{S3, S3Error};

/// What Lambda passes on of an answer, less what base64 and its frame add.
const MOST_BYTES: usize = 4 * 1024 * 1024;
const METHODS: &str = "GET, HEAD, OPTIONS";
/// Headers of objects that are for who reads them.
const PASSED_ON: [http::HeaderName; 5] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CACHE_CONTROL,
    ETAG,
    LAST_MODIFIED,
];

#[derive(Debug)]
pub struct Pages {
    s3: S3,
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
    /// The page of a folder.
    index: String,
    /// The page for what is not there.
    error: Option<String>,
}

enum Found {
    Object(Response<Body>),
    TooLarge(usize),
    Nothing,
}

impl Pages {
    pub fn new(
        address: &str,
        index: Option<String>,
        error: Option<String>,
    ) -> anyhow::Result<Self> {
        let place = place::Remote::parse(address);
        let place = place.map_err(|failure| anyhow!(failure.message()))?;
        let (bucket, prefix) = place.pair();
        Ok(Self {
            s3: S3::new(Remote::client()?, 1),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            index: index.unwrap_or_else(|| "index.html".to_owned()),
            error,
        })
    }

    pub async fn answer(&self, event: &Event, id: RequestId) -> Response<Body> {
        match event.parts.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return allowed(Response::new(body::empty()), 204),
            _ => {
                let detail = "pages are only read";
                let refused = problem(StatusCode::METHOD_NOT_ALLOWED, detail, id);
                return allowed(refused, 405);
            }
        }
        let answer = match name(event) {
            Some(name) => self.page(&name, event, id).await,
            None => Ok(problem(
                StatusCode::NOT_FOUND,
                "no object is meant by this path",
                id,
            )),
        };
        answer.unwrap_or_else(|error| {
            crate::output::note(&error.line());
            problem(StatusCode::BAD_GATEWAY, "the bucket cannot be read", id)
        })
    }

    async fn page(
        &self,
        name: &str,
        event: &Event,
        id: RequestId,
    ) -> Result<Response<Body>, S3Error> {
        let (path, index) = (event.parts.uri.path(), &self.index);
        if name.is_empty() || name.ends_with('/') {
            return match self.find(&format!("{name}{index}"), event).await? {
                // There the links of the page hold.
                Found::Object(_) if !path.ends_with('/') => Ok(to_slash(event)),
                Found::Nothing => self.missing(event, id).await,
                found => Ok(found.answer(id)),
            };
        }
        match self.find(name, event).await? {
            Found::Nothing => {}
            found => return Ok(found.answer(id)),
        }
        let is_folder = !matches!(
            self.find(&format!("{name}/{index}"), event).await?,
            Found::Nothing
        );
        if is_folder {
            return Ok(to_slash(event));
        }
        self.missing(event, id).await
    }

    async fn missing(&self, event: &Event, id: RequestId) -> Result<Response<Body>, S3Error> {
        if let Some(error) = &self.error
            && let Found::Object(mut page) = self.find(error, event).await?
        {
            *page.status_mut() = StatusCode::NOT_FOUND;
            return Ok(page);
        }
        Ok(Found::Nothing.answer(id))
    }

    async fn find(&self, name: &str, event: &Event) -> Result<Found, S3Error> {
        let key = format!("{}{name}", self.prefix);
        let mut reply = match self.s3.get(&self.bucket, &key, None).await {
            Ok(reply) => reply,
            Err(S3Error::Answered { status, .. }) if status == StatusCode::NOT_FOUND => {
                return Ok(Found::Nothing);
            }
            Err(error) => return Err(error),
        };
        let size = reply.header("content-length");
        let size = size.and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| S3Error::Garbled("it has no length".to_owned()))?;
        if size > MOST_BYTES {
            return Ok(Found::TooLarge(size));
        }
        let mut response = Response::new(body::empty());
        for name in &PASSED_ON {
            if let Some(value) = reply.headers.get(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        let known = event.parts.headers.get(IF_NONE_MATCH);
        let known = known.and_then(|value| value.to_str().ok());
        let etag = reply.header("etag").unwrap_or_default();
        let is_known = |tags: &str| {
            let mut tags = tags
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"));
            tags.any(|tag| tag == "*" || (!etag.is_empty() && tag == etag))
        };
        if known.is_some_and(is_known) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(Found::Object(response));
        }
        let bytes = reply.whole(MOST_BYTES).await?;
        if event.parts.method != Method::HEAD {
            *response.body_mut() = body::full(bytes);
        }
        Ok(Found::Object(response))
    }
}

impl Found {
    fn answer(self, id: RequestId) -> Response<Body> {
        match self {
            Self::Object(response) => response,
            Self::TooLarge(size) => {
                let detail = format!(
                    "the object has {size} bytes, and through Lambda go {MOST_BYTES} at most"
                );
                problem(StatusCode::PAYLOAD_TOO_LARGE, &detail, id)
            }
            Self::Nothing => problem(StatusCode::NOT_FOUND, "there is no such page", id),
        }
    }
}

fn allowed(mut response: Response<Body>, status: u16) -> Response<Body> {
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let methods = HeaderValue::from_static(METHODS);
    response.headers_mut().insert(ALLOW, methods);
    response
}

/// The same address with a slash behind it.
fn to_slash(event: &Event) -> Response<Body> {
    let path = event.parts.uri.path();
    let query = event.parts.uri.query().map(|query| format!("?{query}"));
    let to = format!("{}{path}/{}", prefix(event), query.unwrap_or_default());
    let mut response = Response::new(body::empty());
    match HeaderValue::from_str(&to) {
        Ok(to) if !path.starts_with("//") => {
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, to);
        }
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

/// The name of an object below the prefix: what stands for the variable at the end of the
/// route's path. None: no object is meant.
fn name(event: &Event) -> Option<String> {
    let template = event.template.as_deref().unwrap_or("$default");
    let skipped = if template == "$default" {
        0
    } else {
        let last = template.rsplit('/').next().unwrap_or_default();
        if !last.starts_with('{') {
            return Some(String::new());
        }
        template.split('/').count() - 2
    };
    let path = event.parts.uri.path().split('/').skip(1 + skipped);
    let mut rest = path.peekable();
    let mut parts = Vec::new();
    while let Some(part) = rest.next() {
        // Only the last one may be empty: a folder.
        if part.is_empty() && rest.peek().is_none() {
            parts.push(String::new());
            break;
        }
        let part = aws_wire::form::decode(part);
        let is_odd = |c: char| matches!(c, '/' | '\\') || c.is_control();
        if matches!(&*part, "" | "." | "..") || part.contains(is_odd) {
            return None;
        }
        parts.push(part.into_owned());
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(key: &str, path: &str) -> Event {
        let event = json!({
            "routeKey": key,
            "rawPath": path,
            "requestContext": { "http": { "method": "GET" } },
        });
        Event::read(event.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_path_names_an_object_below_its_route() {
        for (key, path, expected) in [
            ("ANY /pages/{proxy+}", "/pages/a/b.html", Some("a/b.html")),
            ("ANY /pages/{proxy+}", "/pages/a/", Some("a/")),
            ("GET /{proxy+}", "/a b/\u{e4}?", Some("a b/\u{e4}?")),
            ("ANY /pages", "/pages", Some("")),
            ("ANY /", "/", Some("")),
            ("$default", "/a/b", Some("a/b")),
            ("ANY /{proxy+}", "/../secret", None),
            ("ANY /{proxy+}", "/a/./b", None),
            ("ANY /{proxy+}", "/a//b", None),
            ("ANY /{proxy+}", "/..\\secret", None),
            ("ANY /{proxy+}", "/a\u{0}", None),
        ] {
            let given = name(&event(key, path));
            assert_eq!(given.as_deref(), expected, "{key} {path}");
        }
    }

    #[test]
    fn a_folder_is_at_its_slash() {
        let location = |path: &str| {
            let response = to_slash(&event("ANY /{proxy+}", path));
            let location = response.headers().get(LOCATION);
            location.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(location("/a b").as_deref(), Some("/a%20b/"));
        assert_eq!(location("//evil.c"), None);
    }
}
