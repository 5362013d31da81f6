//! The log as its readers see it, against a simple model and through restarts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use types::Timestamp;

use crate::{
    Durability, LogCursor, LogError, LogEvent, LogLine, LogPage, LogQuery, Logs, Store, StreamOrder,
};

fn open(dir: &Path) -> Store {
    Store::open(dir, Durability::Relaxed).unwrap()
}

fn line(time: i64, text: &str) -> LogLine {
    LogLine {
        time: Timestamp(time),
        text: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn all(group: &str) -> LogQuery {
    LogQuery {
        group: group.to_owned(),
        from_head: true,
        limit: 10_000,
        ..LogQuery::default()
    }
}

fn texts(page: &LogPage) -> Vec<&str> {
    page.events
        .iter()
        .map(|event| std::str::from_utf8(&event.text).unwrap())
        .collect()
}

/// The directory of the only group.
fn group_dir(data: &Path) -> PathBuf {
    let mut groups = fs::read_dir(data.join("logs")).unwrap();
    groups.next().unwrap().unwrap().path()
}

async fn append(logs: &Logs, group: &str, stream: &str, lines: Vec<LogLine>) -> u64 {
    logs.append(&group.into(), &stream.into(), lines).await
}

#[tokio::test]
async fn lines_are_read_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    append(logs, "/g", "a", vec![line(10, "one"), line(11, "two")]).await;
    let position = append(logs, "/g", "b", vec![line(5, "three")]).await;
    append(logs, "/g", "a", vec![line(12, "")]).await;
    let page = logs.query(all("/g")).await.unwrap();
    assert_eq!(texts(&page), ["three", "one", "two", ""]);
    assert_eq!(page.events[0].id, position);
    assert_eq!(page.next, None);
    let from = LogQuery {
        cursor: Some(LogCursor::Forward(position)),
        ..all("/g")
    };
    assert_eq!(
        texts(&logs.query(from.clone()).await.unwrap()),
        ["three", ""]
    );

    store.close().await;
    assert_eq!(append(logs, "/g", "a", vec![line(1, "late")]).await, 0);
    assert!(logs.query(all("/g")).await.is_err());
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.logs().query(all("/g")).await.unwrap(), page);
    append(store.logs(), "/g", "b", vec![line(13, "more")]).await;
    assert_eq!(
        texts(&store.logs().query(from).await.unwrap()),
        ["three", "", "more"]
    );
}

#[tokio::test]
async fn groups_and_streams_are_made_listed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    logs.create_group("/g/1").await.unwrap();
    logs.create_group("/g/2").await.unwrap();
    logs.create_group("/h").await.unwrap();
    let again = logs.create_group("/h").await;
    assert!(matches!(again, Err(LogError::GroupExists { .. })));
    let names: Vec<_> = logs
        .groups("/g")
        .iter()
        .map(|g| g.name.to_string())
        .collect();
    assert_eq!(names, ["/g/1", "/g/2"]);

    logs.create_stream("/h", "empty").await.unwrap();
    let again = logs.create_stream("/h", "empty").await;
    assert!(matches!(again, Err(LogError::StreamExists { .. })));
    append(logs, "/h", "new", vec![line(7, "x"), line(9, "yz")]).await;
    append(logs, "/h", "old", vec![line(3, "x")]).await;
    logs.set_retention("/h", Some(36_500)).await.unwrap();
    let check = |logs: &Logs| {
        let streams = logs
            .streams("/h", "", StreamOrder::LastEvent, true)
            .unwrap();
        let names: Vec<_> = streams.iter().map(|s| s.name.to_string()).collect();
        assert_eq!(names, ["new", "old", "empty"]);
        assert_eq!(streams[0].first_event, Some(Timestamp(7)));
        assert_eq!(streams[0].last_event, Some(Timestamp(9)));
        assert_eq!(streams[0].stored_bytes, 3);
        assert_eq!(streams[2].last_event, None);
        assert_eq!(logs.group("/h").unwrap().retention_days, Some(36_500));
    };
    check(logs);
    drop(store);
    let store = open(dir.path());
    let logs = store.logs();
    check(logs);

    logs.delete_stream("/h", "new").await.unwrap();
    let again = logs.delete_stream("/h", "new").await;
    assert!(matches!(again, Err(LogError::NoSuchStream { .. })));
    append(logs, "/h", "new", vec![line(20, "reborn")]).await;
    let page = logs.query(all("/h")).await.unwrap();
    assert_eq!(texts(&page), ["x", "reborn"]);
    drop(store);
    let store = open(dir.path());
    let logs = store.logs();
    assert_eq!(logs.query(all("/h")).await.unwrap(), page);

    logs.delete_group("/h").await.unwrap();
    let again = logs.delete_group("/h").await;
    assert!(matches!(again, Err(LogError::NoSuchGroup { .. })));
    let query = logs.query(all("/h")).await;
    assert!(matches!(query, Err(LogError::NoSuchGroup { .. })));
    append(logs, "/h", "s", vec![line(1, "again")]).await;
    assert_eq!(texts(&logs.query(all("/h")).await.unwrap()), ["again"]);
}

#[tokio::test]
async fn queries_choose_streams_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    for (stream, time) in [("a1", 1), ("a2", 2), ("b1", 3), ("a1", 4), ("b1", 5)] {
        append(
            logs,
            "g",
            stream,
            vec![line(time, &format!("{stream}@{time}"))],
        )
        .await;
    }
    let query = LogQuery {
        stream_prefix: Some("a".to_owned()),
        ..all("g")
    };
    assert_eq!(
        texts(&logs.query(query).await.unwrap()),
        ["a1@1", "a2@2", "a1@4"]
    );
    let query = LogQuery {
        streams: Some(vec!["b1".to_owned(), "a2".to_owned()]),
        start: Some(Timestamp(2)),
        end: Some(Timestamp(5)),
        ..all("g")
    };
    assert_eq!(texts(&logs.query(query).await.unwrap()), ["a2@2", "b1@3"]);
    let query = LogQuery {
        streams: Some(vec!["c".to_owned()]),
        ..all("g")
    };
    let missing = logs.query(query).await;
    assert!(matches!(missing, Err(LogError::NoSuchStream { .. })));
}

/// The tokens of `GetLogEvents`: at the end they repeat themselves.
#[tokio::test]
async fn a_follower_gets_every_line_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    let mut cursor = None;
    let mut seen = Vec::new();
    for round in 0..10 {
        for n in 0..round {
            append(logs, "g", "s", vec![line(n, &format!("{round}.{n}"))]).await;
        }
        if round == 0 {
            logs.create_group("g").await.unwrap();
        }
        loop {
            let query = LogQuery {
                limit: 3,
                cursor,
                ..all("g")
            };
            let page = logs.query(query).await.unwrap();
            seen.extend(page.events.iter().map(|event| event.id));
            if cursor == Some(page.forward) {
                assert!(page.events.is_empty());
                break;
            }
            cursor = Some(page.forward);
        }
    }
    let ids: Vec<u64> = {
        let mut events = logs.query(all("g")).await.unwrap().events;
        events.sort_by_key(|event| event.id);
        events.iter().map(|event| event.id).collect()
    };
    assert_eq!(seen.len(), 45);
    seen.sort_unstable();
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_torn_end_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(
        store.logs(),
        "g",
        "s",
        vec![line(1, "whole"), line(2, "torn")],
    )
    .await;
    drop(store);
    let group = group_dir(dir.path());
    let segment = group.join(format!("{:020}.log", 0));
    let length = fs::metadata(&segment).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&segment)
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    let store = open(dir.path());
    append(store.logs(), "g", "s", vec![line(3, "next")]).await;
    let page = store.logs().query(all("g")).await.unwrap();
    assert_eq!(texts(&page), ["whole", "next"]);
}

#[tokio::test]
async fn the_oldest_segments_go_when_there_is_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    logs.set_group_bytes(40_000);
    let text = "x".repeat(1000);
    for n in 0..200 {
        let stream = format!("s{}", n / 10);
        append(logs, "g", &stream, vec![line(n, &text)]).await;
    }
    let check = |logs: &Logs| {
        let stored = logs.group("g").unwrap().stored_bytes;
        assert!((25_000..=42_000).contains(&stored), "{stored}");
        let streams = logs.streams("g", "", StreamOrder::Name, false).unwrap();
        assert!(streams.len() < 6, "{}", streams.len());
    };
    check(logs);
    let page = logs.query(all("g")).await.unwrap();
    assert_eq!(page.events.last().unwrap().time, Timestamp(199));
    assert!(page.events.len() < 42);
    let group = group_dir(dir.path());
    let on_disk: u64 = fs::read_dir(group)
        .unwrap()
        .map(|f| f.unwrap().metadata().unwrap().len())
        .sum();
    assert!(on_disk < 50_000, "{on_disk}");
    drop(store);
    let store = open(dir.path());
    check(store.logs());
    assert_eq!(store.logs().query(all("g")).await.unwrap(), page);
}

#[tokio::test]
async fn retention_hides_old_lines_and_drops_old_segments() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    let now = Timestamp::now().0;
    append(
        logs,
        "mixed",
        "s",
        vec![line(now - 3 * DAY, "old"), line(now, "new")],
    )
    .await;
    append(logs, "old", "s", vec![line(now - 3 * DAY, "old")]).await;
    let before = append(logs, "old", "s", vec![]).await;
    for group in ["mixed", "old"] {
        logs.set_retention(group, Some(2)).await.unwrap();
    }
    assert_eq!(texts(&logs.query(all("mixed")).await.unwrap()), ["new"]);
    assert_eq!(logs.group("old").unwrap().stored_bytes, 0);
    assert!(
        logs.streams("old", "", StreamOrder::Name, false)
            .unwrap()
            .is_empty()
    );
    // A follower's cursor stays good.
    drop(store);
    let store = open(dir.path());
    let position = append(store.logs(), "old", "s", vec![line(now, "new")]).await;
    assert!(position >= before, "{position} {before}");
    assert_eq!(
        texts(&store.logs().query(all("old")).await.unwrap()),
        ["new"]
    );
}

#[tokio::test]
async fn much_text_at_once_is_written_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let text = "x".repeat(100_000);
    for n in 0..100 {
        append(store.logs(), "g", "s", vec![line(n, &text)]).await;
    }
    let last = LogQuery {
        from_head: false,
        limit: 5,
        ..all("g")
    };
    let page = store.logs().query(last).await.unwrap();
    let times: Vec<i64> = page.events.iter().map(|event| event.time.0).collect();
    assert_eq!(times, [95, 96, 97, 98, 99]);
    // A page is about a megabyte.
    assert_eq!(store.logs().query(all("g")).await.unwrap().events.len(), 10);
}

#[tokio::test]
async fn a_broken_group_does_not_keep_the_others_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(store.logs(), "g", "s", vec![line(1, "x")]).await;
    drop(store);
    fs::create_dir(dir.path().join("logs/junk")).unwrap();
    fs::write(dir.path().join("logs/file"), "").unwrap();
    let store = open(dir.path());
    assert_eq!(texts(&store.logs().query(all("g")).await.unwrap()), ["x"]);
}

/// A full disk loses lines, but neither the later ones nor the group.
#[tokio::test]
async fn lines_that_cannot_be_written_are_lost_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    logs.create_group("g").await.unwrap();
    let group = group_dir(dir.path());
    // No file can be made where a directory stands.
    let blocked = group.join(format!("{:020}.log", 0));
    fs::create_dir(&blocked).unwrap();
    append(logs, "g", "s", vec![line(1, "lost")]).await;
    logs.flush().await.unwrap();
    fs::remove_dir(&blocked).unwrap();
    let position = append(logs, "g", "s", vec![line(2, "kept")]).await;
    assert!(position > 0);
    let page = logs.query(all("g")).await.unwrap();
    assert_eq!(texts(&page), ["kept"]);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.logs().query(all("g")).await.unwrap(), page);
}

#[test]
fn cursors_travel_as_text() {
    for cursor in [LogCursor::Forward(0), LogCursor::Backward(u64::MAX)] {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
    for bad in ["", "f", "f/", "f/-1", "x/1", "f/1/2"] {
        assert!(bad.parse::<LogCursor>().is_err(), "{bad:?}");
    }
}

/// What a test does to a log.
#[derive(Debug, Clone)]
enum Step {
    Append {
        stream: u8,
        times: Vec<i64>,
    },
    Delete {
        stream: u8,
    },
    Reopen,
    Read {
        streams: Vec<u8>,
        start: Option<i64>,
        end: Option<i64>,
        head: bool,
        limit: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let streams = proptest::collection::vec(0..4_u8, 0..3);
    let bound = proptest::option::of(0..20_i64);
    prop_oneof![
        8 => (0..4_u8, proptest::collection::vec(0..20_i64, 0..6))
            .prop_map(|(stream, times)| Step::Append { stream, times }),
        1 => (0..4_u8).prop_map(|stream| Step::Delete { stream }),
        1 => Just(Step::Reopen),
        4 => (streams, bound.clone(), bound, any::<bool>(), 1..8_usize)
            .prop_map(|(streams, start, end, head, limit)| {
                Step::Read { streams, start, end, head, limit }
            }),
    ]
}

/// The stream, the time and the text of each line, in the order of arrival.
type Model = Vec<(String, i64, String)>;

fn name(stream: u8) -> String {
    format!("s{stream}")
}

/// Reads page after page, and has what came in the order of arrival.
async fn read_through(logs: &Logs, mut query: LogQuery) -> Vec<LogEvent> {
    let mut events: Vec<LogEvent> = Vec::new();
    loop {
        let page = logs.query(query.clone()).await.unwrap();
        assert!(page.events.len() <= query.limit);
        assert!(page.events.is_sorted_by_key(|event| event.time));
        assert!(page.next.is_none() || page.events.len() == query.limit);
        events.extend(page.events);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    events.sort_by_key(|event| event.id);
    events
}

async fn play(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let open_small = || {
        let store = open(dir.path());
        // Many small segments, and none is ever dropped.
        store
            .logs()
            .shared
            .segment_bytes
            .store(200, super::Ordering::Relaxed);
        store
    };
    let mut store = open_small();
    store.logs().create_group("g").await.unwrap();
    let mut model: Model = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Append { stream, times } => {
                let text = |n: usize| format!("{number}.{n}");
                let lines = times
                    .iter()
                    .enumerate()
                    .map(|(n, &t)| line(t, &text(n)))
                    .collect();
                append(store.logs(), "g", &name(stream), lines).await;
                model.extend(
                    times
                        .iter()
                        .enumerate()
                        .map(|(n, &t)| (name(stream), t, text(n))),
                );
            }
            Step::Delete { stream } => {
                let _ = store.logs().delete_stream("g", &name(stream)).await;
                model.retain(|(of, ..)| *of != name(stream));
            }
            Step::Reopen => {
                store.close().await;
                drop(store);
                store = open_small();
            }
            Step::Read {
                streams,
                start,
                end,
                head,
                limit,
            } => {
                let chosen: Vec<String> = streams.iter().map(|&stream| name(stream)).collect();
                let known = store
                    .logs()
                    .streams("g", "", StreamOrder::Name, false)
                    .unwrap();
                if !chosen
                    .iter()
                    .all(|name| known.iter().any(|s| *s.name == **name))
                {
                    continue;
                }
                let query = LogQuery {
                    group: "g".to_owned(),
                    streams: (!chosen.is_empty()).then(|| chosen.clone()),
                    start: start.map(Timestamp),
                    end: end.map(Timestamp),
                    from_head: head,
                    limit,
                    ..LogQuery::default()
                };
                let found: Model = read_through(store.logs(), query)
                    .await
                    .into_iter()
                    .map(|e| {
                        (
                            e.stream.to_string(),
                            e.time.0,
                            String::from_utf8(e.text.to_vec()).unwrap(),
                        )
                    })
                    .collect();
                let expected: Model = model
                    .iter()
                    .filter(|(of, ..)| chosen.is_empty() || chosen.contains(of))
                    .filter(|(_, t, _)| start.is_none_or(|start| *t >= start))
                    .filter(|(_, t, _)| end.is_none_or(|end| *t < end))
                    .cloned()
                    .collect();
                assert_eq!(found, expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn queries_agree_with_a_model(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_append_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let (group, stream): (Arc<str>, Arc<str>) = ("g".into(), format!("s{task}").into());
            for n in 0..500 {
                store
                    .logs()
                    .append(&group, &stream, vec![line(n, "x"), line(n, "y")])
                    .await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(
        store.logs().query(all("g")).await.unwrap().events.len(),
        8000
    );
}
