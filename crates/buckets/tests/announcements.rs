//! Events that writes cause, in the queue of a real store.

#![expect(clippy::unwrap_used, reason = "a test")]

mod bench;

use std::sync::Arc;

use bench::{ACCEPTED_LIMIT, Bench, origin};
use buckets::{
    Bucket, BucketError, Expiration, FunctionNotification, Lifecycle, LifecycleRule, Notifications,
    Routes,
};
use serde_json::Value;
use store::{Event, NewEvent, Precondition};
use types::{RequestId, Timestamp};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn told(id: &str, function: &str, events: &[&str], prefix: &str) -> FunctionNotification {
    FunctionNotification {
        id: id.to_owned(),
        function_arn: format!("arn:aws:lambda:us-east-1:123456789012:function:{function}:live"),
        function: function.parse().unwrap(),
        qualifier: Some("live".parse().unwrap()),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        prefix: Some(prefix.to_owned()),
        suffix: None,
    }
}

async fn notify(
    bench: &Bench,
    bucket: &Bucket,
    functions: Vec<FunctionNotification>,
    event_bridge: bool,
) -> Arc<Bucket> {
    let set = bench.buckets.configure(&bucket.name, move |settings| {
        settings.notifications = Notifications::new(functions, event_bridge)?;
        Ok(())
    });
    set.await.unwrap()
}

fn record(event: &Event) -> Value {
    let payload: Value = serde_json::from_slice(&event.event.payload).unwrap();
    payload["Records"][0].clone()
}

/// The names of what the functions are told, in order; all of it is done then.
async fn names(bench: &Bench) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let due = bench.due().await;
        if due.is_empty() {
            return names;
        }
        for event in due {
            let record = record(&event);
            names.push(record["eventName"].as_str().unwrap().to_owned());
            bench.store.events().done(event.id).await;
        }
    }
}

#[tokio::test]
async fn a_write_tells_the_functions_that_asked() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    let created = &["s3:ObjectCreated:*"][..];
    let functions = vec![
        told("raw", "clean", created, "raw/"),
        told("model", "serve", created, "model/"),
    ];
    let data = notify(&bench, &data, functions, false).await;
    let done = bench.put(&data, "raw/a b.csv", "123").await;
    bench.put(&data, "other", "123").await;

    let due = bench.due().await;
    let [event] = due.as_slice() else {
        panic!("{due:?}");
    };
    let NewEvent {
        function,
        qualifier,
        order,
        source,
        trace_id,
        ..
    } = &event.event;
    assert_eq!(function.as_str(), "clean");
    assert_eq!(qualifier.as_ref().unwrap().to_string(), "live");
    assert_eq!(order.as_deref(), Some("s3:data/raw/a b.csv>clean:live"));
    assert_eq!(trace_id.as_deref(), Some("Root=1"));
    let source = source.as_ref().unwrap();
    assert_eq!(source.service, "s3.amazonaws.com");
    assert_eq!(source.arn, "arn:aws:s3:::data");
    assert_eq!(source.subject, "ObjectCreated:Put data/raw/a b.csv");

    let record = record(event);
    assert_eq!(record["s3"]["configurationId"], "raw");
    let object = &record["s3"]["object"];
    assert_eq!(object["key"], "raw/a+b.csv");
    assert_eq!(object["size"], 3);
    assert_eq!(object["eTag"], "202cb962ac59075b964b07152d234b70");
    let sequencer = object["sequencer"].as_str().unwrap();
    assert_eq!(u64::from_str_radix(sequencer, 16), Ok(done.sequence));
    assert_eq!(object.get("versionId"), None);
}

#[tokio::test]
async fn events_of_one_key_come_in_order() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    let all = &[
        "s3:ObjectCreated:*",
        "s3:ObjectRemoved:*",
        "s3:ObjectTagging:*",
    ][..];
    let data = notify(&bench, &data, vec![told("a", "f", all, "")], false).await;
    bench.put(&data, "x", "1").await;
    let tags = [("k".to_owned(), "v".to_owned())].into();
    let key = "x".parse().unwrap();
    for tags in [tags, std::collections::BTreeMap::new()] {
        let set = bench.buckets.set_tags(&data, &key, None, tags, origin());
        set.await.unwrap();
    }
    bench.delete(&data, "x").await;
    // What is not there cannot be removed, and nobody is told that it was.
    bench.delete(&data, "x").await;
    assert_eq!(
        names(&bench).await,
        [
            "ObjectCreated:Put",
            "ObjectTagging:Put",
            "ObjectTagging:Delete",
            "ObjectRemoved:Delete"
        ]
    );
}

#[tokio::test]
async fn versions_and_their_markers_are_told_apart() {
    let bench = Bench::open();
    let data = bench.versioned_bucket("data").await;
    let removed = &["s3:ObjectRemoved:*"][..];
    let data = notify(&bench, &data, vec![told("a", "f", removed, "")], false).await;
    let version = bench.put(&data, "x", "1").await.written.unwrap().version;
    let marker = bench.delete(&data, "x").await.written.unwrap().version;
    let due = bench.due().await;
    let told = record(&due[0]);
    assert_eq!(told["eventName"], "ObjectRemoved:DeleteMarkerCreated");
    assert_eq!(told["s3"]["object"]["versionId"], marker.as_str());
    bench.store.events().done(due[0].id).await;

    let (key, free) = ("x".parse().unwrap(), Precondition::default());
    let named = Some(version.clone());
    let gone = bench
        .buckets
        .delete_object(&data, key, named, free, origin());
    gone.await.unwrap();
    let due = bench.due().await;
    let told = record(&due[0]);
    assert_eq!(told["eventName"], "ObjectRemoved:Delete");
    assert_eq!(told["s3"]["object"]["versionId"], version.as_str());
}

#[tokio::test]
async fn a_write_without_room_for_its_events_does_not_happen() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    let created = &["s3:ObjectCreated:*"][..];
    let data = notify(&bench, &data, vec![told("a", "f", created, "raw/")], false).await;
    for number in 0..ACCEPTED_LIMIT {
        bench.put(&data, &format!("raw/{number}"), "").await;
    }
    let put = bench.try_put(&data, "raw/more", "", Precondition::default());
    assert!(matches!(put.await.unwrap_err(), BucketError::QueueFull));
    assert!(bench.get(&data, "raw/more").await.is_err());
    bench.put(&data, "other", "").await;
}

#[tokio::test]
async fn rules_are_given_what_happened() {
    let route = |event: &Value| {
        let payload = event["detail"].to_string();
        let one = || {
            NewEvent::new(
                RequestId::random(),
                "f".parse().unwrap(),
                payload.clone().into(),
            )
        };
        // One more than was said is not accepted.
        vec![one(), one()]
    };
    let bench = Bench::with_router(Arc::new(move || Routes {
        most: 1,
        route: Box::new(route),
    }));
    let data = bench.bucket("data").await;
    bench.put(&data, "before", "").await;
    let data = notify(&bench, &data, Vec::new(), true).await;
    bench.put(&data, "a b", "").await;
    let due = bench.due().await;
    assert_eq!(due.len(), 1);
    let detail: Value = serde_json::from_slice(&due[0].event.payload).unwrap();
    assert_eq!(detail["object"]["key"], "a b");
    assert_eq!(detail["reason"], "PutObject");
}

#[tokio::test]
async fn expiry_is_told_as_such() {
    let bench = Bench::open();
    let data = bench.bucket("data").await;
    let all = &["s3:ObjectRemoved:*"][..];
    let expiry = &["s3:LifecycleExpiration:*"][..];
    let functions = vec![told("a", "f", all, ""), told("b", "f", expiry, "")];
    let data = notify(&bench, &data, functions, false).await;
    let rule = LifecycleRule {
        enabled: true,
        expiration: Some(Expiration::Days(1)),
        ..LifecycleRule::default()
    };
    let set = bench.buckets.configure(&data.name, |settings| {
        settings.lifecycle = Some(Lifecycle::new(vec![rule])?);
        Ok(())
    });
    let data = set.await.unwrap();
    bench.put(&data, "x", "1").await;
    let later = Timestamp::now().plus_millis(2 * DAY_MS);
    assert_eq!(bench.buckets.expire(later).await.unwrap(), 1);
    assert_eq!(names(&bench).await, ["LifecycleExpiration:Delete"]);
}
