//! What stands beside a function: who may call it, its URL, its settings.

use super::*;

#[tokio::test]
async fn permissions_become_a_policy() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let policy = format!("{FUNCTIONS}/f/policy");
    let grant = json!({
        "StatementId": "s3",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::bucket",
    });
    let granted = wire.post(&policy, grant.clone()).await;
    assert_eq!(granted.status, StatusCode::CREATED);
    assert_snapshot!(granted.json()["Statement"].as_str().unwrap(), @r#"{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}}}"#);
    assert_eq!(wire.post(&policy, grant).await.status, StatusCode::CONFLICT);
    let read = wire.get(&policy).await.json();
    let function = wire
        .get(&format!("{FUNCTIONS}/f/configuration"))
        .await
        .json();
    assert_eq!(read["RevisionId"], function["RevisionId"]);
    assert_eq!(
        wire.delete(&format!("{policy}/s3")).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(wire.get(&policy).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_function_url_is_made_and_found_by_its_id() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let path = "/2021-10-31/functions/f/url";
    let members = json!({ "AuthType": "NONE", "Cors": { "AllowOrigins": ["*"] } });
    let created = wire.post(path, members.clone()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_snapshot!(stable(created.json()), @r#"
    {
      "AuthType": "NONE",
      "Cors": {
        "AllowOrigins": [
          "*"
        ]
      },
      "CreationTime": "...",
      "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
      "FunctionUrl": "http://ID.lambda-url.us-east-1.localhost:8080/"
    }
    "#);
    let url = created.json()["FunctionUrl"].as_str().unwrap().to_owned();
    let id = url.trim_start_matches("http://").split('.').next().unwrap();
    let found = wire.api.engine.catalog().url_by_id(id).unwrap();
    assert_eq!(found.function.as_str(), "f");
    assert_eq!(wire.post(path, members).await.status, StatusCode::CONFLICT);
    let updated = wire
        .put(path, json!({ "AuthType": "AWS_IAM" }))
        .await
        .json();
    assert_eq!(updated["AuthType"], "AWS_IAM");
    assert_eq!(updated["FunctionUrl"], url.as_str());
    let listed = wire.get("/2021-10-31/functions/f/urls").await.json();
    assert_eq!(listed["FunctionUrlConfigs"][0]["InvokeMode"], "BUFFERED");
    let version = wire.get(&format!("{path}?Qualifier=1")).await;
    assert_eq!(version.code, "ValidationException");
    assert_eq!(wire.delete(path).await.status, StatusCode::NO_CONTENT);
    assert!(wire.api.engine.catalog().url_by_id(id).is_none());
    assert_eq!(wire.get(path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn settings_of_functions_are_kept() {
    let wire = Wire::new().await;
    wire.create("f", json!({ "Publish": true })).await;
    wire.create("sink", json!({})).await;
    let event = "/2019-09-25/functions/f/event-invoke-config";
    let sink = "arn:aws:lambda:us-east-1:123456789012:function:sink";
    let members = json!({
        "MaximumRetryAttempts": 0,
        "DestinationConfig": { "OnFailure": { "Destination": sink } },
    });
    let put = wire.put(event, members).await;
    assert_snapshot!(stable(put.json()), @r#"
    {
      "DestinationConfig": {
        "OnFailure": {
          "Destination": "arn:aws:lambda:us-east-1:123456789012:function:sink"
        },
        "OnSuccess": {}
      },
      "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
      "LastModified": "...",
      "MaximumRetryAttempts": 0
    }
    "#);
    let merged = wire
        .post(event, json!({ "MaximumEventAgeInSeconds": 60 }))
        .await
        .json();
    assert_eq!(merged["MaximumRetryAttempts"], 0);
    let list = wire.get(&format!("{event}/list")).await.json();
    assert_eq!(
        list["FunctionEventInvokeConfigs"].as_array().unwrap().len(),
        1
    );
    let itself = sink.replace("sink", "f");
    let itself = json!({ "DestinationConfig": { "OnSuccess": { "Destination": itself } } });
    assert_eq!(
        wire.put(event, itself).await.code,
        "InvalidParameterValueException"
    );
    assert_eq!(wire.delete(event).await.status, StatusCode::NO_CONTENT);
    assert_eq!(wire.get(event).await.status, StatusCode::NOT_FOUND);

    let reserved = json!({ "ReservedConcurrentExecutions": 5 });
    let put = wire
        .put("/2017-10-31/functions/f/concurrency", reserved.clone())
        .await;
    assert_eq!(put.json(), reserved);
    assert_eq!(
        wire.get("/2019-09-30/functions/f/concurrency").await.json(),
        reserved
    );
    let settings = wire.get("/2016-08-19/account-settings").await.json();
    assert_eq!(
        settings["AccountLimit"]["UnreservedConcurrentExecutions"],
        995
    );
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 2);
    let provisioned = "/2019-09-30/functions/f/provisioned-concurrency";
    let path = format!("{provisioned}?Qualifier=1");
    let put = wire
        .put(&path, json!({ "ProvisionedConcurrentExecutions": 2 }))
        .await;
    assert_eq!(put.status, StatusCode::ACCEPTED);
    assert_eq!(put.json()["Status"], "IN_PROGRESS");
    let list = wire.get(&format!("{provisioned}?List=ALL")).await.json();
    assert_eq!(
        list["ProvisionedConcurrencyConfigs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(wire.delete(&path).await.status, StatusCode::NO_CONTENT);
    let gone = wire.get(&path).await;
    assert_eq!(gone.code, "ProvisionedConcurrencyConfigNotFoundException");

    let tags = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af";
    let put = wire
        .post(tags, json!({ "Tags": { "a": "1", "b": "2" } }))
        .await;
    assert_eq!(put.status, StatusCode::NO_CONTENT);
    wire.delete(&format!("{tags}?tagKeys=a&tagKeys=c")).await;
    assert_eq!(wire.get(tags).await.json(), json!({ "Tags": { "b": "2" } }));
    let recursion = "/2024-08-31/functions/f/recursion-config";
    wire.put(recursion, json!({ "RecursiveLoop": "Allow" }))
        .await;
    assert_eq!(wire.get(recursion).await.json()["RecursiveLoop"], "Allow");
    let runtime = "/2021-07-20/functions/f/runtime-management-config";
    wire.put(runtime, json!({ "UpdateRuntimeOn": "FunctionUpdate" }))
        .await;
    assert_eq!(
        wire.get(runtime).await.json()["UpdateRuntimeOn"],
        "FunctionUpdate"
    );
    let signing = wire
        .get("/2020-06-30/functions/f/code-signing-config")
        .await;
    assert_eq!(signing.status, StatusCode::OK);
    let sources = wire
        .get("/2015-03-31/event-source-mappings/?FunctionName=f")
        .await;
    assert_eq!(sources.json(), json!({ "EventSourceMappings": [] }));
}
