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
use server::{ClockKind, Flags, Isolation, Running, Server, Settings, StartError};
use store::OpenError;
use types::Timestamp;

async fn start(data: &Path) -> Result<Running, StartError> {
    start_with(data, Flags::default()).await
}

async fn start_with(data: &Path, more: Flags) -> Result<Running, StartError> {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let flags = Flags {
        data: Some(data.into()),
        api: Some(free),
        gateway: Some(free),
        // Nothing is run here, and these tests must pass where nothing could be.
        isolation: Some(Isolation::None),
        ..more
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
    let mut request = Request::builder().method(ask.method).uri(ask.target);
    if !ask.headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", host);
    }
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

    for target in ["/_squall/info", "/2015-03-31/functions/", "/"] {
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
            headers: &[("x-amz-target", "AWSEvents.ListRules")],
            body: b"{}",
            signed: Some((&keys, "events")),
            ..GET
        },
    )
    .await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"Rules":[]}"#));

    let target = "/schedules";
    let signed = Some((&keys, "scheduler"));
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
    assert!(body.contains(r#""Schedules":[]"#), "{body}");

    let (status, _, body) = ask(
        &api,
        Ask {
            method: "POST",
            headers: &[("x-amz-target", "DynamoDB_20120810.ListTables")],
            body: b"{}",
            signed: Some((&keys, "dynamodb")),
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("DynamoDB_20120810.ListTables"), "{body}");

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
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("<Code>NoSuchBucket</Code>"), "{body}");
    server.shutdown().await;
}

/// A call of one of the pages under `/_squall/`.
async fn page(server: &Running, method: &str, target: &str, body: &str) -> (StatusCode, String) {
    let ask_for = Ask {
        method,
        target,
        body: body.as_bytes(),
        signed: Some((server.credentials(), "squall")),
        ..GET
    };
    let (status, _, body) = ask(&server.address().api, ask_for).await;
    (status, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_is_moved_by_hand_only_where_it_is_a_manual_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await.unwrap();
    let (status, body) = page(&server, "GET", "/_squall/clock", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains(r#""manual":false"#), "{body}");
    let hour = r#"{"advance_seconds": 3600}"#;
    let (status, body) = page(&server, "POST", "/_squall/clock", hour).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("--clock manual"), "{body}");
    server.shutdown().await;

    let manual = Flags {
        clock: Some(ClockKind::Manual),
        ..Flags::default()
    };
    let server = start_with(folder.path(), manual).await.unwrap();
    let now = |body: &str| {
        let clock: Value = serde_json::from_str(body).unwrap();
        clock["now"].as_i64().unwrap()
    };
    let (_, before) = page(&server, "GET", "/_squall/clock", "").await;
    let (status, after) = page(&server, "POST", "/_squall/clock", hour).await;
    assert_eq!(status, StatusCode::OK, "{after}");
    assert_eq!(now(&after) - now(&before), 3_600_000);
    for wrong in [
        "",
        "{}",
        r#"{"advance_seconds": -1}"#,
        r#"{"advance_seconds": 1e12}"#,
    ] {
        let (status, _) = page(&server, "POST", "/_squall/clock", wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_runs_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await.unwrap();
    let (status, body) = page(&server, "GET", "/_squall/schedules", "").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::OK, r#"{"schedules":[]}"#)
    );
    let (status, body) = page(&server, "GET", "/_squall/events?limit=5", "").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::OK, r#"{"events":[]}"#)
    );
    let (status, _) = page(&server, "GET", "/_squall/events?limit=few", "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    for (operation, body) in [
        (
            "PutRule",
            r#"{"Name": "nightly", "ScheduleExpression": "rate(1 day)"}"#,
        ),
        (
            "PutTargets",
            r#"{"Rule": "nightly", "Targets": [{"Id": "f", "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}]}"#,
        ),
    ] {
        let target = format!("AWSEvents.{operation}");
        let ask_for = Ask {
            method: "POST",
            headers: &[("x-amz-target", target.as_str())],
            body: body.as_bytes(),
            signed: Some((server.credentials(), "events")),
            ..GET
        };
        let (status, _, body) = ask(&server.address().api, ask_for).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let (_, body) = page(&server, "GET", "/_squall/schedules", "").await;
    let shown: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(shown["schedules"][0]["name"], "nightly", "{body}");

    let run = "/_squall/schedules/run";
    let (status, body) = page(&server, "POST", run, r#"{"name": "nightly"}"#).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let ran: Value = serde_json::from_str(&body).unwrap();
    let (_, body) = page(&server, "GET", "/_squall/events", "").await;
    let shown: Value = serde_json::from_str(&body).unwrap();
    let event = &shown["events"][0];
    assert_eq!(event["request_id"], ran["request_ids"][0], "{body}");
    assert_eq!(event["service"], "events.amazonaws.com", "{body}");
    assert_eq!(event["function"], "f", "{body}");
    let (status, _) = page(&server, "POST", run, r#"{"name": "other"}"#).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_go_in_and_out_and_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await.unwrap();
    let (api, keys) = (server.address().api.clone(), server.credentials().clone());
    let large = vec![b'x'; 3_000_000];
    let signed = Some((&keys, "s3"));
    for (target, body) in [
        ("/data", &b""[..]),
        ("/data/small", b"abc"),
        ("/data/large", &large),
    ] {
        let put = Ask {
            method: "PUT",
            target,
            body,
            signed,
            ..GET
        };
        let (status, headers, body) = ask(&api, put).await;
        assert_eq!(status, StatusCode::OK, "{target}: {body}");
        assert!(headers.contains_key("x-amz-request-id"));
    }
    for (target, length) in [("/data/small", 3), ("/data/large", large.len())] {
        let get = Ask {
            target,
            signed,
            ..GET
        };
        let (status, _, body) = ask(&api, get).await;
        assert_eq!((status, body.len()), (StatusCode::OK, length), "{target}");
    }
    let host = [("host", "data.s3.localhost")];
    let (status, _, body) = ask(
        &api,
        Ask {
            target: "/small",
            headers: &host,
            signed,
            ..GET
        },
    )
    .await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "abc"));
    let (status, _, body) = ask(
        &api,
        Ask {
            target: "/data/small",
            ..GET
        },
    )
    .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");

    let (status, body) = page(&server, "POST", "/_squall/store/check", "").await;
    assert_eq!(status, StatusCode::OK);
    let last: Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
    assert_eq!(last["report"]["objects"], 2, "{body}");
    assert_eq!(last["report"]["damaged"], Value::Array(vec![]), "{body}");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_pages_are_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await.unwrap();
    let (api, keys) = (server.address().api.clone(), server.credentials().clone());
    let trust = aws_wire::form::encode(
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#,
    );
    let make = format!(
        "Action=CreateRole&Version=2010-05-08&RoleName=worker&AssumeRolePolicyDocument={trust}"
    );
    let role = "arn:aws:iam::000000000000:role/worker";
    let assume =
        format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=session");
    let mut answer = String::new();
    for (service, body) in [("iam", &make), ("sts", &assume)] {
        let call = Ask {
            method: "POST",
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: body.as_bytes(),
            signed: Some((&keys, service)),
            ..GET
        };
        let (status, _, text) = ask(&api, call).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        answer = text;
    }
    let inside = |tag: &str| {
        let (_, rest) = answer.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let role_keys = Credentials {
        access_key: inside("AccessKeyId"),
        secret: inside("SecretAccessKey"),
        session_token: Some(inside("SessionToken")),
    };
    for (signer, method, target, expected) in [
        (&keys, "GET", "/_squall/info", StatusCode::OK),
        (&role_keys, "GET", "/_squall/info", StatusCode::FORBIDDEN),
        (&role_keys, "POST", "/_squall/clock", StatusCode::FORBIDDEN),
        (
            &role_keys,
            "POST",
            "/_squall/store/check",
            StatusCode::FORBIDDEN,
        ),
    ] {
        let signed = Some((signer, "squall"));
        let call = Ask {
            method,
            target,
            signed,
            ..GET
        };
        let (status, _, text) = ask(&api, call).await;
        assert_eq!(status, expected, "{target}: {text}");
    }
    server.shutdown().await;
}
