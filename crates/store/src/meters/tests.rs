//! Meters over real files: what is counted is there once, whatever happens between.

use std::path::Path;

use super::*;
use crate::{Durability, Store};

const DAY: i64 = 20_000;

fn one() -> Amounts {
    Amounts {
        requests: 1,
        bytes_out: 10,
        ..Amounts::default()
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Durability::Relaxed).unwrap()
}

async fn requests(store: &Store, meter: &str) -> u64 {
    let readings = store.meters().readings(Some(meter), DAY, DAY + 9).await;
    let readings = readings.unwrap();
    readings
        .iter()
        .map(|reading| reading.amounts.requests)
        .sum()
}

/// What a process leaves behind that is ended at this moment: a copy of its files.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[tokio::test]
async fn uses_are_summed_by_meter_and_day_before_and_after_folding() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (meter, day) in [("a", DAY), ("a", DAY), ("a", DAY + 1), ("b", DAY)] {
        store.meters().count(meter, day, &one()).unwrap();
    }
    for _ in 0..2 {
        let readings = store.meters().readings(None, DAY, DAY + 1).await.unwrap();
        let seen: Vec<_> = readings
            .iter()
            .map(|reading| {
                let Amounts {
                    requests,
                    bytes_out,
                    ..
                } = reading.amounts;
                (&*reading.meter, reading.day, requests, bytes_out)
            })
            .collect();
        assert_eq!(
            seen,
            [("a", DAY, 2, 20), ("a", DAY + 1, 1, 10), ("b", DAY, 1, 10)]
        );
        store.meters().fold().await.unwrap();
    }
    let one_day = store.meters().readings(Some("a"), DAY + 1, DAY + 1).await;
    assert_eq!(one_day.unwrap().len(), 1);
    store.meters().count("a", DAY, &one()).unwrap();
    assert_eq!(requests(&store, "a").await, 4);
}

#[tokio::test]
async fn what_was_counted_outlives_the_process_and_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut counted = 0;
    for round in 0..6 {
        for _ in 0..5 {
            store.meters().count("a", DAY, &one()).unwrap();
            counted += 1;
        }
        if round % 2 == 0 {
            store.meters().fold().await.unwrap();
        }
        let killed = tempfile::tempdir().unwrap();
        copy(dir.path(), killed.path());
        let after = open(killed.path());
        assert_eq!(requests(&after, "a").await, counted);
        after.meters().fold().await.unwrap();
        after.close().await;
        drop(after);
        assert_eq!(requests(&open(killed.path()), "a").await, counted);
    }
}

#[tokio::test]
async fn a_segment_that_was_folded_and_not_removed_counts_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.meters().count("a", DAY, &one()).unwrap();
    let segments = dir.path().join("meters");
    let first = std::fs::read_dir(&segments).unwrap().next().unwrap();
    let first = first.unwrap().path();
    let bytes = std::fs::read(&first).unwrap();
    store.meters().fold().await.unwrap();
    assert!(!first.exists());
    store.close().await;
    drop(store);
    std::fs::write(&first, bytes).unwrap();
    let store = open(dir.path());
    assert_eq!(requests(&store, "a").await, 1);
    assert!(!first.exists());
}

#[tokio::test]
async fn a_torn_end_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for _ in 0..3 {
        store.meters().count("a", DAY, &one()).unwrap();
    }
    let segment = std::fs::read_dir(dir.path().join("meters"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    store.close().await;
    drop(store);
    let whole = std::fs::read(&segment).unwrap();
    let frame = whole.len() / 3;
    for cut in 0..=whole.len() {
        std::fs::write(&segment, &whole[..cut]).unwrap();
        let killed = tempfile::tempdir().unwrap();
        copy(dir.path(), killed.path());
        let store = open(killed.path());
        assert_eq!(requests(&store, "a").await, (cut / frame) as u64, "{cut}");
    }
}

#[tokio::test]
async fn sums_stop_at_the_largest_number() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let huge = Amounts {
        requests: 1,
        bytes_in: u64::MAX / 2,
        ..Amounts::default()
    };
    for _ in 0..3 {
        store.meters().count("a", DAY, &huge).unwrap();
        store.meters().fold().await.unwrap();
    }
    assert_eq!(requests(&store, "a").await, 3);
}

#[tokio::test]
async fn names_are_short() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long = "x".repeat(NAME_BYTES + 1);
    assert!(store.meters().count(&long, DAY, &one()).is_err());
    assert!(store.meters().count("", DAY, &one()).is_err());
    assert_eq!(store.meters().readings(None, 0, DAY).await.unwrap(), []);
}
