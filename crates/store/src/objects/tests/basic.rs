//! Objects as their callers see them: bytes in and out, versions, uploads,
//! refusals, and events.

use std::sync::Arc;

use types::{ObjectKey, RequestId, Timestamp, VersionId};

use super::{Fixture, bytes};
use crate::objects::content::INLINE_MAX;
use crate::objects::{
    Announcement, BucketId, ListMark, ListQuery, MatchRule, NewPart, NewUpload, ObjectError, Part,
    Precondition, Stored, StoredBody, Versioning,
};
use crate::{Durability, EventSource, NewEvent, Store};

fn etag(stored: &Stored) -> &str {
    match &stored.body {
        StoredBody::Object(object) => &object.etag,
        StoredBody::DeleteMarker => "marker",
    }
}

#[tokio::test]
async fn bytes_come_back_as_they_were_put() {
    let fixture = Fixture::new().await;
    let small = usize::try_from(INLINE_MAX).unwrap();
    for length in [0, 1, small - 1, small, small + 1, 1 << 20, (3 << 20) + 7] {
        let content = bytes(length, 1);
        let committed = fixture.put("a/key", &content).await;
        let written = committed.written.unwrap();
        assert_eq!(
            etag(&written),
            hex::encode(<md5::Md5 as md5::Digest>::digest(&content))
        );
        assert_eq!(fixture.get("a/key").await.unwrap(), content, "{length}");
        let key = "a/key".parse().unwrap();
        let found = fixture
            .objects()
            .get(fixture.bucket, &key, None)
            .await
            .unwrap();
        for range in [0..1, 5..9, 1000..600_000, 500_000..500_000, 7..u64::MAX] {
            let at = |offset: u64| usize::try_from(offset).unwrap_or(length).min(length);
            let wanted = &content[at(range.start)..at(range.end).max(at(range.start))];
            assert_eq!(fixture.read(&found, range).await, wanted);
        }
    }
    // All but the last of the larger ones are gone from the disk.
    fixture.settle().await;
    assert_eq!(fixture.files().len(), 1);
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let fixture = Fixture::new().await;
    let large = bytes(2 << 20, 1);
    fixture.put("small", b"abc").await;
    let before = fixture.put("large", &large).await.sequence;
    fixture.store.close().await;
    let Fixture { dir, bucket, .. } = fixture;
    let store = Arc::new(Store::open(dir.path(), Durability::Full).unwrap());
    let fixture = Fixture { dir, store, bucket };
    assert_eq!(fixture.get("small").await.unwrap(), b"abc");
    assert_eq!(fixture.get("large").await.unwrap(), large);
    assert!(fixture.put("other", b"").await.sequence > before);
    let buckets = fixture.objects().buckets().unwrap();
    assert_eq!(buckets[0].name.as_str(), "bucket");
    assert_eq!(buckets[0].settings, b"settings");
}

#[tokio::test]
async fn the_state_after_each_change_has_another_number() {
    let fixture = Fixture::new().await;
    let mut seen = vec![fixture.objects().changes()];
    fixture.put("a", b"one").await;
    seen.push(fixture.objects().changes());
    fixture.put("a", b"two").await;
    seen.push(fixture.objects().changes());
    fixture.get("a").await.unwrap();
    assert_eq!(seen.last(), Some(&fixture.objects().changes()));
    fixture.delete("a", Versioning::Off).await;
    seen.push(fixture.objects().changes());
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
}

#[tokio::test]
async fn an_upload_becomes_an_object() {
    let fixture = Fixture::new().await;
    let objects = fixture.objects();
    let upload = objects
        .create_upload(NewUpload {
            bucket: fixture.bucket,
            key: "big".parse().unwrap(),
            started: Timestamp(1),
            attributes: b"u".to_vec(),
        })
        .await
        .unwrap();
    let pieces = [bytes(1 << 20, 1), bytes(1 << 20, 2), bytes(100, 3)];
    // A part that is replaced, and out of order.
    for (number, piece) in [
        (3, &pieces[0]),
        (3, &pieces[2]),
        (1, &pieces[0]),
        (2, &pieces[1]),
    ] {
        let part = NewPart {
            number,
            content: fixture.content(piece).await,
            attributes: vec![1],
            modified: Timestamp(3),
        };
        objects.put_part(&upload, part).await.unwrap();
    }
    assert_eq!(objects.list_uploads(fixture.bucket).await.unwrap().len(), 1);
    assert_eq!(objects.upload(&upload).await.unwrap().attributes, b"u");
    let second = objects.list_parts(&upload, 1, 1).await.unwrap();
    assert_eq!((second.len(), second[0].number), (1, 2));
    drop(second);
    let parts = objects.list_parts(&upload, 0, 10).await.unwrap();

    let mut object = fixture.object("big", b"").await;
    object.completes = Some(upload.clone());
    object.parts = parts
        .into_iter()
        .map(|row| Part {
            content: row.content,
            attributes: row.attributes,
        })
        .collect();
    let committed = objects.put(object, None).await.unwrap();
    let StoredBody::Object(written) = committed.written.unwrap().body else {
        panic!("no object");
    };
    assert_eq!((written.part_count, written.size), (3, (2 << 20) + 100));
    assert_eq!(fixture.get("big").await.unwrap(), pieces.concat());
    let found = objects
        .get(fixture.bucket, &"big".parse().unwrap(), None)
        .await
        .unwrap();
    let (from, to) = ((1 << 20) - 5, (2 << 20) + 50);
    let all = pieces.concat();
    assert_eq!(
        fixture.read(&found, from as u64..to as u64).await,
        all[from..to]
    );
    assert!(matches!(
        objects.upload(&upload).await,
        Err(ObjectError::NoSuchUpload)
    ));
    assert!(matches!(
        objects.abort_upload(&upload).await,
        Err(ObjectError::NoSuchUpload)
    ));
    drop(found);
    fixture.delete("big", Versioning::Off).await;
    fixture.settle().await;
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn keys_are_listed_by_page() {
    let fixture = Fixture::new().await;
    for key in ["a/1", "a/2", "b", "c/1"] {
        fixture.put(key, b"x").await;
    }
    let mut query = ListQuery {
        bucket: fixture.bucket,
        prefix: String::new(),
        delimiter: Some("/".to_owned()),
        after: ListMark::Start,
        limit: 2,
    };
    let page = fixture.objects().list(query.clone()).await.unwrap();
    assert_eq!(
        (page.entries.len(), page.prefixes),
        (1, vec!["a/".to_owned()])
    );
    assert_eq!(page.next, Some(ListMark::Key("b".to_owned())));
    query.after = page.next.unwrap();
    let page = fixture.objects().list(query).await.unwrap();
    assert_eq!(
        (page.entries.len(), page.prefixes),
        (0, vec!["c/".to_owned()])
    );
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn refusals_change_nothing() {
    let fixture = Fixture::new().await;
    let objects = fixture.objects();
    let current = etag(&fixture.put("key", b"1").await.written.unwrap()).to_owned();
    let none = |rule| Precondition {
        if_match: None,
        if_none_match: Some(rule),
    };
    let matches = |rule| Precondition {
        if_match: Some(rule),
        if_none_match: None,
    };
    let put = |key: &'static str, precondition| {
        let fixture = &fixture;
        async move {
            let mut object = fixture.object(key, b"2").await;
            object.precondition = precondition;
            fixture.objects().put(object, None).await
        }
    };
    let failed = put("key", none(MatchRule::Any)).await;
    assert!(matches!(failed, Err(ObjectError::PreconditionFailed)));
    let failed = put("key", none(MatchRule::Etag(current.clone()))).await;
    assert!(matches!(failed, Err(ObjectError::PreconditionFailed)));
    let failed = put("key", matches(MatchRule::Etag("other".to_owned()))).await;
    assert!(matches!(failed, Err(ObjectError::PreconditionFailed)));
    let failed = put("missing", matches(MatchRule::Any)).await;
    assert!(matches!(failed, Err(ObjectError::NoSuchKey)));
    assert_eq!(fixture.get("key").await.unwrap(), b"1");
    assert!(matches!(
        fixture.get("missing").await,
        Err(ObjectError::NoSuchKey)
    ));
    put("key", matches(MatchRule::Etag(current))).await.unwrap();
    put("missing", none(MatchRule::Any)).await.unwrap();
    assert_eq!(fixture.get("missing").await.unwrap(), b"2");

    let other = BucketId(77);
    let mut object = fixture.object("key", b"3").await;
    object.bucket = other;
    let failed = objects.put(object, None).await;
    assert!(matches!(failed, Err(ObjectError::NoSuchBucket)));
    let failed = objects.get(other, &"key".parse().unwrap(), None).await;
    assert!(matches!(failed, Err(ObjectError::NoSuchBucket)));
    let failed = objects.delete_bucket(fixture.bucket).await;
    assert!(matches!(failed, Err(ObjectError::BucketNotEmpty)));
    let again = objects.create_bucket("bucket".parse().unwrap(), Timestamp(1), vec![]);
    assert!(matches!(again.await, Err(ObjectError::BucketExists)));
}

#[tokio::test]
async fn a_delete_marker_counts_as_no_object() {
    let fixture = Fixture::new().await;
    let mut object = fixture.object("key", b"1").await;
    object.versioning = Versioning::Enabled;
    let first = fixture.objects().put(object, None).await.unwrap();
    let first = first.written.unwrap().version;
    let marker = fixture.delete("key", Versioning::Enabled).await;
    let marker = marker.written.unwrap();
    assert_eq!(etag(&marker), "marker");
    let key: ObjectKey = "key".parse().unwrap();
    let found = fixture
        .objects()
        .get(fixture.bucket, &key, None)
        .await
        .unwrap();
    assert!(matches!(found.stored.body, StoredBody::DeleteMarker));
    assert!(found.parts.is_empty());

    let mut object = fixture.object("key", b"2").await;
    object.precondition.if_match = Some(MatchRule::Any);
    let failed = fixture.objects().put(object, None).await;
    assert!(matches!(failed, Err(ObjectError::NoSuchKey)));
    // Without its delete marker the object is back.
    let removed = fixture
        .objects()
        .delete(
            fixture.bucket,
            key.clone(),
            Some(marker.version),
            Versioning::Enabled,
            Precondition::default(),
            None,
        )
        .await
        .unwrap();
    assert!(removed.written.is_none() && removed.removed.is_some());
    assert_eq!(fixture.get("key").await.unwrap(), b"1");
    let named = fixture
        .objects()
        .get(fixture.bucket, &key, Some(&first))
        .await;
    assert!(named.unwrap().stored.is_latest);
    let unknown = VersionId::random();
    let failed = fixture
        .objects()
        .get(fixture.bucket, &key, Some(&unknown))
        .await;
    assert!(matches!(failed, Err(ObjectError::NoSuchVersion)));
}

#[tokio::test]
async fn attributes_are_replaced_in_their_version() {
    let fixture = Fixture::new().await;
    let written = fixture.put("key", b"1").await.written.unwrap();
    let key: ObjectKey = "key".parse().unwrap();
    let objects = fixture.objects();
    let set = |version, sequence| {
        let (key, new) = (key.clone(), b"new".to_vec());
        objects.set_attributes(fixture.bucket, key, version, sequence, new, None)
    };
    let sequence = written.sequence;
    set(written.version.clone(), sequence).await.unwrap();
    let found = objects.get(fixture.bucket, &key, None).await.unwrap();
    let StoredBody::Object(object) = found.stored.body else {
        panic!("no object");
    };
    assert_eq!(object.attributes, b"new");
    let failed = set(VersionId::random(), sequence).await;
    assert!(matches!(failed, Err(ObjectError::NoSuchVersion)));
    // What was read is not what is there any more.
    fixture.put("key", b"2").await;
    let failed = set(written.version, sequence).await;
    assert!(matches!(failed, Err(ObjectError::NoSuchVersion)));
}

fn announcement(fixture: &Fixture, most: usize, limit: u64) -> Announcement {
    let bucket = fixture.bucket;
    Announcement {
        most,
        limit,
        events: Box::new(move |committed| {
            let mut event = NewEvent::new(
                RequestId::random(),
                "f".parse().unwrap(),
                committed.sequence.to_string().into(),
            );
            event.order = Some("line".to_owned());
            event.source = Some(EventSource {
                service: "s3.amazonaws.com".to_owned(),
                arn: format!("arn:aws:s3:::{}", bucket.0),
                role: None,
                subject: "ObjectCreated:Put key".to_owned(),
            });
            vec![event]
        }),
    }
}

#[tokio::test]
async fn events_are_accepted_with_the_write_that_causes_them() {
    let fixture = Fixture::new().await;
    let object = fixture.object("key", b"1").await;
    let first = fixture
        .objects()
        .put(object, Some(announcement(&fixture, 1, 2)));
    let first = first.await.unwrap().sequence;
    let object = fixture.object("key", b"2").await;
    let second = fixture
        .objects()
        .put(object, Some(announcement(&fixture, 1, 2)));
    let second = second.await.unwrap().sequence;
    let object = fixture.object("key", b"3").await;
    let full = fixture
        .objects()
        .put(object, Some(announcement(&fixture, 1, 2)));
    assert!(matches!(full.await, Err(ObjectError::QueueFull)));
    assert_eq!(fixture.get("key").await.unwrap(), b"2");

    let events = fixture.store.events();
    let far = Timestamp::now().plus_millis(1000);
    let due = events.due(far, 10).await;
    assert_eq!(due.len(), 1, "the second waits for the first");
    assert_eq!(due[0].event.payload, first.to_string());
    events.done(due[0].id).await;
    let due = events.due(far, 10).await;
    assert_eq!(due[0].event.payload, second.to_string());
    assert_eq!(
        fixture.store.deliveries().recent(10).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_refused_write_gives_its_places_back() {
    let fixture = Fixture::new().await;
    let mut object = fixture.object("key", b"1").await;
    object.precondition.if_match = Some(MatchRule::Any);
    let refused = fixture
        .objects()
        .put(object, Some(announcement(&fixture, 3, 3)));
    assert!(matches!(refused.await, Err(ObjectError::NoSuchKey)));
    assert!(fixture.store.events().is_empty());
    let object = fixture.object("key", b"1").await;
    let written = fixture
        .objects()
        .put(object, Some(announcement(&fixture, 3, 3)));
    written.await.unwrap();
    assert_eq!(fixture.store.events().len(), 1);
}
