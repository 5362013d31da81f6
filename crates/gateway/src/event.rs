//! What the function sees of a request: payload format 2.0.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_wire::form;
use aws_wire::sigv4::Identity;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Version};
use serde::Serialize;
use types::{RequestId, Timestamp};

use crate::target::Target;

const DEFAULT: &str = "$default";

/// A request and what is known of it beside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub parts: &'a Parts,
    pub body: &'a Bytes,
    pub target: &'a Target,
    /// Set if the URL asks for signatures.
    pub caller: Option<&'a Identity>,
    pub source: IpAddr,
    pub request_id: RequestId,
    pub trace_id: &'a str,
    pub now: Timestamp,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: String,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Debug, Serialize)]
struct Authorizer<'a> {
    iam: Iam<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    access_key: &'a str,
    account_id: &'a str,
    caller_id: &'a str,
    cognito_identity: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    user_arn: &'a str,
    user_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: Option<String>,
}

/// The event as JSON.
pub(crate) fn build(facts: &Facts<'_>) -> Bytes {
    let parts = facts.parts;
    let query = parts.uri.query().unwrap_or_default();
    let (body, is_base64_encoded) = encode_body(&parts.headers, facts.body);
    let event = Event {
        version: "2.0",
        route_key: DEFAULT,
        raw_path: &facts.target.path,
        raw_query_string: query,
        cookies: cookies(&parts.headers),
        headers: headers(facts),
        query_string_parameters: query_parameters(query),
        request_context: context(facts),
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event)
        .expect("texts, numbers and maps of texts are valid JSON")
        .into()
}

fn context<'a>(facts: &Facts<'a>) -> Context<'a> {
    let parts = facts.parts;
    Context {
        account_id: match facts.caller {
            Some(caller) => caller.principal.account.as_str(),
            None => "anonymous",
        },
        api_id: &facts.target.id,
        authorizer: facts.caller.map(|caller| Authorizer {
            iam: Iam {
                access_key: &caller.access_key,
                account_id: caller.principal.account.as_str(),
                caller_id: &caller.principal.user_id,
                cognito_identity: None,
                principal_org_id: None,
                user_arn: &caller.principal.arn,
                user_id: &caller.principal.user_id,
            },
        }),
        domain_name: &facts.target.domain,
        domain_prefix: &facts.target.id,
        http: Http {
            method: parts.method.as_str(),
            path: &facts.target.path,
            protocol: protocol(parts.version),
            source_ip: facts.source.to_string(),
            user_agent: parts.headers.get(USER_AGENT).map(text),
        },
        request_id: facts.request_id.to_string(),
        route_key: DEFAULT,
        stage: DEFAULT,
        time: common_log_time(facts.now),
        time_epoch: facts.now.0,
    }
}

/// Names in lower case, several values joined by commas; without cookies, which
/// have their own place, and without what a signature was made with.
fn headers<'a>(facts: &Facts<'a>) -> BTreeMap<&'a str, String> {
    let headers = &facts.parts.headers;
    let is_hidden = |name: &HeaderName| {
        let secret = name == AUTHORIZATION || name.as_str() == "x-amz-security-token";
        name == COOKIE || (secret && facts.caller.is_some())
    };
    let mut joined: BTreeMap<&str, String> = headers
        .keys()
        .filter(|name| !is_hidden(name))
        .map(|name| {
            let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
            (name.as_str(), values.join(","))
        })
        .collect();
    joined.insert("x-amzn-trace-id", facts.trace_id.to_owned());
    // What a proxy in front says stays, and who came to us is added to it.
    joined
        .entry("x-forwarded-for")
        .and_modify(|given| *given = format!("{given}, {}", facts.source))
        .or_insert_with(|| facts.source.to_string());
    // Frameworks make links from these.
    joined
        .entry("x-forwarded-port")
        .or_insert_with(|| port(headers));
    joined
        .entry("x-forwarded-proto")
        .or_insert_with(|| "http".to_owned());
    joined
}

fn port(headers: &HeaderMap) -> String {
    let host = headers.get(http::header::HOST).map(text);
    let port = host.as_deref().and_then(|host| host.rsplit_once(':'));
    port.map_or("80", |(_, port)| port).to_owned()
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(COOKIE).iter().map(text);
    all.flat_map(|line| {
        line.split(';')
            .map(|cookie| cookie.trim().to_owned())
            .filter(|cookie| !cookie.is_empty())
            .collect::<Vec<_>>()
    })
    .collect()
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form::pairs(query) {
        parameters
            .entry(name)
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

/// Text as it is, everything else in base64.
fn encode_body(headers: &HeaderMap, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let content_type = headers.get(CONTENT_TYPE).map(text).unwrap_or_default();
    match std::str::from_utf8(body) {
        Ok(text) if is_text(&content_type) => (Some(text.to_owned()), false),
        _ => (Some(BASE64_STANDARD.encode(body)), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json"
                | "application/xml"
                | "application/javascript"
                | "application/graphql"
        )
}

fn protocol(version: Version) -> &'static str {
    if version == Version::HTTP_10 {
        "HTTP/1.0"
    } else if version == Version::HTTP_2 {
        "HTTP/2.0"
    } else {
        "HTTP/1.1"
    }
}

/// `21/Nov/2026:02:37:16 +0000`
fn common_log_time(now: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(now.0)
        .unwrap_or_default()
        .strftime("%d/%b/%Y:%H:%M:%S +0000")
        .to_string()
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use aws_wire::sigv4::Principal;
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
        let target = Target {
            id: "abc".to_owned(),
            path: "/my/path".to_owned(),
            domain: "abc.lambda-url.us-east-1.localhost".to_owned(),
        };
        let event = build(&Facts {
            parts: &parts,
            body: &body,
            target: &target,
            caller: signed.then_some(&caller),
            source: [127, 0, 0, 1].into(),
            request_id: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
            trace_id: "Root=1-a-b",
            now: Timestamp(1_700_000_000_042),
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
}
