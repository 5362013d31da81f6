//! What a role's keys may do with functions.

use buckets::{Attributes, BucketSettings, Origin, Write, WriteKind};

use super::*;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

impl Wire {
    async fn role(&self, name: &str, action: &str, resource: &str) {
        let role = NewRole {
            name: name.to_owned(),
            path: "/".to_owned(),
            description: None,
            trust: TRUST.to_owned(),
            max_session_seconds: 3600,
            permissions_boundary: None,
            tags: [].into(),
        };
        let document = json!({
            "Version": "2012-10-17",
            "Statement": { "Effect": "Allow", "Action": action, "Resource": resource },
        });
        let iam = self.engine.iam();
        iam.create_role(role).await.unwrap();
        let put = iam.put_role_policy(name, "p", document.to_string());
        put.await.unwrap();
    }

    async fn get_as(&self, role: &str, path: &str) -> Reply {
        self.call_as(role, Method::GET, path, &Value::Null).await
    }
}

#[tokio::test]
async fn a_role_may_what_its_policy_allows() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let functions = "arn:aws:lambda:us-east-1:123456789012:function:f";
    wire.role("reader", "lambda:Get*", functions).await;
    let path = "/2015-03-31/functions/f";
    assert_eq!(wire.get_as("reader", path).await.status, 200);
    assert_snapshot!(
        wire.get_as("reader", "/2015-03-31/functions").await.refusal(),
        @"403 AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/reader/session is not authorized to perform: lambda:ListFunctions on resource: * because no identity-based policy allows the lambda:ListFunctions action"
    );
    // What is asked for is checked before whether it is there.
    assert_snapshot!(
        wire.get_as("reader", "/2015-03-31/functions/g").await.refusal(),
        @"403 AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/reader/session is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:g because no identity-based policy allows the lambda:GetFunction action"
    );
    // A version is another resource than the function.
    let qualified = wire.get_as("reader", &format!("{path}?Qualifier=1")).await;
    assert_eq!(qualified.status, 403);
    let deleted = wire
        .call_as("reader", Method::DELETE, path, &Value::Null)
        .await;
    assert_eq!(deleted.status, 403);
    assert_eq!(wire.get(path).await.status, 200);
    // This role is not recorded: there is nothing to enforce.
    assert_eq!(
        wire.get_as("any", "/2015-03-31/functions").await.status,
        200
    );
}

#[tokio::test]
async fn what_is_named_in_the_body_is_checked_too() {
    let wire = Wire::new().await;
    let ours = "arn:aws:lambda:us-east-1:123456789012:function:team-*";
    wire.role("maker", "lambda:*", ours).await;
    pass(&wire, "maker", "arn:aws:iam::123456789012:role/r").await;
    let create = async |name: &str, code: Value| {
        let body = json!({
            "FunctionName": name,
            "Role": "arn:aws:iam::123456789012:role/r",
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Code": code,
        });
        let path = "/2015-03-31/functions";
        wire.call_as("maker", Method::POST, path, &body).await
    };
    let sent = json!({ "ZipFile": zip("1") });
    assert_eq!(create("team-a", sent.clone()).await.status, 201);
    assert_eq!(create("other", sent).await.status, 403);
    let refused = create("team-b", json!({ "S3Bucket": "bkt", "S3Key": "k.zip" })).await;
    assert_snapshot!(
        refused.refusal(),
        @"403 AccessDeniedException: Your access has been denied by S3, please make sure your request credentials have permission to GetObject for bkt/k.zip. S3 Error Code: AccessDenied. S3 Error Message: User: arn:aws:sts::123456789012:assumed-role/maker/session is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::bkt/k.zip because no identity-based policy allows the s3:GetObject action"
    );
}

/// What S3 would not give a role by its tags, it does not get as code either.
#[tokio::test]
async fn code_that_its_tags_close_is_not_read() {
    let wire = Wire::new().await;
    wire.role("maker", "*", "*").await;
    let policy = json!({ "Statement": {
        "Effect": "Deny", "Action": "s3:*", "Resource": "*",
        "Condition": { "StringEquals": { "s3:ExistingObjectTag/kind": "secret" } },
    }});
    let iam = wire.engine.iam();
    let put = iam.put_role_policy("maker", "tags", policy.to_string());
    put.await.unwrap();
    let name: types::BucketName = "code".parse().unwrap();
    let made = wire.buckets.create(name.clone(), BucketSettings::default());
    made.await.unwrap();
    let bucket = wire.buckets.bucket(&name).unwrap();
    for (key, kind) in [("open.zip", "open"), ("secret.zip", "secret")] {
        let mut writer = wire.buckets.writer(None);
        let zip = STANDARD.decode(zip("1")).unwrap();
        writer.write(zip.into()).await.unwrap();
        let attributes = Attributes {
            tags: [("kind".to_owned(), kind.to_owned())].into(),
            ..Attributes::default()
        };
        let write = Write {
            key: key.parse().unwrap(),
            content: writer.finish().await.unwrap(),
            attributes,
            precondition: store::Precondition::default(),
            kind: WriteKind::Put,
            origin: Origin::default(),
        };
        wire.buckets.put(&bucket, write).await.unwrap();
    }
    for (key, status) in [("open.zip", 201), ("secret.zip", 403)] {
        let body = json!({ "Content": { "S3Bucket": "code", "S3Key": key } });
        let path = "/2018-10-31/layers/l/versions";
        let made = wire.call_as("maker", Method::POST, path, &body).await;
        assert_eq!(made.status, status, "{key}: {}", made.code);
    }
}

#[tokio::test]
async fn a_role_is_told_apart_by_where_it_asks_from() {
    let wire = Wire::new().await;
    wire.role("r", "lambda:*", "*").await;
    let policy = json!({ "Statement": {
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": { "NotIpAddress": { "aws:SourceIp": "192.0.2.0/24" } },
    }});
    let iam = wire.engine.iam();
    let put = iam.put_role_policy("r", "from", policy.to_string());
    put.await.unwrap();
    for (peer, status) in [("192.0.2.1:1", 200), ("203.0.113.7:1", 403)] {
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let request = Request::get("/2015-03-31/functions")
            .extension(identity("r"))
            .extension(peer)
            .body(Bytes::new());
        let reply = wire.send(request.unwrap()).await;
        assert_eq!(reply.status, status, "{peer}");
    }
}

/// Lets a role hand on another, to functions only.
async fn pass(wire: &Wire, role: &str, other: &str) {
    let policy = json!({ "Statement": {
        "Effect": "Allow", "Action": "iam:PassRole", "Resource": other,
        "Condition": { "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } },
    }});
    let iam = wire.engine.iam();
    let put = iam.put_role_policy(role, "pass", policy.to_string());
    put.await.unwrap();
}

/// A role that is not recorded may everything: who could give it to a function
/// would have all of it.
#[tokio::test]
async fn a_role_gives_functions_only_roles_that_it_may_hand_on() {
    let wire = Wire::new().await;
    wire.role("maker", "lambda:*", "*").await;
    let arn = |role: &str| format!("arn:aws:iam::123456789012:role/{role}");
    let create = async |name: &str, role: &str| {
        let body = json!({
            "FunctionName": name,
            "Role": arn(role),
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Code": { "ZipFile": zip("1") },
        });
        let path = "/2015-03-31/functions";
        wire.call_as("maker", Method::POST, path, &body).await
    };
    assert_snapshot!(
        create("f", "any").await.refusal(),
        @"403 AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/maker/session is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/any because no identity-based policy allows the iam:PassRole action"
    );
    pass(&wire, "maker", &arn("r")).await;
    assert_eq!(create("f", "any").await.status, 403);
    assert_eq!(create("f", "r").await.status, 201);
    let path = "/2015-03-31/functions/f/configuration";
    let update = async |body: Value| {
        let reply = wire.call_as("maker", Method::PUT, path, &body).await;
        reply.status.as_u16()
    };
    assert_eq!(update(json!({ "Role": arn("any") })).await, 403);
    assert_eq!(update(json!({ "Role": arn("r") })).await, 200);
    assert_eq!(update(json!({ "Description": "x" })).await, 200);
}

#[tokio::test]
async fn a_function_may_let_a_role_in() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    wire.role("caller", "logs:*", "*").await;
    let path = "/2015-03-31/functions/f/invocations";
    let invoke = async |role: &str| {
        let reply = wire.call_as(role, Method::POST, path, &json!({})).await;
        reply.status.as_u16()
    };
    assert_eq!(invoke("caller").await, 403);
    let permission = |principal: &str, sid: &str| {
        json!({
            "StatementId": sid,
            "Action": "lambda:InvokeFunction",
            "Principal": principal,
        })
    };
    let policy = "/2015-03-31/functions/f/policy";
    // To name the account leaves it to the role's own policies.
    wire.post(policy, permission("123456789012", "a")).await;
    assert_eq!(invoke("caller").await, 403);
    let role = "arn:aws:iam::123456789012:role/caller";
    wire.post(policy, permission(role, "b")).await;
    assert_eq!(invoke("caller").await, 200);
}

/// An operation without its permission would be unknown; this is the other way
/// round: every refusal of a role names the action that AWS's policies know.
#[tokio::test]
async fn every_operation_has_its_action() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    wire.role("nobody", "logs:*", "*").await;
    let mut asked = Vec::new();
    for (method, path) in [
        ("POST", "/2015-03-31/functions/f/invocations"),
        ("POST", "/2014-11-13/functions/f/invoke-async/"),
        (
            "POST",
            "/2021-11-15/functions/f/response-streaming-invocations",
        ),
        ("PUT", "/2015-03-31/functions/f/code"),
        ("GET", "/2015-03-31/functions/f/aliases/a"),
        ("DELETE", "/2015-03-31/functions/f/policy/s"),
        ("GET", "/2018-10-31/layers"),
        ("GET", "/2018-10-31/layers/l/versions/1/policy"),
        ("GET", "/2021-10-31/functions/f/urls"),
        ("PUT", "/2019-09-25/functions/f/event-invoke-config"),
        ("PUT", "/2017-10-31/functions/f/concurrency"),
        (
            "GET",
            "/2019-09-30/functions/f/provisioned-concurrency?List=ALL",
        ),
        ("PUT", "/2024-08-31/functions/f/recursion-config"),
        ("GET", "/2016-08-19/account-settings"),
        (
            "GET",
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af",
        ),
        ("GET", "/2015-03-31/event-source-mappings"),
    ] {
        let method = method.parse().unwrap();
        let refusal = wire
            .call_as("nobody", method, path, &Value::Null)
            .await
            .refusal();
        let action = refusal.split("perform: ").nth(1).unwrap_or(&refusal);
        let (action, rest) = action.split_once(" on resource: ").unwrap();
        let resource = rest.split(' ').next().unwrap();
        asked.push(format!("{action} {}", resource.rsplit(':').next().unwrap()));
    }
    assert_snapshot!(asked.join("\n"), @r"
    lambda:InvokeFunction f
    lambda:InvokeAsync f
    lambda:InvokeFunction f
    lambda:UpdateFunctionCode f
    lambda:GetAlias f
    lambda:RemovePermission f
    lambda:ListLayers *
    lambda:GetLayerVersionPolicy 1
    lambda:ListFunctionUrlConfigs f
    lambda:PutFunctionEventInvokeConfig f
    lambda:PutFunctionConcurrency f
    lambda:ListProvisionedConcurrencyConfigs f
    lambda:PutFunctionRecursionConfig f
    lambda:GetAccountSettings *
    lambda:ListTags f
    lambda:ListEventSourceMappings *
    ");
}
