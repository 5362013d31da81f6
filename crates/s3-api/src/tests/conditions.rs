//! Conditions of reads, writes and copies.

use super::*;

#[tokio::test]
async fn reads_have_conditions() {
    let wire = Wire::with_bucket().await;
    let put = wire.put("/data/k", "text").await.ok();
    let etag = put.header("etag").to_owned();
    let modified = wire
        .get("/data/k")
        .await
        .ok()
        .header("last-modified")
        .to_owned();
    let status =
        async |headers: &[(&str, &str)]| wire.get_with("/data/k", headers).await.status.as_u16();
    assert_eq!(status(&[("if-match", &etag)]).await, 200);
    assert_eq!(status(&[("if-match", "\"x\"")]).await, 412);
    assert_eq!(status(&[("if-none-match", &etag)]).await, 304);
    assert_eq!(status(&[("if-none-match", "\"x\"")]).await, 200);
    assert_eq!(status(&[("if-modified-since", &modified)]).await, 304);
    assert_eq!(status(&[("if-unmodified-since", &modified)]).await, 200);
    assert_eq!(status(&[("if-modified-since", "yesterday")]).await, 200);
    let same = wire.get_with("/data/k", &[("if-none-match", &etag)]).await;
    assert_eq!((same.header("etag"), same.body.len()), (&*etag, 0));
    let failed = wire.get_with("/data/k", &[("if-match", "\"x\"")]).await;
    assert_eq!(failed.element("Condition"), "If-Match");
}

#[tokio::test]
async fn writes_have_conditions() {
    let wire = Wire::with_bucket().await;
    let none = [("if-none-match", "*")];
    let put = wire.put_with("/data/k", &none, "1").await.ok();
    let again = wire.put_with("/data/k", &none, "2").await;
    assert_eq!(again.refusal(), refused(412, "PreconditionFailed"));
    let etag = put.header("etag");
    wire.put_with("/data/k", &[("if-match", etag)], "3")
        .await
        .ok();
    let stale = wire.put_with("/data/k", &[("if-match", etag)], "4").await;
    assert_eq!(stale.refusal(), refused(412, "PreconditionFailed"));
    assert_eq!(wire.get("/data/k").await.ok().text(), "3");
    let tag = wire
        .put_with("/data/k", &[("if-none-match", etag)], "5")
        .await;
    assert_eq!(tag.refusal(), refused(501, "NotImplemented"));
    let missing = wire
        .put_with("/data/other", &[("if-match", etag)], "6")
        .await;
    assert_eq!(missing.refusal(), refused(404, "NoSuchKey"));
}

#[tokio::test]
async fn sources_of_copies_have_conditions() {
    let wire = Wire::with_bucket().await;
    let put = wire.put("/data/k", "text").await.ok();
    let etag = put.header("etag");
    let copy = async |name: &'static str, value: &str| {
        let headers = [("x-amz-copy-source", "data/k"), (name, value)];
        wire.put_with("/data/copy", &headers, "").await
    };
    copy("x-amz-copy-source-if-match", etag).await.ok();
    let failed = refused(412, "PreconditionFailed");
    let other = copy("x-amz-copy-source-if-match", "\"x\"").await;
    assert_eq!(other.refusal(), failed);
    let same = copy("x-amz-copy-source-if-none-match", etag).await;
    assert_eq!(same.refusal(), failed);
}
