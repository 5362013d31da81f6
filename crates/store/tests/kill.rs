//! A process that writes is killed at random points, again and again on one
//! directory; what it acknowledged must be there each time, and nothing
//! half-made may be seen.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use store::{
    Change, Durability, LogLine, LogQuery, NewEvent, Store, StoreError, StreamOrder, UnpackLimits,
};
use types::{RequestId, Timestamp};

const ROUNDS: usize = 12;
const ACKS_MAX: usize = 150;
const DIR: &str = "STORE_KILL_TEST_DIR";
const FIRST: &str = "STORE_KILL_TEST_FIRST";
const LIMITS: UnpackLimits = UnpackLimits {
    unzipped_bytes: 1 << 20,
    entries: 100,
};
const PACKAGE_FILES: usize = 20;

/// What the children acknowledged, all together.
#[derive(Default)]
struct Acknowledged {
    events: BTreeSet<u64>,
    /// The last value of each writer's pair of documents.
    pairs: BTreeMap<String, u64>,
    lines: BTreeSet<u64>,
    streams: BTreeSet<u64>,
    blobs: BTreeSet<String>,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let ["ack", what, value, ..] = words[..] else {
            return false;
        };
        let number = || value.parse().unwrap();
        match what {
            "event" => _ = self.events.insert(number()),
            "line" => _ = self.lines.insert(number()),
            "stream" => _ = self.streams.insert(number()),
            "blob" => _ = self.blobs.insert(value.to_owned()),
            writer => _ = self.pairs.insert(writer.to_owned(), number()),
        }
        true
    }
}

#[test]
fn what_was_acknowledged_survives_kill() {
    for durability in ["full", "relaxed"] {
        let dir = tempfile::tempdir().unwrap();
        let mut acknowledged = Acknowledged::default();
        for round in 0..ROUNDS {
            let mut child = start_child(dir.path(), durability, round);
            let wanted = random(ACKS_MAX);
            let mut output = BufReader::new(child.stdout.take().unwrap());
            let mut heard = 0;
            let mut line = String::new();
            while heard < wanted && output.read_line(&mut line).unwrap() > 0 {
                heard += usize::from(acknowledged.hear(line.trim_end()));
                line.clear();
            }
            assert_eq!(heard, wanted, "the child ended by itself");
            child.kill().unwrap();
            child.wait().unwrap();
            // What it said before it died counts, but for half a line.
            while output.read_line(&mut line).unwrap() > 0 {
                if line.ends_with('\n') {
                    acknowledged.hear(line.trim_end());
                }
                line.clear();
            }
            let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
            runtime().block_on(check(&store, &acknowledged));
        }
        assert!(acknowledged.pairs.len() > 1 && !acknowledged.blobs.is_empty());
        assert!(acknowledged.events.len() > ROUNDS && acknowledged.lines.len() > ROUNDS);
    }
}

async fn check(store: &Store, acknowledged: &Acknowledged) {
    let mut events = BTreeSet::new();
    for event in store.events().due(Timestamp::now(), usize::MAX).await {
        let number = std::str::from_utf8(&event.event.payload).unwrap();
        assert!(
            events.insert(number.parse().unwrap()),
            "event {number} twice"
        );
    }
    assert!(events.is_superset(&acknowledged.events));

    let documents: BTreeMap<String, Vec<u8>> = store
        .documents()
        .load("pair")
        .unwrap()
        .into_iter()
        .collect();
    for (key, value) in &documents {
        let (writer, _) = key.split_once('/').unwrap();
        assert_eq!(documents[&format!("{writer}/a")], *value, "{key}");
        assert_eq!(documents[&format!("{writer}/b")], *value, "{key}");
    }
    for (writer, value) in &acknowledged.pairs {
        let found = &documents[&format!("{writer}/a")];
        let found: u64 = std::str::from_utf8(found).unwrap().parse().unwrap();
        assert!(found >= *value, "{writer}: {found} after {value}");
    }

    for sha in &acknowledged.blobs {
        store.blobs().read(sha).await.unwrap();
    }
    for blob in store.blobs().list().await.unwrap() {
        let bytes = store.blobs().read(&blob.sha).await.unwrap();
        assert_eq!(
            store.blobs().put(bytes).await.unwrap(),
            blob.sha,
            "a blob is half-made"
        );
    }
    for package in fs::read_dir(store.dir().join("packages")).unwrap() {
        let files = fs::read_dir(package.unwrap().path()).unwrap().count();
        assert_eq!(files, PACKAGE_FILES, "a package is half-made");
    }
    assert_eq!(fs::read_dir(store.dir().join("tmp")).unwrap().count(), 0);
    check_logs(store, acknowledged).await;
}

async fn check_logs(store: &Store, acknowledged: &Acknowledged) {
    if acknowledged.lines.is_empty() && acknowledged.streams.is_empty() {
        return;
    }
    let mut lines = BTreeSet::new();
    let mut query = LogQuery {
        group: "g".to_owned(),
        from_head: true,
        limit: 10_000,
        ..LogQuery::default()
    };
    loop {
        let page = store.logs().query(query.clone()).await.unwrap();
        for event in page.events {
            let number = std::str::from_utf8(&event.text).unwrap();
            assert!(lines.insert(number.parse().unwrap()), "line {number} twice");
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    assert!(lines.is_superset(&acknowledged.lines));
    let streams = store
        .logs()
        .streams("g", "made", StreamOrder::Name, false)
        .unwrap();
    let streams: BTreeSet<String> = streams.iter().map(|s| s.name.to_string()).collect();
    for stream in &acknowledged.streams {
        assert!(streams.contains(&format!("made-{stream}")), "{stream}");
    }
}

fn start_child(dir: &Path, durability: &str, round: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_child_writes_until_it_is_killed",
            "--nocapture",
        ])
        .env(DIR, dir)
        .env(FIRST, format!("{durability} {}", round * 1_000_000))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Is the child if it is told a directory; on its own it has nothing to do.
#[test]
fn a_child_writes_until_it_is_killed() {
    let (Ok(dir), Ok(first)) = (std::env::var(DIR), std::env::var(FIRST)) else {
        return;
    };
    let (durability, first) = first.split_once(' ').unwrap();
    let durability = match durability {
        "full" => Durability::Full,
        _ => Durability::Relaxed,
    };
    let first: u64 = first.parse().unwrap();
    let store = Arc::new(Store::open(Path::new(&dir), durability).unwrap());
    runtime().block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..3 {
            writers.spawn(write_events(Arc::clone(&store), first + writer * 100_000));
            writers.spawn(write_pairs(Arc::clone(&store), first, writer));
        }
        writers.spawn(write_lines(Arc::clone(&store), first));
        writers.spawn(write_packages(Arc::clone(&store), first));
        writers.join_next().await.unwrap().unwrap();
    });
}

fn acknowledge(what: &str, value: &str) {
    // One write, so that lines of several tasks do not mix.
    let line = format!("ack {what} {value}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

async fn write_events(store: Arc<Store>, first: u64) {
    for number in first.. {
        let event = NewEvent {
            request_id: RequestId::random(),
            function: "f".parse().unwrap(),
            qualifier: None,
            payload: number.to_string().into(),
            client_context: None,
            trace_id: None,
            accepted: Timestamp::now(),
            order: None,
            source: None,
            retry: None,
        };
        store.events().accept(event, u64::MAX).await.unwrap();
        acknowledge("event", &number.to_string());
    }
}

async fn write_pairs(store: Arc<Store>, first: u64, writer: u64) {
    for number in first.. {
        let change = |side| Change {
            kind: "pair",
            key: format!("writer-{writer}/{side}"),
            body: Some(number.to_string().into()),
        };
        store
            .documents()
            .commit(vec![change("a"), change("b")])
            .await
            .unwrap();
        acknowledge(&format!("writer-{writer}"), &number.to_string());
    }
}

async fn write_lines(store: Arc<Store>, first: u64) {
    for number in first.. {
        let line = LogLine {
            time: Timestamp::now(),
            text: number.to_string().into(),
        };
        store
            .logs()
            .append(&"g".into(), &"s".into(), vec![line])
            .await;
        // It may be there from the round before, which was not heard out.
        let made = store
            .logs()
            .create_stream("g", &format!("made-{number}"))
            .await;
        made.unwrap();
        store.logs().flush().await.unwrap();
        acknowledge("line", &number.to_string());
        acknowledge("stream", &number.to_string());
    }
}

async fn write_packages(store: Arc<Store>, first: u64) {
    for number in first.. {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for file in 0..PACKAGE_FILES {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(format!("{file}"), options).unwrap();
            write!(zip, "{number}").unwrap();
        }
        let bytes: Bytes = zip.finish().unwrap().into_inner().into();
        let sha = store.blobs().put(bytes).await.unwrap();
        acknowledge("blob", &sha);
        store.packages().unpack(&sha, &LIMITS).await.unwrap();
        if number % 3 == 0 {
            let removed: Result<(), StoreError> = store.packages().remove(&sha).await;
            removed.unwrap();
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// From 0 to `below`.
fn random(below: usize) -> usize {
    let word = RandomState::new().hash_one(0);
    usize::try_from(word % below as u64).unwrap()
}
