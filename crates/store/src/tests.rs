//! Documents, events and records, and the store as a whole.

use std::time::Duration;

use bytes::Bytes;
use types::{RequestId, Timestamp, Version};

use crate::{AcceptError, Change, Durability, NewEvent, OpenError, Record, Store, StoreError};

fn put(key: &str, body: &str) -> Change {
    Change {
        kind: "function",
        key: key.to_owned(),
        body: Some(body.into()),
    }
}

fn delete(key: &str) -> Change {
    Change {
        body: None,
        ..put(key, "")
    }
}

fn event(payload: &str, accepted: i64) -> NewEvent {
    NewEvent {
        request_id: RequestId::random(),
        function: "f".parse().unwrap(),
        qualifier: Some("live".parse().unwrap()),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        client_context: Some("{}".to_owned()),
        trace_id: None,
        accepted: Timestamp(accepted),
        order: None,
        source: None,
        retry: None,
    }
}

fn record(function: &str, number: u64) -> Record {
    Record {
        request_id: RequestId::random(),
        function: function.parse().unwrap(),
        version: if number == 0 {
            Version::Latest
        } else {
            Version::Number(number)
        },
        started: Timestamp(1),
        duration_us: number,
        billed_ms: 2,
        init_us: number.is_multiple_of(2).then_some(3),
        memory_mb: 128,
        max_memory_mb: 64,
        start: "fork".to_owned(),
        status: "ok".to_owned(),
        log_stream: "s".into(),
        log_position: 9,
        answer_bytes: 10,
    }
}

#[tokio::test]
async fn documents_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Full).unwrap();
    let documents = store.documents();
    documents
        .commit(vec![put("b", "1"), put("a", "2"), put("c", "3")])
        .await
        .unwrap();
    documents
        .commit(vec![put("b", "4"), delete("c"), delete("d")])
        .await
        .unwrap();
    let expected = vec![
        ("a".to_owned(), b"2".to_vec()),
        ("b".to_owned(), b"4".to_vec()),
    ];
    assert_eq!(documents.load("function").unwrap(), expected);
    assert_eq!(documents.load("other").unwrap(), vec![]);
    drop(store);
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    assert_eq!(store.documents().load("function").unwrap(), expected);
}

#[tokio::test]
async fn one_bad_commit_leaves_the_others_of_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    // A trigger stands for whatever can spoil one change.
    let side = rusqlite::Connection::open(dir.path().join("squall.db")).unwrap();
    side.execute_batch(
        "CREATE TRIGGER spoil BEFORE INSERT ON documents WHEN new.key = 'bad'
         BEGIN SELECT raise(ABORT, 'spoiled'); END",
    )
    .unwrap();
    let documents = store.documents();
    let (good, bad, also) = tokio::join!(
        documents.commit(vec![put("a", "1")]),
        documents.commit(vec![put("x", "1"), put("bad", "2")]),
        documents.commit(vec![put("b", "1")]),
    );
    good.unwrap();
    also.unwrap();
    assert!(matches!(bad, Err(StoreError::Database(_))));
    let keys: Vec<String> = documents
        .load("function")
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, ["a", "b"]);
}

#[tokio::test]
async fn an_event_comes_once_until_it_is_retried() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Full).unwrap();
    let events = store.events();
    let (one, two) = (event("1", 10), event("2", 5));
    let first = events.accept(one.clone(), 10).await.unwrap();
    let second = events.accept(two.clone(), 10).await.unwrap();
    events.arrival().await;
    assert_eq!(events.len(), 2);
    assert_eq!(events.next_due().await, Some(Timestamp(5)));
    assert!(events.due(Timestamp(4), 10).await.is_empty());
    let due = events.due(Timestamp(20), 10).await;
    let ids: Vec<i64> = due.iter().map(|event| event.id).collect();
    assert_eq!(ids, [second, first]);
    assert_eq!(due[1].event, one);
    assert_eq!(due[1].attempts, 0);
    assert!(events.due(Timestamp(20), 10).await.is_empty());
    assert_eq!(events.next_due().await, None);

    events.retry(first, Timestamp(30), 1).await;
    events.done(second).await;
    events.done(second).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events.next_due().await, Some(Timestamp(30)));
    // This time it is read from the database.
    let due = events.due(Timestamp(30), 10).await;
    assert_eq!((due.len(), due[0].attempts), (1, 1));
    assert_eq!(due[0].event, one);

    store.close().await;
    drop(store);
    let store = Store::open(dir.path(), Durability::Full).unwrap();
    let due = store.events().due(Timestamp(30), 10).await;
    assert_eq!((due.len(), due[0].id, due[0].attempts), (1, first, 1));
    assert_eq!(due[0].event, one);
    store.events().done(first).await;
    drop(store);
    let store = Store::open(dir.path(), Durability::Full).unwrap();
    assert!(store.events().is_empty());
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let events = store.events();
    let id = events.accept(event("1", 1), 2).await.unwrap();
    events.accept(event("2", 1), 2).await.unwrap();
    let full = events.accept(event("3", 1), 2).await;
    assert!(matches!(full, Err(AcceptError::Full)));
    events.done(id).await;
    events.accept(event("4", 1), 2).await.unwrap();
}

#[tokio::test]
async fn an_accept_that_nobody_waits_for_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let events = store.events();
    {
        let mut accept = Box::pin(events.accept(event("1", 1), 1));
        let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(accept.as_mut().poll(cx)));
        poll.await.is_ready();
    }
    // Either it was written or its place is free again, but never both.
    store.records().recent(None, 1).await.unwrap();
    assert_eq!(events.due(Timestamp(1), 10).await.len(), 1);
    assert!(matches!(
        events.accept(event("2", 1), 1).await,
        Err(AcceptError::Full)
    ));
}

#[tokio::test]
async fn many_events_share_commits_and_come_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(Store::open(dir.path(), Durability::Full).unwrap());
    let payload = "x".repeat(100_000);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (store, payload) = (std::sync::Arc::clone(&store), payload.clone());
        tasks.spawn(async move {
            store
                .events()
                .accept(event(&payload, number), 1000)
                .await
                .unwrap();
        });
    }
    tasks.join_all().await;
    let mut seen = Vec::new();
    loop {
        let due = store.events().due(Timestamp(1000), 7).await;
        if due.is_empty() {
            break;
        }
        for event in due {
            assert_eq!(event.event.payload.len(), 100_000);
            seen.push(event.due.0);
            store.events().done(event.id).await;
        }
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn records_are_found_newest_first_and_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let records = store.records();
    let kept: Vec<Record> = (0..30)
        .map(|n| record(if n % 3 == 0 { "f" } else { "g" }, n))
        .collect();
    for record in &kept {
        records.append(record.clone()).await;
    }
    let newest: Vec<Record> = kept.iter().rev().take(5).cloned().collect();
    assert_eq!(records.recent(None, 5).await.unwrap(), newest);
    let f = "f".parse().unwrap();
    let of_f: Vec<u64> = records
        .recent(Some(&f), 2)
        .await
        .unwrap()
        .iter()
        .map(|r| r.duration_us)
        .collect();
    assert_eq!(of_f, [27, 24]);
    drop(store);

    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let records = store.records();
    assert_eq!(records.recent(None, 5).await.unwrap(), newest);
    records.set_keep(10);
    for number in 30..50 {
        records.append(record("h", number)).await;
        let found = records.recent(None, 1000).await.unwrap();
        let numbers: Vec<u64> = found.iter().map(|r| r.duration_us).collect();
        assert_eq!(numbers, (number - 9..=number).rev().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn usage_is_added_up_by_function_day_and_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let day = 24 * 3600 * 1000;
    let of = |function: &str, started: i64, memory_mb: u32, status: &str| Record {
        started: Timestamp(started),
        memory_mb,
        status: status.to_owned(),
        ..record(function, 0)
    };
    for record in [
        of("f", day, 128, "ok"),
        of("f", 2 * day - 1, 128, "timeout"),
        of("f", 2 * day, 128, "ok"),
        of("f", day + 1, 256, "ok"),
        of("g", day - 1, 128, "ok"),
    ] {
        store.records().append(record).await;
    }
    let usage = store.records().usage(Timestamp(day)).await.unwrap();
    let short: Vec<_> = usage
        .iter()
        .map(|u| (u.function.as_str(), u.day, u.memory_mb, u.invocations))
        .collect();
    assert_eq!(
        short,
        [("f", 1, 128, 2), ("f", 1, 256, 1), ("f", 2, 128, 1)]
    );
    let first = &usage[0];
    assert_eq!(
        (
            first.failed,
            first.billed_ms,
            first.init_us,
            first.answer_bytes
        ),
        (1, 4, 6, 20)
    );
    assert_eq!(store.records().usage(Timestamp(0)).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_closed_store_answers_that_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    store.records().append(record("f", 1)).await;
    store.close().await;
    store.close().await;
    let closed = |error: StoreError| assert!(matches!(error, StoreError::Closed), "{error}");
    closed(
        store
            .documents()
            .commit(vec![put("a", "1")])
            .await
            .unwrap_err(),
    );
    closed(store.documents().load("function").unwrap_err());
    closed(store.blobs().put("x".into()).await.unwrap_err());
    closed(store.records().recent(None, 1).await.unwrap_err());
    let refused = store.events().accept(event("1", 1), 10).await;
    assert!(matches!(
        refused,
        Err(AcceptError::Store(StoreError::Closed))
    ));
    store.records().append(record("f", 2)).await;
    store.events().done(1).await;
    // The directory is free although the value lives.
    let again = Store::open(dir.path(), Durability::Relaxed).unwrap();
    assert_eq!(again.records().recent(None, 10).await.unwrap().len(), 1);
}

#[test]
fn a_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let refused = Store::open(dir.path(), Durability::Relaxed).unwrap_err();
    assert!(
        matches!(refused, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id())
    );
    assert!(
        refused
            .to_string()
            .contains(&format!("in use by process {}", std::process::id()))
    );
    drop(store);
    Store::open(dir.path(), Durability::Relaxed).unwrap();
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), Durability::Relaxed).unwrap());
    let path = dir.path().join("squall.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    drop(database);
    let before = std::fs::read(&path).unwrap();
    let refused = Store::open(dir.path(), Durability::Relaxed).unwrap_err();
    assert!(matches!(refused, OpenError::TooNew { found: 999, .. }));
    assert!(refused.to_string().contains("use a newer squall"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_was_left_half_made_is_cleared_away() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    drop(Store::open(&data, Durability::Relaxed).unwrap());
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::create_dir_all(data.join("tmp/7/lib")).unwrap();
    std::fs::write(data.join("tmp/8"), "half a blob").unwrap();
    drop(Store::open(&data, Durability::Relaxed).unwrap());
    assert_eq!(std::fs::read_dir(data.join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(Store::open(&dir.path().join("file/data"), Durability::Relaxed).is_err());
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/squall.db"), "x".repeat(10_000)).unwrap();
    let refused = Store::open(&dir.path().join("data"), Durability::Relaxed);
    assert!(matches!(
        refused,
        Err(OpenError::Store(StoreError::Database(_)))
    ));
}

/// A store that idles must not poll: both threads sleep until they are needed.
#[tokio::test]
async fn what_was_buffered_is_written_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    store.records().append(record("f", 1)).await;
    let side = rusqlite::Connection::open(dir.path().join("squall.db")).unwrap();
    let count = || -> i64 {
        side.query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .unwrap()
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while count() == 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "the record was never written"
        );
        std::thread::yield_now();
    }
}
