//! Signatures, tokens, policies.

use engine::iam::NewRole;

use super::*;

#[tokio::test]
async fn keys_and_their_tokens() {
    let wire = Wire::with_bucket().await;
    let get = |key: &str| signed_by(key, Method::GET, "/data", &[], Bytes::new());
    let unknown = wire.answer(get("AKIANOBODY")).await;
    assert_eq!(unknown.refusal(), refused(403, "InvalidAccessKeyId"));
    // A role that is not recorded may do everything.
    wire.answer(get(SESSION)).await.ok();
    assert_eq!(
        wire.answer(get(ENDED)).await.refusal(),
        refused(400, "ExpiredToken")
    );
    let with_token = |token: Option<&str>| {
        let credentials = Credentials {
            session_token: token.map(str::to_owned),
            ..credentials(SESSION)
        };
        let request = request(Method::GET, "/data", &[], Bytes::new());
        let (mut parts, body) = request.into_parts();
        sign(&mut parts, b"", signing(&credentials)).unwrap();
        Request::from_parts(parts, body)
    };
    let other = wire.answer(with_token(Some("another"))).await;
    assert_eq!(other.refusal(), refused(400, "InvalidToken"));
    let none = wire.answer(with_token(None)).await;
    assert_eq!(none.refusal(), refused(403, "InvalidAccessKeyId"));
}

#[tokio::test]
async fn signatures_hold_or_not() {
    let wire = Wire::with_bucket().await;
    let tampered = |change: fn(&mut http::request::Parts)| {
        let request = signed_by(ROOT, Method::GET, "/data", &[], Bytes::new());
        let (mut parts, body) = request.into_parts();
        change(&mut parts);
        Request::from_parts(parts, body)
    };
    let path = wire
        .answer(tampered(|parts| parts.uri = "/other".parse().unwrap()))
        .await;
    assert_eq!(path.refusal(), refused(403, "SignatureDoesNotMatch"));
    let header = wire.answer(tampered(|parts| {
        parts.headers.insert("x-amz-meta-a", "b".parse().unwrap());
    }));
    assert_eq!(header.await.refusal(), refused(403, "AccessDenied"));
    for (millis, region, code) in [
        (
            -16 * 60_000,
            "us-east-1",
            refused(403, "RequestTimeTooSkewed"),
        ),
        (
            16 * 60_000,
            "us-east-1",
            refused(403, "RequestTimeTooSkewed"),
        ),
        (0, "eu-west-1", refused(400, "AuthorizationHeaderMalformed")),
    ] {
        let credentials = credentials(ROOT);
        let signing = Signing {
            now: Timestamp::now().plus_millis(millis),
            region,
            ..signing(&credentials)
        };
        let (mut parts, body) = request(Method::GET, "/data", &[], Bytes::new()).into_parts();
        sign(&mut parts, b"", signing).unwrap();
        let answer = wire.answer(Request::from_parts(parts, body)).await;
        assert_eq!(answer.refusal(), code);
    }
}

#[tokio::test]
async fn presigned_urls_work_alone() {
    let wire = Wire::with_bucket().await;
    wire.answer(presigned(Method::PUT, "/data/k", "text"))
        .await
        .ok();
    let path = "/data/k?response-content-type=text%2Fx";
    let got = wire.answer(presigned(Method::GET, path, "")).await.ok();
    assert_eq!(
        (got.text().as_str(), got.header("content-type")),
        ("text", "text/x")
    );
    let mut request = presigned(Method::GET, "/data/k", "");
    let uri = request.uri().to_string().replace("/data/k", "/data/other");
    *request.uri_mut() = uri.parse().unwrap();
    let other = wire.answer(request).await;
    assert_eq!(other.refusal(), refused(403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn anyone_may_do_what_the_policy_says() {
    let wire = Wire::with_bucket().await;
    wire.put("/data/k", "text").await.ok();
    let denied = wire.anonymous(Method::GET, "/data/k", &[]).await;
    assert_eq!(denied.refusal(), refused(403, "AccessDenied"));
    wire.delete("/data?publicAccessBlock").await.ok();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}]}"#;
    wire.put("/data?policy", policy).await.ok();
    let status = wire.get("/data?policyStatus").await.ok();
    assert_eq!(status.element("IsPublic"), "TRUE".to_ascii_lowercase());
    assert_eq!(
        wire.anonymous(Method::GET, "/data/k", &[])
            .await
            .ok()
            .text(),
        "text"
    );
    // What is there is not told to who may not list.
    let missing = wire.anonymous(Method::GET, "/data/none", &[]).await;
    assert_eq!(missing.refusal(), refused(403, "AccessDenied"));
    let list = wire.anonymous(Method::GET, "/data", &[]).await;
    assert_eq!(list.refusal(), refused(403, "AccessDenied"));
    let dressed = wire
        .anonymous(Method::GET, "/data/k?response-content-type=a", &[])
        .await;
    assert_eq!(dressed.refusal(), refused(400, "InvalidRequest"));
}

/// The role whose keys `SESSION` is, with one policy.
async fn make_reader(wire: &Wire, policy: &str) {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = NewRole {
        name: "reader".to_owned(),
        path: "/".to_owned(),
        description: None,
        trust: trust.to_owned(),
        max_session_seconds: 3600,
        permissions_boundary: None,
        tags: std::collections::BTreeMap::new(),
    };
    wire.iam.create_role(role).await.unwrap();
    let put = wire.iam.put_role_policy("reader", "p", policy.to_owned());
    put.await.unwrap();
}

#[tokio::test]
async fn roles_may_do_what_their_policies_say() {
    let wire = Wire::with_bucket().await;
    wire.put("/data/in/k", "text").await.ok();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/in/*"}]}"#;
    make_reader(&wire, policy).await;
    let call = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        wire.answer(signed_by(SESSION, method, path, headers, Bytes::new()))
            .await
    };
    assert_eq!(
        call(Method::GET, "/data/in/k", &[]).await.ok().text(),
        "text"
    );
    let denied = refused(403, "AccessDenied");
    let put = call(Method::PUT, "/data/in/k", &[]).await;
    assert_eq!(put.refusal(), denied);
    assert!(
        put.element("Message").contains(
            "is not authorized to perform: s3:PutObject on resource: &quot;arn:aws:s3:::data/in/k"
        ) || put.element("Message").contains(
            "is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::data/in/k"
        ),
        "{}",
        put.text()
    );
    assert_eq!(call(Method::GET, "/data", &[]).await.refusal(), denied);
    assert_eq!(
        call(Method::GET, "/data/in/none", &[]).await.refusal(),
        denied
    );
    let source = [("x-amz-copy-source", "data/in/k")];
    assert_eq!(
        call(Method::PUT, "/data/out", &source).await.refusal(),
        denied
    );
}

/// Objects `open` and `secret`, with the tag that says so, and `bare` without.
async fn with_tagged() -> Wire {
    let wire = Wire::with_bucket().await;
    for kind in ["open", "secret"] {
        let tag = format!("kind={kind}");
        let tags = [("x-amz-tagging", &*tag)];
        let path = format!("/data/{kind}");
        wire.put_with(&path, &tags, "text").await.ok();
    }
    wire.put("/data/bare", "text").await.ok();
    wire
}

#[tokio::test]
async fn a_role_is_kept_from_objects_by_the_tags_they_have() {
    let wire = with_tagged().await;
    let policy = r#"{"Statement":[
        {"Effect":"Allow","Action":"s3:*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:*","Resource":"*",
         "Condition":{"StringEquals":{"s3:ExistingObjectTag/kind":"secret"}}}]}"#;
    make_reader(&wire, policy).await;
    let call = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let request = signed_by(SESSION, method, path, headers, Bytes::new());
        wire.answer(request).await.status.as_u16()
    };
    for (key, status) in [("open", 200), ("bare", 200), ("secret", 403)] {
        let path = format!("/data/{key}");
        assert_eq!(call(Method::GET, &path, &[]).await, status, "{key}");
        assert_eq!(call(Method::HEAD, &path, &[]).await, status, "{key}");
        let source = format!("data/{key}");
        let source = [("x-amz-copy-source", &*source)];
        let copied = call(Method::PUT, "/data/copy", &source).await;
        assert_eq!(copied, status, "copy of {key}");
    }
    // Nor does it get at it by taking the tag away.
    let untag = call(Method::DELETE, "/data/secret?tagging", &[]).await;
    assert_eq!(untag, 403);
    // The owner does, and is not held to it.
    wire.delete("/data/secret?tagging").await.ok();
    assert_eq!(call(Method::GET, "/data/secret", &[]).await, 200);
}

#[tokio::test]
async fn the_tags_of_the_version_that_is_asked_for_count() {
    let wire = Wire::with_bucket().await;
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    wire.put("/data?versioning", on).await.ok();
    let secret = [("x-amz-tagging", "kind=secret")];
    let old = wire.put_with("/data/k", &secret, "old").await.ok();
    wire.put("/data/k", "new").await.ok();
    let policy = r#"{"Statement":[
        {"Effect":"Allow","Action":"s3:*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:Get*","Resource":"*",
         "Condition":{"StringEquals":{"s3:ExistingObjectTag/kind":"secret"}}}]}"#;
    make_reader(&wire, policy).await;
    let version = old.header("x-amz-version-id");
    let get = async |path: String| {
        let request = signed_by(SESSION, Method::GET, &path, &[], Bytes::new());
        wire.answer(request).await.status.as_u16()
    };
    assert_eq!(get("/data/k".to_owned()).await, 200);
    assert_eq!(get(format!("/data/k?versionId={version}")).await, 403);
    let source = format!("data/k?versionId={version}");
    let source = [("x-amz-copy-source", &*source)];
    let copy = signed_by(SESSION, Method::PUT, "/data/copy", &source, Bytes::new());
    assert_eq!(wire.answer(copy).await.status, 403);
}

#[tokio::test]
async fn a_bucket_lets_anyone_read_what_its_tags_open() {
    let wire = with_tagged().await;
    wire.delete("/data?publicAccessBlock").await.ok();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/kind":"open"}}}]}"#;
    wire.put("/data?policy", policy).await.ok();
    for (key, status) in [("open", 200), ("secret", 403), ("bare", 403)] {
        let path = format!("/data/{key}");
        let got = wire.anonymous(Method::GET, &path, &[]).await;
        assert_eq!(got.status.as_u16(), status, "{key}");
    }
}

#[tokio::test]
async fn expected_owners_are_compared() {
    let wire = Wire::with_bucket().await;
    let owner = |account| [("x-amz-expected-bucket-owner", account)];
    wire.get_with("/data", &owner("123456789012")).await.ok();
    let other = wire.get_with("/data", &owner("210987654321")).await;
    assert_eq!(other.refusal(), refused(403, "AccessDenied"));
}
