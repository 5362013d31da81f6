//! Events on a real store and a real engine that has no worker of its own: each
//! attempt is made by the test. Functions cannot be run here, which is a failure
//! of theirs like any other.

use std::time::Duration;

use buckets::{Buckets, Routes};
use bytes::Bytes;
use sandbox::{Isolation, Sandbox, SandboxSettings};
use serde_json::Value;
use store::{
    DeliveryState, Durability, Event, EventSource, ListMark, ListQuery, LogQuery, NewEvent,
    RetryPolicy, Store,
};
use types::{FunctionName, Limits, RequestId, Runtime, Scope};

use super::*;
use crate::catalog::tests::function;
use crate::catalog::{EventConfigPatch, NewFunction, NewPermission, RecursiveLoop};
use crate::iam::{Iam, NewRole};
use crate::lineage::{DEEPEST, Trace};
use crate::settings::EngineSettings;

const BUCKET: &str = "arn:aws:s3:::raw";
const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/nightly";

struct Bench {
    engine: Engine,
    turns: Turns,
    _dir: tempfile::TempDir,
}

impl Bench {
    /// An engine with the functions `f` and `g`.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), Durability::Relaxed).unwrap();
        let store = Arc::new(store);
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let sandbox = Sandbox::new(SandboxSettings {
            isolation: Isolation::None,
            helper: dir.path().join("no-helper"),
            unprivileged: (65_534, 65_534),
            guest_directory: dir.path().join("guests"),
            group_name: "squall-events-test".to_owned(),
            open_files: 64,
            processes: 64,
            python_packages: Vec::new(),
        });
        let settings = EngineSettings {
            scope: scope.clone(),
            limits: Limits::default(),
            api: "127.0.0.1:4566".parse().unwrap(),
            idle: Duration::from_mins(1),
            init_timeout: Duration::from_secs(1),
            template_memory_mb: 64,
            event_retry: Duration::from_mins(1),
            event_workers: 0,
            python_folders: Vec::new(),
            r_folders: Vec::new(),
            watch: watch::Watch::default(),
        };
        let iam = Iam::open(store.clone(), scope.clone()).unwrap();
        let buckets = Buckets::open(store.clone(), scope, 100, Arc::new(Routes::none)).unwrap();
        let engine = Engine::start(settings, store, sandbox.unwrap(), Arc::new(iam), buckets);
        let engine = engine.await.unwrap();
        for name in ["f", "g"] {
            let new = NewFunction {
                runtime: Runtime::ProvidedAl2023,
                ..function(name, "")
            };
            engine.catalog().create_function(new).await.unwrap();
        }
        Self {
            engine,
            turns: Turns::default(),
            _dir: dir,
        }
    }

    async fn permit(&self, service: &str, source_arn: &str) {
        let new = NewPermission {
            statement_id: "s".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            principal: service.to_owned(),
            source_arn: Some(source_arn.to_owned()),
            source_account: Some("123456789012".to_owned()),
            ..NewPermission::default()
        };
        let catalog = self.engine.catalog();
        catalog.add_permission(f(), None, new).await.unwrap();
    }

    /// Accepts an event, attempts it once, and tells what is left to do.
    async fn attempt(&self, event: NewEvent) -> Vec<Event> {
        let events = self.engine.store().events();
        events.accept(event, 100).await.unwrap();
        let due = events.due(Timestamp::now(), 10).await;
        assert_eq!(due.len(), 1);
        for event in due {
            attempt::run(&self.engine, &self.turns, event).await;
        }
        let later = Timestamp::now().plus_millis(3_600_000);
        events.due(later, 10).await
    }

    async fn last_delivery(&self) -> DeliveryState {
        let recent = self.engine.store().deliveries().recent(1).await.unwrap();
        recent.into_iter().next().unwrap().state
    }

    async fn log(&self) -> String {
        let query = LogQuery {
            group: "/aws/lambda/f".to_owned(),
            from_head: true,
            limit: 100,
            ..LogQuery::default()
        };
        let page = self.engine.store().logs().query(query).await.unwrap();
        let lines = page.events.iter();
        lines
            .map(|line| String::from_utf8_lossy(&line.text).into_owned())
            .collect()
    }
}

fn f() -> FunctionName {
    "f".parse().unwrap()
}

fn event() -> NewEvent {
    NewEvent::new(RequestId::random(), f(), Bytes::from_static(b"{\"n\":1}"))
}

fn caused(service: &str, arn: &str, role: Option<&str>) -> NewEvent {
    NewEvent {
        source: Some(EventSource {
            service: service.to_owned(),
            arn: arn.to_owned(),
            role: role.map(str::to_owned),
            subject: "ObjectCreated:Put a".to_owned(),
        }),
        ..event()
    }
}

/// A header of a chain that has run `f` as often as it may.
fn gone_round() -> String {
    let mut header = String::new();
    for _ in 0..DEEPEST {
        header = Trace::of(Some(&header), RequestId::random()).entered(&f());
    }
    header
}

#[tokio::test]
async fn what_a_function_does_not_permit_is_not_delivered() {
    let bench = Bench::new().await;
    let from_bucket = || caused("s3.amazonaws.com", BUCKET, None);
    assert_eq!(bench.attempt(from_bucket()).await, []);
    assert_eq!(bench.last_delivery().await, DeliveryState::Refused);
    bench.permit("s3.amazonaws.com", BUCKET).await;
    // It is run now, fails, and is to be tried again.
    assert_eq!(bench.attempt(from_bucket()).await.len(), 1);
    for refused in [
        caused("s3.amazonaws.com", "arn:aws:s3:::other", None),
        caused("events.amazonaws.com", RULE, None),
        caused("events.amazonaws.com", BUCKET, None),
    ] {
        let bench = Bench::new().await;
        bench.permit("s3.amazonaws.com", BUCKET).await;
        assert_eq!(bench.attempt(refused).await, []);
    }
}

#[tokio::test]
async fn a_permission_may_name_many_sources() {
    let bench = Bench::new().await;
    let rules = "arn:aws:events:us-east-1:123456789012:rule/*";
    bench.permit("events.amazonaws.com", rules).await;
    let left = bench.attempt(caused("events.amazonaws.com", RULE, None));
    assert_eq!(left.await.len(), 1);
}

#[tokio::test]
async fn a_schedule_invokes_as_its_role() {
    let schedule = "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s";
    let by_role = || {
        let role = Some("arn:aws:iam::123456789012:role/r");
        caused("scheduler.amazonaws.com", schedule, role)
    };
    // A role that is not recorded may everything.
    let bench = Bench::new().await;
    assert_eq!(bench.attempt(by_role()).await.len(), 1);

    let bench = Bench::new().await;
    let iam = bench.engine.iam();
    let role = NewRole {
        name: "r".to_owned(),
        path: "/".to_owned(),
        description: None,
        trust: r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#.to_owned(),
        max_session_seconds: 3600,
        permissions_boundary: None,
        tags: [].into(),
    };
    iam.create_role(role).await.unwrap();
    assert_eq!(bench.attempt(by_role()).await, []);
    assert_eq!(bench.last_delivery().await, DeliveryState::Refused);
    let invoke = "arn:aws:iam::aws:policy/service-role/AWSLambdaRole";
    iam.attach_role_policy("r", invoke).await.unwrap();
    assert_eq!(bench.attempt(by_role()).await.len(), 1);
}

#[tokio::test]
async fn a_source_says_how_often_to_try() {
    let bench = Bench::new().await;
    let mut once = event();
    once.retry = Some(RetryPolicy {
        max_retries: 0,
        max_age_seconds: 60,
    });
    assert_eq!(bench.attempt(once.clone()).await, []);
    let left = bench.attempt(event()).await;
    assert_eq!(left[0].attempts, 1);

    let bench = Bench::new().await;
    once.accepted = Timestamp::now().plus_millis(-61_000);
    assert_eq!(bench.attempt(once).await, []);
    // It was too old to be run at all.
    assert!(bench.engine.store().logs().group("/aws/lambda/f").is_none());
}

#[tokio::test]
async fn a_loop_is_stopped_and_said_to_be() {
    let bench = Bench::new().await;
    let catalog = bench.engine.catalog();
    let patch = EventConfigPatch {
        on_failure: Some("arn:aws:lambda:us-east-1:123456789012:function:g".to_owned()),
        destinations: true,
        ..EventConfigPatch::default()
    };
    catalog
        .put_event_config(f(), None, patch, false)
        .await
        .unwrap();
    bench.permit("s3.amazonaws.com", BUCKET).await;
    let looping = || NewEvent {
        trace_id: Some(gone_round()),
        ..caused("s3.amazonaws.com", BUCKET, None)
    };
    let left = bench.attempt(looping()).await;
    assert_eq!(bench.last_delivery().await, DeliveryState::Looped);
    let log = bench.log().await;
    assert!(
        log.contains("A recursive loop was stopped: the function f has run 16 times"),
        "{log}"
    );
    // All that is left is what the destination is told.
    let [told] = left.as_slice() else {
        panic!("one event: {left:?}");
    };
    assert_eq!(told.event.function.as_str(), "g");
    let record: Value = serde_json::from_slice(&told.event.payload).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RecursiveInvocation");
    assert_eq!(record["requestPayload"]["n"], 1);
    // The chain goes on in it.
    let header = told.event.trace_id.as_deref();
    let trace = Trace::of(header, RequestId::random());
    assert_eq!(trace.depth(&f()), DEEPEST);

    catalog
        .set_recursive_loop(f(), RecursiveLoop::Allow)
        .await
        .unwrap();
    bench.engine.store().events().done(told.id).await;
    let left = bench.attempt(looping()).await;
    assert_eq!(left[0].event.function, f());
}

#[test]
fn what_waited_for_its_turn_is_not_old() {
    let turns = Turns::default();
    let accepted = Timestamp(1_000);
    let mut event = Event {
        id: 7,
        event: NewEvent {
            accepted,
            ..event()
        },
        attempts: 0,
        due: accepted,
    };
    assert_eq!(turns.age_ms(&event, Timestamp(9_000)), 8_000);
    event.event.order = Some("s3:b/k>f".to_owned());
    assert_eq!(turns.age_ms(&event, Timestamp(9_000)), 0);
    assert_eq!(turns.age_ms(&event, Timestamp(9_500)), 500);
    turns.over(&event);
    assert!(turns.0.lock().is_empty());
}

#[tokio::test]
async fn what_became_of_an_event_that_never_ran_can_be_seen() {
    let bench = Bench::new().await;
    let mut lost = caused("s3.amazonaws.com", BUCKET, None);
    lost.function = "gone".parse().unwrap();
    assert_eq!(bench.attempt(lost).await, []);
    let DeliveryState::Failed { reason } = bench.last_delivery().await else {
        panic!("a failure");
    };
    assert!(reason.contains("not found"), "{reason}");
}

#[tokio::test]
async fn a_bucket_may_keep_what_failed() {
    let bench = Bench::new().await;
    let buckets = bench.engine.catalog().buckets();
    let name: types::BucketName = "failed".parse().unwrap();
    let made = buckets.create(name.clone(), buckets::BucketSettings::default());
    let bucket = made.await.unwrap();
    let patch = EventConfigPatch {
        max_retries: Some(0),
        on_failure: Some("arn:aws:s3:::failed".to_owned()),
        destinations: true,
        ..EventConfigPatch::default()
    };
    let catalog = bench.engine.catalog();
    catalog
        .put_event_config(f(), None, patch, false)
        .await
        .unwrap();
    assert_eq!(bench.attempt(event()).await, []);
    let query = ListQuery {
        bucket: bucket.id,
        prefix: "aws/lambda/async/f/".to_owned(),
        delimiter: None,
        after: ListMark::Start,
        limit: 10,
    };
    let page = bench.engine.store().objects().list(query).await.unwrap();
    let [object] = page.entries.as_slice() else {
        panic!("one object: {page:?}");
    };
    let record = buckets.fetch(&name, &object.key, None, 10_000).await;
    let record: Value = serde_json::from_slice(&record.unwrap()).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestPayload"]["n"], 1);
}
