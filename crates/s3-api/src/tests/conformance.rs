//! What a public conformance suite found, each bug by its name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use md5::Digest as _;

use super::Wire;

async fn switch_versions(wire: &Wire, status: &str) {
    let document =
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    wire.put("/data?versioning", document).await.ok();
}

#[tokio::test]
async fn writes_to_suspended_buckets_name_no_version() {
    let wire = Wire::with_bucket().await;
    switch_versions(&wire, "Enabled").await;
    let made = wire.put("/data/k", "1").await.ok();
    assert_ne!(made.header("x-amz-version-id"), "");
    switch_versions(&wire, "Suspended").await;
    let made = wire.put("/data/k", "2").await.ok();
    assert!(!made.headers.contains_key("x-amz-version-id"));
    let source = [("x-amz-copy-source", "data/k")];
    let copied = wire.put_with("/data/copy", &source, "").await.ok();
    assert!(!copied.headers.contains_key("x-amz-version-id"));
    // Who reads it is told.
    let read = wire.get("/data/k").await.ok();
    assert_eq!(read.header("x-amz-version-id"), "null");
}

#[tokio::test]
async fn deletes_do_not_pass_over_conditions() {
    let wire = Wire::with_bucket().await;
    wire.put("/data/k", "text").await.ok();
    for condition in [
        "<Size>9</Size>",
        "<LastModifiedTime>Sat, 21 Nov 2026 05:46:00 GMT</LastModifiedTime>",
    ] {
        let list = format!("<Delete><Object><Key>k</Key>{condition}</Object></Delete>");
        let sum = STANDARD.encode(md5::Md5::digest(&list));
        let headers = [("content-md5", &*sum)];
        let answer = wire
            .call(Method::POST, "/data?delete", &headers, list)
            .await;
        assert_eq!(answer.ok().element("Code"), "NotImplemented", "{condition}");
        wire.get("/data/k").await.ok();
    }
}

#[tokio::test]
async fn heads_count_tags() {
    let wire = Wire::with_bucket().await;
    let tags = [("x-amz-tagging", "a=1&b=2")];
    wire.put_with("/data/k", &tags, "").await.ok();
    let head = wire.call(Method::HEAD, "/data/k", &[], "").await.ok();
    assert_eq!(head.header("x-amz-tagging-count"), "2");
    wire.put("/data/plain", "").await.ok();
    let head = wire.call(Method::HEAD, "/data/plain", &[], "").await.ok();
    assert!(!head.headers.contains_key("x-amz-tagging-count"));
}

/// Puts an object together from one part and answers the part's checksum.
async fn put_together(wire: &Wire, kind: &str) -> String {
    let headers = [
        ("x-amz-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-type", kind),
    ];
    let begun = wire.call(Method::POST, "/data/k?uploads", &headers, "");
    let id = begun.await.ok().element("UploadId");
    let path = format!("/data/k?partNumber=1&uploadId={id}");
    let part = wire.put(&path, "123456789").await.ok();
    let (etag, sum) = (part.header("etag"), part.header("x-amz-checksum-crc32"));
    let list = format!(
        "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><ChecksumCRC32>{sum}</ChecksumCRC32><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    );
    let path = format!("/data/k?uploadId={id}");
    wire.post(&path, list).await.ok();
    sum.to_owned()
}

#[tokio::test]
async fn parts_say_how_the_sums_of_the_whole_came_about() {
    let wire = Wire::with_bucket().await;
    for kind in ["COMPOSITE", "FULL_OBJECT"] {
        let sum = put_together(&wire, kind).await;
        let asked = [("x-amz-checksum-mode", "ENABLED")];
        let part = wire.get_with("/data/k?partNumber=1", &asked).await.ok();
        assert_eq!(part.header("x-amz-checksum-crc32"), sum);
        assert_eq!(part.header("x-amz-checksum-type"), kind);
    }
}

#[tokio::test]
async fn attributes_have_sums_without_counts() {
    let wire = Wire::with_bucket().await;
    let asked = [("x-amz-object-attributes", "Checksum,ObjectParts")];
    put_together(&wire, "COMPOSITE").await;
    let sums = [("x-amz-checksum-mode", "ENABLED")];
    let whole = wire.get_with("/data/k", &sums).await.ok();
    let whole = whole.header("x-amz-checksum-crc32").to_owned();
    assert!(whole.ends_with("-1"), "{whole}");
    let told = wire.get_with("/data/k?attributes", &asked).await.ok();
    assert_eq!(told.element("ChecksumCRC32") + "-1", whole);
    assert_eq!(told.element("PartNumber"), "1");
    put_together(&wire, "FULL_OBJECT").await;
    let told = wire.get_with("/data/k?attributes", &asked).await.ok();
    assert!(!told.text().contains("<Part>"), "{}", told.text());
    assert!(!told.text().contains("<MaxParts>"), "{}", told.text());
}
