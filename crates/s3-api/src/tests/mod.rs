//! Requests straight into the API, signed as clients sign them, on a real store.

mod access;
mod bodies;
mod conditions;
mod conformance;
mod forms;
mod listings;
mod objects;
mod settings;
mod uploads;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::sigv4::{Credentials, Key, KeySource, Principal, Signing, presign, sign};
use buckets::{Buckets, Routes};
use bytes::Bytes;
use engine::iam::Iam;
use engine::{Engine, EngineSettings};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use sandbox::{Isolation, Sandbox, SandboxSettings};
use store::{Durability, Store};
use types::{Limits, Scope, Timestamp};

use crate::{Deps, S3Api};

const ROOT: &str = "AKIAROOT";
const SESSION: &str = "ASIASESSION";
const ENDED: &str = "ASIAENDED";
const TOKEN: &str = "the token";

/// The owner's key, and keys of the role `reader`.
#[derive(Debug)]
struct Keys;

impl KeySource for Keys {
    fn find(&self, access_key: &str) -> Option<Key> {
        let account = "123456789012".parse().unwrap();
        let of_role = |expires| Key {
            secret: "secret".to_owned(),
            session_token: Some(TOKEN.to_owned()),
            expires: Some(expires),
            principal: Principal {
                account: "123456789012".parse().unwrap(),
                arn: "arn:aws:sts::123456789012:assumed-role/reader/s".to_owned(),
                user_id: "AROA:s".to_owned(),
            },
        };
        match access_key {
            ROOT => Some(Key {
                secret: "secret".to_owned(),
                session_token: None,
                expires: None,
                principal: Principal::root(account),
            }),
            SESSION => Some(of_role(Timestamp::now().plus_millis(60_000))),
            ENDED => Some(of_role(Timestamp(0))),
            _ => None,
        }
    }
}

struct Wire {
    api: S3Api,
    engine: Engine,
    iam: Arc<Iam>,
    _dir: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element of this name.
    fn element(&self, name: &str) -> String {
        let text = self.text();
        let start = text
            .find(&format!("<{name}>"))
            .map(|at| at + name.len() + 2);
        let Some(start) = start else {
            return String::new();
        };
        let length = text[start..].find("</").unwrap_or_default();
        text[start..start + length].to_owned()
    }

    /// The texts of all elements of this name.
    fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let tag = format!("<{name}>");
        let parts = text.split(&tag).skip(1);
        parts
            .map(|part| part.split("</").next().unwrap_or_default().to_owned())
            .collect()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a refusal.
    fn refusal(&self) -> (u16, String) {
        (self.status.as_u16(), self.element("Code"))
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self
    }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

impl Wire {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), Durability::Relaxed).unwrap();
        let store = Arc::new(store);
        let sandbox = Sandbox::new(SandboxSettings {
            isolation: Isolation::None,
            helper: dir.path().join("no-helper"),
            unprivileged: (65_534, 65_534),
            guest_directory: dir.path().join("guests"),
            group_name: "squall-s3-test".to_owned(),
            open_files: 64,
            processes: 64,
            python_packages: Vec::new(),
        });
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let settings = EngineSettings {
            scope: scope.clone(),
            limits: Limits::default(),
            api: "127.0.0.1:4566".parse().unwrap(),
            idle: Duration::from_mins(1),
            init_timeout: Duration::from_secs(1),
            template_memory_mb: 64,
            event_retry: Duration::from_mins(1),
            event_workers: 1,
            python_folders: Vec::new(),
            r_folders: Vec::new(),
            watch: watch::Watch::default(),
        };
        let router = Arc::new(Routes::none);
        let buckets = Buckets::open(store.clone(), scope.clone(), 1000, router).unwrap();
        let iam = Arc::new(Iam::open(store.clone(), scope.clone()).unwrap());
        let (sandbox, handle) = (sandbox.unwrap(), buckets.clone());
        let engine = Engine::start(settings, store, sandbox, iam.clone(), handle);
        let engine = engine.await.unwrap();
        let api = S3Api::new(Deps {
            buckets,
            iam: iam.clone(),
            keys: Arc::new(Keys),
            engine: engine.clone(),
            scope,
        });
        Self {
            api,
            engine,
            iam,
            _dir: dir,
        }
    }

    /// With the bucket `data`.
    async fn with_bucket() -> Self {
        let wire = Self::new().await;
        wire.put("/data", "").await.ok();
        wire
    }

    async fn answer<B>(&self, request: Request<B>) -> Reply
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = self.api.handle(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(!head.headers["x-amz-request-id"].is_empty());
        Reply {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// A request as the owner signs it.
    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.answer(signed_by(ROOT, method, path, headers, body.into()))
            .await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, &[], "").await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.call(Method::GET, path, headers, "").await
    }

    async fn put(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.call(Method::PUT, path, &[], body).await
    }

    async fn put_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.call(Method::PUT, path, headers, body).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, &[], "").await
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.call(Method::POST, path, &[], body).await
    }

    /// A request that nobody signed.
    async fn anonymous(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = request(method, path, headers, Bytes::new());
        request
            .headers_mut()
            .insert("host", "localhost:4566".parse().unwrap());
        self.answer(request).await
    }
}

fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder()
        .method(method)
        .uri(format!("http://localhost:4566{path}"))
        .header("content-length", body.len());
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body)).unwrap()
}

fn credentials(access_key: &str) -> Credentials {
    Credentials {
        access_key: access_key.to_owned(),
        secret: "secret".to_owned(),
        session_token: (access_key != ROOT).then(|| TOKEN.to_owned()),
    }
}

fn signing(credentials: &Credentials) -> Signing<'_> {
    Signing {
        credentials,
        region: "us-east-1",
        service: "s3",
        now: Timestamp::now(),
    }
}

fn signed_by(
    access_key: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let body = body.into();
    let (mut parts, content) = request(method, path, headers, body.clone()).into_parts();
    sign(&mut parts, &body, signing(&credentials(access_key))).unwrap();
    Request::from_parts(parts, content)
}

fn presigned(method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let uri: Uri = format!("http://localhost:4566{path}").parse().unwrap();
    let uri = presign(method.clone(), &uri, 60, signing(&credentials(ROOT))).unwrap();
    Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "localhost:4566")
        .header("content-length", body.len())
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

/// A body that ends, or breaks off, after these pieces.
fn broken(
    pieces: Vec<&'static [u8]>,
) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> {
    let pieces = pieces
        .into_iter()
        .map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece))));
    let end = Err(std::io::Error::other("the client is gone"));
    http_body_util::StreamBody::new(futures::stream::iter(pieces.chain([end])))
}

/// A body in these pieces.
fn pieces(pieces: Vec<Bytes>) -> impl http_body::Body<Data = Bytes, Error = Infallible> {
    let pieces = pieces
        .into_iter()
        .map(|piece| Ok(http_body::Frame::data(piece)));
    http_body_util::StreamBody::new(futures::stream::iter(pieces))
}
