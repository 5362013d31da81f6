//! The book, used as its users do.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::error::StoreError;

const ME: Identity = [7; 32];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn new_job(items: u64) -> NewJob {
    NewJob {
        maker: "map",
        function: "fit".to_owned(),
        input: "data.csv".to_owned(),
        recipe: "{}".to_owned(),
        items,
    }
}

fn key(number: u64) -> ItemKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    key[8..].copy_from_slice(&number.to_le_bytes());
    key
}

fn end(state: JobState) -> End {
    End {
        state,
        error: None,
        progress: None,
    }
}

fn known(job: &RunningJob, keys: &[ItemKey]) -> Vec<Option<String>> {
    let mut results = vec![None; keys.len()];
    job.known(keys, |place, text| {
        results[place] = Some(String::from_utf8(text.to_vec()).unwrap());
    })
    .unwrap();
    results
}

fn failure(rank: u32, message: &str) -> ItemFailure {
    ItemFailure {
        rank,
        id: format!("id-{rank}"),
        error_type: "ValueError".to_owned(),
        message: message.to_owned(),
        stack: vec!["a".to_owned(), "b".to_owned()],
        attempts: 2,
    }
}

#[tokio::test]
async fn what_was_kept_is_known_to_later_jobs_of_the_same_identity() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let first = book.begin(&new_job(3), &ME).unwrap();
    assert!(!first.may_know());
    first.keep(&key(1), b"1.5");
    first.keep(&key(2), b"null");
    first.finish(end(JobState::Complete)).await.unwrap();

    let second = book.begin(&new_job(3), &ME).unwrap();
    assert!(second.may_know());
    let keys = [key(2), key(3), key(1), key(2)];
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        known(&second, &keys),
        [text("null"), None, text("1.5"), text("null")]
    );
    let other = book.begin(&new_job(3), &[8; 32]).unwrap();
    assert!(!other.may_know());
    assert_eq!(known(&other, &keys), [None, None, None, None]);

    // The later result of an item is the one that counts.
    second.keep(&key(1), b"2.5");
    second.finish(end(JobState::Complete)).await.unwrap();
    drop(other);
    drop(book);
    let book = JobBook::open(dir.path()).unwrap();
    let third = book.begin(&new_job(3), &ME).unwrap();
    assert_eq!(known(&third, &[key(1)]), [text("2.5")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In whatever portions results come, in however many jobs, over however many
    /// openings: known is exactly what was kept, by who asked for it.
    #[test]
    fn known_is_exactly_what_was_kept(
        jobs in prop::collection::vec(
            (0..2u8, prop::collection::vec((0..60u64, 0..40_000usize), 0..40), any::<bool>()),
            1..5,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut book = JobBook::open(dir.path()).unwrap();
        let mut kept = std::collections::HashMap::new();
        let runtime = runtime();
        for (who, results, reopen) in jobs {
            let job = book.begin(&new_job(60), &[who; 32]).unwrap();
            for (number, length) in results {
                // Long ones fill rows, so that there are several of them.
                let text = format!("\"{}\"", "x".repeat(length));
                job.keep(&key(number), text.as_bytes());
                kept.insert((who, number), text);
                if length % 7 == 0 {
                    runtime.block_on(job.ready()).unwrap();
                }
            }
            runtime.block_on(job.finish(end(JobState::Complete))).unwrap();
            if reopen {
                drop(book);
                book = JobBook::open(dir.path()).unwrap();
            }
        }
        for who in 0..2 {
            let job = book.begin(&new_job(60), &[who; 32]).unwrap();
            let keys: Vec<ItemKey> = (0..60).map(key).collect();
            for (number, found) in known(&job, &keys).into_iter().enumerate() {
                let expected = kept.get(&(who, number as u64)).cloned();
                prop_assert_eq!(found, expected);
            }
        }
    }
}

#[tokio::test]
async fn more_than_may_wait_makes_the_driver_wait_and_all_of_it_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let job = book.begin(&new_job(64), &ME).unwrap();
    let large = vec![b'1'; 1 << 20];
    for number in 0..64 {
        job.keep(&key(number), &large);
        job.ready().await.unwrap();
    }
    job.finish(end(JobState::Complete)).await.unwrap();
    let job = book.begin(&new_job(64), &ME).unwrap();
    let keys: Vec<ItemKey> = (0..64).map(key).collect();
    assert!(
        known(&job, &keys)
            .iter()
            .all(|found| found.as_deref().is_some_and(|text| text.len() == 1 << 20))
    );
}

#[tokio::test]
async fn a_job_is_told_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let id = book.accept(&new_job(0)).unwrap();
    let job = book.find(&id).unwrap();
    assert_eq!(
        (job.state, job.items, job.pid),
        (JobState::Waiting, 0, None)
    );

    let running = book.start(&id, &ME, Earlier::Drop, 5).unwrap();
    let job = book.find(&id).unwrap();
    assert_eq!(
        (job.state, job.items, job.pid, &job.identities[..]),
        (JobState::Running, 5, Some(std::process::id()), &[ME][..])
    );
    assert!(matches!(
        book.start(&id, &ME, Earlier::Drop, 5),
        Err(JobError::Running { pid, .. }) if pid == std::process::id()
    ));
    running.fail(failure(3, "m"));
    running.fail(failure(1, &"ä".repeat(10_000)));
    running
        .finish(End {
            state: JobState::Failed,
            error: Some("why".to_owned()),
            progress: Some("{\"done\":3}".to_owned()),
        })
        .await
        .unwrap();
    let job = book.find(&id).unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.error.as_deref(), Some("why"));
    assert_eq!(job.progress.as_deref(), Some("{\"done\":3}"));
    let failures = book.failures(&id, 0, 10).unwrap();
    assert_eq!(failures[1], failure(3, "m"));
    assert_eq!((failures[0].rank, failures[0].message.len()), (1, 4_000));
    assert_eq!(book.failures(&id, 2, 10).unwrap().len(), 1);
    assert_eq!(book.failure_count(&id).unwrap(), 2);

    let other: JobId = "j-000000".parse().unwrap();
    assert!(matches!(book.find(&other), Err(JobError::NoSuchJob(id)) if id == other));
    assert_eq!(book.list(10).unwrap(), [job]);
}

#[tokio::test]
async fn failures_of_earlier_rounds_stay_until_a_round_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let first = book.begin(&new_job(3), &ME).unwrap();
    let id = first.id().clone();
    first.fail(failure(1, "once"));
    first.fail(failure(2, "always"));
    first.finish(end(JobState::Stopped)).await.unwrap();

    let second = book.start(&id, &ME, Earlier::Drop, 3).unwrap();
    second.finish(end(JobState::Cancelled)).await.unwrap();
    assert_eq!(book.failures(&id, 0, 10).unwrap().len(), 2);

    let third = book.start(&id, &ME, Earlier::Drop, 3).unwrap();
    third.fail(failure(2, "again"));
    third.finish(end(JobState::Complete)).await.unwrap();
    assert_eq!(book.failures(&id, 0, 10).unwrap(), [failure(2, "again")]);
}

#[tokio::test]
async fn a_function_that_was_mended_may_leave_the_other_results_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let first = book.begin(&new_job(3), &[1; 32]).unwrap();
    let id = first.id().clone();
    first.keep(&key(1), b"1");
    first.keep(&key(2), b"2");
    first.finish(end(JobState::Stopped)).await.unwrap();
    let keys = [key(1), key(2), key(3)];
    let text = |text: &str| Some(text.to_owned());

    let mended = book.start(&id, &[2; 32], Earlier::Take, 3).unwrap();
    assert_eq!(known(&mended, &keys), [text("1"), text("2"), None]);
    mended.keep(&key(3), b"3");
    mended.keep(&key(2), b"22");
    mended.finish(end(JobState::Stopped)).await.unwrap();

    // The mended function by itself has not said anything of the others.
    let other = book.begin(&new_job(3), &[2; 32]).unwrap();
    assert_eq!(known(&other, &keys), [None, text("22"), text("3")]);
    let again = book.start(&id, &[3; 32], Earlier::Take, 3).unwrap();
    assert_eq!(known(&again, &keys), [text("1"), text("22"), text("3")]);
    again.finish(end(JobState::Stopped)).await.unwrap();
    assert_eq!(
        book.find(&id).unwrap().identities,
        [[1; 32], [2; 32], [3; 32]]
    );
    let strict = book.start(&id, &[3; 32], Earlier::Drop, 3).unwrap();
    assert!(!strict.may_know());
}

#[tokio::test]
async fn whoever_asks_a_job_to_stop_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    // As another process has it open.
    let other = JobBook::open(dir.path()).unwrap();
    let job = book.begin(&new_job(3), &ME).unwrap();
    let id = job.id().clone();
    assert!(!job.cancel_asked());
    assert_eq!(other.cancel(&id).unwrap(), Cancelled::Asked);
    assert!(other.find(&id).unwrap().cancel);
    while !job.cancel_asked() {
        tokio::task::yield_now().await;
    }
    job.finish(end(JobState::Cancelled)).await.unwrap();
    assert_eq!(
        other.cancel(&id).unwrap(),
        Cancelled::Over(JobState::Cancelled)
    );
    // The wish is not meant for the next round.
    let again = book.start(&id, &ME, Earlier::Drop, 3).unwrap();
    again.finish(end(JobState::Complete)).await.unwrap();

    let waiting = book.accept(&new_job(3)).unwrap();
    assert_eq!(other.cancel(&waiting).unwrap(), Cancelled::Done);
    assert_eq!(book.find(&waiting).unwrap().state, JobState::Cancelled);

    // The end of a process puts back what it ran, but not against anybody's wish.
    for (wish, state) in [(false, JobState::Waiting), (true, JobState::Stopped)] {
        let job = book.begin(&new_job(3), &ME).unwrap();
        let id = job.id().clone();
        if wish {
            other.cancel(&id).unwrap();
        }
        job.finish(end(JobState::Stopped)).await.unwrap();
        book.put_back(&id).unwrap();
        assert_eq!(book.find(&id).unwrap().state, state);
    }
}

#[tokio::test]
async fn a_job_that_is_dropped_does_not_run_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let job = book.begin(&new_job(3), &ME).unwrap();
    let id = job.id().clone();
    job.keep(&key(1), b"1");
    drop(job);
    // Closing waits for what is still to be written.
    drop(book);
    let book = JobBook::open(dir.path()).unwrap();
    assert_eq!(book.find(&id).unwrap().state, JobState::Failed);
    let again = book.start(&id, &ME, Earlier::Drop, 3).unwrap();
    assert_eq!(known(&again, &[key(1)]), [Some("1".to_owned())]);
}

/// The disk is full in the middle: an error, and what was kept is there.
#[tokio::test]
async fn a_full_disk_ends_the_job_and_keeps_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let other = book.begin(&new_job(1), &[9; 32]).unwrap();
    let job = book.begin(&new_job(1_000), &ME).unwrap();
    let id = job.id().clone();
    limit_pages(&book, 200);
    let text = vec![b'7'; 10_000];
    let mut number = 0;
    let error = loop {
        job.keep(&key(number), &text);
        number += 1;
        if let Err(error) = job.ready().await {
            break error;
        }
        tokio::task::yield_now().await;
        assert!(number < 1_000_000, "nothing became full");
    };
    assert!(matches!(error, StoreError::JobsUnwritable(_)));
    let cause = std::error::Error::source(&error).unwrap();
    let cause = std::error::Error::source(cause).unwrap().to_string();
    assert!(cause.contains("full"), "{cause}");
    job.finish(end(JobState::Failed)).await.unwrap_err();
    let told = book.find(&id).unwrap();
    assert_eq!(told.state, JobState::Failed);
    assert!(told.error.unwrap().contains("no longer be kept"));

    // There is room again: other jobs go on, and so does this one.
    limit_pages(&book, 1_000_000);
    other.keep(&key(1), b"1");
    other.finish(end(JobState::Complete)).await.unwrap();
    let again = book.start(&id, &ME, Earlier::Drop, 1_000).unwrap();
    let keys: Vec<ItemKey> = (0..number).map(key).collect();
    let found = known(&again, &keys);
    for found in found.iter().flatten() {
        assert_eq!(found.as_bytes(), text);
    }
    again.keep(&key(u64::MAX), b"1");
    again.finish(end(JobState::Complete)).await.unwrap();
}

fn limit_pages(book: &JobBook, pages: i64) {
    let connection = book.connection().lock();
    let set = connection
        .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0));
    set.unwrap();
}

#[tokio::test]
async fn two_processes_write_without_losing_anything() {
    let dir = tempfile::tempdir().unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for who in 0..3u64 {
        let dir = dir.path().to_owned();
        // Each has connections and a thread of its own, as a process has.
        writers.spawn(async move {
            let book = JobBook::open(&dir).unwrap();
            for round in 0..5 {
                let job = book.begin(&new_job(400), &ME).unwrap();
                for number in 0..400 {
                    job.keep(&key(who << 32 | round << 16 | number), b"[1,2,3]");
                    job.ready().await.unwrap();
                    if number % 100 == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
                job.finish(end(JobState::Complete)).await.unwrap();
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let book = JobBook::open(dir.path()).unwrap();
    assert_eq!(book.list(100).unwrap().len(), 15);
    let job = book.begin(&new_job(1), &ME).unwrap();
    let mut keys = Vec::new();
    for who in 0..3 {
        for round in 0..5 {
            keys.extend((0..400).map(|number| key(who << 32 | round << 16 | number)));
        }
    }
    assert_eq!(known(&job, &keys).iter().flatten().count(), 6_000);
}

#[tokio::test]
async fn what_is_too_much_goes_and_what_is_needed_stays() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let text = vec![b'7'; 100_000];
    let mut ids = Vec::new();
    for who in 0..10 {
        let job = book.begin(&new_job(1), &[who; 32]).unwrap();
        ids.push(job.id().clone());
        job.fail(failure(1, "m"));
        job.keep(&key(who.into()), &text);
        let state = if who == 2 {
            JobState::Stopped
        } else {
            JobState::Complete
        };
        job.finish(end(state)).await.unwrap();
    }
    let folder = book.folder(&ids[0]);
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    let running = book.begin(&new_job(1), &[1; 32]).unwrap();
    let pages = || -> i64 {
        let connection = book.connection().lock();
        let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0));
        pages.unwrap()
    };
    let before = pages();

    let keep = Keep {
        jobs: 6,
        bytes: 500_000,
        ..Keep::default()
    };
    let pruned = book.prune(&keep).unwrap();
    assert_eq!(pruned.jobs, 5);
    assert!(pruned.bytes >= 500_000, "{pruned:?}");
    assert!(pages() < before / 2 + 20, "{} of {before}", pages());
    let file = std::fs::metadata(book.path()).unwrap().len();
    assert_eq!(file, 4096 * u64::try_from(pages()).unwrap());
    assert_eq!(book.prune(&keep).unwrap(), Pruned::default());
    let listed: Vec<JobId> = book
        .list(100)
        .unwrap()
        .into_iter()
        .map(|job| job.id)
        .collect();
    assert_eq!(listed.len(), 6);
    assert!(listed.contains(running.id()) && listed.contains(&ids[9]));
    assert!(!folder.exists());
    assert!(book.find(&ids[0]).is_err() && book.failures(&ids[0], 0, 1).is_err());
    // The job that runs has what it may need, and the latest is there.
    assert!(known(&running, &[key(1)])[0].is_some());
    let last = book.begin(&new_job(1), &[9; 32]).unwrap();
    assert!(known(&last, &[key(9)])[0].is_some());
    last.finish(end(JobState::Complete)).await.unwrap();

    let everything = Keep {
        jobs: 0,
        bytes: 0,
        age: Some(Duration::ZERO),
        unfinished: false,
    };
    book.prune(&everything).unwrap();
    let left = book.list(100).unwrap();
    assert_eq!(left.len(), 1, "only the one that runs: {left:?}");
    running.keep(&key(5), b"5");
    let id = running.id().clone();
    assert!(known(&running, &[key(1)])[0].is_some());
    running.finish(end(JobState::Stopped)).await.unwrap();
    let again = book.start(&id, &[1; 32], Earlier::Drop, 2).unwrap();
    assert!(known(&again, &[key(5)])[0].is_some());
}

/// The results of a job that was stopped are not taken by the others' growth.
#[tokio::test]
async fn a_job_that_may_go_on_keeps_its_results() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let job = book.begin(&new_job(2), &ME).unwrap();
    let id = job.id().clone();
    job.keep(&key(1), b"1");
    job.finish(end(JobState::OutOfTime)).await.unwrap();
    let keep = Keep {
        bytes: 0,
        ..Keep::default()
    };
    assert_eq!(book.prune(&keep).unwrap(), Pruned::default());
    let again = book.start(&id, &ME, Earlier::Drop, 2).unwrap();
    assert!(known(&again, &[key(1)])[0].is_some());
    again.finish(end(JobState::Complete)).await.unwrap();
    assert!(book.prune(&keep).unwrap().bytes > 0);
}

#[test]
fn a_book_of_a_newer_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(JobBook::open(dir.path()).unwrap());
    let file = Connection::open(dir.path().join("jobs.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = JobBook::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::JobsTooNew { found: 99, .. }));
}

#[test]
fn books_are_made_by_several_at_once() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let book = JobBook::open(dir.path()).unwrap();
                    book.accept(&new_job(1)).unwrap();
                });
            }
        });
        let book: Arc<JobBook> = JobBook::open(dir.path()).unwrap();
        assert_eq!(book.list(10).unwrap().len(), 4);
    }
}
