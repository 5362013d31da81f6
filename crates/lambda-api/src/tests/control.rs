//! The control operations.

use super::*;

const FUNCTIONS: &str = "/2015-03-31/functions";

#[tokio::test]
async fn a_created_function_is_pending_and_then_active() {
    let wire = Wire::new().await;
    let members = json!({
        "Environment": { "Variables": { "KEY": "value" } },
        "Layers": [],
        "VpcConfig": {},
        "KMSKeyArn": "",
        "Tags": { "team": "a" },
    });
    let created = wire.create("f", members).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert!(created.headers.contains_key("x-amzn-requestid"));
    assert_snapshot!(stable(created.json()), @r#"
    {
      "Architectures": [
        "x86_64"
      ],
      "CodeSha256": "PVx9kdhEy5HIYN4LRgx890wIRDz0uIgnEj26caS0NvI=",
      "CodeSize": 119,
      "Description": "",
      "Environment": {
        "Variables": {
          "KEY": "value"
        }
      },
      "EphemeralStorage": {
        "Size": 512
      },
      "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
      "FunctionName": "f",
      "Handler": "bootstrap",
      "LastModified": "...",
      "LoggingConfig": {
        "LogFormat": "Text",
        "LogGroup": "/aws/lambda/f"
      },
      "MemorySize": 128,
      "PackageType": "Zip",
      "RevisionId": "...",
      "Role": "arn:aws:iam::123456789012:role/service/r",
      "Runtime": "provided.al2023",
      "RuntimeVersionConfig": {
        "RuntimeVersionArn": "arn:aws:lambda:us-east-1::runtime:70726f76696465642e616c3230323370726f76696465642e616c323032337072"
      },
      "SnapStart": {
        "ApplyOn": "None",
        "OptimizationStatus": "Off"
      },
      "State": "Pending",
      "StateReason": "The function is being created.",
      "StateReasonCode": "Creating",
      "Timeout": 3,
      "TracingConfig": {
        "Mode": "PassThrough"
      },
      "Version": "$LATEST"
    }
    "#);
    let read = wire.get("/2015-03-31/functions/f").await.json();
    assert_eq!(read["Configuration"]["State"], "Active");
    assert_eq!(read["Configuration"]["LastUpdateStatus"], "Successful");
    assert_eq!(read["Code"]["RepositoryType"], "S3");
    assert_eq!(read["Tags"]["team"], "a");
    let listed = wire.get(FUNCTIONS).await.json();
    assert!(listed["Functions"][0].get("State").is_none());
    assert!(listed["Functions"][0].get("Layers").is_none());
    assert!(listed.get("NextMarker").is_none());
}

#[tokio::test]
async fn a_function_is_found_by_every_form_of_its_name() {
    let wire = Wire::new().await;
    wire.create("f", json!({ "Publish": true })).await;
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af";
    for name in [
        "f",
        "f:1",
        "f%3A1",
        "123456789012:function:f",
        arn,
        &format!("{arn}%3A1"),
    ] {
        let found = wire.get(&format!("{FUNCTIONS}/{name}/configuration")).await;
        assert_eq!(found.status, StatusCode::OK, "{name}");
    }
    let qualified = wire
        .get(&format!("{FUNCTIONS}/f:1/configuration"))
        .await
        .json();
    assert_eq!(qualified["Version"], "1");
    assert_eq!(
        qualified["FunctionArn"],
        "arn:aws:lambda:us-east-1:123456789012:function:f:1"
    );
}

#[tokio::test]
async fn functions_that_cannot_be_ours_are_refused_as_on_aws() {
    let wire = Wire::new().await;
    let mut seen = String::new();
    for name in [
        "nothing",
        "nothing:live",
        "nothing?Qualifier=3",
        "a:1?Qualifier=2",
        "a?Qualifier=a%24b",
        &"a".repeat(65),
        "arn:aws:lambda:eu-west-1:123456789012:function:f",
        "arn:aws:lambda:us-east-1:999999999999:function:f",
    ] {
        let reply = wire.get(&format!("{FUNCTIONS}/{name}")).await;
        seen.push_str(&reply.refusal());
        seen.push('\n');
    }
    assert_snapshot!(seen, @r#"
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:nothing
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:nothing:live
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:nothing:3
    400 InvalidParameterValueException: The derived qualifier from the function name does not match the specified qualifier.
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:a:a$b
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    404 ResourceNotFoundException: Functions from 'eu-west-1' are not reachable in this region ('us-east-1')
    403 AccessDeniedException: User: arn:aws:iam::123456789012:root is not authorized to perform this action on resource: arn:aws:lambda:us-east-1:999999999999:function:f because no resource-based policy allows it
    "#);
    let nameless = wire.delete("/2015-03-31/functions//code").await;
    assert_eq!(nameless.status, StatusCode::NOT_FOUND);
    for name in [
        "*",
        "a!",
        "a:b:c",
        "arn:aws:s3:::bucket",
        "a%00",
        "a?Qualifier=b!",
    ] {
        let reply = wire.get(&format!("{FUNCTIONS}/{name}")).await;
        assert_eq!(
            reply.code,
            "ValidationException",
            "{name}: {}",
            reply.refusal()
        );
    }
}

#[tokio::test]
async fn bad_members_are_refused_all_at_once() {
    let wire = Wire::new().await;
    let mut seen = String::new();
    for members in [
        json!({ "Role": "r1", "Timeout": 0, "MemorySize": 100_000 }),
        json!({ "Runtime": "nodejs20.x" }),
        json!({ "Runtime": null }),
        json!({ "Role": null }),
        json!({ "Architectures": ["x86_64", "arm64"] }),
        json!({ "Architectures": ["X86_64"] }),
        json!({ "PackageType": "Image" }),
        json!({ "Code": {} }),
        json!({ "Code": { "S3Bucket": "b", "S3Key": "k" } }),
        json!({ "Code": { "ZipFile": "not base64!" } }),
        json!({ "Code": { "ZipFile": "bm8gemlw" } }),
        json!({ "Timeout": "long" }),
        json!({ "TracingConfig": { "Mode": "Off" } }),
        json!({ "Handler": "two words" }),
        json!({ "FunctionName": "a".repeat(65) }),
        json!({ "EphemeralStorage": { "Size": 1 } }),
        json!({ "Environment": { "Variables": { "1A": "x" } } }),
    ] {
        let reply = wire.create("f", members).await;
        assert!(reply.status.is_client_error());
        seen.push_str(&reply.refusal());
        seen.push('\n');
    }
    assert_snapshot!(seen, @r#"
    400 ValidationException: 3 validation errors detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+; Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '100000' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240
    400 InvalidParameterValueException: Value nodejs20.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [provided, provided.al2, provided.al2023] or be a valid ARN
    400 InvalidParameterValueException: Runtime and Handler are mandatory parameters for functions created with deployment packages.
    400 ValidationException: 1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null
    400 ValidationException: 1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1
    400 ValidationException: 1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]
    400 InvalidParameterValueException: Container images are not supported by this engine. Please use packageType Zip.
    400 InvalidParameterValueException: Please provide a source for function code.
    400 InvalidParameterValueException: Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist
    400 SerializationException: Invalid symbol 32, offset 3. at line 1 column 32
    400 InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again.
    400 SerializationException: invalid type: string "long", expected i64 at line 1 column 319
    400 ValidationException: 1 validation error detected: Value 'Off' at 'tracingConfig.mode' failed to satisfy constraint: Member must satisfy enum value set: [Active, PassThrough]
    400 ValidationException: 1 validation error detected: Value 'two words' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+
    400 InvalidParameterValueException: 1 validation error detected: Value 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64
    400 ValidationException: 1 validation error detected: Value '1' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512
    400 ValidationException: 1 validation error detected: Value '{1A=***}' at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]
    "#);
    assert_eq!(wire.get(FUNCTIONS).await.json()["Functions"], json!([]));
}

#[tokio::test]
async fn error_bodies_have_the_members_of_their_shapes() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let body = |reply: Reply| String::from_utf8(reply.bytes.to_vec()).unwrap();
    let missing = wire.get(&format!("{FUNCTIONS}/g")).await;
    let twice = wire.create("f", json!({})).await;
    let invalid = wire.get(&format!("{FUNCTIONS}/a!?Qualifier=x")).await;
    assert_snapshot!(body(missing), @r#"{"Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:g","Type":"User"}"#);
    assert_snapshot!(body(twice), @r#"{"Type":"User","message":"Function already exist: f"}"#);
    assert!(!body(invalid).contains("Type"));
    let unknown = wire.get("/2015-03-31/nothing").await;
    assert_eq!(unknown.code, "UnknownOperationException");
    let garbage = Request::post(FUNCTIONS)
        .body(Bytes::from_static(b"{"))
        .unwrap();
    assert_eq!(wire.send(garbage).await.code, "SerializationException");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let wire = Wire::new().await;
    for n in 0..5 {
        wire.create(&format!("f{n}"), json!({})).await;
    }
    let mut names = Vec::new();
    let mut path = format!("{FUNCTIONS}?MaxItems=2");
    loop {
        let page = wire.get(&path).await.json();
        let functions = page["Functions"].as_array().unwrap();
        assert!(functions.len() <= 2);
        names.extend(functions.iter().map(|f| f["FunctionName"].to_string()));
        let Some(marker) = page["NextMarker"].as_str() else {
            break;
        };
        path = format!("{FUNCTIONS}?MaxItems=2&Marker={marker}");
    }
    assert_eq!(names.len(), 5);
    assert_eq!(
        wire.get(&format!("{FUNCTIONS}?MaxItems=0")).await.code,
        "ValidationException"
    );
}

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

#[tokio::test]
async fn layers_are_published_listed_and_read() {
    let wire = Wire::new().await;
    let layers = "/2018-10-31/layers";
    let members = json!({
        "Content": { "ZipFile": zip("layer") },
        "CompatibleRuntimes": ["python3.11", "nodejs20.x"],
        "Description": "d",
    });
    let published = wire
        .post(&format!("{layers}/scipy/versions"), members)
        .await;
    assert_eq!(published.status, StatusCode::CREATED);
    assert_snapshot!(stable(published.json()), @r#"
    {
      "CompatibleRuntimes": [
        "python3.11",
        "nodejs20.x"
      ],
      "Content": {
        "CodeSha256": "sswHtScGHWeFt6JjMrY63P7w61whRn4YfgpVx0DCZRg=",
        "CodeSize": 123,
        "Location": "..."
      },
      "CreatedDate": "...",
      "Description": "d",
      "LayerArn": "arn:aws:lambda:us-east-1:123456789012:layer:scipy",
      "LayerVersionArn": "arn:aws:lambda:us-east-1:123456789012:layer:scipy:1",
      "Version": 1
    }
    "#);
    let arn = "arn:aws:lambda:us-east-1:123456789012:layer:scipy:1";
    let by_arn = wire
        .get(&format!("{layers}?find=LayerVersion&Arn={arn}"))
        .await
        .json();
    assert_eq!(by_arn["Version"], 1);
    let list = |query: &str| format!("{layers}{query}");
    let all = wire.get(layers).await.json();
    assert_eq!(
        all["Layers"][0]["LatestMatchingVersion"]["LayerVersionArn"],
        arn
    );
    let other = wire.get(&list("?CompatibleRuntime=python3.9")).await.json();
    assert_eq!(other["Layers"], json!([]));
    let zero = wire.get(&list("/scipy/versions/0")).await;
    assert_eq!(zero.code, "InvalidParameterValueException");
    assert_eq!(
        wire.get(&list("/scipy/versions/2")).await.status,
        StatusCode::NOT_FOUND
    );

    let grant = json!({ "StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*" });
    let granted = wire.post(&list("/scipy/versions/1/policy"), grant).await;
    assert_eq!(granted.status, StatusCode::CREATED);
    let policy = wire.get(&list("/scipy/versions/1/policy")).await.json();
    assert!(
        policy["Policy"]
            .as_str()
            .unwrap()
            .starts_with(r#"{"Version":"2012-10-17","Id":"default""#)
    );
    let removed = wire.delete(&list("/scipy/versions/1/policy/s")).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);

    let function = wire.create("f", json!({ "Layers": [arn] })).await.json();
    assert_eq!(function["Layers"][0]["Arn"], arn);
    let unversioned = wire
        .create(
            "g",
            json!({ "Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:scipy"] }),
        )
        .await;
    assert_eq!(unversioned.code, "ValidationException");
    assert_eq!(
        wire.delete(&list("/scipy/versions/1")).await.status,
        StatusCode::NO_CONTENT
    );
}

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

#[tokio::test]
async fn the_code_of_a_function_is_fetched_by_its_link() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let read = Request::get(format!("{FUNCTIONS}/f"))
        .header("host", "localhost:1234")
        .body(Bytes::new());
    let read = wire.send(read.unwrap()).await.json();
    let location = read["Code"]["Location"].as_str().unwrap();
    let path = location.strip_prefix("http://localhost:1234").unwrap();
    let fetch = |path: &str| {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        async { reply(wire.api.handle_code(request).await).await }
    };
    let fetched = fetch(path).await;
    assert_eq!(fetched.status, StatusCode::OK);
    assert_eq!(STANDARD.encode(&fetched.bytes), zip("1"));
    let forged = path.replace("token=", "token=00");
    assert_eq!(fetch(&forged).await.status, StatusCode::FORBIDDEN);
}
