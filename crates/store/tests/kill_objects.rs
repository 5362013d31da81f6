//! A process that puts, deletes and uploads objects is killed at random points,
//! again and again on one directory. Each time every object is as the last
//! acknowledged write left it, or as the one that was under way would have; the
//! event of a write is there exactly if the write is; and no bytes are missing,
//! damaged or left over.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use store::{
    Announcement, BucketId, Content, Durability, NewEvent, NewPart, NewUpload, ObjectError, Part,
    Precondition, PutObject, Store, StoredBody, UploadId, Versioning,
};
use types::{ObjectKey, RequestId, Timestamp};

const ROUNDS: u64 = 10;
const ACKS_MAX: u64 = 120;
const WRITERS: u64 = 4;
const KEYS: u64 = 5;
const DIR: &str = "STORE_KILL_OBJECTS_DIR";
const FIRST: &str = "STORE_KILL_OBJECTS_FIRST";
/// In the database, in a file at once, in a file piece by piece.
const SIZES: [usize; 3] = [100, 50_000, 1_300_000];

/// What is known of a key: the number of the write that it should have.
#[derive(Default)]
struct Expected {
    acknowledged: Option<u64>,
    /// The write that was begun and not acknowledged; `None` within is a delete.
    begun: Option<(u64, Option<u64>)>,
}

#[derive(Default)]
struct Heard {
    keys: BTreeMap<String, Expected>,
    puts: BTreeSet<u64>,
    acknowledgements: u64,
}

impl Heard {
    /// A line is `begin|end put|delete KEY NUMBER`.
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let [step @ ("begin" | "end"), what, key, number] = words[..] else {
            return;
        };
        let number: u64 = number.parse().unwrap();
        let expected = self.keys.entry(key.to_owned()).or_default();
        let state = (what == "put").then_some(number);
        if step == "begin" {
            expected.begun = Some((number, state));
            return;
        }
        expected.begun = None;
        expected.acknowledged = state;
        self.acknowledgements += 1;
        if what == "put" {
            self.puts.insert(number);
        }
    }
}

#[test]
fn objects_survive_kill() {
    for durability in ["full", "relaxed"] {
        let dir = tempfile::tempdir().unwrap();
        make_bucket(dir.path());
        let mut heard = Heard::default();
        for round in 0..ROUNDS {
            let mut child = start_child(dir.path(), durability, round);
            let mut output = BufReader::new(child.stdout.take().unwrap());
            let wanted = heard.acknowledgements + random(ACKS_MAX);
            let mut line = String::new();
            while heard.acknowledgements < wanted && output.read_line(&mut line).unwrap() > 0 {
                heard.hear(&line);
                line.clear();
            }
            assert_eq!(heard.acknowledgements, wanted, "the child ended by itself");
            child.kill().unwrap();
            child.wait().unwrap();
            // What it said before it died counts, but for half a line.
            while output.read_line(&mut line).unwrap() > 0 {
                if line.ends_with('\n') {
                    heard.hear(&line);
                }
                line.clear();
            }
            let found = store::check(dir.path(), |_| ControlFlow::Continue(())).unwrap();
            assert!(found.damaged.is_empty(), "{:?}", found.damaged);
            let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
            runtime().block_on(check(&store, &mut heard));
        }
        assert!(heard.acknowledgements > ROUNDS, "hardly anything was tried");
    }
}

async fn check(store: &Store, heard: &mut Heard) {
    let bucket = store.objects().buckets().unwrap()[0].id;
    let mut caused = BTreeSet::new();
    for event in store.events().due(Timestamp::now(), usize::MAX).await {
        let number = std::str::from_utf8(&event.event.payload).unwrap();
        assert!(caused.insert(number.parse().unwrap()), "{number} twice");
        store.events().done(event.id).await;
    }
    for (key, expected) in &mut heard.keys {
        let found = number_at(store, bucket, key).await;
        if let Some((number, state)) = expected.begun.take()
            && found != expected.acknowledged
        {
            assert_eq!(
                found, state,
                "{key} is neither as it was nor as it should become"
            );
            heard.puts.extend(state.map(|_| number));
            expected.acknowledged = found;
        }
        assert_eq!(found, expected.acknowledged, "{key}");
    }
    assert_eq!(
        caused, heard.puts,
        "events without their writes, or the other way round"
    );
    heard.puts.clear();

    let objects = store.objects();
    assert!(run_check(store).is_empty());
    assert_eq!(fs::read_dir(store.dir().join("tmp")).unwrap().count(), 0);
    for upload in objects.list_uploads(bucket).await.unwrap() {
        for part in objects.list_parts(&upload.id, 0, 100).await.unwrap() {
            assert!(SIZES.contains(&usize::try_from(part.content.size).unwrap()));
        }
        objects.abort_upload(&upload.id).await.unwrap();
    }
    assert!(run_check(store).is_empty());
}

/// What is wrong, for people.
fn run_check(store: &Store) -> Vec<String> {
    let report = std::thread::scope(|scope| {
        let check = || store.objects().check(|_| ControlFlow::Continue(()));
        scope.spawn(check).join().unwrap().unwrap()
    });
    let damaged = report.damaged.iter().map(|damage| format!("{damage:?}"));
    let orphans = report.orphans.iter().map(|orphan| format!("{orphan:?}"));
    damaged.chain(orphans).collect()
}

/// Reads the object to its end; answers the number of the write that made it.
async fn number_at(store: &Store, bucket: BucketId, key: &str) -> Option<u64> {
    let key: ObjectKey = key.parse().unwrap();
    let found = match store.objects().get(bucket, &key, None).await {
        Err(ObjectError::NoSuchKey) => return None,
        found => found.unwrap(),
    };
    let StoredBody::Object(object) = &found.stored.body else {
        panic!("a delete marker where there are no versions");
    };
    let number: u64 = object.etag.parse().unwrap();
    let mut reader = store.objects().read(&found, 0..u64::MAX);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    let expected: Vec<u8> = pieces_of(number).concat();
    assert!(bytes == expected, "{key} has other bytes than were put");
    Some(number)
}

/// One for most numbers, three for an upload. Neighbours share their content.
fn pieces_of(number: u64) -> Vec<Vec<u8>> {
    let count = if is_upload(number) { 3 } else { 1 };
    (0..count)
        .map(|part| {
            let seed = (number / 3 + part) % 50;
            let size = SIZES[usize::try_from(seed % 3).unwrap()];
            let mut bytes = vec![0; size];
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes());
            hasher.finalize_xof().fill(&mut bytes);
            bytes
        })
        .collect()
}

fn is_upload(number: u64) -> bool {
    number % 7 == 3
}

fn make_bucket(dir: &Path) {
    let store = Store::open(dir, Durability::Full).unwrap();
    runtime().block_on(async {
        let name = "bucket".parse().unwrap();
        let made = store
            .objects()
            .create_bucket(name, Timestamp(1), Vec::new());
        made.await.unwrap();
        store.close().await;
    });
}

fn start_child(dir: &Path, durability: &str, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_works_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .env(FIRST, format!("{durability} {}", (round + 1) * 1_000_000))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Is the child if it is told a directory; on its own it has nothing to do.
#[test]
fn a_child_works_until_it_is_killed() {
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
    let bucket = store.objects().buckets().unwrap()[0].id;
    runtime().block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let hand = Hand {
                store: Arc::clone(&store),
                bucket,
            };
            writers.spawn(hand.work(writer, first + writer * 100_000));
        }
        writers.join_next().await.unwrap().unwrap();
    });
}

fn say(line: &str) {
    // One write, so that lines of several tasks do not mix.
    let line = format!("{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// One of those who write.
struct Hand {
    store: Arc<Store>,
    bucket: BucketId,
}

impl Hand {
    async fn work(self, writer: u64, first: u64) {
        for number in first.. {
            let key = format!("{writer}/{}", number % KEYS);
            if number % 4 == 2 {
                say(&format!("begin delete {key} {number}"));
                self.delete(&key).await;
                say(&format!("end delete {key} {number}"));
            } else if number % 11 == 5 {
                self.abandon(&key, number).await;
            } else {
                say(&format!("begin put {key} {number}"));
                self.put(&key, number).await;
                say(&format!("end put {key} {number}"));
            }
        }
    }

    async fn content(&self, bytes: Vec<u8>) -> Content {
        let mut writer = self.store.objects().writer(None);
        let bytes = Bytes::from(bytes);
        for start in (0..bytes.len()).step_by(60_000) {
            let end = bytes.len().min(start + 60_000);
            writer.write(bytes.slice(start..end)).await.unwrap();
        }
        writer.finish().await.unwrap()
    }

    async fn put(&self, key: &str, number: u64) {
        let (completes, contents) = if is_upload(number) {
            let (upload, contents) = self.upload(key, number).await;
            (Some(upload), contents)
        } else {
            let [bytes] = pieces_of(number).try_into().unwrap();
            (None, vec![self.content(bytes).await])
        };
        let object = PutObject {
            bucket: self.bucket,
            key: key.parse().unwrap(),
            versioning: Versioning::Off,
            precondition: Precondition::default(),
            etag: number.to_string(),
            attributes: Vec::new(),
            modified: Timestamp::now(),
            parts: contents
                .into_iter()
                .map(|content| Part {
                    content,
                    attributes: Vec::new(),
                })
                .collect(),
            completes,
        };
        let announcement = Announcement {
            most: 1,
            limit: u64::MAX,
            events: Box::new(move |_| {
                let payload = number.to_string().into();
                let function = "f".parse().unwrap();
                vec![NewEvent::new(RequestId::random(), function, payload)]
            }),
        };
        let put = self.store.objects().put(object, Some(announcement));
        put.await.unwrap();
    }

    async fn upload(&self, key: &str, number: u64) -> (UploadId, Vec<Content>) {
        let objects = self.store.objects();
        let upload = NewUpload {
            bucket: self.bucket,
            key: key.parse().unwrap(),
            started: Timestamp::now(),
            attributes: Vec::new(),
        };
        let upload = objects.create_upload(upload).await.unwrap();
        let mut contents = Vec::new();
        for (part, bytes) in (1..).zip(pieces_of(number)) {
            let content = self.content(bytes).await;
            let part = NewPart {
                number: part,
                content: content.clone(),
                attributes: Vec::new(),
                modified: Timestamp::now(),
            };
            objects.put_part(&upload, part).await.unwrap();
            contents.push(content);
        }
        (upload, contents)
    }

    /// An upload that comes to nothing, and bytes that become no object.
    async fn abandon(&self, key: &str, number: u64) {
        let (upload, contents) = self.upload(key, number).await;
        drop(contents);
        if number.is_multiple_of(2) {
            let objects = self.store.objects();
            objects.abort_upload(&upload).await.unwrap();
        }
        let unwanted = number.to_le_bytes().repeat(10_000);
        drop(self.content(unwanted).await);
    }

    async fn delete(&self, key: &str) {
        let deleted = self.store.objects().delete(
            self.bucket,
            key.parse().unwrap(),
            None,
            Versioning::Off,
            Precondition::default(),
            None,
        );
        deleted.await.unwrap();
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
fn random(below: u64) -> u64 {
    RandomState::new().hash_one(0) % below
}
