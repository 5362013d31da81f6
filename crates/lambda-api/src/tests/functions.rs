//! Functions: made, found, listed, their code fetched, and what is wrong with them.

use super::*;

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
