//! A process that runs a job is killed at random points, again and again; the job is
//! then known to be interrupted, and each result that the book admits to is whole.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use store::jobs::{Earlier, End, ItemKey, JobBook, JobId, JobState, NewJob};

const DIR: &str = "STORE_KILL_JOBS_DIR";
const ROUNDS: usize = 10;
const ITEMS: u64 = 20_000;

fn key(number: u64) -> ItemKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

fn result(number: u64) -> String {
    format!("{{\"number\":{number}}}")
}

#[test]
fn an_interrupted_job_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let job = NewJob {
        maker: "test",
        function: "f".to_owned(),
        input: "-".to_owned(),
        recipe: "{}".to_owned(),
        items: ITEMS,
    };
    let id = book.accept(&job).unwrap();
    let mut known_before = 0;
    for _ in 0..ROUNDS {
        let mut child = start_child(dir.path(), &id);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let wait = 1 + random(60);
        let heard = output.by_ref().filter(|line| said(line, "kept")).take(wait);
        let heard = heard.count();
        assert!(heard > 0, "the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        let told = book.find(&id).unwrap();
        assert_eq!(told.state, JobState::Interrupted);

        let running = book.start(&id, &[1; 32], Earlier::Drop, ITEMS).unwrap();
        let keys: Vec<ItemKey> = (0..ITEMS).map(key).collect();
        let mut known = 0;
        running
            .known(&keys, |place, text| {
                assert_eq!(text, result(place as u64).as_bytes());
                known += 1;
            })
            .unwrap();
        assert!(known >= known_before, "{known} after {known_before}");
        known_before = known;
        runtime().block_on(running.finish(end())).unwrap();
    }
    assert!(known_before > 0, "nothing was ever kept");
}

fn said(line: &std::io::Result<String>, word: &str) -> bool {
    line.as_ref().is_ok_and(|line| line.ends_with(word))
}

fn end() -> End {
    End {
        state: JobState::Stopped,
        error: None,
        progress: None,
    }
}

fn start_child(dir: &Path, id: &JobId) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_runs_until_it_is_killed", "--nocapture"])
        .env(DIR, format!("{id} {}", dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Is the child if it is told a directory; on its own it has nothing to do.
#[test]
fn a_child_runs_until_it_is_killed() {
    let Ok(told) = std::env::var(DIR) else {
        return;
    };
    let (id, dir) = told.split_once(' ').unwrap();
    let book = JobBook::open(Path::new(dir)).unwrap();
    let job = book
        .start(&id.parse().unwrap(), &[1; 32], Earlier::Drop, ITEMS)
        .unwrap();
    let keys: Vec<ItemKey> = (0..ITEMS).map(key).collect();
    let mut known = vec![false; keys.len()];
    job.known(&keys, |place, _| known[place] = true).unwrap();
    let missing = (0..ITEMS).filter(|number| !known[usize::try_from(*number).unwrap()]);
    runtime().block_on(async {
        for number in missing {
            job.keep(&key(number), result(number).as_bytes());
            job.ready().await.unwrap();
            if number % 20 == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                std::io::stdout().lock().write_all(b"kept\n").unwrap();
            }
        }
        // It shall be killed, not end: whoever waits for it hears it to the last.
        loop {
            std::io::stdout().lock().write_all(b"kept\n").unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// From 0 to `below`.
fn random(below: usize) -> usize {
    let word = RandomState::new().hash_one(0);
    usize::try_from(word % below as u64).unwrap()
}
