//! Requests as clients send them, straight into the service over a real store.

mod events;
mod permit;
mod scheduler;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use rules::{Clock, Missed, Policy, Rules};
use serde_json::{Value, json};
use store::{Durability, Store};
use types::{Scope, Timestamp};

use crate::EventsApi;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

struct Service {
    api: EventsApi,
    rules: Arc<Rules>,
    store: Arc<Store>,
    _dir: tempfile::TempDir,
}

fn service() -> Service {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), Durability::Relaxed).unwrap());
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    // 2026-11-21T02:00:00Z
    let clock = Clock::manual(Timestamp(1_795_226_400_000));
    let policy = Policy {
        schedule_seconds: false,
        missed: Missed::Once,
        queued_limit: 100,
    };
    let rules = Arc::new(Rules::open(store.clone(), scope, clock, policy).unwrap());
    Service {
        api: EventsApi::new(rules.clone()),
        rules,
        store,
        _dir: dir,
    }
}

impl Service {
    /// EventBridge.
    async fn call(&self, operation: &str, input: Value) -> (u16, Value) {
        let request = Request::post("/")
            .header("x-amz-target", format!("AWSEvents.{operation}"))
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let response = self.api.handle(request).await;
        assert_eq!(
            response.headers()["content-type"],
            "application/x-amz-json-1.1"
        );
        parts(response).await
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let (status, value) = self.call(operation, input).await;
        assert_eq!(status, 200, "{operation}: {value}");
        value
    }

    /// Code and message.
    async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let (status, value) = self.call(operation, input).await;
        assert_eq!(status, 400, "{operation}: {value}");
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        (text("__type"), text("message"))
    }

    /// The Scheduler. The code is empty where there is none.
    async fn rest(&self, method: Method, path: &str, body: Value) -> (u16, String, Value) {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(body)
            .unwrap();
        let response = self.api.handle(request).await;
        let code = response.headers().get("x-amzn-errortype");
        let code = code
            .map(|code| code.to_str().unwrap().to_owned())
            .unwrap_or_default();
        let (status, value) = parts(response).await;
        (status, code, value)
    }

    async fn rest_ok(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, code, value) = self.rest(method, path, body).await;
        assert_eq!(status, 200, "{path}: {code} {value}");
        value
    }

    /// Payloads of what was accepted.
    async fn accepted(&self) -> Vec<Value> {
        let mut events = self.store.events().due(Timestamp(i64::MAX), 100).await;
        events.sort_by_key(|event| event.id);
        let payload = |event: &store::Event| serde_json::from_slice(&event.event.payload).unwrap();
        events.iter().map(payload).collect()
    }
}

async fn parts(response: Response<aws_wire::Body>) -> (u16, Value) {
    assert!(response.headers().contains_key("x-amzn-requestid"));
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let value = match bytes.as_ref() {
        b"" => Value::Null,
        bytes => serde_json::from_slice(bytes).unwrap(),
    };
    (head.status.as_u16(), value)
}

#[tokio::test]
async fn what_is_not_built_is_refused_in_the_shape_of_its_service() {
    let service = service();
    let (code, _) = service.refused("StartReplay", json!({})).await;
    assert_eq!(code, "UnknownOperationException");
    let (status, code, _) = service
        .rest(Method::PATCH, "/schedules/s", Value::Null)
        .await;
    assert_eq!((status, code.as_str()), (404, "UnknownOperationException"));
    let (status, code, _) = service.rest(Method::GET, "/elsewhere", Value::Null).await;
    assert_eq!((status, code.as_str()), (404, "UnknownOperationException"));
}
