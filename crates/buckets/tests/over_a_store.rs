//! Buckets over a real store in a directory of its own.

#![expect(clippy::unwrap_used, reason = "a test")]

mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;

use bench::{Bench, origin, text};
use buckets::{
    BucketError, BucketSettings, Copy, Expiration, Lifecycle, LifecycleRule, PageRequest, Pages,
    Protocol, SiteAnswer, Website,
};
use store::{ListMark, ListQuery, MatchRule, Precondition};
use types::Timestamp;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn buckets_outlive_the_engine() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    bench
        .buckets
        .configure(&data.name, |settings| {
            settings.versioning = Some(true);
            Ok(())
        })
        .await
        .unwrap();
    let again = bench
        .buckets
        .create(data.name.clone(), BucketSettings::default());
    let again = again.await.unwrap_err();
    assert!(matches!(again, BucketError::BucketAlreadyOwnedByYou { .. }));

    // A change that is refused leaves nothing behind.
    let refused = bench.buckets.configure(&data.name, |settings| {
        settings.versioning = None;
        Err(BucketError::MalformedXml)
    });
    assert!(refused.await.is_err());

    let bench = bench.reopen().await;
    let data = bench.buckets.bucket(&data.name).unwrap();
    assert_eq!(data.settings.versioning, Some(true));
    bench.put(&data, "x", "1").await;
    let full = bench.buckets.delete(&data.name).await.unwrap_err();
    assert!(matches!(full, BucketError::BucketNotEmpty { .. }));

    let other = bench.bucket("other").await;
    bench.buckets.delete(&other.name).await.unwrap();
    assert!(bench.buckets.bucket(&other.name).is_err());
    assert!(bench.buckets.delete(&other.name).await.is_err());
    assert_eq!(bench.buckets.all().len(), 1);
}

#[tokio::test]
async fn objects_are_read_as_they_were_written() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    let done = bench.put(&data, "raw/a.csv", "id,time\n").await;
    let got = bench.get(&data, "raw/a.csv").await.unwrap();
    assert_eq!(got.etag(), "8b03915a94d02f7d6ff1ed0f98d438f0");
    assert_eq!(done.written.unwrap().sequence, got.stored().sequence);
    let key = "raw/a.csv".parse().unwrap();
    let fetch = |limit| bench.buckets.fetch(&data.name, &key, None, limit);
    assert_eq!(fetch(8).await.unwrap(), "id,time\n");
    let large = fetch(7).await.unwrap_err();
    assert!(matches!(large, BucketError::EntityTooLarge { size: 8, .. }));
    assert!(matches!(
        bench.get(&data, "raw").await.unwrap_err(),
        BucketError::NoSuchKey { .. }
    ));
}

#[tokio::test]
async fn writes_have_conditions() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    let absent = Precondition {
        if_none_match: Some(MatchRule::Any),
        ..Precondition::default()
    };
    let same = |etag: &str| Precondition {
        if_match: Some(MatchRule::Etag(etag.to_owned())),
        ..Precondition::default()
    };
    let put = |text, condition| bench.try_put(&data, "model", text, condition);
    let missing = put("0", same("e")).await.unwrap_err();
    assert!(matches!(missing, BucketError::NoSuchKey { .. }));
    put("1", absent.clone()).await.unwrap();
    let there = put("2", absent).await.unwrap_err();
    let BucketError::PreconditionFailed { condition } = there else {
        panic!("{there}");
    };
    assert_eq!(condition, "If-None-Match");
    let etag = bench.get(&data, "model").await.unwrap().etag().to_owned();
    assert!(put("2", same("other")).await.is_err());
    put("2", same(&etag)).await.unwrap();
    assert_eq!(bench.read(&data, "model").await, "2");
}

#[tokio::test]
async fn copies_share_bytes_and_tags_are_replaced() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    bench.put(&data, "a", "some bytes").await;
    let source = bench.get(&data, "a").await.unwrap();
    let copy = Copy {
        source: &source,
        key: "b".parse().unwrap(),
        attributes: source.attributes.clone(),
        precondition: Precondition::default(),
        origin: origin(),
    };
    bench.buckets.copy(&data, copy).await.unwrap();
    bench.delete(&data, "a").await;
    assert_eq!(bench.read(&data, "b").await, "some bytes");
    assert_eq!(bench.get(&data, "b").await.unwrap().etag(), source.etag());

    let tags = BTreeMap::from([("kind".to_owned(), "raw".to_owned())]);
    let key = "b".parse().unwrap();
    let set = bench
        .buckets
        .set_tags(&data, &key, None, tags.clone(), origin());
    assert!(set.await.unwrap().is_null());
    let tagged = bench.get(&data, "b").await.unwrap();
    assert_eq!(tagged.attributes.tags, tags);
    assert_eq!(tagged.attributes.headers, source.attributes.headers);
}

#[tokio::test]
async fn versions_are_kept_and_delete_markers_hide_them() {
    let bench = Bench::open();
    let data = bench.versioned_bucket("data").await;
    let first = bench.put(&data, "x", "1").await.written.unwrap();
    bench.put(&data, "x", "2").await;
    let marker = bench.delete(&data, "x").await.written.unwrap();

    let hidden = bench.get(&data, "x").await.unwrap_err();
    assert!(matches!(hidden, BucketError::Deleted { version, .. } if version == marker.version));
    let key = "x".parse().unwrap();
    let get = |version| bench.buckets.get(&data, &key, Some(version));
    assert_eq!(bench.bytes(&get(&first.version).await.unwrap()).await, "1");
    let named = get(&marker.version).await.unwrap_err();
    assert!(matches!(named, BucketError::IsDeleteMarker { .. }));
    let unknown = "none".parse().unwrap();
    let missing = get(&unknown).await.unwrap_err();
    assert!(matches!(missing, BucketError::NoSuchVersion { .. }));

    let listed = bench.buckets.list_versions(&data, query(&data, "")).await;
    assert_eq!(listed.unwrap().entries.len(), 3);
    let visible = bench.buckets.list(&data, query(&data, "")).await.unwrap();
    assert!(visible.entries.is_empty());
}

fn query(bucket: &buckets::Bucket, prefix: &str) -> ListQuery {
    ListQuery {
        bucket: bucket.id,
        prefix: prefix.to_owned(),
        delimiter: None,
        after: ListMark::Start,
        limit: 1_000,
    }
}

fn expiring(days: u32) -> LifecycleRule {
    LifecycleRule {
        enabled: true,
        expiration: Some(Expiration::Days(days)),
        ..LifecycleRule::default()
    }
}

#[tokio::test]
async fn what_is_over_goes() {
    let bench = Bench::open();
    let (plain, kept) = (bench.bucket("plain").await, bench.bucket("kept").await);
    let versioned = bench.versioned_bucket("versioned").await;
    for bucket in [&plain, &kept, &versioned] {
        bench.put(bucket, "a", "1").await;
    }
    for bucket in [&plain, &versioned] {
        let set = bench.buckets.configure(&bucket.name, |settings| {
            settings.lifecycle = Some(Lifecycle::new(vec![expiring(1)])?);
            Ok(())
        });
        set.await.unwrap();
    }
    let now = Timestamp::now();
    assert_eq!(bench.buckets.expire(now).await.unwrap(), 0);
    let later = now.plus_millis(2 * DAY_MS);
    assert_eq!(bench.buckets.expire(later).await.unwrap(), 2);
    assert!(bench.get(&kept, "a").await.is_ok());
    let gone = |bucket: Arc<buckets::Bucket>| {
        let bench = &bench;
        async move { bench.get(&bucket, "a").await.unwrap_err() }
    };
    assert!(matches!(gone(plain).await, BucketError::NoSuchKey { .. }));
    assert!(matches!(
        gone(versioned.clone()).await,
        BucketError::Deleted { .. }
    ));
    // The version is hidden, and there until a rule for noncurrent ones says otherwise.
    let left = bench
        .buckets
        .list_versions(&versioned, query(&versioned, ""))
        .await;
    assert_eq!(left.unwrap().entries.len(), 2);
    assert_eq!(bench.buckets.expire(later).await.unwrap(), 0);
}

#[tokio::test]
async fn more_than_a_batch_goes() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    for number in 0..1_100 {
        bench.put(&data, &format!("k{number:04}"), "").await;
    }
    let set = bench.buckets.configure(&data.name, |settings| {
        settings.lifecycle = Some(Lifecycle::new(vec![expiring(1)])?);
        Ok(())
    });
    set.await.unwrap();
    let later = Timestamp::now().plus_millis(2 * DAY_MS);
    assert_eq!(bench.buckets.expire(later).await.unwrap(), 1_100);
    bench.buckets.delete(&data.name).await.unwrap();
}

#[tokio::test]
async fn a_site_is_read_by_anyone_once_it_is_public() {
    let bench = Bench::open();
    let site = bench.bucket("site").await;
    bench.put(&site, "index.html", "<h1>hi</h1>").await;
    let request = PageRequest {
        path: "",
        base: "site.s3-website.localhost:8080",
        protocol: Protocol::Http,
        source_ip: "127.0.0.1",
    };
    let page = |bucket| {
        let (bench, request) = (&bench, &request);
        async move {
            let bucket: Arc<buckets::Bucket> = bucket;
            match bench.buckets.page(&bucket, request).await.unwrap() {
                SiteAnswer::Object { object, status } => {
                    format!("{status} {}", text(&bench.bytes(&object).await))
                }
                SiteAnswer::Redirect { location, .. } => location,
                SiteAnswer::Error(error) => error.code.to_owned(),
            }
        }
    };
    assert_eq!(page(site.clone()).await, "NoSuchWebsiteConfiguration");
    let set = bench.buckets.configure(&site.name, |settings| {
        settings.website = Some(Website::pages(Pages {
            index: "index.html".to_owned(),
            ..Pages::default()
        })?);
        Ok(())
    });
    let site = set.await.unwrap();
    assert_eq!(page(site.clone()).await, "AccessDenied");
    let site = bench.make_public(&site).await;
    assert_eq!(page(site).await, "200 <h1>hi</h1>");
}

#[tokio::test]
async fn a_condition_can_name_the_very_version() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    let seen = bench.put(&data, "x", "same").await.sequence;
    let now = bench.put(&data, "x", "same").await.sequence;
    let delete = |sequence| {
        let condition = Precondition {
            if_match: Some(MatchRule::Sequence(sequence)),
            ..Precondition::default()
        };
        let key = "x".parse().unwrap();
        bench
            .buckets
            .delete_object(&data, key, None, condition, origin())
    };
    let replaced = delete(seen).await.unwrap_err();
    assert!(matches!(replaced, BucketError::PreconditionFailed { .. }));
    delete(now).await.unwrap();
}
