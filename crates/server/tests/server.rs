//! A whole server on free ports and a temporary directory, asked over the wire:
//! starting, stopping, who is let in, and where requests go. What functions do
//! is tested from outside, with real clients.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::path::Path;

use aws_wire::sigv4::{self, Credentials, Signing};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use server::files::Address;
use server::{Flags, Isolation, Running, Server, Settings, StartError};
use store::OpenError;
use types::Timestamp;

async fn start(data: &Path) -> Result<Running, StartError> {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let flags = Flags {
        data: Some(data.into()),
        api: Some(free),
        gateway: Some(free),
        // Nothing is run here, and these tests must pass where nothing could be.
        isolation: Some(Isolation::None),
        ..Flags::default()
    };
    Server::start(Settings::resolve(flags, []).unwrap()).await
}

/// A request, signed for a service if there are credentials.
struct Ask<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    signed: Option<(&'a Credentials, &'a str)>,
}

const GET: Ask<'static> = Ask {
    method: "GET",
    target: "/",
    headers: &[],
    body: b"",
    signed: None,
};

async fn ask(url: &str, ask: Ask<'_>) -> (StatusCode, http::HeaderMap, String) {
    let host = url.strip_prefix("http://").unwrap();
    let mut request = Request::builder()
        .method(ask.method)
        .uri(ask.target)
        .header("host", host);
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    if let Some((credentials, service)) = ask.signed {
        let signing = Signing {
            credentials,
            region: "us-east-1",
            service,
            now: Timestamp::now(),
        };
        sigv4::sign(&mut parts, ask.body, signing).unwrap();
    }
    let stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let body = Full::new(Bytes::copy_from_slice(ask.body));
    let response = sender
        .send_request(Request::from_parts(parts, body))
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

// Large bodies are hashed beside the event loop, which needs more than one thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_for_everyone_and_the_rest_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await.unwrap();
    let (api, keys) = (server.address().api.clone(), server.credentials().clone());

    let target = "/_squall/health";
    let (status, headers, body) = ask(&api, Ask { target, ..GET }).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::OK, r#"{"status":"ok"}"#)
    );
    assert!(headers.contains_key("x-amzn-requestid"));

    for target in ["/_squall/info", "/2015-03-31/functions/", "/bucket/key"] {
        let (status, ..) = ask(&api, Ask { target, ..GET }).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{target}");
    }
    let signed = Some((&keys, "squall"));
    let target = "/_squall/info";
    let (status, _, body) = ask(
        &api,
        Ask {
            target,
            signed,
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    let info: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(info["region"], "us-east-1");
    assert_eq!(info["api"], api.as_str());

    let wrong = Credentials {
        secret: "not the secret".to_owned(),
        ..keys
    };
    let signed = Some((&wrong, "squall"));
    let (status, headers, _) = ask(
        &api,
        Ask {
            target,
            signed,
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(headers["x-amzn-errortype"], "InvalidSignatureException");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_find_their_services() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await.unwrap();
    let (api, keys) = (server.address().api.clone(), server.credentials().clone());

    let (status, _, body) = ask(
        &api,
        Ask {
            method: "POST",
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: b"Action=GetCallerIdentity&Version=2011-06-15",
            signed: Some((&keys, "sts")),
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("<Account>000000000000</Account>"), "{body}");

    let target = "/2015-03-31/functions/";
    let signed = Some((&keys, "lambda"));
    let (status, _, body) = ask(
        &api,
        Ask {
            target,
            signed,
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains(r#""Functions":[]"#), "{body}");

    let (status, _, body) = ask(
        &api,
        Ask {
            method: "POST",
            headers: &[("x-amz-target", "AWSEvents.PutRule")],
            body: b"{}",
            signed: Some((&keys, "events")),
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("AWSEvents.PutRule"), "{body}");

    let target = "/bucket/key";
    let signed = Some((&keys, "s3"));
    let (status, _, body) = ask(
        &api,
        Ask {
            target,
            signed,
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED);
    assert!(body.contains("<Code>NotImplemented</Code>"), "{body}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_payload_is_refused_as_aws_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await.unwrap();
    let keys = server.credentials().clone();
    let body = vec![b'1'; 6 * 1024 * 1024 + 1];
    let (status, headers, text) = ask(
        &server.address().api,
        Ask {
            method: "POST",
            target: "/2015-03-31/functions/f/invocations",
            body: &body,
            signed: Some((&keys, "lambda")),
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(headers["x-amzn-errortype"], "RequestTooLargeException");
    assert!(text.contains("6291456"), "{text}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_at_a_time_has_a_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await.unwrap();
    let keys = first.credentials().clone();
    assert_eq!(
        Address::read(folder.path()).unwrap().as_ref(),
        Some(first.address())
    );

    let refused = start(folder.path()).await.unwrap_err();
    assert!(refused.is_users() && refused.hint().is_some());
    assert!(
        matches!(refused, StartError::Store(OpenError::InUse { .. })),
        "{refused}"
    );
    // The refused one has not taken the address of the first away.
    assert!(Address::read(folder.path()).unwrap().is_some());

    first.shutdown().await;
    assert_eq!(Address::read(folder.path()).unwrap(), None);
    let second = start(folder.path()).await.unwrap();
    assert_eq!(second.credentials().access_key, keys.access_key);
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_said_clearly() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let flags = Flags {
        data: Some(folder.path().into()),
        api: Some(taken.local_addr().unwrap()),
        isolation: Some(Isolation::None),
        ..Flags::default()
    };
    let refused = Server::start(Settings::resolve(flags, []).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(refused, StartError::Listen { .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("--api 127.0.0.1:0"));
}
