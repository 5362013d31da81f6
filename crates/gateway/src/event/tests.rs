//! Requests, and the events of format 2.0 that functions see of them.

use std::sync::Arc;

use aws_wire::sigv4::{Identity, Principal};
use http::Request;
use serde_json::{Value, json};

use super::*;

fn build_from(request: http::request::Builder, body: &'static [u8], signed: bool) -> Value {
    let (parts, body) = request.body(Bytes::from(body)).unwrap().into_parts();
    let caller = Identity {
        access_key: "AKID".to_owned(),
        principal: Principal::root("123456789012".parse().unwrap()),
        region: "us-east-1".to_owned(),
        service: "lambda".to_owned(),
    };
    let caller = if signed {
        Caller::Signer(Arc::new(caller))
    } else {
        Caller::Anybody
    };
    let target = Target {
        id: "abc".to_owned(),
        path: "/my/path".to_owned(),
        domain: "abc.lambda-url.us-east-1.localhost".to_owned(),
        prefix: Some("/lambda-url/abc".to_owned()),
    };
    let event = build(&Facts {
        parts: &parts,
        body: &body,
        target: &target,
        caller: &caller,
        source: [127, 0, 0, 1].into(),
        request_id: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
        trace_id: "Root=1-a-b",
        now: Timestamp(1_700_000_000_042),
        route: None,
    });
    serde_json::from_slice(&event).unwrap()
}

#[test]
fn a_request_becomes_an_event_of_format_2() {
    let request = Request::post("/lambda-url/abc/my/path?a=1&a=2%203&b=%26&c")
        .header("Host", "127.0.0.1:8080")
        .header("X-Two", "1")
        .header("X-Two", "2")
        .header("Cookie", "a=1; b=2")
        .header("Cookie", "c=3")
        .header("User-Agent", "test")
        .header("Authorization", "Bearer of the app")
        .header("Content-Type", "application/json; charset=utf-8");
    let event = build_from(request, b"{\"x\":\"\xc3\xa4\"}", false);
    assert_eq!(
        event,
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/my/path",
            "rawQueryString": "a=1&a=2%203&b=%26&c",
            "cookies": ["a=1", "b=2", "c=3"],
            "headers": {
                "authorization": "Bearer of the app",
                "content-type": "application/json; charset=utf-8",
                "host": "127.0.0.1:8080",
                "user-agent": "test",
                "x-amzn-trace-id": "Root=1-a-b",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-port": "8080",
                "x-forwarded-prefix": "/lambda-url/abc",
                "x-forwarded-proto": "http",
                "x-two": "1,2",
            },
            "queryStringParameters": { "a": "1,2 3", "b": "&", "c": "" },
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "abc",
                "domainName": "abc.lambda-url.us-east-1.localhost",
                "domainPrefix": "abc",
                "http": {
                    "method": "POST",
                    "path": "/my/path",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "test",
                },
                "requestId": "00000000-0000-4000-8000-000000000000",
                "routeKey": "$default",
                "stage": "$default",
                "time": "14/Nov/2023:22:13:20 +0000",
                "timeEpoch": 1_700_000_000_042_i64,
            },
            "body": "{\"x\":\"ä\"}",
            "isBase64Encoded": false,
        })
    );
}

#[test]
fn what_is_not_there_is_left_out() {
    let event = build_from(Request::get("/"), b"", false);
    for name in ["cookies", "queryStringParameters", "body"] {
        assert!(event.get(name).is_none(), "{name}");
    }
    assert!(event["requestContext"].get("authorizer").is_none());
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["rawQueryString"], "");
}

#[test]
fn bodies_that_are_not_text_come_in_base64() {
    let body = |kind: &str, bytes: &'static [u8]| {
        let request = Request::post("/").header("content-type", kind);
        let event = build_from(request, bytes, false);
        (event["body"].clone(), event["isBase64Encoded"] == true)
    };
    assert_eq!(body("text/csv", b"a,b"), (json!("a,b"), false));
    assert_eq!(body("application/ld+json", b"{}"), (json!("{}"), false));
    assert_eq!(body("image/png", b"\x89PNG"), (json!("iVBORw=="), true));
    assert_eq!(
        body("application/octet-stream", b"ab"),
        (json!("YWI="), true)
    );
    assert_eq!(
        body("application/x-www-form-urlencoded", b"a=b"),
        (json!("YT1i"), true)
    );
    assert_eq!(body("application/json", b"\xff"), (json!("/w=="), true));
}

#[test]
fn a_signed_request_names_its_caller_and_hides_its_signature() {
    let request = Request::get("/")
        .header("Authorization", "AWS4-HMAC-SHA256 ...")
        .header("X-Amz-Security-Token", "t")
        .header("X-Amz-Date", "20261121T023716Z");
    let event = build_from(request, b"", true);
    let context = &event["requestContext"];
    assert_eq!(context["accountId"], "123456789012");
    assert_eq!(
        context["authorizer"]["iam"],
        json!({
            "accessKey": "AKID",
            "accountId": "123456789012",
            "callerId": "123456789012",
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": "arn:aws:iam::123456789012:root",
            "userId": "123456789012",
        })
    );
    assert!(event["headers"].get("authorization").is_none());
    assert!(event["headers"].get("x-amz-security-token").is_none());
    assert!(event["headers"].get("x-amz-date").is_some());
}

#[test]
fn a_forged_address_does_not_hide_the_real_one() {
    let request = Request::get("/").header("X-Forwarded-For", "10.0.0.1");
    let event = build_from(request, b"", false);
    assert_eq!(event["headers"]["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
}
