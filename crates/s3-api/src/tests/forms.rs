//! Forms of browsers.

use std::fmt::Write as _;

use aws_wire::sigv4::policy_signature;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const CONDITIONS: &str = r#"[{"bucket": "data"}, ["starts-with", "$key", "up/"], ["starts-with", "$x-amz-meta-a", ""], ["starts-with", "$success_action_status", ""], ["content-length-range", 1, 10]"#;

/// The fields of a form that may be sent, and its file.
fn form(fields: &[(&str, &str)], file: &str) -> Request<Full<Bytes>> {
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let date = &stamp[..8];
    let credential = format!("{ROOT}/{date}/us-east-1/s3/aws4_request");
    let policy = format!(
        r#"{{"expiration": "2099-01-01T00:00:00Z", "conditions": {CONDITIONS}, {{"x-amz-algorithm": "AWS4-HMAC-SHA256"}}, {{"x-amz-credential": "{credential}"}}, {{"x-amz-date": "{stamp}"}}]}}"#
    );
    let policy = STANDARD.encode(policy);
    let signature = policy_signature("secret", date, "us-east-1", "s3", &policy);
    let own = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", &stamp),
        ("policy", &policy),
        ("x-amz-signature", &signature),
    ];
    let all: Vec<_> = own.iter().chain(fields).copied().collect();
    plain(&all, file)
}

fn plain(fields: &[(&str, &str)], file: &str) -> Request<Full<Bytes>> {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str("--b\r\nContent-Disposition: form-data; ");
        write!(body, "name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    write!(
        body,
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n{file}\r\n--b--\r\n"
    )
    .unwrap();
    let headers = [
        ("content-type", "multipart/form-data; boundary=b"),
        ("host", "localhost"),
    ];
    request(Method::POST, "/data", &headers, body.into())
}

#[tokio::test]
async fn a_form_becomes_an_object() {
    let wire = Wire::with_bucket().await;
    let fields = [
        ("key", "up/${filename}"),
        ("x-amz-meta-a", "1"),
        ("success_action_status", "201"),
    ];
    let sent = wire.answer(form(&fields, "id\r\n1")).await;
    assert_eq!(sent.status.as_u16(), 201, "{}", sent.text());
    assert_eq!(sent.element("Key"), "up/a.csv");
    assert_eq!(sent.header("location"), "http://localhost/data/up%2Fa.csv");
    let got = wire.get("/data/up/a.csv").await.ok();
    assert_eq!(
        (got.text().as_str(), got.header("x-amz-meta-a")),
        ("id\r\n1", "1")
    );
    let silent = wire.answer(form(&[("key", "up/b")], "x")).await;
    assert_eq!((silent.status.as_u16(), silent.body.len()), (204, 0));
}

#[tokio::test]
async fn forms_stay_within_their_policy() {
    let wire = Wire::with_bucket().await;
    let key = ("key", "up/k");
    for (fields, file, code) in [
        (
            &[("key", "elsewhere")][..],
            "x",
            refused(403, "AccessDenied"),
        ),
        (
            &[key, ("x-amz-meta-b", "1")],
            "x",
            refused(403, "AccessDenied"),
        ),
        (&[key], "", refused(400, "EntityTooSmall")),
        (&[key], "more than ten", refused(400, "EntityTooLarge")),
        (&[], "x", refused(400, "InvalidArgument")),
    ] {
        let sent = wire.answer(form(fields, file)).await;
        assert_eq!(sent.refusal(), code, "{fields:?}");
    }
    let list = wire.get("/data").await.ok();
    assert!(list.elements("Key").is_empty());
    let unsigned = wire.answer(plain(&[key], "x")).await;
    assert_eq!(unsigned.refusal(), refused(403, "AccessDenied"));
    let mut forged = form(&[key], "x");
    let text = {
        let body = std::mem::take(forged.body_mut());
        let bytes = body.collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let at = text.find("x-amz-signature").unwrap() + 20;
    let spoiled = format!("{}0000{}", &text[..at], &text[at + 4..]);
    *forged.body_mut() = Full::new(spoiled.into());
    let sent = wire.answer(forged).await;
    assert_eq!(sent.refusal(), refused(403, "SignatureDoesNotMatch"));
}
