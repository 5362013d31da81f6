//! Events that run in order, and what is shown of those that something caused.

use types::{RequestId, Timestamp};

use crate::{
    AcceptError, Change, Delivery, DeliveryState, Durability, EventSource, NewEvent, Record,
    RetryPolicy, Store,
};

const FAR: Timestamp = Timestamp(1_000_000);

fn event(payload: &str, accepted: i64, order: Option<&str>) -> NewEvent {
    let mut event = NewEvent::new(
        RequestId::random(),
        "f".parse().unwrap(),
        payload.to_owned().into(),
    );
    event.accepted = Timestamp(accepted);
    event.order = order.map(str::to_owned);
    event
}

fn source(subject: &str) -> EventSource {
    EventSource {
        service: "s3.amazonaws.com".to_owned(),
        arn: "arn:aws:s3:::bucket".to_owned(),
        role: None,
        subject: subject.to_owned(),
    }
}

async fn due(store: &Store) -> Vec<(i64, String)> {
    let due = store.events().due(FAR, 10).await;
    due.into_iter()
        .map(|event| {
            (
                event.id,
                String::from_utf8(event.event.payload.to_vec()).unwrap(),
            )
        })
        .collect()
}

fn names(due: &[(i64, String)]) -> Vec<&str> {
    due.iter().map(|(_, name)| name.as_str()).collect()
}

#[tokio::test]
async fn events_of_one_order_run_one_after_the_other_over_retries_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let events = store.events();
    // The later ones are due earlier, which must not matter.
    for (payload, accepted, order) in [
        ("a1", 30, Some("a")),
        ("a2", 20, Some("a")),
        ("b1", 15, Some("b")),
        ("free", 10, None),
        ("a3", 5, Some("a")),
    ] {
        events
            .accept(event(payload, accepted, order), 10)
            .await
            .unwrap();
    }
    assert_eq!(events.next_due().await, Some(Timestamp(10)));
    let first = due(&store).await;
    assert_eq!(names(&first), ["free", "b1", "a1"]);
    assert!(due(&store).await.is_empty());
    assert_eq!(events.next_due().await, None);
    let a1 = first[2].0;
    events.retry(a1, Timestamp(40), 1).await;
    assert_eq!(events.next_due().await, Some(Timestamp(40)));
    assert_eq!(names(&due(&store).await), ["a1"]);
    // Whoever waits is told that the next one may run.
    events.arrival().await;
    events.done(a1).await;
    events.arrival().await;
    let second = due(&store).await;
    assert_eq!(names(&second), ["a2"]);

    store.close().await;
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let again = due(&store).await;
    assert_eq!(names(&again), ["free", "b1", "a2"]);
    // Out of its turn, such as when its function is gone.
    let a3 = second[0].0 + 3;
    store.events().done(a3).await;
    store.events().done(again[2].0).await;
    assert!(due(&store).await.is_empty());
    assert_eq!(store.events().len(), 2);
}

#[tokio::test]
async fn what_caused_an_event_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let mut wanted = event("1", 1, Some("line"));
    wanted.source = Some(source("ObjectCreated:Put key"));
    wanted.retry = Some(RetryPolicy {
        max_retries: 3,
        max_age_seconds: 60,
    });
    store.events().accept(wanted.clone(), 1).await.unwrap();
    store.close().await;
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    assert_eq!(store.events().due(FAR, 1).await[0].event, wanted);
}

#[tokio::test]
async fn events_are_accepted_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let change = |key: &str| Change {
        kind: "mark",
        key: key.to_owned(),
        body: Some(b"{}".to_vec()),
    };
    let many = |count| (0..count).map(|_| event("1", 1, None)).collect::<Vec<_>>();
    let events = store.events();
    let ids = events
        .accept_all(many(2), vec![change("a")], 3)
        .await
        .unwrap();
    assert_eq!(ids.len(), 2);
    let full = events.accept_all(many(2), vec![change("b")], 3).await;
    assert!(matches!(full, Err(AcceptError::Full)));
    // Nothing to accept is never too much.
    events
        .accept_all(Vec::new(), vec![change("c")], 0)
        .await
        .unwrap();
    events.accept_all(many(1), Vec::new(), 3).await.unwrap();
    let marks = store.documents().load("mark").unwrap();
    let marks: Vec<String> = marks.into_iter().map(|(key, _)| key).collect();
    assert_eq!(marks, ["a", "c"]);
    assert_eq!(due(&store).await.len(), 3);
}

fn record(request_id: RequestId, status: &str) -> Record {
    Record {
        request_id,
        function: "f".parse().unwrap(),
        version: types::Version::Latest,
        started: Timestamp(1),
        duration_us: 1500,
        billed_ms: 2,
        init_us: None,
        memory_mb: 128,
        max_memory_mb: 64,
        start: "fork".to_owned(),
        status: status.to_owned(),
        log_stream: "s".into(),
        log_position: 9,
        answer_bytes: 10,
    }
}

#[tokio::test]
async fn deliveries_tell_what_became_of_events() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let mut ids = Vec::new();
    for subject in ["waits", "succeeds", "is refused", "fails", "is forgotten"] {
        let mut event = event(subject, 1, None);
        event.source = Some(source(subject));
        let request = event.request_id;
        ids.push((store.events().accept(event, 10).await.unwrap(), request));
    }
    // A client's own call is no delivery.
    store
        .events()
        .accept(event("own", 1, None), 10)
        .await
        .unwrap();
    store.events().due(FAR, 10).await;
    let (waits, due) = (ids[0].0, Timestamp(77));
    store.events().retry(waits, due, 2).await;
    for (id, _) in &ids[1..] {
        store.events().done(*id).await;
    }
    // The last of several tries counts.
    store.records().append(record(ids[1].1, "Unhandled")).await;
    store.records().append(record(ids[1].1, "ok")).await;
    let note = |at: usize, subject: &str, state| Delivery {
        time: Timestamp(1),
        source: source(subject),
        function: Some("f".parse().unwrap()),
        request_id: Some(ids[at].1),
        state,
    };
    let deliveries = store.deliveries();
    deliveries
        .note(note(2, "is refused", DeliveryState::Refused))
        .await;
    let reason = "it was too old".to_owned();
    deliveries
        .note(note(
            3,
            "fails",
            DeliveryState::Failed {
                reason: reason.clone(),
            },
        ))
        .await;
    let nowhere = Delivery {
        function: None,
        request_id: None,
        ..note(0, "matches nothing", DeliveryState::NoTarget)
    };
    deliveries.note(nowhere.clone()).await;

    let recent = deliveries.recent(10).await.unwrap();
    let states: Vec<(&str, DeliveryState)> = recent
        .iter()
        .map(|delivery| (delivery.source.subject.as_str(), delivery.state.clone()))
        .collect();
    let done = DeliveryState::Done {
        status: "ok".to_owned(),
        duration_us: 1500,
    };
    assert_eq!(
        states,
        [
            ("matches nothing", DeliveryState::NoTarget),
            ("is forgotten", DeliveryState::Ended),
            ("fails", DeliveryState::Failed { reason }),
            ("is refused", DeliveryState::Refused),
            ("succeeds", done),
            ("waits", DeliveryState::Waiting { attempts: 2, due }),
        ]
    );
    assert_eq!(recent[0], nowhere);
    assert_eq!(recent[5].request_id, Some(ids[0].1));
    assert_eq!(deliveries.recent(2).await.unwrap(), recent[..2]);
}

#[tokio::test]
async fn the_oldest_deliveries_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    for number in 0..10_300 {
        let delivery = Delivery {
            time: Timestamp(number),
            source: source(""),
            function: None,
            request_id: None,
            state: DeliveryState::NoTarget,
        };
        store.deliveries().note(delivery).await;
    }
    let kept = store.deliveries().recent(100_000).await.unwrap();
    assert!((10_000..10_100).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[0].time, Timestamp(10_299));
}
