//! Objects: written, read, copied, deleted.

use super::*;

#[tokio::test]
async fn an_object_comes_back_as_it_was_given() {
    let wire = Wire::with_bucket().await;
    let headers = [
        ("content-type", "text/csv"),
        ("cache-control", "no-cache"),
        ("expires", "Sat, 21 Nov 2026 05:46:00 GMT"),
        ("x-amz-meta-who", "me"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "AES256"),
    ];
    let put = wire
        .put_with("/data/a%20b/%C3%A9", &headers, "id,value")
        .await
        .ok();
    assert_eq!(put.header("etag"), format!("\"{}\"", md5("id,value")));
    assert_eq!(put.header("x-amz-server-side-encryption"), "AES256");
    assert!(!put.header("x-amz-checksum-crc64nvme").is_empty());
    assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
    let got = wire.get("/data/a%20b/%C3%A9").await.ok();
    assert_eq!(got.text(), "id,value");
    for (name, value) in [
        ("content-type", "text/csv"),
        ("content-length", "8"),
        ("cache-control", "no-cache"),
        ("expires", "Sat, 21 Nov 2026 05:46:00 GMT"),
        ("x-amz-meta-who", "me"),
        ("x-amz-tagging-count", "1"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("accept-ranges", "bytes"),
        ("x-amz-checksum-crc64nvme", ""),
        ("x-amz-version-id", ""),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let mode = [("x-amz-checksum-mode", "ENABLED")];
    let head = wire
        .call(Method::HEAD, "/data/a%20b/%C3%A9", &mode, "")
        .await
        .ok();
    let sum = "x-amz-checksum-crc64nvme";
    assert_eq!(head.header(sum), put.header(sum));
    assert_eq!(head.header("content-length"), "8");
    assert!(head.body.is_empty());
}

fn md5(text: &str) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(text))
}

#[tokio::test]
async fn parts_of_an_object() {
    let wire = Wire::with_bucket().await;
    wire.put("/data/k", "0123456789").await.ok();
    for (range, content, told) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-100", "56789", "bytes 5-9/10"),
    ] {
        let got = wire.get_with("/data/k", &[("range", range)]).await;
        assert_eq!(got.status.as_u16(), 206, "{range}");
        assert_eq!(
            (got.text().as_str(), got.header("content-range")),
            (content, told)
        );
    }
    let beyond = wire.get_with("/data/k", &[("range", "bytes=10-")]).await;
    assert_eq!(beyond.refusal(), refused(416, "InvalidRange"));
    assert_eq!(beyond.element("ActualObjectSize"), "10");
    // What cannot be read is passed over, though it is signed.
    for odd in ["bytes=0-1,3-4", "lines=1-2", "bytes=5-3"] {
        let got = wire.get_with("/data/k", &[("range", odd)]).await;
        assert_eq!((got.status.as_u16(), got.text().len()), (200, 10), "{odd}");
    }
    let part = wire.get("/data/k?partNumber=1").await;
    assert_eq!((part.status.as_u16(), part.text().len()), (206, 10));
    let part = wire.get("/data/k?partNumber=2").await;
    assert_eq!(part.refusal(), refused(416, "InvalidPartNumber"));
    let head = wire
        .call(Method::HEAD, "/data/k", &[("range", "bytes=0-3")], "")
        .await;
    assert_eq!(
        (head.status.as_u16(), head.header("content-length")),
        (206, "4")
    );
}

#[tokio::test]
async fn what_is_not_there() {
    let wire = Wire::with_bucket().await;
    let missing = wire.get("/data/nothing").await;
    assert_eq!(missing.refusal(), refused(404, "NoSuchKey"));
    assert_eq!(missing.element("Key"), "nothing");
    assert_eq!(missing.header("content-type"), "application/xml");
    let head = wire.call(Method::HEAD, "/data/nothing", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (404, 0));
    let bucket = wire.get("/nowhere/k").await;
    assert_eq!(bucket.refusal(), refused(404, "NoSuchBucket"));
    assert_eq!(bucket.element("BucketName"), "nowhere");
    let named = wire.get("/data/k?versionId=none").await;
    assert_eq!(named.status.as_u16(), 404);
    assert_eq!(
        wire.put("/data/../up", "").await.refusal(),
        refused(400, "InvalidURI")
    );
    let long = format!("/data/{}", "k".repeat(1025));
    assert_eq!(
        wire.put(&long, "").await.refusal(),
        refused(400, "KeyTooLongError")
    );
    assert_eq!(
        wire.put("/Data_x", "").await.refusal(),
        refused(400, "InvalidBucketName")
    );
    let patch = wire.call(Method::PATCH, "/data/k", &[], "").await;
    assert_eq!(patch.refusal(), refused(405, "MethodNotAllowed"));
}

#[tokio::test]
async fn copies_take_what_they_are_told_to() {
    let wire = Wire::with_bucket().await;
    let headers = [
        ("x-amz-meta-a", "1"),
        ("x-amz-tagging", "t=1"),
        ("content-type", "a/b"),
    ];
    wire.put_with("/data/k", &headers, "text").await.ok();
    let source = ("x-amz-copy-source", "/data/k");
    let copied = wire.put_with("/data/copy", &[source], "").await.ok();
    assert!(
        copied.text().contains("<CopyObjectResult"),
        "{}",
        copied.text()
    );
    let copy = wire.get("/data/copy").await.ok();
    assert_eq!(
        (copy.text().as_str(), copy.header("x-amz-meta-a")),
        ("text", "1")
    );
    assert_eq!(copy.header("x-amz-tagging-count"), "1");
    let replace = [
        source,
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-tagging-directive", "REPLACE"),
        ("x-amz-meta-b", "2"),
    ];
    wire.put_with("/data/copy", &replace, "").await.ok();
    let copy = wire.get("/data/copy").await.ok();
    assert_eq!(
        (copy.header("x-amz-meta-a"), copy.header("x-amz-meta-b")),
        ("", "2")
    );
    assert_eq!(copy.header("x-amz-tagging-count"), "");
    let itself = wire.put_with("/data/k", &[source], "").await;
    assert_eq!(itself.refusal(), refused(400, "InvalidRequest"));
    wire.put_with(
        "/data/k",
        &[source, ("x-amz-storage-class", "GLACIER_IR")],
        "",
    )
    .await
    .ok();
    let odd = [source, ("x-amz-metadata-directive", "KEEP")];
    let odd = wire.put_with("/data/copy", &odd, "").await;
    assert_eq!(odd.refusal(), refused(400, "InvalidArgument"));
    let sum = [source, ("x-amz-checksum-algorithm", "SHA256")];
    let summed = wire.put_with("/data/copy", &sum, "").await.ok();
    assert_eq!(summed.element("ChecksumSHA256"), sha256("text"));
}

fn sha256(text: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text))
}

#[tokio::test]
async fn versions_are_kept_and_named() {
    let wire = Wire::with_bucket().await;
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    wire.put("/data?versioning", on).await.ok();
    let first = wire.put("/data/k", "1").await.ok();
    let first = first.header("x-amz-version-id");
    assert!(!first.is_empty());
    wire.put("/data/k", "2").await.ok();
    let old = wire.get(&format!("/data/k?versionId={first}")).await.ok();
    assert_eq!(
        (old.text().as_str(), old.header("x-amz-version-id")),
        ("1", first)
    );
    let deleted = wire.delete("/data/k").await.ok();
    assert_eq!(
        (
            deleted.status.as_u16(),
            deleted.header("x-amz-delete-marker")
        ),
        (204, "true")
    );
    let gone = wire.get("/data/k").await;
    assert_eq!(gone.refusal(), refused(404, "NoSuchKey"));
    assert_eq!(gone.header("x-amz-delete-marker"), "true");
    let marker = deleted.header("x-amz-version-id");
    let named = wire.get(&format!("/data/k?versionId={marker}")).await;
    assert_eq!(named.refusal(), refused(405, "MethodNotAllowed"));
    let listed = wire.get("/data?versions").await.ok();
    let mut latest = listed.elements("IsLatest");
    latest.sort();
    assert_eq!(latest, ["false", "false", "true"]);
    wire.delete(&format!("/data/k?versionId={marker}"))
        .await
        .ok();
    assert_eq!(wire.get("/data/k").await.ok().text(), "2");
}

#[tokio::test]
async fn many_keys_go_at_once() {
    let wire = Wire::with_bucket().await;
    wire.put("/data/a", "1").await.ok();
    let body = "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object><Object><Key>../x</Key></Object></Delete>";
    let bare = wire.post("/data?delete", body).await;
    assert_eq!(bare.refusal(), refused(400, "InvalidRequest"));
    let digest = {
        use base64::Engine as _;
        use md5::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(body))
    };
    let headers = [("content-md5", &*digest)];
    let deleted = wire
        .call(Method::POST, "/data?delete", &headers, body)
        .await
        .ok();
    assert_eq!(deleted.elements("Key"), ["a", "none", "../x"]);
    assert_eq!(deleted.elements("Code"), ["InvalidURI"]);
    assert_eq!(wire.get("/data/a").await.status.as_u16(), 404);
}

#[tokio::test]
async fn attributes_and_tags() {
    let wire = Wire::with_bucket().await;
    wire.put("/data/k", "text").await.ok();
    let asked = [(
        "x-amz-object-attributes",
        "ETag,ObjectSize,Checksum,StorageClass",
    )];
    let got = wire.get_with("/data/k?attributes", &asked).await.ok();
    assert_eq!(got.element("ETag"), md5("text"));
    assert_eq!(got.element("ObjectSize"), "4");
    assert_eq!(got.element("StorageClass"), "STANDARD");
    assert_eq!(got.element("ChecksumType"), "FULL_OBJECT");
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    wire.put("/data/k?tagging", tags).await.ok();
    assert_eq!(wire.get("/data/k?tagging").await.ok().element("Value"), "b");
    wire.delete("/data/k?tagging").await.ok();
    assert_eq!(wire.get("/data/k?tagging").await.ok().element("Value"), "");
}

#[tokio::test]
async fn hosts_name_buckets() {
    let wire = Wire::with_bucket().await;
    let host = [("host", "data.s3.localhost:4566")];
    let (mut parts, body) = request(Method::PUT, "/k", &host, "x".into()).into_parts();
    sign(&mut parts, b"x", signing(&credentials(ROOT))).unwrap();
    wire.answer(Request::from_parts(parts, body)).await.ok();
    assert_eq!(wire.get("/data/k").await.ok().text(), "x");
}
