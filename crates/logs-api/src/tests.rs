//! Requests as clients send them, straight into the service over a real store.

mod permit;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{Durability, Store};
use types::{Scope, Timestamp};

use crate::LogsApi;

const GROUP: &str = "/aws/lambda/f";

struct Service {
    api: LogsApi,
    /// The time of the next line: every line is later than all before it.
    next_time: AtomicI64,
    _dir: tempfile::TempDir,
}

fn service() -> Service {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    Service {
        api: LogsApi::new(Arc::new(store), scope).unwrap(),
        next_time: AtomicI64::new(Timestamp::now().0 - 60_000),
        _dir: dir,
    }
}

impl Service {
    async fn call(&self, operation: &str, input: Value) -> (u16, Value) {
        let request = Request::post("/")
            .header("x-amz-target", format!("Logs_20140328.{operation}"))
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let (head, body) = self.api.handle(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(head.headers["content-type"], "application/x-amz-json-1.1");
        let value = match bytes.as_ref() {
            b"" => Value::Null,
            bytes => serde_json::from_slice(bytes).unwrap(),
        };
        (head.status.as_u16(), value)
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let (status, value) = self.call(operation, input).await;
        assert_eq!(status, 200, "{operation}: {value}");
        value
    }

    async fn refused(&self, operation: &str, input: Value) -> String {
        let (status, value) = self.call(operation, input).await;
        assert_eq!(status, 400, "{operation}: {value}");
        value["__type"].as_str().unwrap().to_owned()
    }

    /// Group and stream with these lines, a millisecond apart.
    async fn with_lines(&self, stream: &str, messages: &[&str]) {
        let count = i64::try_from(messages.len()).unwrap();
        let start = self.next_time.fetch_add(count, Ordering::Relaxed);
        let events: Vec<Value> = (start..)
            .zip(messages)
            .map(|(time, text)| json!({ "timestamp": time, "message": text }))
            .collect();
        self.call("CreateLogGroup", json!({ "logGroupName": GROUP }))
            .await;
        let place = json!({ "logGroupName": GROUP, "logStreamName": stream });
        self.ok("CreateLogStream", place.clone()).await;
        let mut put = place;
        put["logEvents"] = events.into();
        self.ok("PutLogEvents", put).await;
    }
}

fn messages(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["message"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn groups_are_made_listed_and_deleted() {
    let service = service();
    for name in ["/b", "/a", "/c"] {
        service
            .ok(
                "CreateLogGroup",
                json!({ "logGroupName": name, "tags": { "k": name } }),
            )
            .await;
    }
    let exists = service
        .refused("CreateLogGroup", json!({ "logGroupName": "/a" }))
        .await;
    assert_eq!(exists, "ResourceAlreadyExistsException");
    service
        .ok(
            "PutRetentionPolicy",
            json!({ "logGroupName": "/a", "retentionInDays": 7 }),
        )
        .await;
    let page = service.ok("DescribeLogGroups", json!({ "limit": 2 })).await;
    assert_eq!(page["logGroups"][0]["logGroupName"], "/a");
    assert_eq!(page["logGroups"][0]["retentionInDays"], 7);
    assert_eq!(
        page["logGroups"][0]["arn"],
        "arn:aws:logs:us-east-1:123456789012:log-group:/a:*"
    );
    let rest = service
        .ok(
            "DescribeLogGroups",
            json!({ "nextToken": page["nextToken"] }),
        )
        .await;
    assert_eq!(rest["logGroups"].as_array().unwrap().len(), 1);
    assert!(rest.get("nextToken").is_none());

    let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/a";
    let tags = service
        .ok("ListTagsForResource", json!({ "resourceArn": arn }))
        .await;
    assert_eq!(tags["tags"], json!({ "k": "/a" }));
    service
        .ok(
            "TagLogGroup",
            json!({ "logGroupName": "/a", "tags": { "l": "1" } }),
        )
        .await;
    service
        .ok(
            "UntagResource",
            json!({ "resourceArn": arn, "tagKeys": ["k"] }),
        )
        .await;
    let tags = service
        .ok("ListTagsLogGroup", json!({ "logGroupName": "/a" }))
        .await;
    assert_eq!(tags["tags"], json!({ "l": "1" }));

    service
        .ok("DeleteLogGroup", json!({ "logGroupName": "/a" }))
        .await;
    let gone = service
        .refused("DeleteLogGroup", json!({ "logGroupName": "/a" }))
        .await;
    assert_eq!(gone, "ResourceNotFoundException");
    let gone = service
        .refused("ListTagsForResource", json!({ "resourceArn": arn }))
        .await;
    assert_eq!(gone, "ResourceNotFoundException");
}

#[tokio::test]
async fn streams_are_listed_by_name_or_last_event() {
    let service = service();
    service.with_lines("b", &["1"]).await;
    service.with_lines("a", &["2"]).await;
    let list = async |input: Value| {
        let answer = service.ok("DescribeLogStreams", input).await;
        let streams = answer["logStreams"].as_array().unwrap().clone();
        streams
            .iter()
            .map(|s| s["logStreamName"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(json!({ "logGroupName": GROUP })).await, ["a", "b"]);
    let newest = json!({ "logGroupName": GROUP, "orderBy": "LastEventTime", "descending": true });
    assert_eq!(list(newest).await, ["a", "b"]);
    let page = json!({ "logGroupName": GROUP, "limit": 1, "nextToken": "a" });
    assert_eq!(list(page).await, ["b"]);
    let both =
        json!({ "logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "a" });
    assert_eq!(
        service.refused("DescribeLogStreams", both).await,
        "InvalidParameterException"
    );
}

#[tokio::test]
async fn events_are_read_to_the_end_and_back() {
    let service = service();
    service.with_lines("s", &["0", "1", "2", "3", "4"]).await;
    let get = async |token: Option<&Value>, head: bool| {
        let mut input = json!({ "logGroupName": GROUP, "logStreamName": "s", "limit": 2, "startFromHead": head });
        if let Some(token) = token {
            input["nextToken"] = token.clone();
        }
        service.ok("GetLogEvents", input).await
    };
    let mut page = get(None, true).await;
    let mut seen = messages(&page).join("");
    loop {
        let next = get(Some(&page["nextForwardToken"]), false).await;
        seen += &messages(&next).join("");
        if next["nextForwardToken"] == page["nextForwardToken"] {
            break;
        }
        page = next;
    }
    assert_eq!(seen, "01234");
    let last = get(None, false).await;
    assert_eq!(messages(&last), ["3", "4"]);
    let before = get(Some(&last["nextBackwardToken"]), false).await;
    assert_eq!(messages(&before), ["1", "2"]);
    let none = json!({ "logGroupName": GROUP, "logStreamName": "no" });
    assert_eq!(
        service.refused("GetLogEvents", none).await,
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn events_are_searched_across_streams() {
    let service = service();
    service
        .with_lines("s", &["START a", "[ERROR] b", "END c"])
        .await;
    service.with_lines("t", &["[ERROR] d"]).await;
    let filter = async |more: Value| {
        let mut input = json!({ "logGroupName": GROUP, "interleaved": true });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        service.ok("FilterLogEvents", input).await
    };
    assert_eq!(messages(&filter(json!({})).await).len(), 4);
    let errors = filter(json!({ "filterPattern": "ERROR" })).await;
    assert_eq!(messages(&errors), ["[ERROR] b", "[ERROR] d"]);
    assert_eq!(errors["events"][1]["logStreamName"], "t");
    assert_eq!(
        messages(&filter(json!({ "logStreamNamePrefix": "t" })).await),
        ["[ERROR] d"]
    );
    assert_eq!(
        messages(&filter(json!({ "logStreamNames": ["s"] })).await).len(),
        3
    );
    assert_eq!(
        messages(&filter(json!({ "logStreamNames": [] })).await).len(),
        4
    );

    // Zappa and `aws logs tail` go on for as long as there is a token.
    let first = filter(json!({ "filterPattern": "ERROR", "limit": 1 })).await;
    assert_eq!(messages(&first), ["[ERROR] b"]);
    let token = &first["nextToken"];
    let second = filter(json!({ "filterPattern": "ERROR", "limit": 1, "nextToken": token })).await;
    assert_eq!(messages(&second), ["[ERROR] d"]);
    assert!(second.get("nextToken").is_none());

    let time = &errors["events"][0]["timestamp"];
    let at = filter(json!({ "startTime": time, "endTime": time, "logStreamNames": ["s"] })).await;
    assert_eq!(messages(&at), ["[ERROR] b"]);
    let ids: std::collections::HashSet<&Value> = errors["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["eventId"])
        .collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn refusals_have_the_codes_of_aws() {
    let service = service();
    service.with_lines("s", &["x"]).await;
    let invalid = "InvalidParameterException";
    let now = Timestamp::now().0;
    let put =
        |events: Value| json!({ "logGroupName": GROUP, "logStreamName": "s", "logEvents": events });
    let event = |time: i64| json!({ "timestamp": time, "message": "m" });
    for (operation, input, code) in [
        ("Nonsense", json!({}), "UnknownOperationException"),
        ("CreateLogGroup", json!({}), invalid),
        ("CreateLogGroup", json!({ "logGroupName": "a b" }), invalid),
        (
            "CreateLogGroup",
            json!({ "logGroupName": 5 }),
            "SerializationException",
        ),
        (
            "CreateLogStream",
            json!({ "logGroupName": GROUP, "logStreamName": "a:b" }),
            invalid,
        ),
        (
            "CreateLogStream",
            json!({ "logGroupName": GROUP, "logStreamName": "s" }),
            "ResourceAlreadyExistsException",
        ),
        (
            "PutRetentionPolicy",
            json!({ "logGroupName": GROUP, "retentionInDays": 4 }),
            invalid,
        ),
        ("PutLogEvents", put(json!([])), invalid),
        (
            "PutLogEvents",
            put(json!([event(now), event(now - 1)])),
            invalid,
        ),
        (
            "PutLogEvents",
            put(json!([event(now - 90_000_000), event(now)])),
            invalid,
        ),
        (
            "GetLogEvents",
            json!({ "logGroupName": GROUP, "logStreamName": "s", "nextToken": "x" }),
            invalid,
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": GROUP, "limit": 0 }),
            invalid,
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": GROUP, "filterPattern": "{" }),
            invalid,
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": "/no" }),
            "ResourceNotFoundException",
        ),
        (
            "DescribeLogStreams",
            json!({ "logGroupName": "/no" }),
            "ResourceNotFoundException",
        ),
    ] {
        assert_eq!(
            service.refused(operation, input.clone()).await,
            code,
            "{operation} {input}"
        );
    }
    let old = service
        .ok("PutLogEvents", put(json!([event(now - 15 * 86_400_000)])))
        .await;
    assert_eq!(old["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"], 1);
    let new = service
        .ok("PutLogEvents", put(json!([event(now + 3 * 3_600_000)])))
        .await;
    assert_eq!(new["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"], 0);
}
