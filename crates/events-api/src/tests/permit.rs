//! What roles may.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_wire::sigv4::{Identity, Principal};
use bytes::Bytes;
use engine::iam::{Iam, NewRole};
use http::{Method, Request};
use serde_json::{Value, json};

use super::{FUNCTION, Service, parts, service};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A role that may put events on the default bus, and get schedules of a group.
async fn guarded() -> Service {
    let mut service = service();
    let scope = service.rules.scope().clone();
    let iam = Arc::new(Iam::open(service.store.clone(), scope).unwrap());
    iam.create_role(NewRole {
        name: "r".to_owned(),
        path: "/".to_owned(),
        description: None,
        trust: TRUST.to_owned(),
        max_session_seconds: 3600,
        permissions_boundary: None,
        tags: BTreeMap::new(),
    })
    .await
    .unwrap();
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "events:PutEvents", "Resource": "arn:aws:events:*:*:event-bus/default" },
            { "Effect": "Allow", "Action": "scheduler:*Schedule", "Resource": "arn:aws:scheduler:*:*:schedule/g/*" },
            { "Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:role/r",
              "Condition": { "StringEquals": { "iam:PassedToService": "scheduler.amazonaws.com" } } },
        ],
    });
    iam.put_role_policy("r", "p", policy.to_string())
        .await
        .unwrap();
    service.api = service.api.clone().with_iam(iam);
    service
}

fn signed(request: http::request::Builder, body: &Value) -> Request<Bytes> {
    let account = "123456789012".parse().unwrap();
    let mut request = request.body(Bytes::from(body.to_string())).unwrap();
    request.extensions_mut().insert(Identity {
        access_key: "ASIA".to_owned(),
        principal: Principal {
            arn: "arn:aws:sts::123456789012:assumed-role/r/f".to_owned(),
            user_id: "AROA:f".to_owned(),
            ..Principal::root(account)
        },
        region: "us-east-1".to_owned(),
        service: "events".to_owned(),
    });
    request
}

#[tokio::test]
async fn a_role_puts_events_where_it_may() {
    let service = guarded().await;
    let put = |bus: &str| {
        let entry =
            json!({ "Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": bus });
        let request = Request::post("/").header("x-amz-target", "AWSEvents.PutEvents");
        signed(request, &json!({ "Entries": [entry] }))
    };
    assert_eq!(parts(service.api.handle(put("default")).await).await.0, 200);
    let (status, error) = parts(service.api.handle(put("mine")).await).await;
    assert_eq!(
        (status, &error["__type"]),
        (400, &json!("AccessDeniedException"))
    );
    let message = error["message"].as_str().unwrap();
    let expected = "User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: events:PutEvents on resource: arn:aws:events:us-east-1:123456789012:event-bus/mine";
    assert!(message.starts_with(expected), "{message}");
    // The owner may.
    service
        .ok("CreateEventBus", json!({ "Name": "mine" }))
        .await;
}

#[tokio::test]
async fn a_role_makes_schedules_where_it_may() {
    let service = guarded().await;
    service
        .rest_ok(Method::POST, "/schedule-groups/g", Value::Null)
        .await;
    for (group, status) in [("g", 200), ("default", 403)] {
        let body = json!({
            "GroupName": group,
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": { "Arn": FUNCTION, "RoleArn": "arn:aws:iam::123456789012:role/r" },
        });
        let made = service
            .api
            .handle(signed(Request::post("/schedules/s"), &body))
            .await;
        assert_eq!(made.status().as_u16(), status, "{group}");
        let path = format!("/schedules/s?groupName={group}");
        let got = service
            .api
            .handle(signed(Request::get(path), &Value::Null))
            .await;
        assert_eq!(got.status().as_u16(), status, "{group}");
    }
}

#[tokio::test]
async fn a_role_is_told_apart_by_where_it_asks_from() {
    let service = guarded().await;
    let policy = json!({
        "Statement": { "Effect": "Deny", "Action": "events:*", "Resource": "*",
            "Condition": { "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } } },
    });
    let iam = service.api.iam.clone().unwrap();
    let put = iam.put_role_policy("r", "from", policy.to_string());
    put.await.unwrap();
    for (peer, status) in [("192.0.2.1:1", 200), ("203.0.113.7:1", 400)] {
        let entry = json!({ "Source": "s", "DetailType": "d", "Detail": "{}" });
        let request = Request::post("/").header("x-amz-target", "AWSEvents.PutEvents");
        let mut request = signed(request, &json!({ "Entries": [entry] }));
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(peer);
        let answer = service.api.handle(request).await;
        assert_eq!(answer.status().as_u16(), status, "{peer}");
    }
}

/// The group by which permission was asked and the group that was worked on came
/// from different places.
#[tokio::test]
async fn a_group_named_elsewhere_opens_no_other() {
    let service = guarded().await;
    service
        .rest_ok(Method::POST, "/schedule-groups/g", Value::Null)
        .await;
    let body = |role: &str, group: &str| {
        json!({
            "GroupName": group,
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": { "Arn": FUNCTION, "RoleArn": format!("arn:aws:iam::123456789012:role/{role}") },
        })
    };
    // As the owner.
    service
        .rest_ok(Method::POST, "/schedules/s", body("r", "default"))
        .await;
    let none = Value::Null;
    for (method, path, body) in [
        (
            Method::POST,
            "/schedules/t?groupName=g",
            body("r", "default"),
        ),
        (
            Method::PUT,
            "/schedules/s?groupName=g",
            body("r", "default"),
        ),
        (
            Method::PUT,
            "/schedules/s?ScheduleGroup=g",
            body("r", "default"),
        ),
        (Method::GET, "/schedules/s?ScheduleGroup=g", none.clone()),
        (Method::DELETE, "/schedules/s?ScheduleGroup=g", none.clone()),
        (
            Method::DELETE,
            "/schedules/s?ScheduleGroup=g&groupName=default",
            none.clone(),
        ),
        (Method::DELETE, "/schedules/s", json!({ "GroupName": "g" })),
    ] {
        let request = Request::builder().method(method.clone()).uri(path);
        let answer = service.api.handle(signed(request, &body)).await;
        assert_eq!(answer.status().as_u16(), 403, "{method} {path}");
    }
}

/// A schedule that calls as a role that is not recorded may call everything.
#[tokio::test]
async fn a_role_hands_on_only_roles_that_it_may() {
    let service = guarded().await;
    service
        .rest_ok(Method::POST, "/schedule-groups/g", Value::Null)
        .await;
    for (method, role, status) in [
        (Method::POST, "nobody", 403),
        (Method::POST, "r", 200),
        (Method::PUT, "nobody", 403),
        (Method::PUT, "r", 200),
    ] {
        let body = json!({
            "GroupName": "g",
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": { "Arn": FUNCTION, "RoleArn": format!("arn:aws:iam::123456789012:role/{role}") },
        });
        let request = Request::builder()
            .method(method.clone())
            .uri("/schedules/s");
        let answer = service.api.handle(signed(request, &body)).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {role}");
    }
}
