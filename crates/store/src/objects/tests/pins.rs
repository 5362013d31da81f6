//! Content between those who put it, those who read it and those who delete the
//! last object that has it: in each order, and all at once.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use types::{ObjectKey, Timestamp};

use super::{Fixture, bytes};
use crate::files::blocking;
use crate::objects::{
    ContentHash, MatchRule, NewPart, NewUpload, ObjectError, Part, Precondition, Versioning, check,
    shelf,
};
use crate::{Durability, Store};

const LARGE: usize = 3 << 20;

#[tokio::test]
async fn content_that_was_found_there_survives_the_delete_of_its_last_object() {
    let fixture = Fixture::new().await;
    let content = bytes(LARGE, 1);
    fixture.put("old", &content).await;
    // The writer finds the file, and then the last reference to it goes.
    let object = fixture.object("new", &content).await;
    fixture.delete("old", Versioning::Off).await;
    fixture.settle().await;
    assert_eq!(fixture.files().len(), 1);
    fixture.objects().put(object, None).await.unwrap();
    fixture.settle().await;
    assert_eq!(fixture.get("new").await.unwrap(), content);
    assert!(fixture.check().await.is_clean());
}

#[tokio::test]
async fn content_whose_last_object_was_deleted_is_written_again() {
    let fixture = Fixture::new().await;
    let content = bytes(LARGE, 1);
    fixture.put("old", &content).await;
    fixture.delete("old", Versioning::Off).await;
    fixture.settle().await;
    assert!(fixture.files().is_empty());
    fixture.put("new", &content).await;
    assert_eq!(fixture.get("new").await.unwrap(), content);
    assert!(fixture.check().await.is_clean());
}

/// Between the commit that removes the row and the look at the pins there is a
/// moment in which a writer can find the file. It has its pin then.
#[tokio::test]
async fn a_file_whose_row_is_gone_stays_for_who_pinned_it() {
    let fixture = Fixture::new().await;
    let content = fixture.content(&bytes(LARGE, 1)).await;
    let shelf = Arc::clone(&fixture.objects().shelf);
    shelf.remove(&content.hash);
    assert_eq!(fixture.files().len(), 1);
    // It was marked, so that it goes with the pin.
    let hash = content.hash;
    drop(content);
    fixture.settle().await;
    assert!(fixture.files().is_empty());
    assert!(!shelf.pins().is_pinned(&hash));
}

#[tokio::test]
async fn content_that_is_not_put_goes() {
    let fixture = Fixture::new().await;
    let content = fixture.content(&bytes(LARGE, 1)).await;
    let copy = content.clone();
    drop(content);
    fixture.settle().await;
    assert_eq!(fixture.files().len(), 1);
    drop(copy);
    fixture.settle().await;
    assert!(fixture.files().is_empty());

    let mut object = fixture.object("key", &bytes(LARGE, 2)).await;
    object.precondition.if_match = Some(MatchRule::Any);
    let refused = fixture.objects().put(object, None).await;
    assert!(matches!(refused, Err(ObjectError::NoSuchKey)));
    fixture.settle().await;
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn what_was_found_can_be_read_although_it_was_deleted() {
    let fixture = Fixture::new().await;
    for length in [100, 100_000, LARGE] {
        let content = bytes(length, 1);
        fixture.put("key", &content).await;
        let key: ObjectKey = "key".parse().unwrap();
        let found = fixture.objects().get(fixture.bucket, &key, None).await;
        let found = found.unwrap();
        fixture.delete("key", Versioning::Off).await;
        fixture.settle().await;
        assert_eq!(fixture.read(&found, 0..u64::MAX).await, content);
        // And it can become an object again: a copy.
        let mut object = fixture.object("copy", b"").await;
        object.parts = found.parts;
        fixture.objects().put(object, None).await.unwrap();
        assert_eq!(fixture.get("copy").await.unwrap(), content);
        fixture.delete("copy", Versioning::Off).await;
    }
    fixture.settle().await;
    assert!(fixture.files().is_empty());
    assert_eq!(fixture.check().await.contents, 0);
}

/// A trigger stands for whatever can spoil a transaction at its end.
#[tokio::test]
async fn a_delete_that_fails_takes_no_bytes() {
    let fixture = Fixture::new().await;
    let content = bytes(LARGE, 1);
    fixture.put("key", &content).await;
    let side = rusqlite::Connection::open(fixture.dir.path().join("squall.db")).unwrap();
    side.execute_batch(
        "CREATE TRIGGER spoil BEFORE UPDATE ON counters BEGIN SELECT raise(ABORT, 'spoiled'); END",
    )
    .unwrap();
    let (key, rule) = ("key".parse().unwrap(), Precondition::default());
    let deleted = fixture
        .objects()
        .delete(fixture.bucket, key, None, Versioning::Off, rule, None);
    assert!(matches!(deleted.await, Err(ObjectError::Store(_))));
    side.execute_batch("DROP TRIGGER spoil").unwrap();
    fixture.settle().await;
    assert_eq!(fixture.get("key").await.unwrap(), content);
    assert!(fixture.check().await.is_clean());
}

/// More small parts than come along when the object is found: the others stay in
/// the database while somebody has them.
#[tokio::test]
async fn many_small_parts_can_be_read_although_they_were_deleted() {
    let fixture = Fixture::new().await;
    let mut object = fixture.object("key", b"").await;
    object.parts.clear();
    let mut all = Vec::new();
    for seed in 0..40 {
        let content = bytes(32 << 10, seed);
        object.parts.push(Part {
            content: fixture.content(&content).await,
            attributes: Vec::new(),
        });
        all.extend(content);
    }
    fixture.objects().put(object, None).await.unwrap();
    let key: ObjectKey = "key".parse().unwrap();
    let found = fixture.objects().get(fixture.bucket, &key, None).await;
    let found = found.unwrap();
    fixture.delete("key", Versioning::Off).await;
    fixture.settle().await;
    assert_eq!(fixture.read(&found, 0..u64::MAX).await, all);
    drop(found);
    fixture.settle().await;
    assert_eq!(fixture.check().await.contents, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_reads_and_deletes_of_the_same_content_at_once() {
    let fixture = Arc::new(Fixture::new().await);
    let mut tasks = JoinSet::new();
    for task in 0..8_u64 {
        let fixture = Arc::clone(&fixture);
        tasks.spawn(async move {
            for round in 0..40 {
                // Few contents, so that they meet; few keys as well.
                let content = bytes(40_000, (task + round) % 2);
                let key = format!("key-{}", (task * 7 + round) % 3);
                fixture.put(&key, &content).await;
                match fixture.get(&key).await {
                    Ok(read) => assert!((0..2).any(|seed| read == bytes(40_000, seed))),
                    Err(ObjectError::NoSuchKey) => {}
                    Err(error) => panic!("{error}"),
                }
                fixture.delete(&key, Versioning::Off).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    fixture.put("last", &bytes(40_000, 0)).await;
    fixture.settle().await;
    assert_eq!(fixture.get("last").await.unwrap(), bytes(40_000, 0));
    let report = fixture.check().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(fixture.files().len(), 1);
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let fixture = Fixture::new().await;
    let mut writer = fixture.objects().writer(None);
    for piece in bytes(LARGE, 1).chunks(100_000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(fixture.scratch(), 1);
    drop(writer);
    // The last piece may still be on its way on another thread, and a file is
    // removed on a thread as well, which ends when the store closes.
    // Those who hold the shelf for good: the store, its objects, its ledger.
    while Arc::strong_count(&fixture.objects().shelf) > 3 {
        tokio::task::yield_now().await;
    }
    fixture.store.close().await;
    assert_eq!(fixture.scratch(), 0);
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn crumbs_make_the_same_content_as_a_whole() {
    let fixture = Fixture::new().await;
    let content = bytes(1_200_000, 1);
    let whole = fixture.content(&content).await;
    let mut writer = fixture.objects().writer(Some(1_200_000));
    for piece in content.chunks(77) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let crumbs = writer.finish().await.unwrap();
    assert_eq!(
        (whole.hash, whole.md5, whole.size),
        (crumbs.hash, crumbs.md5, crumbs.size)
    );
    assert_eq!(fixture.files().len(), 1);
}

/// A store in the same process that was not closed, as if it had been killed.
#[tokio::test]
async fn what_a_killed_process_left_over_is_removed_at_the_next_start() {
    let fixture = Fixture::new().await;
    fixture.put("kept", &bytes(LARGE, 1)).await;
    let orphan = fixture.content(&bytes(LARGE, 2)).await;
    let copy = tempfile::tempdir().unwrap();
    copy_dir(fixture.dir.path(), copy.path());
    drop(orphan);
    std::fs::write(copy.path().join("tmp/7"), "half an object").unwrap();

    let found = check(copy.path(), |_| ControlFlow::Continue(())).unwrap();
    assert!(found.damaged.is_empty(), "{found:?}");
    let orphans: Vec<u64> = found.orphans.iter().map(|orphan| orphan.bytes).collect();
    assert_eq!(orphans, [LARGE as u64, 14]);
    let store = Arc::new(Store::open(copy.path(), Durability::Relaxed).unwrap());
    let bucket = fixture.bucket;
    let again = Fixture {
        dir: copy,
        store,
        bucket,
    };
    assert_eq!(again.get("kept").await.unwrap(), bytes(LARGE, 1));
    assert_eq!(again.files().len(), 1);
    assert!(again.check().await.is_clean());
}

#[tokio::test]
async fn content_that_outlives_its_store_is_removed_at_the_next_start() {
    let fixture = Fixture::new().await;
    let content = fixture.content(&bytes(LARGE, 1)).await;
    fixture.store.close().await;
    drop(content);
    let Fixture { dir, store, bucket } = fixture;
    drop(store);
    let store = Arc::new(Store::open(dir.path(), Durability::Relaxed).unwrap());
    let again = Fixture { dir, store, bucket };
    assert!(again.files().is_empty());
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_check_names_what_is_damaged_missing_and_miscounted() {
    let fixture = Fixture::new().await;
    for (at, key) in ["cut", "changed", "missing", "good"]
        .into_iter()
        .enumerate()
    {
        fixture.put(key, &bytes(LARGE, at as u64)).await;
    }
    for key in ["small", "counted"] {
        fixture.put(key, key.as_bytes()).await;
    }
    assert!(fixture.check().await.is_clean());
    let path = |seed| {
        let hash = ContentHash(blake3::hash(&bytes(LARGE, seed)).into());
        shelf::path_of(&fixture.dir.path().join("objects"), &hash)
    };
    std::fs::write(path(0), &bytes(LARGE, 0)[1..]).unwrap();
    let mut changed = bytes(LARGE, 1);
    changed[LARGE / 2] ^= 1;
    std::fs::write(path(1), changed).unwrap();
    std::fs::remove_file(path(2)).unwrap();
    let side = rusqlite::Connection::open(fixture.dir.path().join("squall.db")).unwrap();
    let hash = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
    side.execute(
        "UPDATE contents SET bytes = x'00' WHERE hash = ?",
        [hash("small")],
    )
    .unwrap();
    side.execute(
        "UPDATE contents SET refs = 2 WHERE hash = ?",
        [hash("counted")],
    )
    .unwrap();

    let report = fixture.check().await;
    let mut found: Vec<(&str, &str)> = report
        .damaged
        .iter()
        .map(|damage| (damage.key.as_str(), damage.problem.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("changed", "its bytes are not what was written"),
            ("counted", "its bytes are counted 2 times and used 1 times"),
            ("cut", "its bytes are not what was written"),
            ("missing", "its bytes are missing"),
            ("small", "its bytes are not what was written"),
        ]
    );
    assert!(
        report
            .damaged
            .iter()
            .all(|damage| damage.bucket == "bucket")
    );
    assert_eq!((report.objects, report.contents), (6, 6));

    let store = Arc::clone(&fixture.store);
    let stop = move || store.objects().check(|_| ControlFlow::Break(()));
    assert!(blocking(stop).await.unwrap().stopped);
}

#[tokio::test]
async fn a_bucket_goes_with_its_uploads() {
    let fixture = Fixture::new().await;
    let objects = fixture.objects();
    let upload = NewUpload {
        bucket: fixture.bucket,
        key: "key".parse().unwrap(),
        started: Timestamp(1),
        attributes: Vec::new(),
    };
    let upload = objects.create_upload(upload).await.unwrap();
    let part = NewPart {
        number: 1,
        content: fixture.content(&bytes(LARGE, 1)).await,
        attributes: Vec::new(),
        modified: Timestamp(1),
    };
    objects.put_part(&upload, part).await.unwrap();
    objects.delete_bucket(fixture.bucket).await.unwrap();
    let gone = objects.upload(&upload).await;
    assert!(matches!(gone, Err(ObjectError::NoSuchUpload)));
    fixture.settle().await;
    assert!(fixture.files().is_empty());
    assert!(objects.buckets().unwrap().is_empty());
}
