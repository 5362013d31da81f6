//! Bodies: what they are said to be and are not, and how they travel.

use std::fmt::Write as _;

use super::*;

const CHUNKED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// A request that is signed before its body is known.
fn signed_for(hash: &str, headers: &[(&str, &str)]) -> http::request::Parts {
    let (mut parts, _) = request(Method::PUT, "/data/k", headers, Bytes::new()).into_parts();
    // Set when the body is known, and not signed.
    parts.headers.remove("content-length");
    let credentials = credentials(ROOT);
    sign(&mut parts, b"", signing(&credentials)).unwrap();
    // Signing again over another hash: only the header and the signature change.
    resign(&mut parts, hash);
    parts
}

/// Signs what `sign` signs, with a hash that is given instead of computed.
fn resign(parts: &mut http::request::Parts, hash: &str) {
    use sha2::Digest as _;
    parts
        .headers
        .insert("x-amz-content-sha256", hash.parse().unwrap());
    let authorization = parts.headers.remove("authorization").unwrap();
    let text = authorization.to_str().unwrap();
    let names = text
        .split("SignedHeaders=")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let mut canonical = format!("PUT\n{}\n\n", parts.uri.path());
    for name in names.split(';') {
        let value = parts.headers[name].to_str().unwrap();
        writeln!(canonical, "{name}:{}", value.trim()).unwrap();
    }
    write!(canonical, "\n{names}\n{hash}").unwrap();
    let stamp = parts.headers["x-amz-date"].to_str().unwrap().to_owned();
    let date = &stamp[..8];
    let scope = format!("{date}/us-east-1/s3/aws4_request");
    let digest = hex::encode(sha2::Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}");
    // The signature of a text is that of a policy of this text.
    let signature = aws_wire::sigv4::policy_signature("secret", date, "us-east-1", "s3", &to_sign);
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={ROOT}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    parts
        .headers
        .insert("authorization", value.parse().unwrap());
}

#[tokio::test]
async fn checksums_are_compared_and_given_back() {
    let wire = Wire::with_bucket().await;
    for (name, good, bad) in [
        ("x-amz-checksum-crc32", "y/Q5Jg==", "AAAAAA=="),
        ("x-amz-checksum-crc32c", "4waSgw==", "AAAAAA=="),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=", "AAAAAAAAAAA="),
    ] {
        let put = wire.put_with("/data/k", &[(name, bad)], "123456789").await;
        assert_eq!(put.refusal(), refused(400, "BadDigest"), "{name}");
        assert_eq!(wire.get("/data/k").await.status.as_u16(), 404, "{name}");
        wire.put_with("/data/k", &[(name, good)], "123456789")
            .await
            .ok();
        let got = wire
            .get_with("/data/k", &[("x-amz-checksum-mode", "ENABLED")])
            .await
            .ok();
        assert_eq!(got.header(name), good);
        wire.delete("/data/k").await.ok();
    }
    let md5 = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")];
    let put = wire.put_with("/data/k", &md5, "x").await;
    assert_eq!(put.refusal(), refused(400, "BadDigest"));
    let put = wire
        .put_with("/data/k", &[("content-md5", "AAAA")], "x")
        .await;
    assert_eq!(put.refusal(), refused(400, "InvalidDigest"));
    assert_eq!(wire.get("/data/k").await.status.as_u16(), 404);
}

#[tokio::test]
async fn chunks_carry_a_body_and_its_trailers() {
    let wire = Wire::with_bucket().await;
    let headers = [
        ("x-amz-decoded-content-length", "9"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("content-encoding", "aws-chunked"),
    ];
    let send = async |body: &'static str| {
        let parts = signed_for(CHUNKED, &headers);
        let body = body.as_bytes().chunks(3).map(Bytes::from_static).collect();
        wire.answer(Request::from_parts(parts, pieces(body))).await
    };
    let good = "5\r\n12345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
    let put = send(good).await.ok();
    assert_eq!(put.header("x-amz-checksum-crc32"), "y/Q5Jg==");
    let got = wire.get("/data/k").await.ok();
    assert_eq!(
        (got.text().as_str(), got.header("content-encoding")),
        ("123456789", "")
    );
    wire.delete("/data/k").await.ok();
    for (body, code) in [
        (
            "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            "BadDigest",
        ),
        ("9\r\n123456789\r\n0\r\n\r\n", "MalformedTrailerError"),
        ("9\r\n123456789\r\n", "IncompleteBody"),
        ("9\r\n12345", "IncompleteBody"),
        (
            "5\r\n12345\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n",
            "IncompleteBody",
        ),
        ("9\r\n1234567890", "IncompleteBody"),
        ("zz\r\n123456789", "IncompleteBody"),
    ] {
        assert_eq!(send(body).await.refusal(), refused(400, code), "{body}");
        assert_eq!(wire.get("/data/k").await.status.as_u16(), 404, "{body}");
    }
}

#[tokio::test]
async fn signed_chunks_need_their_signatures() {
    let wire = Wire::with_bucket().await;
    let headers = [("x-amz-decoded-content-length", "3")];
    for body in [
        "3\r\nabc\r\n0\r\n\r\n".to_owned(),
        format!("3;chunk-signature={}\r\nabc\r\n", "0".repeat(64)),
    ] {
        let parts = signed_for("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", &headers);
        let request = Request::from_parts(parts, pieces(vec![body.into()]));
        let answer = wire.answer(request).await;
        assert_eq!(answer.refusal(), refused(403, "SignatureDoesNotMatch"));
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_refused() {
    let wire = Wire::with_bucket().await;
    let mut parts = signed_for(&"0".repeat(64), &[]);
    parts.headers.insert("content-length", "3".parse().unwrap());
    let answer = wire
        .answer(Request::from_parts(parts, pieces(vec!["abc".into()])))
        .await;
    assert_eq!(answer.refusal(), refused(400, "XAmzContentSHA256Mismatch"));
    assert_eq!(wire.get("/data/k").await.status.as_u16(), 404);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let wire = Wire::with_bucket().await;
    let mut parts = signed_for("UNSIGNED-PAYLOAD", &[]);
    parts
        .headers
        .insert("content-length", "100".parse().unwrap());
    let answer = wire
        .answer(Request::from_parts(parts, broken(vec![b"abc", b"def"])))
        .await;
    assert_eq!(answer.refusal(), refused(400, "IncompleteBody"));
    assert_eq!(wire.get("/data/k").await.status.as_u16(), 404);
    let mut parts = signed_for("UNSIGNED-PAYLOAD", &[]);
    parts
        .headers
        .insert("content-length", "6000000000".parse().unwrap());
    let answer = wire
        .answer(Request::from_parts(parts, pieces(vec![])))
        .await;
    assert_eq!(answer.refusal(), refused(400, "EntityTooLarge"));
    assert_eq!(answer.element("MaxSizeAllowed"), "5368709120");
    let mut parts = signed_for("UNSIGNED-PAYLOAD", &[]);
    parts.headers.remove("content-length");
    let answer = wire
        .answer(Request::from_parts(parts, pieces(vec!["x".into()])))
        .await;
    assert_eq!(answer.refusal(), refused(411, "MissingContentLength"));
}

#[tokio::test]
async fn large_objects_pass_in_pieces() {
    let wire = Wire::with_bucket().await;
    let piece = Bytes::from(vec![7_u8; 1 << 20]);
    let mut parts = signed_for("UNSIGNED-PAYLOAD", &[]);
    parts.headers.insert("content-length", (5 << 20).into());
    let body = pieces(vec![piece; 5]);
    wire.answer(Request::from_parts(parts, body)).await.ok();
    let got = wire.get("/data/k").await.ok();
    assert_eq!(got.body.len(), 5 << 20);
    assert!(got.body.iter().all(|byte| *byte == 7));
}
