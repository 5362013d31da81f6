//! Signatures against those that botocore makes (`vectors/make.py`), against our
//! own signer, and against forgeries.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use aws_wire::sigv4::{
    AuthError, Credentials, Identity, Key, KeySource, Principal, Signing, Verifier,
    credential_scope, presign, sign, sign_streamed,
};
use base64::Engine;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request};
use proptest::prelude::*;
use serde::Deserialize;
use types::Timestamp;

const MINUTE: i64 = 60_000;

#[derive(Debug, Deserialize)]
struct Vectors {
    now: i64,
    region: String,
    access_key: String,
    secret: String,
    cases: Vec<Case>,
}

#[derive(Debug, Clone, Deserialize)]
struct Case {
    name: String,
    service: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    token: Option<String>,
    presigned: bool,
}

impl Case {
    fn parts(&self) -> Parts {
        // A client sends the path and query, not the whole URL.
        let after_scheme = self.url.split_once("://").unwrap().1;
        let target = after_scheme.find('/').map_or("/", |i| &after_scheme[i..]);
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(target)
            .body(())
            .unwrap();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request.into_parts().0
    }

    fn body(&self) -> Vec<u8> {
        base64::prelude::BASE64_STANDARD.decode(&self.body).unwrap()
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/sigv4.json")).unwrap()
}

struct OneKey {
    access_key: String,
    key: Key,
}

impl KeySource for OneKey {
    fn find(&self, access_key: &str) -> Option<Key> {
        (access_key == self.access_key).then(|| self.key.clone())
    }
}

fn verifier(secret: &str, token: Option<&str>, expires: Option<Timestamp>) -> Verifier {
    let key = Key {
        secret: secret.to_owned(),
        session_token: token.map(str::to_owned),
        expires,
        principal: Principal::root("123456789012".parse().unwrap()),
    };
    let access_key = vectors().access_key;
    Verifier::new(
        Arc::new(OneKey { access_key, key }),
        "eu-west-1".parse().unwrap(),
    )
}

fn check(case: &Case, parts: &Parts, now: i64) -> Result<Identity, AuthError> {
    verifier(&vectors().secret, case.token.as_deref(), None).verify(
        parts,
        &case.body(),
        &[&case.service],
        Timestamp(now),
    )
}

fn named(name: &str) -> Case {
    let found = vectors().cases.into_iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("no case {name}"))
}

#[test]
fn what_botocore_signs_is_let_in() {
    let vectors = vectors();
    for case in &vectors.cases {
        let identity = check(case, &case.parts(), vectors.now)
            .unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        assert_eq!(identity.access_key, vectors.access_key);
        assert_eq!(identity.service, case.service);
        assert_eq!(identity.region, vectors.region);
        let scope = credential_scope(&case.parts()).unwrap();
        assert_eq!(scope.service, case.service);
    }
}

/// Whatever byte of a request is changed, it is not let in.
#[test]
fn a_changed_byte_is_noticed() {
    let now = vectors().now;
    for case in vectors().cases {
        for i in 0..case.url.len() {
            let start = case.url.find("4566").unwrap() + 5;
            let byte = case.url.as_bytes()[i];
            // A `/` or `.` may be changed without changing the meaning of a path;
            // so may what `..` takes back.
            if i < start || case.name == "dots in path" || b"./&?=%".contains(&byte) {
                continue;
            }
            let mut changed = case.clone();
            let other = if byte == b'x' { 'y' } else { 'x' };
            changed.url.replace_range(i..=i, &other.to_string());
            if changed.url.parse::<http::Uri>().is_err() {
                continue;
            }
            let result = check(&case, &changed.parts(), now);
            assert!(result.is_err(), "{}: {}", case.name, changed.url);
        }
        for (h, (name, value)) in case.headers.iter().enumerate() {
            if name.eq_ignore_ascii_case("content-length") {
                continue;
            }
            for i in 0..value.len() {
                let byte = value.as_bytes()[i];
                if b" \t,".contains(&byte) {
                    continue;
                }
                let mut changed = case.clone();
                let other = if byte == b'0' { "1" } else { "0" };
                changed.headers[h].1.replace_range(i..=i, other);
                let result = check(&case, &changed.parts(), now);
                assert!(
                    result.is_err(),
                    "{}: {name}: {:?}",
                    case.name,
                    changed.headers[h]
                );
            }
        }
    }
}

#[test]
fn another_body_or_method_or_header_is_noticed() {
    let now = vectors().now;
    for case in vectors().cases {
        let mut changed = case.clone();
        changed.method = "DELETE".to_owned();
        assert_eq!(
            check(&case, &changed.parts(), now),
            Err(AuthError::Mismatch)
        );

        if case.service != "s3" {
            let mut changed = case.clone();
            changed.body = "ZXZpbA==".to_owned();
            assert!(
                check(&changed, &changed.parts(), now).is_err(),
                "{}",
                case.name
            );
        }

        let mut parts = case.parts();
        let target = HeaderValue::from_static("Logs_20140328.DeleteLogGroup");
        parts.headers.insert("x-amz-target", target);
        assert!(matches!(
            check(&case, &parts, now),
            Err(AuthError::Scope(_))
        ));

        let mut parts = case.parts();
        parts
            .headers
            .insert("x-amzn-trace-id", HeaderValue::from_static("by a proxy"));
        assert!(check(&case, &parts, now).is_ok());
    }
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let now = vectors().now;
    for name in ["get", "http date"] {
        let case = named(name);
        let at = |minutes: i64| check(&case, &case.parts(), now + minutes * MINUTE);
        assert!(at(4).is_ok() && at(-4).is_ok());
        assert!(matches!(at(6), Err(AuthError::Expired(_))));
        assert!(matches!(at(-6), Err(AuthError::Expired(_))));
    }
    let text = check(&named("get"), &named("get").parts(), now + 6 * MINUTE).unwrap_err();
    assert_eq!(
        text.to_string(),
        "Signature expired: 20261121T023716Z is now earlier than 20261121T023816Z (20261121T024316Z - 5 min.)"
    );
}

#[test]
fn a_presigned_url_lives_as_long_as_it_says() {
    let now = vectors().now;
    let case = named("presigned");
    assert!(case.presigned);
    let at = |minutes: i64| check(&case, &case.parts(), now + minutes * MINUTE);
    assert!(at(59).is_ok());
    assert!(matches!(at(61), Err(AuthError::Expired(_))));
    assert!(matches!(at(-6), Err(AuthError::Expired(_))));
    for seconds in ["0", "604801", "-1", "x", ""] {
        let mut changed = case.clone();
        let expires = format!("X-Amz-Expires={seconds}");
        changed.url = changed.url.replace("X-Amz-Expires=3600", &expires);
        let result = check(&case, &changed.parts(), now);
        assert!(matches!(result, Err(AuthError::Incomplete(_))), "{seconds}");
    }
}

#[test]
fn the_scope_must_be_that_of_the_request() {
    let now = vectors().now;
    let case = named("get");
    let refused = |from: &str, to: &str| {
        let mut changed = case.clone();
        for (_, value) in &mut changed.headers {
            *value = value.replace(from, to);
        }
        check(&case, &changed.parts(), now).unwrap_err().to_string()
    };
    assert_eq!(
        refused("/eu-west-1/", "/mars/"),
        "Credential should be scoped to a valid region, not 'mars'."
    );
    assert_eq!(
        refused("/lambda/", "/sts/"),
        "Credential should be scoped to correct service: 'lambda'."
    );
    assert_eq!(
        refused("aws4_request", "aws5"),
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5'."
    );
    assert!(refused("/20261121/", "/20261120/").starts_with("Date in Credential scope"));
    assert!(refused("AWS4-HMAC-SHA256 C", "AWS4-ECDSA C").starts_with("Unsupported"));
    assert!(refused("SignedHeaders=host;", "SignedHeaders=").contains("'Host' must be"));
    assert_eq!(
        refused("Signature=", "Sig="),
        "Authorization header requires 'Signature' parameter."
    );
    assert_eq!(
        check(&case, &Request::new(()).into_parts().0, now),
        Err(AuthError::Missing)
    );
}

#[test]
fn temporary_keys_need_their_token_and_end() {
    let vectors = vectors();
    let now = Timestamp(vectors.now);
    for name in ["token", "presigned token"] {
        let case = named(name);
        let parts = case.parts();
        let token = case.token.as_deref();
        let with = |token, expires| {
            verifier(&vectors.secret, token, expires).verify(&parts, b"", &["lambda"], now)
        };
        assert!(with(token, Some(now.plus_millis(1))).is_ok());
        assert_eq!(with(token, Some(now)), Err(AuthError::ExpiredToken));
        assert_eq!(with(Some("other"), None), Err(AuthError::UnknownKey));
        assert_eq!(with(None, None), Err(AuthError::UnknownKey));
    }
    let case = named("get");
    let result =
        verifier(&vectors.secret, Some("t"), None).verify(&case.parts(), b"", &["lambda"], now);
    assert_eq!(result, Err(AuthError::UnknownKey));
}

#[test]
fn unknown_keys_and_wrong_secrets_are_told_apart() {
    let vectors = vectors();
    let case = named("get");
    let now = Timestamp(vectors.now);
    let wrong = verifier("other", None, None).verify(&case.parts(), b"", &["lambda"], now);
    assert_eq!(wrong, Err(AuthError::Mismatch));
    let mut parts = case.parts();
    let authorization = parts.headers["authorization"].to_str().unwrap();
    let authorization = authorization
        .replace("AKIDEXAMPLE", "AKIDOTHER")
        .parse()
        .unwrap();
    parts.headers.insert("authorization", authorization);
    assert_eq!(
        check(&case, &parts, vectors.now),
        Err(AuthError::UnknownKey)
    );
}

#[test]
fn hostile_authorizations_are_refused_and_nothing_else() {
    let now = vectors().now;
    let case = named("get");
    let long = "a;".repeat(100_000);
    for text in [
        "",
        " ",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ,,,",
        "Bearer abc",
        "Basic dTpw",
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/lambda/aws4_request, SignedHeaders=;;host;x-amz-date, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=zz",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;nothere, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/lambda/aws4_request/more, SignedHeaders=host;x-amz-date, Signature=00",
        &long,
    ] {
        let mut parts = case.parts();
        parts.headers.insert("authorization", text.parse().unwrap());
        assert!(check(&case, &parts, now).is_err(), "{text:.80}");
    }
    for date in [
        "",
        "x",
        "20261321T023716Z",
        "2026112\u{e4}T023716Z",
        "20261121T023716",
        "9",
    ] {
        let mut parts = case.parts();
        let date = HeaderValue::from_bytes(date.as_bytes()).unwrap();
        parts.headers.insert("x-amz-date", date);
        assert!(check(&case, &parts, now).is_err());
    }
}

fn ours(token: Option<&str>) -> Credentials {
    Credentials {
        access_key: vectors().access_key,
        secret: vectors().secret,
        session_token: token.map(str::to_owned),
    }
}

#[test]
fn our_presigned_urls_are_let_in() {
    let now = Timestamp(vectors().now);
    for (service, token) in [("lambda", None), ("lambda", Some("t/+=")), ("s3", None)] {
        let credentials = ours(token);
        let signing = Signing {
            credentials: &credentials,
            region: "eu-west-1",
            service,
            now,
        };
        let uri = "http://127.0.0.1:4566/a/b%20c?x=1".parse().unwrap();
        let signed = presign(Method::GET, &uri, 60, signing).unwrap();
        let (parts, ()) = Request::get(signed).body(()).unwrap().into_parts();
        let verifier = verifier(&vectors().secret, token, None);
        let at = |millis| verifier.verify(&parts, b"", &[service], now.plus_millis(millis));
        assert!(at(59_000).is_ok(), "{:?}", at(59_000));
        assert!(at(61_000).is_err());
    }
}

#[test]
fn a_streamed_body_is_not_signed_but_all_else_is() {
    let credentials = ours(None);
    let now = Timestamp(vectors().now);
    let signing = Signing {
        credentials: &credentials,
        region: "eu-west-1",
        service: "s3",
        now,
    };
    let request = Request::put("http://localhost:1/b/a%20b?partNumber=1")
        .header("x-amz-checksum-crc64nvme", "rosUhgp5mIg=");
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    sign_streamed(&mut parts, signing).unwrap();
    let verifier = verifier(&vectors().secret, None, None);
    let check = |parts: &Parts| verifier.verify(parts, b"whatever comes", &["s3"], now);
    assert!(check(&parts).is_ok());
    // The checksum that vouches for the body cannot be exchanged.
    let other = "AAAAAAAAAAA=".parse().unwrap();
    parts.headers.insert("x-amz-checksum-crc64nvme", other);
    assert!(check(&parts).is_err());
}

proptest! {
    #[test]
    fn what_we_sign_is_let_in(
        path in "(/[a-zA-Z0-9._~:@!$&'()*+,;=-]{0,8}|/%[2-7][0-9A-E]){1,6}",
        query in proptest::option::of("([a-z%+]{0,3}(=[a-zA-Z0-9/+%=~]{0,6})?&?){0,5}"),
        value in "[ -~]{0,20}",
        body in proptest::collection::vec(any::<u8>(), 0..64),
        service in "(lambda|logs|s3)",
        token in proptest::option::of("[a-zA-Z0-9/+=]{1,20}"),
    ) {
        let target = match &query {
            Some(query) => format!("http://localhost:1{path}?{query}"),
            None => format!("http://localhost:1{path}"),
        };
        let request = Request::post(target).header("x-amz-value", value.as_str());
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let credentials = ours(token.as_deref());
        let now = Timestamp(vectors().now);
        let signing = Signing {
            credentials: &credentials,
            region: "eu-west-1",
            service: &service,
            now,
        };
        sign(&mut parts, &body, signing).unwrap();
        let verifier = verifier(&vectors().secret, token.as_deref(), None);
        let result = verifier.verify(&parts, &body, &[&service], now);
        prop_assert!(result.is_ok(), "{result:?}");

        let mut other = body.clone();
        other.push(0);
        prop_assert!(verifier.verify(&parts, &other, &[&service], now).is_err());
    }

    #[test]
    fn no_request_makes_it_panic(
        authorization in "(AWS4-HMAC-SHA256 )?[ -~]{0,80}",
        query in "(X-Amz-(Algorithm|Date|Expires|Credential|SignedHeaders|Signature)=[ -~&&[^ #\"<>]]{0,30}&){0,6}",
        date in "[ -~]{0,20}",
    ) {
        let Ok(request) = Request::get(format!("/?{query}"))
            .header("authorization", authorization)
            .header("x-amz-date", date)
            .body(()) else { return Ok(()) };
        let (parts, ()) = request.into_parts();
        let _ = credential_scope(&parts);
        prop_assert!(check(&named("get"), &parts, vectors().now).is_err());
    }
}

/// Not a measurement, but a figure to look at: `cargo nextest run --release
/// --no-capture speed`.
/// The head alone is judged as the whole is, as far as it says something of the body.
#[test]
fn a_head_is_judged_before_its_body_comes() {
    let vectors = vectors();
    let mut early = 0;
    for case in &vectors.cases {
        let (mut parts, body) = (case.parts(), case.body());
        // What every client says of a body that it sends.
        if !body.is_empty() {
            parts.headers.insert("content-length", body.len().into());
        }
        let verifier = verifier(&vectors.secret, case.token.as_deref(), None);
        let now = Timestamp(vectors.now);
        let services = [case.service.as_str()];
        let whole = verifier.verify(&parts, &body, &services, now).unwrap();
        if case.presigned && case.service == "s3" {
            // S3 signs no body where nothing is said of one.
            continue;
        }
        let head = verifier.verify_head(&parts, &services, now).unwrap();
        let Some((identity, payload)) = head else {
            assert!(
                !body.is_empty(),
                "{}: there is nothing to wait for",
                case.name
            );
            continue;
        };
        early += 1;
        assert_eq!(identity, whole, "{}", case.name);
        assert_eq!(payload.check(&body), Ok(()), "{}", case.name);
        if payload.is_signed() {
            let other = payload.check(b"another body");
            assert_eq!(other, Err(AuthError::PayloadMismatch), "{}", case.name);
        }
        parts.method = Method::PATCH;
        let changed = verifier.verify_head(&parts, &services, now);
        assert_eq!(changed.unwrap_err(), AuthError::Mismatch, "{}", case.name);
    }
    assert!(early > 5, "the vectors have heads that say enough");
}

#[test]
fn a_head_that_cannot_hold_is_refused_before_its_body_comes() {
    let case = named("post");
    let verifier = verifier("another secret", None, None);
    let mut parts = case.parts();
    parts.headers.insert("content-length", 4.into());
    let old = Timestamp(vectors().now + 60 * MINUTE);
    let refused = verifier.verify_head(&parts, &["lambda"], old);
    assert!(matches!(refused, Err(AuthError::Expired(_))));
    let other = verifier.verify_head(&parts, &["execute-api"], Timestamp(vectors().now));
    assert!(matches!(other, Err(AuthError::Scope(_))));
}
