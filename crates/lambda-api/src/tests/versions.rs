//! Versions, and the aliases that lead to them.

use super::*;

#[tokio::test]
async fn updates_versions_and_aliases_go_together() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let published = wire
        .post(&format!("{FUNCTIONS}/f/versions"), json!({}))
        .await;
    assert_eq!(published.status, StatusCode::CREATED);
    assert_eq!(published.json()["Version"], "1");
    let code = json!({ "ZipFile": zip("2"), "Publish": true });
    let updated = wire.put(&format!("{FUNCTIONS}/f/code"), code).await;
    assert_eq!(updated.json()["Version"], "2");
    let patch = json!({ "Timeout": 30, "Environment": { "Variables": {} } });
    let updated = wire
        .put(&format!("{FUNCTIONS}/f/configuration"), patch)
        .await
        .json();
    assert_eq!(updated["LastUpdateStatus"], "InProgress");
    assert_eq!(updated["Timeout"], 30);
    let stale = json!({ "Timeout": 31, "RevisionId": "x" });
    let stale = wire
        .put(&format!("{FUNCTIONS}/f/configuration"), stale)
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let versions = wire.get(&format!("{FUNCTIONS}/f/versions")).await.json();
    let versions = versions["Versions"].as_array().unwrap();
    let numbers: Vec<_> = versions
        .iter()
        .map(|v| v["Version"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, ["$LATEST", "1", "2"]);

    let alias = json!({
        "Name": "live",
        "FunctionVersion": "1",
        "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.5 } },
    });
    let created = wire.post(&format!("{FUNCTIONS}/f/aliases"), alias).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_snapshot!(stable(created.json()), @r#"
    {
      "AliasArn": "arn:aws:lambda:us-east-1:123456789012:function:f:live",
      "Description": "",
      "FunctionVersion": "1",
      "Name": "live",
      "RevisionId": "...",
      "RoutingConfig": {
        "AdditionalVersionWeights": {
          "2": 0.5
        }
      }
    }
    "#);
    let moved = json!({ "FunctionVersion": "2", "RoutingConfig": {} });
    let moved = wire
        .put(&format!("{FUNCTIONS}/f/aliases/live"), moved)
        .await
        .json();
    assert!(moved.get("RoutingConfig").is_none());
    let used = wire.delete(&format!("{FUNCTIONS}/f?Qualifier=2")).await;
    assert_eq!(used.status, StatusCode::CONFLICT);
    let gone = wire.delete(&format!("{FUNCTIONS}/f/aliases/live")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(
        wire.delete(&format!("{FUNCTIONS}/f?Qualifier=2"))
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    let latest = wire.delete(&format!("{FUNCTIONS}/f:$LATEST")).await;
    assert_eq!(latest.code, "InvalidParameterValueException");
    assert_eq!(
        wire.delete(&format!("{FUNCTIONS}/f")).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        wire.get(&format!("{FUNCTIONS}/f")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn alias_members_are_checked() {
    let wire = Wire::new().await;
    wire.create("f", json!({ "Publish": true })).await;
    let mut seen = String::new();
    let weights = |weights: Value| json!({ "AdditionalVersionWeights": weights });
    for members in [
        json!({ "FunctionVersion": "1" }),
        json!({ "Name": "2024", "FunctionVersion": "1" }),
        json!({ "Name": "a", "FunctionVersion": "10" }),
        json!({ "Name": "a", "FunctionVersion": "1", "RoutingConfig": weights(json!({ "1": 0.5 })) }),
        json!({ "Name": "a", "FunctionVersion": "1", "RoutingConfig": weights(json!({ "2": 2.0 })) }),
        json!({ "Name": "a", "FunctionVersion": "$LATEST", "RoutingConfig": weights(json!({ "1": 0.5 })) }),
    ] {
        let reply = wire.post(&format!("{FUNCTIONS}/f/aliases"), members).await;
        seen.push_str(&reply.refusal());
        seen.push('\n');
    }
    seen.push_str(
        &wire
            .get(&format!("{FUNCTIONS}/f/aliases/none"))
            .await
            .refusal(),
    );
    assert_snapshot!(seen, @r#"
    400 ValidationException: 1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null
    400 ValidationException: 1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:10
    400 InvalidParameterValueException: Invalid function version 1. Function version 1 is already included in routing configuration.
    400 ValidationException: 1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]
    400 InvalidParameterValueException: $LATEST is not supported for an alias pointing to more than 1 version
    404 ResourceNotFoundException: Cannot find alias arn: arn:aws:lambda:us-east-1:123456789012:function:f:none
    "#);
}
