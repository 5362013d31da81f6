//! EventBridge.

use serde_json::{Value, json};

use super::{FUNCTION, service};

const RULE_ARN: &str = "arn:aws:events:us-east-1:123456789012:rule/r";

#[tokio::test]
async fn rules_are_put_described_listed_and_deleted() {
    let service = service();
    let pattern = r#"{"source": ["shop"]}"#;
    for name in ["b", "a", "ab"] {
        let put = json!({ "Name": name, "EventPattern": pattern, "Description": "d", "Tags": [{ "Key": "k", "Value": name }] });
        let answer = service.ok("PutRule", put).await;
        let arn = format!("arn:aws:events:us-east-1:123456789012:rule/{name}");
        assert_eq!(answer, json!({ "RuleArn": arn }));
        let tags = service
            .ok("ListTagsForResource", json!({ "ResourceARN": arn }))
            .await;
        assert_eq!(tags["Tags"], json!([{ "Key": "k", "Value": name }]));
    }
    let rule = service.ok("DescribeRule", json!({ "Name": "a" })).await;
    assert_eq!(
        rule,
        json!({
            "Name": "a", "Arn": "arn:aws:events:us-east-1:123456789012:rule/a", "State": "ENABLED",
            "EventBusName": "default", "Description": "d", "EventPattern": pattern,
            "CreatedBy": "123456789012",
        })
    );
    service.ok("DisableRule", json!({ "Name": "a" })).await;
    let page = service
        .ok("ListRules", json!({ "NamePrefix": "a", "Limit": 1 }))
        .await;
    assert_eq!(page["Rules"][0]["State"], "DISABLED");
    let rest = json!({ "NamePrefix": "a", "NextToken": page["NextToken"] });
    let rest = service.ok("ListRules", rest).await;
    assert_eq!(rest["Rules"][0]["Name"], "ab");
    assert!(rest.get("NextToken").is_none());
    service.ok("EnableRule", json!({ "Name": "a" })).await;

    service.ok("DeleteRule", json!({ "Name": "a" })).await;
    service.ok("DeleteRule", json!({ "Name": "a" })).await;
    let gone = service
        .refused("DescribeRule", json!({ "Name": "a" }))
        .await;
    assert_eq!(
        gone,
        (
            "ResourceNotFoundException".to_owned(),
            "Rule a does not exist on EventBus default.".to_owned()
        )
    );
}

#[tokio::test]
async fn wrong_rules_are_refused_in_the_words_of_aws() {
    let service = service();
    service
        .ok("CreateEventBus", json!({ "Name": "mine" }))
        .await;
    for (rule, code, message) in [
        (
            json!({ "Name": "r" }),
            "ValidationException",
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ),
        (
            json!({ "Name": "r", "ScheduleExpression": "rate(1 minutes)" }),
            "ValidationException",
            "Parameter ScheduleExpression is not valid.",
        ),
        (
            json!({ "Name": "r", "ScheduleExpression": "at(2026-01-01T00:00:00)" }),
            "ValidationException",
            "Parameter ScheduleExpression is not valid.",
        ),
        (
            json!({ "Name": "r", "ScheduleExpression": "rate(5 seconds)" }),
            "ValidationException",
            "Parameter ScheduleExpression is not valid.",
        ),
        (
            json!({ "Name": "r", "ScheduleExpression": "rate(1 minute)", "EventBusName": "mine" }),
            "ValidationException",
            "ScheduleExpression is supported only on the default event bus.",
        ),
        (
            json!({ "Name": "r", "EventPattern": "{\"a\": 1}" }),
            "InvalidEventPatternException",
            "Event pattern is not valid. Reason: \"a\" must be an object or an array",
        ),
        (
            json!({ "Name": "r", "EventPattern": "{\"a\": [1]}", "EventBusName": "other" }),
            "ResourceNotFoundException",
            "Event bus other does not exist.",
        ),
        (
            json!({ "Name": "a b" }),
            "ValidationException",
            "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+",
        ),
        (
            json!({ "EventPattern": "{}", "State": "ON" }),
            "ValidationException",
            "2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; Value 'ON' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]",
        ),
    ] {
        let refused = service.refused("PutRule", rule.clone()).await;
        assert_eq!(refused, (code.to_owned(), message.to_owned()), "{rule}");
    }
    let (code, _) = service.refused("PutRule", json!({ "Name": 1 })).await;
    assert_eq!(code, "SerializationException");
}

#[tokio::test]
async fn targets_are_put_listed_and_removed() {
    let service = service();
    service
        .ok(
            "PutRule",
            json!({ "Name": "r", "ScheduleExpression": "rate(5 minutes)" }),
        )
        .await;
    let target = json!({
        "Id": "t1", "Arn": FUNCTION,
        "InputTransformer": { "InputPathsMap": { "time": "$.time" }, "InputTemplate": "{\"time\": <time>}" },
        "RetryPolicy": { "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60 },
        "DeadLetterConfig": { "Arn": "arn:aws:sqs:us-east-1:123456789012:q" },
    });
    let input = json!({ "Id": "t2", "Arn": FUNCTION, "Input": "{\"a\": 1}" });
    let queue = json!({ "Id": "t3", "Arn": "arn:aws:sqs:us-east-1:123456789012:q" });
    let put = json!({ "Rule": "r", "Targets": [target, input, queue] });
    let answer = service.ok("PutTargets", put).await;
    assert_eq!(answer["FailedEntryCount"], 1);
    assert_eq!(answer["FailedEntries"][0]["TargetId"], "t3");

    let page = service
        .ok("ListTargetsByRule", json!({ "Rule": "r", "Limit": 1 }))
        .await;
    assert_eq!(page["Targets"], json!([target]));
    let token = &page["NextToken"];
    let rest = service
        .ok(
            "ListTargetsByRule",
            json!({ "Rule": "r", "NextToken": token }),
        )
        .await;
    assert_eq!(rest["Targets"], json!([input]));
    let names = service
        .ok("ListRuleNamesByTarget", json!({ "TargetArn": FUNCTION }))
        .await;
    assert_eq!(names, json!({ "RuleNames": ["r"] }));

    service
        .rules
        .advance(std::time::Duration::from_mins(5))
        .await
        .unwrap();
    assert_eq!(
        service.accepted().await,
        [json!({ "time": "2026-11-21T02:05:00Z" }), json!({ "a": 1 })]
    );

    let (code, message) = service.refused("DeleteRule", json!({ "Name": "r" })).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        (
            "ValidationException",
            "Rule can't be deleted since it has targets."
        )
    );
    let removed = service
        .ok(
            "RemoveTargets",
            json!({ "Rule": "r", "Ids": ["t1", "t2", "t9"] }),
        )
        .await;
    assert_eq!(
        removed,
        json!({ "FailedEntryCount": 0, "FailedEntries": [] })
    );
    service.ok("DeleteRule", json!({ "Name": "r" })).await;
}

#[tokio::test]
async fn wrong_targets_are_refused_in_the_words_of_aws() {
    let service = service();
    service
        .ok(
            "PutRule",
            json!({ "Name": "r", "ScheduleExpression": "rate(5 minutes)" }),
        )
        .await;
    let with = |member: &str, value: Value| {
        let mut target = json!({ "Id": "t", "Arn": FUNCTION, "Input": "1" });
        target[member] = value;
        target
    };
    let template = |text: &str| json!({ "Id": "t", "Arn": FUNCTION, "InputTransformer": { "InputTemplate": text } });
    for (target, expected) in [
        (
            with("InputPath", json!("$.detail")),
            "Only one of Input, InputPath, or InputTransformer must be provided for target t.",
        ),
        (
            with("Input", json!("{")),
            "JSON syntax error in input for target t.",
        ),
        (
            template("{\"a\": <b>}"),
            "InputTemplate for target t contains invalid placeholder b.",
        ),
        (
            with("Id", json!("!@#")),
            "1 validation error detected: Value '!@#' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+",
        ),
        (
            with("RetryPolicy", json!({ "MaximumRetryAttempts": 186 })),
            "1 validation error detected: Value '186' at 'targets.1.member.retryPolicy.maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 185",
        ),
        (
            with("Arn", Value::Null),
            "1 validation error detected: Value null at 'targets.1.member.arn' failed to satisfy constraint: Member must not be null",
        ),
    ] {
        let put = json!({ "Rule": "r", "Targets": [target] });
        let (code, message) = service.refused("PutTargets", put).await;
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("ValidationException", expected)
        );
    }
    let many: Vec<Value> = (0..6)
        .map(|n| json!({ "Id": format!("t{n}"), "Arn": FUNCTION }))
        .collect();
    let (code, _) = service
        .refused("PutTargets", json!({ "Rule": "r", "Targets": many }))
        .await;
    assert_eq!(code, "LimitExceededException");
}

#[tokio::test]
async fn events_are_put_and_answered_one_by_one() {
    let service = service();
    service
        .ok(
            "PutRule",
            json!({ "Name": "r", "EventPattern": "{\"source\": [\"shop\"]}" }),
        )
        .await;
    let target = json!({ "Id": "t", "Arn": FUNCTION });
    service
        .ok("PutTargets", json!({ "Rule": "r", "Targets": [target] }))
        .await;
    let entries = json!([
        { "Source": "shop", "DetailType": "order", "Detail": "{\"id\": 7}", "Time": 1_700_000_000, "Resources": ["x"] },
        { "DetailType": "order", "Detail": "{}" },
        { "Source": "shop", "DetailType": "order", "Detail": "7" },
        { "Source": "other", "DetailType": "order", "Detail": "{}" },
    ]);
    let answer = service.ok("PutEvents", json!({ "Entries": entries })).await;
    assert_eq!(answer["FailedEntryCount"], 2);
    assert_eq!(
        answer["Entries"][1],
        json!({ "ErrorCode": "InvalidArgument", "ErrorMessage": "Parameter Source is not valid. Reason: Source is a required argument." })
    );
    assert_eq!(
        answer["Entries"][2],
        json!({ "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." })
    );
    assert!(answer["Entries"][3]["EventId"].is_string());
    assert_eq!(
        service.accepted().await,
        [json!({
            "version": "0", "id": answer["Entries"][0]["EventId"], "detail-type": "order",
            "source": "shop", "account": "123456789012", "time": "2023-11-14T22:13:20Z",
            "region": "us-east-1", "resources": ["x"], "detail": { "id": 7 },
        })]
    );
    let entry = json!({ "Source": "a", "DetailType": "b", "Detail": "{}" });
    let eleven = vec![entry; 11];
    let (code, _) = service
        .refused("PutEvents", json!({ "Entries": eleven }))
        .await;
    assert_eq!(code, "ValidationException");
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    let large = json!([{ "Source": "a", "DetailType": "b", "Detail": large }]);
    let (_, message) = service
        .refused("PutEvents", json!({ "Entries": large }))
        .await;
    assert_eq!(
        message,
        "Total size of the entries in the request is over the limit."
    );
}

#[tokio::test]
async fn patterns_can_be_tried() {
    let service = service();
    let event = json!({
        "id": "1", "account": "123456789012", "source": "shop", "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1", "resources": [], "detail-type": "order", "detail": { "n": 3 },
    });
    for (pattern, expected) in [
        (r#"{"detail": {"n": [{"numeric": [">", 2]}]}}"#, true),
        (r#"{"detail": {"n": [{"numeric": [">", 3]}]}}"#, false),
    ] {
        let input = json!({ "EventPattern": pattern, "Event": event.to_string() });
        let answer = service.ok("TestEventPattern", input).await;
        assert_eq!(answer, json!({ "Result": expected }));
    }
    let (code, _) = service
        .refused(
            "TestEventPattern",
            json!({ "EventPattern": "{}", "Event": event.to_string() }),
        )
        .await;
    assert_eq!(code, "InvalidEventPatternException");
    let no_event = json!({ "EventPattern": "{\"a\": [1]}", "Event": "[]" });
    let (code, message) = service.refused("TestEventPattern", no_event).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("ValidationException", "Parameter Event is not valid.")
    );
}

#[tokio::test]
async fn buses_have_rules_permissions_and_tags_of_their_own() {
    let service = service();
    let arn = "arn:aws:events:us-east-1:123456789012:event-bus/mine";
    let new = json!({ "Name": "mine", "Description": "d", "Tags": [{ "Key": "k", "Value": "v" }] });
    let made = service.ok("CreateEventBus", new.clone()).await;
    assert_eq!(made, json!({ "EventBusArn": arn, "Description": "d" }));
    let again = service.refused("CreateEventBus", new).await;
    assert_eq!(
        again,
        (
            "ResourceAlreadyExistsException".to_owned(),
            "Event bus mine already exists.".to_owned()
        )
    );

    let rule =
        json!({ "Name": "r", "EventBusName": arn, "EventPattern": "{\"source\": [\"shop\"]}" });
    let rule = service.ok("PutRule", rule).await;
    assert_eq!(rule["RuleArn"], RULE_ARN.replace("rule/r", "rule/mine/r"));
    let default = service.ok("ListRules", json!({})).await;
    assert_eq!(default["Rules"], json!([]));
    let (code, _) = service
        .refused("DeleteEventBus", json!({ "Name": "mine" }))
        .await;
    assert_eq!(code, "ValidationException");

    let permission = json!({ "EventBusName": "mine", "Action": "events:PutEvents", "Principal": "111122223333", "StatementId": "s" });
    service.ok("PutPermission", permission).await;
    let bus = service
        .ok("DescribeEventBus", json!({ "Name": "mine" }))
        .await;
    let policy: Value = serde_json::from_str(bus["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(
        policy["Statement"][0]["Principal"]["AWS"],
        "arn:aws:iam::111122223333:root"
    );
    service
        .ok(
            "RemovePermission",
            json!({ "EventBusName": "mine", "StatementId": "s" }),
        )
        .await;
    let (_, message) = service
        .refused(
            "RemovePermission",
            json!({ "EventBusName": "mine", "StatementId": "s" }),
        )
        .await;
    assert_eq!(message, "Statement with the provided id does not exist.");

    service
        .ok(
            "TagResource",
            json!({ "ResourceARN": arn, "Tags": [{ "Key": "l", "Value": "1" }] }),
        )
        .await;
    service
        .ok(
            "UntagResource",
            json!({ "ResourceARN": arn, "TagKeys": ["k", "none"] }),
        )
        .await;
    let tags = service
        .ok("ListTagsForResource", json!({ "ResourceARN": arn }))
        .await;
    assert_eq!(tags, json!({ "Tags": [{ "Key": "l", "Value": "1" }] }));

    service
        .ok("DeleteRule", json!({ "Name": "r", "EventBusName": "mine" }))
        .await;
    service
        .ok("DeleteEventBus", json!({ "Name": "mine" }))
        .await;
    let buses = service.ok("ListEventBuses", json!({})).await;
    assert_eq!(buses["EventBuses"].as_array().unwrap().len(), 1);
    for (name, code) in [
        ("default", "ValidationException"),
        ("mine", "ResourceNotFoundException"),
    ] {
        let refused = service
            .refused("DeleteEventBus", json!({ "Name": name }))
            .await;
        assert_eq!(refused.0, code);
    }
}
