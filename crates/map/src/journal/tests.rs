//! Jobs over small data sets, with a book in a folder of its own.

use std::io::{Cursor, Read};
use std::num::NonZeroUsize;

use science::items::{self, Columns, Wanted};

use super::*;
use crate::options::ItemKind;
use crate::payload::ItemError;
use crate::run::Broken;

fn collected(csv: &'static str) -> Collected {
    let wanted = Wanted {
        by: Some("id".to_owned()),
        columns: Columns::Value("value".to_owned()),
        threads: NonZeroUsize::MIN,
        memory: 1 << 20,
        scratch: std::env::temp_dir(),
    };
    let open = || Ok(Box::new(Cursor::new(csv)) as Box<dyn Read + Send>);
    items::csv(&open, &wanted, &|_| ()).unwrap()
}

const DATA: &str = "id,value\n2,1.5\n1,2.5\n2,3.5\n3,2.5\n";

fn book() -> (tempfile::TempDir, Arc<JobBook>) {
    let dir = tempfile::tempdir().unwrap();
    let book = JobBook::open(dir.path()).unwrap();
    (dir, book)
}

fn new_job() -> NewJob {
    NewJob {
        maker: "map",
        function: "f".to_owned(),
        input: "data.csv".to_owned(),
        recipe: "{}".to_owned(),
        items: 3,
    }
}

fn identity(code: &str, item: ItemKind) -> Identity {
    let facts = FunctionFacts {
        code_sha256: code.to_owned(),
        ..FunctionFacts::default()
    };
    Identity::of(&facts, item)
}

fn known(journal: &Journal, all: &Collected) -> Vec<Option<String>> {
    let shelf = all.shelf(0).unwrap();
    let results = journal.known(all, &shelf).unwrap();
    let text = |result: Option<Box<RawValue>>| Some(result?.get().to_owned());
    results.into_iter().map(text).collect()
}

fn keep(journal: &Journal, all: &Collected, place: u32, json: &str) {
    let shelf = all.shelf(0).unwrap();
    let result = RawValue::from_string(json.to_owned()).unwrap();
    journal.keep(all, &shelf, place, &result);
}

fn done(count: u64) -> Progress {
    Progress {
        items: 3,
        done: count,
        ..Progress::default()
    }
}

#[tokio::test]
async fn only_new_items_are_unknown_when_rows_are_added() {
    let (_dir, book) = book();
    let list = identity("a", ItemKind::List);
    let first = Journal::begin(&book, &new_job(), &list, false).unwrap();
    let data = collected(DATA);
    assert_eq!(known(&first, &data), [None, None, None]);
    keep(&first, &data, 0, "2.5");
    keep(&first, &data, 1, "{\"squall\": \"nan\"}");
    first.ready().await.unwrap();
    first.finish(&End::Complete, &done(3)).await.unwrap();

    // Ids 0 and 4 are new, 1 has a row more; 3 has the values that 1 had.
    let more = collected("id,value\n2,1.5\n1,2.5\n2,3.5\n3,2.5\n0,9.5\n1,0.5\n4,8.5\n");
    let text = |text: &str| Some(text.to_owned());
    let second = Journal::begin(&book, &new_job(), &list, false).unwrap();
    assert_eq!(
        known(&second, &more),
        [None, None, text("{\"squall\": \"nan\"}"), text("2.5"), None]
    );
    second.finish(&End::Complete, &done(3)).await.unwrap();
    for (identity, fresh) in [
        (list, true),
        (identity("b", ItemKind::List), false),
        (identity("a", ItemKind::Series), false),
    ] {
        let other = Journal::begin(&book, &new_job(), &identity, fresh).unwrap();
        assert_eq!(known(&other, &data), [None, None, None]);
    }
}

#[tokio::test]
async fn functions_that_see_ids_do_not_share_the_results_of_equal_values() {
    let (_dir, book) = book();
    let dict = identity("a", ItemKind::Dict);
    let data = collected(DATA);
    let first = Journal::begin(&book, &new_job(), &dict, false).unwrap();
    keep(&first, &data, 0, "1");
    first.finish(&End::Stopped, &done(1)).await.unwrap();
    let second = Journal::begin(&book, &new_job(), &dict, false).unwrap();
    assert_eq!(known(&second, &data), [Some("1".to_owned()), None, None]);
}

#[tokio::test]
async fn how_a_job_ended_is_in_the_book() {
    let (_dir, book) = book();
    let list = identity("a", ItemKind::List);
    let begin = || Journal::begin(&book, &new_job(), &list, false).unwrap();
    let unreachable = Broken::Unreachable {
        detail: "no route".to_owned(),
    };
    for (end, count, state, error) in [
        (End::Complete, 3, JobState::Complete, None),
        (End::Complete, 2, JobState::Stopped, None),
        (End::Stopped, 1, JobState::Stopped, None),
        (End::Cancelled, 1, JobState::Cancelled, None),
        (End::OutOfTime, 1, JobState::OutOfTime, None),
        (End::OutOfMoney, 1, JobState::OutOfMoney, None),
        (
            End::Broken(unreachable),
            1,
            JobState::Failed,
            Some("no route"),
        ),
    ] {
        let journal = begin();
        let id = journal.id().unwrap().clone();
        journal.finish(&end, &done(count)).await.unwrap();
        let job = book.find(&id).unwrap();
        assert_eq!((job.state, job.error.as_deref()), (state, error));
        let noted = Noted::read(&job.progress.unwrap());
        assert_eq!((noted.items, noted.done), (3, count));
    }
    let journal = begin();
    let id = journal.id().unwrap().clone();
    let cause = std::io::Error::other("no room");
    let error = StoreError::Io {
        action: "write",
        path: "x".into(),
        source: cause,
    };
    journal.abandon(&error).await;
    let job = book.find(&id).unwrap();
    assert_eq!(job.error.as_deref(), Some("could not write x: no room"));

    let journal = Journal::resume(&book, &id, &list, 3, false).unwrap();
    let failure = Failure {
        error: ItemError {
            error_type: "ValueError".to_owned(),
            error_message: "bad".to_owned(),
            stack_trace: vec!["line".to_owned()],
        },
        attempts: 3,
    };
    journal.fail(2, "id 2", &failure);
    journal.progress(&done(1));
    journal.finish(&End::Complete, &done(3)).await.unwrap();
    let failures = book.failures(&id, 0, 10).unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].rank, failures[0].attempts), (2, 3));
    assert_eq!(failures[0].stack, ["line"]);
}

#[tokio::test]
async fn no_journal_keeps_nothing() {
    let journal = Journal::none();
    let data = collected(DATA);
    keep(&journal, &data, 0, "1");
    journal.ready().await.unwrap();
    assert_eq!(known(&journal, &data), [None, None, None]);
    assert!(!journal.cancel_asked() && journal.id().is_none());
    journal.finish(&End::Complete, &done(3)).await.unwrap();
}
