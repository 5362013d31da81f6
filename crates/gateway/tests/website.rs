//! Pages out of a real store, asked for as a browser does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;

use buckets::{
    Attributes, BucketPolicy, BucketSettings, Buckets, Cors, CorsRule, Headers, Origin, Pages,
    Redirect, Routes, RoutingRule, Write, WriteKind,
};
use bytes::Bytes;
use gateway::Website;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use store::{Durability, Precondition, Store};
use types::BucketName;

const HOST: &str = "site.s3-website.localhost:8080";

struct Site {
    website: Website,
    _store: Arc<Store>,
    _folder: tempfile::TempDir,
}

/// A bucket `site` with pages, and one `plain` that is no website.
async fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
    let scope = types::Scope {
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let buckets = Buckets::open(store.clone(), scope, 10, Arc::new(Routes::none)).unwrap();
    let plain = "plain".parse().unwrap();
    buckets
        .create(plain, BucketSettings::default())
        .await
        .unwrap();
    let name: BucketName = "site".parse().unwrap();
    buckets.create(name.clone(), settings(&name)).await.unwrap();
    for (key, kind, body) in [
        ("index.html", "text/html", "home"),
        ("error.html", "text/html", "sorry"),
        ("docs/index.html", "text/html", "docs"),
        ("data file.bin", "", "0123456789"),
        ("private/secret", "text/plain", "secret"),
    ] {
        put(&buckets, &name, key, kind, Bytes::from(body)).await;
    }
    let large = vec![b'x'; 3_000_000];
    put(&buckets, &name, "large", "", large.into()).await;
    put(&buckets, &name, "draft", "", "not yet".into()).await;
    let (bucket, key) = (buckets.bucket(&name).unwrap(), "draft".parse().unwrap());
    let tags = BTreeMap::from([("kind".to_owned(), "draft".to_owned())]);
    let tag = buckets.set_tags(&bucket, &key, None, tags, Origin::default());
    tag.await.unwrap();
    Site {
        website: Website::new(buckets),
        _store: store,
        _folder: folder,
    }
}

fn settings(name: &BucketName) -> BucketSettings {
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/private/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*",
         "Condition": {"StringEquals": {"s3:ExistingObjectTag/kind": "draft"}}}
    ]}"#;
    let old = RoutingRule {
        key_prefix_equals: Some("old/".to_owned()),
        redirect: Redirect {
            replace_key_prefix: Some("docs/".to_owned()),
            ..Redirect::default()
        },
        ..RoutingRule::default()
    };
    let pages = Pages {
        index: "index.html".to_owned(),
        error: Some("error.html".to_owned()),
        rules: vec![old],
    };
    let cors = CorsRule {
        allowed_origins: vec!["http://app.example".to_owned()],
        allowed_methods: vec!["GET".to_owned()],
        expose_headers: vec!["etag".to_owned()],
        ..CorsRule::default()
    };
    let mut settings = BucketSettings {
        public_access_block: None,
        website: Some(buckets::Website::pages(pages).unwrap()),
        cors: Some(Cors::new(vec![cors]).unwrap()),
        ..BucketSettings::default()
    };
    let policy = BucketPolicy::parse(policy, name).unwrap();
    settings.set_policy(policy).unwrap();
    settings
}

async fn put(buckets: &Buckets, name: &BucketName, key: &str, kind: &str, body: Bytes) {
    let mut writer = buckets.writer(None);
    writer.write(body).await.unwrap();
    let attributes = Attributes {
        headers: Headers {
            content_type: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
            cache_control: Some("max-age=60".to_owned()),
            ..Headers::default()
        },
        metadata: BTreeMap::from([("made-by".to_owned(), "me".to_owned())]),
        ..Attributes::default()
    };
    let write = Write {
        key: key.parse().unwrap(),
        content: writer.finish().await.unwrap(),
        attributes,
        precondition: Precondition::default(),
        kind: WriteKind::Put,
        origin: Origin::default(),
    };
    let bucket = buckets.bucket(name).unwrap();
    buckets.put(&bucket, write).await.unwrap();
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", HOST);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

impl Site {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = request(method, path, headers);
        Answer::of(self.website.handle(&request).await).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    async fn of<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn brief(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

#[tokio::test]
async fn pages_come_by_host_and_by_path() {
    let site = site().await;
    assert_eq!(site.get("/").await.brief(), (200, "home"));
    assert_eq!(site.get("/docs/").await.brief(), (200, "docs"));
    let file = site.get("/data%20file.bin").await;
    assert_eq!(file.brief(), (200, "0123456789"));
    assert_eq!(file.header("content-type"), "binary/octet-stream");
    assert_eq!(file.header("cache-control"), "max-age=60");
    assert_eq!(file.header("x-amz-meta-made-by"), "me");
    assert_eq!(file.header("content-length"), "10");
    assert_eq!(file.header("x-amz-request-id").len(), 36);

    let by_path = [("host", "localhost:8080")];
    let page = site.ask("GET", "/s3-website/site/docs/", &by_path).await;
    assert_eq!(page.brief(), (200, "docs"));
    assert!(Website::is_for(&request(
        "GET",
        "/s3-website/site/",
        &by_path
    )));
    assert!(!Website::is_for(&request("GET", "/other/", &by_path)));
}

#[tokio::test]
async fn a_large_page_comes_whole_and_in_parts() {
    let site = site().await;
    let whole = site.get("/large").await;
    assert_eq!((whole.status, whole.body.len()), (200, 3_000_000));
    let range = [("range", "bytes=1000000-2999998")];
    let part = site.ask("GET", "/large", &range).await;
    assert_eq!((part.status, part.body.len()), (206, 1_999_999));
    let said = part.header("content-range");
    assert_eq!(said, "bytes 1000000-2999998/3000000");
    let beyond = [("range", "bytes=3000000-")];
    let refused = site.ask("GET", "/large", &beyond).await;
    assert_eq!(refused.status, 416);
    assert!(refused.body.contains("InvalidRange"));
}

#[tokio::test]
async fn head_says_all_but_the_page() {
    let site = site().await;
    let head = site.ask("HEAD", "/large", &[]).await;
    assert_eq!(head.brief(), (200, ""));
    assert_eq!(head.header("content-length"), "3000000");
    let missing = site.ask("HEAD", "/nowhere", &[]).await;
    assert_eq!(missing.brief(), (404, ""));
}

#[tokio::test]
async fn a_browser_that_has_the_page_is_told_so() {
    let site = site().await;
    let page = site.get("/").await;
    let etag = page.header("etag").to_owned();
    let again = [("if-none-match", etag.as_str())];
    let same = site.ask("GET", "/", &again).await;
    assert_eq!(same.brief(), (304, ""));
    assert_eq!(same.header("etag"), etag);
    assert_eq!(same.header("cache-control"), "max-age=60");
}

#[tokio::test]
async fn redirects_lead_to_where_the_page_is() {
    let site = site().await;
    let moved = site.get("/old/page").await;
    assert_eq!(moved.status, 301);
    let to = "http://site.s3-website.localhost:8080/docs/page";
    assert_eq!(moved.header("location"), to);
    let folder = site.get("/docs").await;
    assert_eq!(folder.status, 302);
    let to = "http://site.s3-website.localhost:8080/docs/";
    assert_eq!(folder.header("location"), to);
    let by_path = [("host", "localhost:8080")];
    let folder = site.ask("GET", "/s3-website/site/docs", &by_path).await;
    let to = "http://localhost:8080/s3-website/site/docs/";
    assert_eq!(folder.header("location"), to);
}

#[tokio::test]
async fn what_is_not_there_or_not_public_shows_the_error_document() {
    let site = site().await;
    // Who may not list a bucket does not learn what is missing in it.
    for path in ["/nowhere", "/private/secret", "/private/nowhere"] {
        let page = site.get(path).await;
        assert!(matches!(page.status, 403 | 404), "{path}: {}", page.status);
        assert_eq!(page.body, "sorry", "{path}");
    }
    assert_eq!(site.get("/private/secret").await.status, 403);
}

#[tokio::test]
async fn an_object_whose_tags_close_it_is_no_page() {
    let site = site().await;
    assert_eq!(site.get("/draft").await.status, 403);
    assert_eq!(site.get("/index.html").await.status, 200);
}

#[tokio::test]
async fn what_is_no_website_says_so() {
    let site = site().await;
    for (host, code) in [
        ("plain.s3-website.localhost", "NoSuchWebsiteConfiguration"),
        ("nothing.s3-website.localhost", "NoSuchBucket"),
        ("..s3-website.localhost", "NoSuchBucket"),
    ] {
        let page = site.ask("GET", "/", &[("host", host)]).await;
        assert_eq!(page.status, 404, "{host}");
        assert_eq!(page.header("x-amz-error-code"), code, "{host}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.body.contains(code), "{}", page.body);
    }
    assert_eq!(site.get("/%FF").await.status, 400);
}

#[tokio::test]
async fn a_website_is_read_and_nothing_else() {
    let site = site().await;
    for method in ["PUT", "POST", "DELETE", "OPTIONS"] {
        let refused = site.ask(method, "/index.html", &[]).await;
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), "GET, HEAD");
        assert!(refused.body.contains("MethodNotAllowed"), "{method}");
    }
}

#[tokio::test]
async fn other_origins_read_what_the_rules_let_them() {
    let site = site().await;
    let origin = ("origin", "http://app.example");
    let page = site.ask("GET", "/", &[origin]).await;
    let allowed = page.header("access-control-allow-origin");
    assert_eq!(allowed, "http://app.example");
    assert_eq!(page.header("access-control-expose-headers"), "etag");

    let asked = ("access-control-request-method", "GET");
    let preflight = site.ask("OPTIONS", "/", &[origin, asked]).await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-methods"), "GET");

    let stranger = ("origin", "http://other.example");
    let page = site.ask("GET", "/", &[stranger]).await;
    assert_eq!(page.header("access-control-allow-origin"), "");
    let preflight = site.ask("OPTIONS", "/", &[stranger, asked]).await;
    assert_eq!(preflight.status, 403);
}
