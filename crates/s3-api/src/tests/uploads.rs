//! Multipart uploads.

use std::fmt::Write as _;

use super::*;

const PART: usize = 5 << 20;

async fn begun(wire: &Wire, headers: &[(&str, &str)]) -> String {
    let begun = wire
        .call(Method::POST, "/data/k?uploads", headers, "")
        .await
        .ok();
    begun.element("UploadId")
}

fn list(etags: &[(u32, &str)]) -> String {
    let mut parts = String::new();
    for (number, etag) in etags {
        write!(parts, "<Part><PartNumber>{number}</PartNumber>").unwrap();
        write!(parts, "<ETag>{etag}</ETag></Part>").unwrap();
    }
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[tokio::test]
async fn parts_become_an_object() {
    let wire = Wire::with_bucket().await;
    let id = begun(&wire, &[("content-type", "text/x"), ("x-amz-meta-a", "1")]).await;
    let part = |number: u32| format!("/data/k?partNumber={number}&uploadId={id}");
    let first = wire.put(&part(1), vec![b'a'; PART]).await.ok();
    let second = wire.put(&part(2), "end").await.ok();
    let parts = wire.get(&format!("/data/k?uploadId={id}")).await.ok();
    assert_eq!(parts.elements("Size"), [PART.to_string().as_str(), "3"]);
    let uploads = wire.get("/data?uploads").await.ok();
    assert_eq!(uploads.elements("UploadId"), [id.as_str()]);
    assert_eq!(wire.get("/data/k").await.status.as_u16(), 404);
    let end = format!("/data/k?uploadId={id}");
    let wrong = wire
        .post(
            &end,
            list(&[(2, second.header("etag")), (1, first.header("etag"))]),
        )
        .await;
    assert_eq!(wrong.refusal(), refused(400, "InvalidPartOrder"));
    let wrong = wire.post(&end, list(&[(1, "\"0\"")])).await;
    assert_eq!(wrong.refusal(), refused(400, "InvalidPart"));
    assert_eq!(
        wire.post(&end, list(&[])).await.refusal(),
        refused(400, "MalformedXML")
    );
    let good = list(&[(1, first.header("etag")), (2, second.header("etag"))]);
    let done = wire.post(&end, good).await.ok();
    assert!(done.element("ETag").ends_with("-2&quot;") || done.element("ETag").ends_with("-2\""));
    assert_eq!(done.element("Location"), "http://localhost:4566/data/k");
    let got = wire.get("/data/k").await.ok();
    assert_eq!(
        (got.body.len(), got.header("x-amz-meta-a")),
        (PART + 3, "1")
    );
    let last = wire.get("/data/k?partNumber=2").await;
    assert_eq!(
        (last.text().as_str(), last.header("x-amz-mp-parts-count")),
        ("end", "2")
    );
}

#[tokio::test]
async fn parts_are_checked() {
    let wire = Wire::with_bucket().await;
    let id = begun(&wire, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    let part = |number: &str| format!("/data/k?partNumber={number}&uploadId={id}");
    for number in ["0", "10001", "x", "-1"] {
        let answer = wire.put(&part(number), "x").await;
        assert_eq!(
            answer.refusal(),
            refused(400, "InvalidArgument"),
            "{number}"
        );
    }
    let other = [("x-amz-checksum-crc32c", "4waSgw==")];
    let answer = wire.put_with(&part("1"), &other, "123456789").await;
    assert_eq!(answer.refusal(), refused(400, "InvalidRequest"));
    let small = wire.put(&part("1"), "x").await.ok();
    let large = wire.put(&part("2"), "y").await.ok();
    assert!(!small.header("x-amz-checksum-crc32").is_empty());
    let both = list(&[(1, small.header("etag")), (2, large.header("etag"))]);
    let answer = wire.post(&format!("/data/k?uploadId={id}"), both).await;
    assert_eq!(answer.refusal(), refused(400, "EntityTooSmall"));
    let unknown = wire.put("/data/k?partNumber=1&uploadId=none", "x").await;
    assert_eq!(unknown.refusal(), refused(404, "NoSuchUpload"));
    let aborted = wire.delete(&format!("/data/k?uploadId={id}")).await.ok();
    assert_eq!(aborted.status.as_u16(), 204);
    let gone = wire.get(&format!("/data/k?uploadId={id}")).await;
    assert_eq!(gone.refusal(), refused(404, "NoSuchUpload"));
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let wire = Wire::with_bucket().await;
    wire.put("/data/source", "0123456789").await.ok();
    let id = begun(&wire, &[]).await;
    let part = format!("/data/k?partNumber=1&uploadId={id}");
    let source = ("x-amz-copy-source", "data/source");
    let range = |range| [source, ("x-amz-copy-source-range", range)];
    let beyond = wire.put_with(&part, &range("bytes=0-10"), "").await;
    assert_eq!(beyond.refusal(), refused(400, "InvalidArgument"));
    let copied = wire.put_with(&part, &range("bytes=2-4"), "").await.ok();
    let etag = copied.element("ETag").replace("&quot;", "\"");
    wire.post(&format!("/data/k?uploadId={id}"), list(&[(1, &etag)]))
        .await
        .ok();
    assert_eq!(wire.get("/data/k").await.ok().text(), "234");
}
