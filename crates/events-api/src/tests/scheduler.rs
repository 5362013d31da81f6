//! EventBridge Scheduler.

use http::Method;
use serde_json::{Value, json};

use super::{FUNCTION, service};

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn schedule(expression: &str) -> Value {
    json!({
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": FUNCTION, "RoleArn": ROLE, "Input": "{\"at\": \"<aws.scheduler.scheduled-time>\"}" },
    })
}

#[tokio::test]
async fn schedules_are_made_shown_changed_and_deleted() {
    let service = service();
    let mut new = schedule("cron(0 3 * * ? *)");
    new["ScheduleExpressionTimezone"] = "Europe/Berlin".into();
    new["Description"] = "nightly".into();
    new["StartDate"] = 1_795_000_000.5.into();
    let path = "/schedules/nightly";
    let made = service.rest_ok(Method::POST, path, new.clone()).await;
    let arn = "arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly";
    assert_eq!(made, json!({ "ScheduleArn": arn }));
    let (status, code, body) = service.rest(Method::POST, path, new.clone()).await;
    assert_eq!((status, code.as_str()), (409, "ConflictException"));
    assert_eq!(body["Message"], "Schedule nightly already exists.");

    let shown = service.rest_ok(Method::GET, path, Value::Null).await;
    for (member, expected) in [
        ("Arn", json!(arn)),
        ("GroupName", json!("default")),
        ("State", json!("ENABLED")),
        ("ScheduleExpression", json!("cron(0 3 * * ? *)")),
        ("ScheduleExpressionTimezone", json!("Europe/Berlin")),
        ("Description", json!("nightly")),
        ("StartDate", json!(1_795_000_000.5)),
        ("FlexibleTimeWindow", json!({ "Mode": "OFF" })),
        ("ActionAfterCompletion", json!("NONE")),
    ] {
        assert_eq!(shown[member], expected, "{member}");
    }
    assert_eq!(shown["Target"]["RoleArn"], ROLE);
    assert_eq!(shown["Target"]["Input"], new["Target"]["Input"]);
    assert_eq!(shown["Target"]["RetryPolicy"]["MaximumRetryAttempts"], 185);

    // What an update leaves out is unset.
    let mut other = schedule("rate(2 hours)");
    other["State"] = "DISABLED".into();
    other["FlexibleTimeWindow"] = json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5 });
    service.rest_ok(Method::PUT, path, other).await;
    let shown = service.rest_ok(Method::GET, path, Value::Null).await;
    assert_eq!(shown["State"], "DISABLED");
    assert_eq!(shown["FlexibleTimeWindow"]["MaximumWindowInMinutes"], 5);
    assert!(shown.get("Description").is_none());
    assert_eq!(shown["ScheduleExpressionTimezone"], "UTC");

    service.rest_ok(Method::DELETE, path, Value::Null).await;
    for method in [Method::GET, Method::DELETE] {
        let (status, code, body) = service.rest(method, path, Value::Null).await;
        assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"));
        assert_eq!(body["Message"], "Schedule nightly does not exist.");
    }
    let (status, ..) = service
        .rest(Method::PUT, path, schedule("rate(1 hour)"))
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_schedule_runs_with_its_input() {
    let service = service();
    let path = "/schedules/once";
    service
        .rest_ok(Method::POST, path, schedule("at(2026-11-21T02:00:30)"))
        .await;
    service
        .rules
        .advance(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(
        service.accepted().await,
        [json!({ "at": "2026-11-21T02:00:30Z" })]
    );
}

#[tokio::test]
async fn wrong_schedules_are_refused_in_the_words_of_aws() {
    let service = service();
    let with = |member: &str, value: Value| {
        let mut schedule = schedule("rate(1 hour)");
        schedule[member] = value;
        schedule
    };
    let target = |member: &str, value: &str| {
        let mut schedule = schedule("rate(1 hour)");
        schedule["Target"][member] = value.into();
        schedule
    };
    for (body, expected) in [
        (
            schedule("cron(0 1 * * * *)"),
            "Invalid Schedule Expression cron(0 1 * * * *).",
        ),
        (
            schedule("rate(10 seconds)"),
            "Invalid Schedule Expression rate(10 seconds).",
        ),
        (
            with("ScheduleExpressionTimezone", json!("Mars/Base")),
            "Invalid Schedule Expression Timezone Mars/Base.",
        ),
        (
            with("FlexibleTimeWindow", Value::Null),
            "1 validation error detected: Value null at 'flexibleTimeWindow' failed to satisfy constraint: Member must not be null",
        ),
        (
            with("FlexibleTimeWindow", json!({ "Mode": "ON" })),
            "1 validation error detected: Value 'ON' at 'flexibleTimeWindow.mode' failed to satisfy constraint: Member must satisfy enum value set: [OFF, FLEXIBLE]",
        ),
        (
            with("FlexibleTimeWindow", json!({ "Mode": "FLEXIBLE" })),
            "MaximumWindowInMinutes must be provided when the flexible time window is FLEXIBLE.",
        ),
        (
            with("Target", json!({ "Arn": FUNCTION })),
            "1 validation error detected: Value null at 'target.roleArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            target("Input", "no json"),
            "The Input must be well-formed JSON.",
        ),
    ] {
        let (status, code, answer) = service.rest(Method::POST, "/schedules/s", body).await;
        assert_eq!((status, code.as_str()), (400, "ValidationException"));
        assert_eq!(answer["Message"], expected);
    }
    for (path, status) in [("/schedules/a%20b", 400), ("/schedules/s?x=y", 404)] {
        let body = with("GroupName", json!("nowhere"));
        assert_eq!(
            service.rest(Method::POST, path, body).await.0,
            status,
            "{path}"
        );
    }
    let queue = target("Arn", "arn:aws:sqs:us-east-1:123456789012:q");
    assert_eq!(
        service.rest(Method::POST, "/schedules/s", queue).await.0,
        400
    );
    assert!(service.rules.upcoming().is_empty());
}

#[tokio::test]
async fn groups_hold_schedules_and_tags() {
    let service = service();
    let tags = json!({ "Tags": [{ "Key": "k", "Value": "v" }] });
    let made = service
        .rest_ok(Method::POST, "/schedule-groups/g", tags)
        .await;
    let arn = "arn:aws:scheduler:us-east-1:123456789012:schedule-group/g";
    assert_eq!(made, json!({ "ScheduleGroupArn": arn }));
    let group = service
        .rest_ok(Method::GET, "/schedule-groups/g", Value::Null)
        .await;
    assert_eq!(
        (&group["State"], &group["Name"]),
        (&json!("ACTIVE"), &json!("g"))
    );

    for (name, group) in [("b", "g"), ("a", "g"), ("c", "default")] {
        let mut new = schedule("rate(1 day)");
        new["GroupName"] = group.into();
        service
            .rest_ok(Method::POST, &format!("/schedules/{name}"), new)
            .await;
    }
    let (mut names, mut path) = (Vec::new(), "/schedules?MaxResults=1".to_owned());
    loop {
        let page = service.rest_ok(Method::GET, &path, Value::Null).await;
        names.push(page["Schedules"][0]["Name"].as_str().unwrap().to_owned());
        match page["NextToken"].as_str() {
            Some(token) => path = format!("/schedules?MaxResults=1&NextToken={token}"),
            None => break,
        }
    }
    assert_eq!(names, ["c", "a", "b"]);
    let in_group = service
        .rest_ok(
            Method::GET,
            "/schedules?ScheduleGroup=g&NamePrefix=a&State=ENABLED",
            Value::Null,
        )
        .await;
    assert_eq!(in_group["Schedules"].as_array().unwrap().len(), 1);
    let (status, ..) = service
        .rest(Method::GET, "/schedules?ScheduleGroup=nowhere", Value::Null)
        .await;
    assert_eq!(status, 404);
    let (status, ..) = service
        .rest(Method::GET, "/schedules?MaxResults=0", Value::Null)
        .await;
    assert_eq!(status, 400);

    // boto3 encodes the ARN, others leave its slash.
    let encoded = "/tags/arn%3Aaws%3Ascheduler%3Aus-east-1%3A123456789012%3Aschedule-group%2Fg";
    service
        .rest_ok(
            Method::POST,
            encoded,
            json!({ "Tags": [{ "Key": "l", "Value": "1" }] }),
        )
        .await;
    let plain = format!("/tags/{arn}");
    service
        .rest_ok(
            Method::DELETE,
            &format!("{plain}?TagKeys=k&TagKeys=x"),
            Value::Null,
        )
        .await;
    let tags = service.rest_ok(Method::GET, encoded, Value::Null).await;
    assert_eq!(tags, json!({ "Tags": [{ "Key": "l", "Value": "1" }] }));

    service
        .rest_ok(Method::DELETE, "/schedule-groups/g", Value::Null)
        .await;
    let groups = service
        .rest_ok(Method::GET, "/schedule-groups", Value::Null)
        .await;
    assert_eq!(groups["ScheduleGroups"].as_array().unwrap().len(), 1);
    assert_eq!(service.rules.upcoming().len(), 1);
    let (status, ..) = service
        .rest(Method::DELETE, "/schedule-groups/default", Value::Null)
        .await;
    assert_eq!(status, 400);
    let in_gone = service
        .rest(Method::GET, "/schedules/a?groupName=g", Value::Null)
        .await;
    assert_eq!(in_gone.0, 404);
}
