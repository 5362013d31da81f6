//! The way of a request: what must hold first, the protocol crate, the answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use aws_wire::Body;
use aws_wire::sigv4::KeySource;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buckets::Buckets;
use bytes::Bytes;
use engine::Engine;
use engine::iam::Iam;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, ORIGIN, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use s3s::S3Result;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::dto::{Range, Timestamp as WireTime, TimestampFormat};
use s3s::service::{S3Service, S3ServiceBuilder};
use types::{Scope, Timestamp};

use crate::caller::Asked;
use crate::error::fault;
use crate::gate::Gate;
use crate::host::{Hosts, bucket_of_host};
use crate::service::Service;
use crate::wire::admit::{self, Form, header};
use crate::wire::answer::{self, About};
use crate::wire::framing::{Framing, Watched};
use crate::wire::small;
use crate::{cors, form};

/// Names the headers that come after a body.
const TRAILER: &str = "x-amz-trailer";

/// What S3 is built on.
#[derive(Clone)]
pub struct Deps {
    pub buckets: Buckets,
    pub iam: Arc<Iam>,
    pub keys: Arc<dyn KeySource>,
    /// Knows the functions that notifications go to.
    pub engine: Engine,
    pub scope: Scope,
}

/// S3. A clone is another handle.
#[derive(Clone)]
pub struct S3Api {
    protocol: S3Service,
    service: Service,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for S3Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Api").finish_non_exhaustive()
    }
}

/// The bucket and key that a request is about, as far as they can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub bucket: Option<String>,
    pub key: Option<String>,
}

impl S3Api {
    pub fn new(deps: Deps) -> Self {
        let gate = Gate {
            buckets: deps.buckets.clone(),
            iam: deps.iam,
            keys: deps.keys,
        };
        let service = Service {
            buckets: deps.buckets,
            engine: deps.engine,
            scope: deps.scope,
            gate: gate.clone(),
        };
        let mut builder = S3ServiceBuilder::new(service.clone());
        builder.set_auth(gate.clone());
        builder.set_access(gate);
        builder.set_host(Hosts);
        let mut config = S3Config::default();
        // Documents are read and bounded before they get there.
        config.presigned_url_max_skew_time_secs = 15 * 60;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self {
            protocol: builder.build(),
            service,
        }
    }

    /// Answers a request. Its extensions may hold the peer's `SocketAddr`.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        let target = Target::of(&parts);
        let about = about(&parts, &target);
        let asked = Asked::read(&parts, about.request_id.clone());
        let origin = parts.headers.get(ORIGIN).cloned();
        let method = parts.method.clone();
        let outcome = if method == Method::OPTIONS {
            let Target { bucket, key } = &target;
            let (bucket, key) = (bucket.as_deref(), key.as_deref());
            cors::preflight(&self.service.buckets, bucket, key, &parts)
        } else {
            parts.extensions.insert(asked.clone());
            self.carry(parts, body, asked, &target, &about).await
        };
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(error) => answer::refuse(error, &about).await,
        };
        answer::sign(answer.headers_mut(), &about);
        if method != Method::OPTIONS {
            let bucket = target.bucket.as_deref();
            let headers = answer.headers_mut();
            cors::decorate(
                &self.service.buckets,
                bucket,
                &method,
                origin.as_ref(),
                headers,
            );
        }
        answer
    }

    async fn carry<B>(
        &self,
        mut parts: Parts,
        body: B,
        asked: Asked,
        target: &Target,
        about: &About,
    ) -> S3Result<Response<Body>>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if let Some(key) = &target.key {
            // As on AWS this comes before anything else: it is no path of a bucket.
            crate::ops::key(key)?;
        }
        let form = admit::check(&parts, &self.service.scope, Timestamp::now())?;
        if form == Form::Old && target.key.is_none() {
            end_path(&mut parts.uri);
        }
        let framing = Framing::of(header(&parts, "x-amz-content-sha256"));
        let (body, faults) = Watched::new(body, framing);
        if framing != Framing::Plain {
            complete(&mut parts.headers);
        }
        if form::is_form(&parts) {
            return form::upload(&self.service, &parts, body, faults, asked, target).await;
        }
        let unreadable = unreadable(&parts);
        if !unreadable.is_empty() {
            return Ok(self.carry_without(parts, &unreadable, &asked, about).await);
        }
        let key = target.key.as_deref();
        let streams = small::is_object(&parts.method, key, parts.uri.query());
        let body = if streams || framing != Framing::Plain {
            parts.extensions.insert(faults);
            s3s::Body::http_body_unsync(body)
        } else {
            let document = small::read(&mut parts, body, &faults).await?;
            asked.object(document.objection);
            s3s::Body::from(document.bytes)
        };
        Ok(self.call(Request::from_parts(parts, body), about).await)
    }

    /// S3 passes over conditions and ranges that it cannot read; the protocol
    /// crate refuses them. They may be under the signature, so the request goes
    /// in as it is, and when it was let in once more without them.
    async fn carry_without(
        &self,
        parts: Parts,
        unreadable: &[HeaderName],
        asked: &Asked,
        about: &About,
    ) -> Response<Body> {
        let mut again = parts.clone();
        let first = self.call(Request::from_parts(parts, s3s::Body::empty()), about);
        let first = first.await;
        if asked.passed.get().is_none() {
            return first;
        }
        for name in unreadable {
            again.headers.remove(name);
        }
        unsign(&mut again.headers, &mut again.uri);
        self.call(Request::from_parts(again, s3s::Body::empty()), about)
            .await
    }

    async fn call(&self, request: Request<s3s::Body>, about: &About) -> Response<Body> {
        match self.protocol.call(request).await {
            Ok(response) => answer::finish(response, about).await,
            Err(error) => {
                tracing::error!(error = ?error, "an S3 request failed");
                answer::refuse(fault("InternalError"), about).await
            }
        }
    }
}

/// Headers that the protocol crate insists on for bodies in chunks, and S3 does not.
fn complete(headers: &mut HeaderMap) {
    if !headers.contains_key(TRAILER) {
        headers.insert(TRAILER, HeaderValue::from_static("none"));
    }
    let decoded = headers.get("x-amz-decoded-content-length").cloned();
    if let Some(length) = decoded
        && !headers.contains_key(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, length);
    }
}

impl Target {
    /// Reads host and path as the protocol crate does.
    pub fn of(parts: &Parts) -> Self {
        let host = parts
            .headers
            .get("host")
            .and_then(|host| host.to_str().ok());
        let host = host.or(parts.uri.authority().map(http::uri::Authority::as_str));
        let path = aws_wire::form::decode(parts.uri.path());
        let path = path.strip_prefix('/').unwrap_or(&path);
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        if let Some(bucket) = host.and_then(bucket_of_host) {
            return Self {
                bucket: Some(bucket.to_ascii_lowercase()),
                key: text(path),
            };
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Self {
            bucket: text(bucket),
            key: text(key),
        }
    }
}

fn about(parts: &Parts, target: &Target) -> About {
    // As long as those of AWS, which clients print and people search for.
    let id = uuid::Uuid::new_v4()
        .simple()
        .to_string()
        .to_ascii_uppercase();
    let host_id = STANDARD.encode(uuid::Uuid::new_v4().as_bytes().repeat(3));
    About {
        method: parts.method.clone(),
        bucket: target.bucket.clone(),
        key: target.key.clone(),
        request_id: id[..16].to_owned(),
        host_id,
    }
}

/// Headers of a read that S3 would pass over.
fn unreadable(parts: &Parts) -> Vec<HeaderName> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Vec::new();
    }
    let is_date = |text: &str| WireTime::parse(TimestampFormat::HttpDate, text).is_ok();
    let mut found = Vec::new();
    if header(parts, "range").is_some_and(|range| Range::parse(range).is_err()) {
        found.push(RANGE);
    }
    for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        if header(parts, name.as_str()).is_some_and(|date| !is_date(date)) {
            found.push(name);
        }
    }
    found
}

/// Under version 2 the path of a bucket is signed with a slash at its end, even
/// where the request has none; the protocol crate signs it as it came.
fn end_path(uri: &mut Uri) {
    if uri.path().ends_with('/') {
        return;
    }
    let ended = match uri.query() {
        Some(query) => format!("{}/?{query}", uri.path()),
        None => format!("{}/", uri.path()),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = ended.parse().ok();
    if let Ok(ended) = Uri::from_parts(parts) {
        *uri = ended;
    }
}

/// Takes away what says who sends a request.
fn unsign(headers: &mut HeaderMap, uri: &mut Uri) {
    headers.remove(AUTHORIZATION);
    let marks = ["X-Amz-", "Signature=", "AWSAccessKeyId=", "Expires="];
    let query = uri.query().unwrap_or_default().split('&');
    let kept: Vec<&str> = query
        .filter(|pair| !marks.iter().any(|mark| pair.starts_with(mark)))
        .collect();
    let path = format!("{}?{}", uri.path(), kept.join("&"));
    if let Ok(path) = path.parse() {
        *uri = path;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str, host: &str) -> (Option<String>, Option<String>) {
        let request = Request::get(uri).header("host", host).body(()).unwrap();
        let target = Target::of(&request.into_parts().0);
        (target.bucket, target.key)
    }

    #[test]
    fn paths_and_hosts_name_what_is_asked_for() {
        let some = |text: &str| Some(text.to_owned());
        let local = "localhost:4566";
        assert_eq!(target("/", local), (None, None));
        assert_eq!(target("/b", local), (some("b"), None));
        assert_eq!(target("/b/", local), (some("b"), None));
        assert_eq!(
            target("/b/a%2Fb%20c?x=y", local),
            (some("b"), some("a/b c"))
        );
        assert_eq!(target("/b//a", local), (some("b"), some("/a")));
        let host = "data.s3.localhost:4566";
        assert_eq!(target("/a/b", host), (some("data"), some("a/b")));
        assert_eq!(target("/", host), (some("data"), None));
    }

    #[test]
    fn what_cannot_be_read_is_found() {
        let found = |name: &str, value: &str| {
            let request = Request::get("/b/k").header(name, value).body(()).unwrap();
            unreadable(&request.into_parts().0)
        };
        assert_eq!(found("range", "bytes=0-1"), [] as [HeaderName; 0]);
        assert_eq!(found("range", "bytes=0-1,3-4"), [RANGE]);
        assert_eq!(found("range", "lines=1"), [RANGE]);
        assert_eq!(found("if-modified-since", "yesterday"), [IF_MODIFIED_SINCE]);
    }

    #[test]
    fn paths_of_buckets_end_with_a_slash_where_they_are_signed_so() {
        for (given, ended) in [
            ("/", "/"),
            ("/b", "/b/"),
            ("/b?acl", "/b/?acl"),
            ("/b/", "/b/"),
            ("http://localhost/b?x=/", "http://localhost/b/?x=/"),
        ] {
            let mut uri: Uri = given.parse().unwrap();
            end_path(&mut uri);
            assert_eq!(uri, ended);
        }
    }

    #[test]
    fn a_signature_can_be_taken_away() {
        let mut uri: Uri = "/b/k?versionId=1&X-Amz-Signature=0&X-Amz-Date=x"
            .parse()
            .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, http::HeaderValue::from_static("x"));
        unsign(&mut headers, &mut uri);
        assert_eq!(uri, "/b/k?versionId=1");
        assert!(headers.is_empty());
    }
}
