//! Code from buckets, over a real store.

use buckets::{Attributes, Origin, Write, WriteKind};
use bytes::Bytes;
use store::{Committed, Precondition};
use types::Limits;

use super::tests::{Bench, function, message, zip};
use super::*;

async fn put(bench: &Bench, key: &str, content: Bytes) -> Committed {
    let buckets = &bench.buckets;
    let name = "code".parse().unwrap();
    let bucket = if let Ok(bucket) = buckets.bucket(&name) {
        bucket
    } else {
        let made = buckets.create(name, buckets::BucketSettings::default());
        made.await.unwrap()
    };
    let mut writer = buckets.writer(None);
    writer.write(content).await.unwrap();
    let write = Write {
        key: key.parse().unwrap(),
        content: Box::pin(writer.finish()).await.unwrap(),
        attributes: Attributes::default(),
        precondition: Precondition::default(),
        kind: WriteKind::Put,
        origin: Origin::default(),
    };
    buckets.put(&bucket, write).await.unwrap()
}

fn from(bucket: &str, key: &str, version: Option<&str>) -> NewFunction {
    NewFunction {
        code: CodeSource::Object(ObjectCode {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.map(str::to_owned),
        }),
        ..function("f", "")
    }
}

#[tokio::test]
async fn code_in_a_bucket_is_the_code_that_would_be_sent() {
    let bench = Bench::new().await;
    put(&bench, "team/a.zip", zip("1")).await;
    let made = bench
        .catalog
        .create_function(from("code", "team/a.zip", None));
    let made = made.await.unwrap();
    let sent = bench.catalog.create_function(function("g", "1")).await;
    assert_eq!(made.config.code, sent.unwrap().config.code);
    // What the object becomes later is nothing to the function.
    put(&bench, "team/a.zip", zip("2")).await;
    let name = "f".parse().unwrap();
    let read = bench.catalog.get_function(&name, None).unwrap();
    assert_eq!(read.config.code, made.config.code);
    let null = from("code", "team/a.zip", Some("null"));
    let update = CodeUpdate {
        code: null.code,
        architecture: None,
        publish: false,
        dry_run: false,
        revision: None,
    };
    let updated = bench.catalog.update_code(name, update).await.unwrap();
    assert_ne!(updated.config.code.sha256, made.config.code.sha256);
}

#[tokio::test]
async fn what_s3_says_is_passed_on() {
    let bench = Bench::new().await;
    put(&bench, "a.zip", zip("1")).await;
    let before = "Error occurred while GetObject. S3 Error Code: ";
    for (bucket, key, version, after) in [
        (
            "none",
            "a.zip",
            None,
            "NoSuchBucket. S3 Error Message: The specified bucket does not exist",
        ),
        (
            "Not A Bucket",
            "a.zip",
            None,
            "NoSuchBucket. S3 Error Message: The specified bucket does not exist",
        ),
        (
            "code",
            "b.zip",
            None,
            "NoSuchKey. S3 Error Message: The specified key does not exist.",
        ),
        (
            "code",
            "a.zip",
            Some("0123456789abcdef0123456789abcdef"),
            "NoSuchVersion. S3 Error Message: The specified version does not exist.",
        ),
    ] {
        let made = bench.catalog.create_function(from(bucket, key, version));
        assert_eq!(message(made.await), format!("{before}{after}"));
    }
    assert_eq!(bench.blobs().await, 0);
}

#[tokio::test]
async fn only_what_is_sent_along_is_limited_to_the_size_of_a_request() {
    let bench = Bench::with(Limits {
        zip_bytes: 100,
        unzipped_bytes: 5_000,
        ..Limits::default()
    })
    .await;
    let refused = bench.catalog.create_function(function("f", "1")).await;
    assert_eq!(
        message(refused),
        "Zipped size must be smaller than 100 bytes"
    );
    put(&bench, "a.zip", zip("1")).await;
    let made = bench.catalog.create_function(NewFunction {
        name: "large".parse().unwrap(),
        ..from("code", "a.zip", None)
    });
    assert!(made.await.is_ok());
    for (key, content, text) in [
        (
            "large.zip",
            Bytes::from(vec![b'x'; 5_001]),
            "Unzipped size must be smaller than 5000 bytes",
        ),
        (
            "empty.zip",
            Bytes::new(),
            "Uploaded file must be a non-empty zip",
        ),
        (
            "no.zip",
            Bytes::from_static(b"no zip"),
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
    ] {
        put(&bench, key, content).await;
        let made = bench.catalog.create_function(from("code", key, None));
        assert_eq!(message(made.await), text);
    }
    assert_eq!(bench.blobs().await, 1);
}
