//! Whole jobs against an executor in this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Cursor;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use science::items::{Collected, Columns, Wanted};
use serde_json::json;
use store::jobs::{JobBook, NewJob};
use tokio_util::sync::CancellationToken;
use types::{FunctionErrorKind, InvokeError, ThrottleReason};

use super::executor::{Executor, Reaction, fine, has};
use super::*;
use crate::journal::{FunctionFacts, Identity};
use crate::options::{ChunkSize, Format, ItemKind, OnError, Options, Width};

/// So many items; item `n` has the values n and 0.5, so its sum is n + 0.5.
fn data(count: usize) -> Arc<Collected> {
    let mut csv = "id,value\n".to_owned();
    for id in 0..count {
        write!(csv, "{id},{id}\n{id},0.5\n").unwrap();
    }
    collect(csv)
}

fn collect(csv: String) -> Arc<Collected> {
    let csv = csv.into_bytes();
    let wanted = Wanted {
        by: Some("id".to_owned()),
        columns: Columns::Value("value".to_owned()),
        threads: NonZeroUsize::MIN,
        memory: 1 << 30,
        scratch: std::env::temp_dir(),
    };
    let open = || -> std::io::Result<Box<dyn std::io::Read + Send>> {
        Ok(Box::new(Cursor::new(csv.clone())))
    };
    Arc::new(science::items::csv(&open, &wanted, &|_| ()).unwrap())
}

fn job(count: usize) -> Job {
    Job {
        options: Options {
            function: "sums".parse().unwrap(),
            qualifier: None,
            item: ItemKind::List,
            format: Format::Json,
            chunk: ChunkSize::Items(NonZeroU32::new(10).unwrap()),
            width: Width::Fixed(NonZeroUsize::new(2).unwrap()),
            retries: 0,
            backup_after: None,
            on_error: OnError::Collect,
            max_time: None,
            max_cost: None,
        },
        data: data(count),
        memory_mb: 1024,
        arm: false,
        most_payload: 6_000_000,
        only: None,
    }
}

async fn run_on(executor: &Arc<Executor>, job: Job) -> Finished {
    run(
        Arc::clone(executor),
        Arc::clone(executor),
        job,
        Journal::none(),
        CancellationToken::new(),
        |_| (),
    )
    .await
    .unwrap()
}

fn sums(finished: &Finished) -> Vec<Option<f64>> {
    let sum = |result: &RawValue| result.get().parse().unwrap();
    let results = finished.results.iter();
    results.map(|result| result.as_deref().map(sum)).collect()
}

fn expected(count: u32, without: &[u32]) -> Vec<Option<f64>> {
    let sum = |id| (!without.contains(&id)).then(|| f64::from(id) + 0.5);
    (0..count).map(sum).collect()
}

#[tokio::test(start_paused = true)]
async fn all_items_come_back_in_order() {
    let executor = Executor::new(|_, _| fine());
    let finished = run_on(&executor, job(95)).await;
    assert_eq!(finished.end, End::Complete);
    assert_eq!(sums(&finished), expected(95, &[]));
    assert_eq!(finished.progress.invocations, 10);
    assert_eq!((finished.progress.items, finished.progress.done), (95, 95));
    assert_eq!(executor.most_at_once.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn learned_chunks_need_few_invocations() {
    let executor = Executor::new(|_, _| fine());
    let mut job = job(5000);
    job.options.chunk = ChunkSize::Auto;
    let finished = run_on(&executor, job).await;
    assert_eq!(sums(&finished), expected(5000, &[]));
    let invocations = finished.progress.invocations;
    assert!(invocations < 100, "{invocations} invocations");
}

#[tokio::test(start_paused = true)]
async fn items_that_raise_are_named_and_the_others_are_there() {
    let executor = Executor::new(|items, _| Reaction::Sums {
        raised: (0..items.len())
            .filter(|place| {
                [3, 23, 43]
                    .iter()
                    .any(|number| has(&items[*place..=*place], *number))
            })
            .collect(),
    });
    let mut job = job(60);
    job.options.retries = 2;
    let finished = run_on(&executor, job).await;
    assert_eq!(finished.end, End::Complete);
    assert_eq!(sums(&finished), expected(60, &[3, 23, 43]));
    let ranks: Vec<u32> = finished.failures.keys().copied().collect();
    assert_eq!(ranks, [3, 23, 43]);
    let failure = &finished.failures[&23];
    assert_eq!(
        (failure.error.error_type.as_str(), failure.attempts),
        ("ValueError", 3)
    );
    assert_eq!(
        (finished.progress.retries, finished.progress.failed),
        (6, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn one_item_kills_its_instance_and_only_it_fails() {
    for kind in [
        FunctionErrorKind::OutOfMemory,
        FunctionErrorKind::TimedOut,
        FunctionErrorKind::Exited,
        FunctionErrorKind::Raised,
    ] {
        let executor = Executor::new(move |items, _| {
            if has(items, 17) {
                Reaction::Fails(kind)
            } else {
                fine()
            }
        });
        let finished = run_on(&executor, job(40)).await;
        assert_eq!(sums(&finished), expected(40, &[17]), "{kind:?}");
        assert_eq!(finished.failures[&17].error.error_message, kind.as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_no_result() {
    let executor = Executor::new(|items, _| {
        if has(items, 5) {
            Reaction::Nonsense
        } else {
            fine()
        }
    });
    let finished = run_on(&executor, job(20)).await;
    assert_eq!(sums(&finished), expected(20, &[5]));
    assert_eq!(finished.failures[&5].error.error_type, "Squall.BadAnswer");
}

#[tokio::test(start_paused = true)]
async fn throttling_and_the_network_are_outlasted() {
    let executor = Executor::new(|_, turn| match turn {
        1 | 4 | 5 => Reaction::NotRun(InvokeError::Throttled {
            reason: ThrottleReason::ConcurrentInvocationLimitExceeded,
        }),
        2 | 8 => Reaction::NotRun(InvokeError::Unreachable {
            detail: "reset".to_owned(),
        }),
        _ => fine(),
    });
    let finished = run_on(&executor, job(60)).await;
    assert_eq!(sums(&finished), expected(60, &[]));
    assert_eq!(finished.progress.retries, 5);
}

#[tokio::test(start_paused = true)]
async fn a_straggler_is_overtaken_and_what_it_says_is_not_heard() {
    let executor = Executor::new(|_, turn| match turn {
        4 => Reaction::After(Duration::from_secs(500)),
        _ => fine(),
    });
    let mut job = job(60);
    job.options.backup_after = Some(4.0);
    let finished = run_on(&executor, job).await;
    assert_eq!(sums(&finished), expected(60, &[]));
    assert_eq!((finished.progress.backups, finished.progress.done), (1, 60));
    assert!(finished.progress.elapsed < Duration::from_secs(10));
    assert_eq!(
        executor.at_once.load(Ordering::SeqCst),
        0,
        "nobody works on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_that_does_not_start_says_why() {
    let error = json!({"errorType": "Runtime.ImportModuleError", "errorMessage": "no scipy"});
    let says = error.clone();
    let executor = Executor::new(move |_, _| Reaction::Says(FunctionErrorKind::Init, says.clone()));
    let finished = run_on(&executor, job(60)).await;
    let End::Broken(broken) = finished.end else {
        panic!("{:?}", finished.end);
    };
    assert_eq!(
        broken.to_string(),
        "the function does not start: Runtime.ImportModuleError: no scipy"
    );
    assert!(finished.failures.is_empty(), "no item is to blame");
}

#[tokio::test(start_paused = true)]
async fn a_missing_function_ends_the_job_at_once() {
    let executor = Executor::new(|_, _| {
        Reaction::NotRun(InvokeError::NotFound {
            arn: "sums".to_owned(),
        })
    });
    let finished = run_on(&executor, job(60)).await;
    let arn = "sums".to_owned();
    assert_eq!(finished.end, End::Broken(Broken::NotFound { arn }));
}

#[tokio::test(start_paused = true)]
async fn large_items_go_through_the_bucket_and_nothing_stays_there() {
    let mut csv = "id,value\n".to_owned();
    for row in 0..3000 {
        writeln!(csv, "{},{row}", if row < 2000 { 7 } else { row }).unwrap();
    }
    let executor = Executor::new(|_, _| fine());
    let mut job = job(1);
    job.data = collect(csv);
    job.most_payload = 4000;
    let finished = run_on(&executor, job).await;
    let (count, large) = (finished.results.len(), f64::from(2000 * 1999 / 2));
    assert_eq!((count, sums(&finished)[0]), (1001, Some(large)));
    assert_eq!(
        (finished.progress.done, finished.progress.failed),
        (1001, 0)
    );
    assert!(executor.bucket.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn large_answers_come_through_the_bucket() {
    let executor = Executor::new(|items, turn| match (items.len(), turn) {
        (1, turn) if turn > 0 => Reaction::Puts,
        _ => Reaction::Fails(FunctionErrorKind::ResponseTooLarge),
    });
    let finished = run_on(&executor, job(1)).await;
    assert_eq!(sums(&finished), expected(1, &[]));
    assert_eq!(finished.progress.invocations, 2);
    assert!(executor.bucket.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_bucket_a_large_item_fails_alone() {
    let mut csv = "id,value\n".to_owned();
    for row in 0..2010 {
        writeln!(csv, "{},{row}", if row < 2000 { 7 } else { row }).unwrap();
    }
    let executor = Executor::new(|_, _| fine());
    let mut job = job(1);
    job.data = collect(csv);
    job.most_payload = 4000;
    let (none, cancel) = (Arc::new(NoExchange), CancellationToken::new());
    let finished = run(executor, none, job, Journal::none(), cancel, |_| ())
        .await
        .unwrap();
    assert_eq!((finished.progress.done, finished.progress.failed), (10, 1));
    let error = &finished.failures[&0].error;
    assert_eq!(error.error_type, "Squall.PayloadTooLarge");
    assert!(
        error.error_message.contains("there is no bucket"),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn cancelling_keeps_what_is_there_and_leaves_nobody_working() {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let executor = Executor::new(move |_, turn| {
        if turn < 3 {
            fine()
        } else {
            token.cancel();
            Reaction::After(Duration::from_secs(1000))
        }
    });
    let journal = Journal::none();
    let exchange = Arc::clone(&executor);
    let finished = run(
        Arc::clone(&executor),
        exchange,
        job(100),
        journal,
        cancel,
        |_| (),
    )
    .await
    .unwrap();
    assert_eq!(finished.end, End::Cancelled);
    assert_eq!(finished.progress.done, 30);
    assert_eq!(sums(&finished).iter().flatten().count(), 30);
    assert!(finished.progress.elapsed < Duration::from_secs(5));
    assert_eq!(executor.at_once.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn only_the_items_that_were_asked_for_are_run() {
    let executor = Executor::new(|_, _| fine());
    let mut job = job(50);
    job.only = Some(vec![3, 44]);
    let finished = run_on(&executor, job).await;
    let there: Vec<usize> = (0..50)
        .filter(|rank| finished.results[*rank].is_some())
        .collect();
    assert_eq!(there, [3, 44]);
    assert_eq!((finished.progress.items, finished.progress.done), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn those_who_watch_hear_of_it_while_it_runs() {
    let executor = Executor::new(|_, _| Reaction::After(Duration::from_secs(1)));
    let heard = Mutex::new(Vec::new());
    let watch = |progress: &crate::stats::Progress| heard.lock().push(progress.clone());
    let (exchange, cancel) = (Arc::clone(&executor), CancellationToken::new());
    run(executor, exchange, job(100), Journal::none(), cancel, watch)
        .await
        .unwrap();
    let heard = heard.into_inner();
    assert!(heard.len() >= 20, "heard {} times in 5 s", heard.len());
    let middle = heard.iter().find(|progress| progress.done == 60).unwrap();
    let left = middle.left.unwrap().as_secs_f64();
    assert!((1.0..4.0).contains(&left), "2 s are left, not {left}");
    assert!(heard.is_sorted_by_key(|progress| progress.done));
    assert_eq!(heard.last().unwrap().done, 100);
}

#[tokio::test(start_paused = true)]
async fn bills_and_memory_are_as_reported() {
    let mut executor = Executor::new(|_, _| fine());
    Arc::get_mut(&mut executor).unwrap().log = "REPORT RequestId: a\tDuration: 3.00 ms\t\
        Billed Duration: 100 ms\tMemory Size: 1024 MB\tMax Memory Used: 77 MB\t\n";
    let finished = run_on(&executor, job(20)).await;
    let progress = finished.progress;
    assert_eq!(progress.peak_memory_mb, Some(77));
    assert_eq!(progress.billed, Duration::from_millis(200));
    let dollars = 0.2 * 0.000_016_666_7 + 2.0 * 0.000_000_2;
    assert!((progress.cost - dollars).abs() < 1e-12, "{}", progress.cost);
}

fn new_job() -> NewJob {
    NewJob {
        maker: "map",
        function: "sums".to_owned(),
        input: "data.csv".to_owned(),
        recipe: "{}".to_owned(),
        items: 100,
    }
}

#[tokio::test]
async fn a_job_that_goes_on_runs_only_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let identity = Identity::of(&FunctionFacts::default(), ItemKind::List);
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let first = Executor::new(move |_, turn| {
        if turn == 4 {
            token.cancel();
        }
        fine()
    });
    let journal = Journal::begin(&book, &new_job(), &identity, false).unwrap();
    let id = journal.id().unwrap().clone();
    let finished = run(
        first,
        Arc::new(NoExchange),
        job(100),
        journal,
        cancel,
        |_| (),
    )
    .await
    .unwrap();
    assert_eq!(finished.end, End::Cancelled);
    let done = finished.progress.done;
    assert!((30..80).contains(&done), "{done}");

    let second = Executor::new(|_, _| fine());
    let journal = Journal::resume(&book, &id, &identity, 100, false).unwrap();
    let (none, cancel) = (Arc::new(NoExchange), CancellationToken::new());
    let finished = run(Arc::clone(&second), none, job(100), journal, cancel, |_| ())
        .await
        .unwrap();
    assert_eq!(finished.end, End::Complete);
    assert_eq!(sums(&finished), expected(100, &[]));
    let progress = finished.progress;
    assert_eq!((progress.done, progress.known), (100, done));
    assert_eq!(progress.invocations, (100 - done) / 10);
}

#[tokio::test]
async fn what_is_known_of_others_is_there_though_only_some_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    let identity = Identity::of(&FunctionFacts::default(), ItemKind::List);
    let only = |only: Vec<u32>| {
        let mut job = job(100);
        job.only = Some(only);
        job
    };
    for (ranks, there, run_now) in [
        ((0..60).collect(), 60, 6),
        (vec![70, 80], 62, 1),
        (vec![0, 70], 62, 0),
    ] {
        let journal = Journal::begin(&book, &new_job(), &identity, false).unwrap();
        let (executor, cancel) = (Executor::new(|_, _| fine()), CancellationToken::new());
        let none = Arc::new(NoExchange);
        let finished = run(executor, none, only(ranks), journal, cancel, |_| ())
            .await
            .unwrap();
        assert_eq!(sums(&finished).iter().flatten().count(), there);
        let progress = finished.progress;
        assert_eq!(progress.invocations, run_now);
        assert_eq!(
            (progress.items, progress.done),
            (there as u64, there as u64)
        );
    }
}

/// Ids and values.
type Rows = Vec<(u8, i16)>;

/// A data set in any order of rows, and what befalls invocations, one after the other.
fn worlds() -> impl Strategy<Value = (Rows, Vec<u8>, Option<u32>, usize)> {
    (
        prop::collection::vec((any::<u8>(), any::<i16>()), 1..300),
        prop::collection::vec(0..8u8, 0..12),
        prop::option::of(1..40u32),
        1..6usize,
    )
}

fn befalls(turn: Option<&u8>, items: usize) -> Reaction {
    match turn {
        Some(0) => Reaction::NotRun(InvokeError::QueueFull),
        Some(1) => Reaction::NotRun(InvokeError::ShuttingDown),
        Some(2) => Reaction::After(Duration::from_mins(5)),
        Some(3) if items > 1 => Reaction::Fails(FunctionErrorKind::OutOfMemory),
        Some(4) if items > 1 => Reaction::Nonsense,
        Some(5) => Reaction::Fails(FunctionErrorKind::TimedOut),
        Some(6) => Reaction::Sums { raised: vec![0] },
        _ => fine(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_befalls_it_the_result_is_that_of_the_direct_computation(
        (rows, troubles, chunk, width) in worlds(),
    ) {
        let mut csv = "id,value\n".to_owned();
        let mut direct: BTreeMap<u8, f64> = BTreeMap::new();
        for (id, value) in &rows {
            writeln!(csv, "{id},{value}").unwrap();
            *direct.entry(*id).or_default() += f64::from(*value);
        }
        let mut job = job(1);
        job.data = collect(csv);
        job.options.chunk = chunk.map_or(ChunkSize::Auto, |chunk| {
            ChunkSize::Items(NonZeroU32::new(chunk).unwrap())
        });
        job.options.width = Width::Fixed(NonZeroUsize::new(width).unwrap());
        // More than there are troubles.
        job.options.retries = 20;
        job.options.backup_after = Some(3.0);
        let executor = Executor::new(move |items, turn| befalls(troubles.get(turn), items.len()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let finished = runtime.block_on(run_on(&executor, job));
        let direct: Vec<Option<f64>> = direct.into_values().map(Some).collect();
        prop_assert_eq!(sums(&finished), direct);
        prop_assert_eq!(finished.end, End::Complete);
        prop_assert_eq!(finished.failures, BTreeMap::new());
    }
}
