//! What roles may.

use std::collections::BTreeMap;

use aws_wire::sigv4::{Identity, Principal};
use engine::iam::{Iam, NewRole};

use super::*;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

/// With the recorded role `r`.
async fn guarded() -> (Service, Arc<Iam>) {
    let mut service = service();
    let (store, scope) = (service.api.store.clone(), service.api.scope.clone());
    let iam = Arc::new(Iam::open(store, scope).unwrap());
    let role = NewRole {
        name: "r".to_owned(),
        path: "/".to_owned(),
        description: None,
        trust: TRUST.to_owned(),
        max_session_seconds: 3600,
        permissions_boundary: None,
        tags: BTreeMap::new(),
    };
    iam.create_role(role).await.unwrap();
    service.api = service.api.clone().with_iam(iam.clone());
    (service, iam)
}

impl Service {
    /// Status and text of the answer to a role.
    async fn call_as(&self, role: &str, operation: &str, input: &Value) -> (u16, String) {
        let account = "123456789012".parse().unwrap();
        let identity = Identity {
            access_key: "ASIA".to_owned(),
            principal: Principal {
                arn: format!("arn:aws:sts::123456789012:assumed-role/{role}/f"),
                user_id: "AROA:f".to_owned(),
                ..Principal::root(account)
            },
            region: "us-east-1".to_owned(),
            service: "logs".to_owned(),
        };
        let request = Request::post("/")
            .header("x-amz-target", format!("Logs_20140328.{operation}"))
            .extension(identity)
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let (head, body) = self.api.handle(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (head.status.as_u16(), text)
    }

    async fn may(&self, operation: &str, input: Value) -> bool {
        let (_, text) = self.call_as("r", operation, &input).await;
        !text.contains("AccessDeniedException")
    }
}

#[tokio::test]
async fn a_role_writes_logs_and_does_not_read_them() {
    let (service, iam) = guarded().await;
    iam.attach_role_policy("r", BASIC).await.unwrap();
    let group = json!({ "logGroupName": GROUP });
    let stream = json!({ "logGroupName": GROUP, "logStreamName": "s" });
    let mut lines = stream.clone();
    lines["logEvents"] = json!([{ "timestamp": Timestamp::now().0, "message": "m" }]);
    for (operation, input) in [
        ("CreateLogGroup", &group),
        ("CreateLogStream", &stream),
        ("PutLogEvents", &lines),
    ] {
        let (status, text) = service.call_as("r", operation, input).await;
        assert_eq!(status, 200, "{operation}: {text}");
    }
    let (status, text) = service.call_as("r", "GetLogEvents", &stream).await;
    assert_eq!(status, 400);
    let expected = "is not authorized to perform: logs:GetLogEvents on resource: arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/f:log-stream:s because no identity-based policy allows";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("AccessDeniedException"), "{text}");
    assert!(!service.may("DeleteLogGroup", group).await);
    // The owner may, and a role that is not recorded.
    service.ok("GetLogEvents", stream.clone()).await;
    let (status, _) = service.call_as("any", "GetLogEvents", &stream).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_role_keeps_to_the_groups_it_may() {
    let (service, iam) = guarded().await;
    let own = "arn:aws:logs:us-east-1:123456789012:log-group:/own";
    let policy = json!({ "Statement": [
        { "Effect": "Allow", "Action": "logs:*", "Resource": format!("{own}:*") },
        { "Effect": "Allow", "Action": "logs:*Resource", "Resource": own },
    ] });
    let put = iam.put_role_policy("r", "p", policy.to_string());
    put.await.unwrap();
    let other = own.replace("own", "other");
    for name in ["/own", "/other"] {
        let group = json!({ "logGroupName": name });
        service.ok("CreateLogGroup", group).await;
        let stream = json!({ "logGroupName": name, "logStreamName": "s" });
        service.ok("CreateLogStream", stream).await;
    }
    for (operation, extra) in [
        ("FilterLogEvents", json!({})),
        ("DescribeLogStreams", json!({})),
        ("GetLogEvents", json!({ "logStreamName": "s" })),
        ("PutRetentionPolicy", json!({ "retentionInDays": 7 })),
        ("TagLogGroup", json!({ "tags": { "a": "b" } })),
    ] {
        for (name, allowed) in [("/own", true), ("/other", false)] {
            let mut input = extra.clone();
            input["logGroupName"] = name.into();
            assert_eq!(
                service.may(operation, input).await,
                allowed,
                "{operation} {name}"
            );
        }
    }
    for (arn, allowed) in [(own, true), (&*other, false)] {
        let input = json!({ "logGroupIdentifier": arn });
        assert_eq!(
            service.may("FilterLogEvents", input).await,
            allowed,
            "{arn}"
        );
        let input = json!({ "resourceArn": arn, "tags": { "a": "b" } });
        assert_eq!(service.may("TagResource", input).await, allowed, "{arn}");
    }
    // Naming one's own beside another opens nothing.
    let both = json!({ "logGroupName": "/other", "logGroupIdentifier": own });
    assert!(!service.may("DeleteLogGroup", both).await);
    assert!(!service.may("DescribeLogGroups", json!({})).await);
    let all = json!({ "logGroupNamePrefix": "/own", "logGroupName": "/own" });
    assert!(!service.may("DescribeLogGroups", all).await);
}
