//! Requests as clients send them, straight into the service.

use std::sync::Arc;

use aws_wire::sigv4::{Identity, Principal};
use bytes::Bytes;
use engine::iam::{Iam, NewRole};
use engine::parameters::{KEY_BYTES, Parameters, Sealer};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{Durability, Store};
use types::Scope;

use crate::SsmApi;

struct Account {
    api: SsmApi,
    _folder: tempfile::TempDir,
}

fn account() -> Account {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let iam = Iam::open(Arc::clone(&store), scope.clone()).unwrap();
    let sealer = Sealer::new(&[1; KEY_BYTES]);
    let parameters = Parameters::open(store, scope, sealer).unwrap();
    Account {
        api: SsmApi::new(Arc::new(parameters), Arc::new(iam)),
        _folder: folder,
    }
}

impl Account {
    async fn call_as(
        &self,
        role: Option<&str>,
        operation: &str,
        input: &Value,
    ) -> Result<Value, String> {
        let mut request = Request::post("/")
            .header("x-amz-target", format!("AmazonSSM.{operation}"))
            .body(Bytes::from(input.to_string()))
            .unwrap();
        if let Some(role) = role {
            request.extensions_mut().insert(Identity {
                access_key: "ASIA".to_owned(),
                principal: Principal {
                    arn: format!("arn:aws:sts::123456789012:assumed-role/{role}/f"),
                    user_id: "AROA:f".to_owned(),
                    ..Principal::root("123456789012".parse().unwrap())
                },
                region: "us-east-1".to_owned(),
                service: "ssm".to_owned(),
            });
        }
        let (head, body) = self.api.handle(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        if head.status.is_success() {
            return Ok(answer);
        }
        assert_eq!(head.status, 400, "{answer}");
        Err(answer["__type"].as_str().unwrap().to_owned())
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let answer = self.call_as(None, operation, &input).await;
        answer.unwrap_or_else(|code| panic!("{operation}: {code}"))
    }

    async fn refused(&self, operation: &str, input: Value) -> String {
        self.call_as(None, operation, &input).await.unwrap_err()
    }

    async fn secret(&self, name: &str, value: &str) {
        let input = json!({ "Name": name, "Value": value, "Type": "SecureString" });
        self.ok("PutParameter", input).await;
    }
}

#[tokio::test]
async fn a_secret_is_shown_only_to_who_asks_for_it() {
    let account = account();
    account.secret("/p/dev/TOKEN", "hidden").await;
    let name = json!({ "Name": "/p/dev/TOKEN" });
    let sealed = account.ok("GetParameter", name).await;
    let sealed = &sealed["Parameter"];
    assert!(
        sealed["Value"]
            .as_str()
            .is_some_and(|text| text != "hidden")
    );
    assert_eq!(
        (&sealed["Type"], &sealed["Version"]),
        (&json!("SecureString"), &json!(1))
    );
    let open = json!({ "Name": "/p/dev/TOKEN", "WithDecryption": true });
    let open = account.ok("GetParameter", open).await;
    assert_eq!(open["Parameter"]["Value"], "hidden");
    let arn = "arn:aws:ssm:us-east-1:123456789012:parameter/p/dev/TOKEN";
    assert_eq!(open["Parameter"]["ARN"], arn);
    for name in [arn, "/p/dev/TOKEN:1"] {
        let found = json!({ "Name": name, "WithDecryption": true });
        let found = account.ok("GetParameter", found).await;
        assert_eq!(found["Parameter"]["Value"], "hidden", "{name}");
    }
    let old = json!({ "Name": "/p/dev/TOKEN:2" });
    assert_eq!(
        account.refused("GetParameter", old).await,
        "ParameterVersionNotFound"
    );
    let described = account.ok("DescribeParameters", json!({})).await;
    assert!(!described.to_string().contains("hidden"));
    assert_eq!(described["Parameters"][0]["KeyId"], "alias/aws/ssm");
}

#[tokio::test]
async fn parameters_are_found_by_names_paths_and_filters_in_pages() {
    let account = account();
    for name in ["/p/a", "/p/b", "/p/deep/c", "/q/d", "plain"] {
        account.secret(name, name).await;
    }
    let some = json!({ "Names": ["/p/b", "/no", "plain"], "WithDecryption": true });
    let some = account.ok("GetParameters", some).await;
    assert_eq!(some["Parameters"][1]["Value"], "plain");
    assert_eq!(some["InvalidParameters"], json!(["/no"]));
    let names = |answer: &Value| {
        let list = answer["Parameters"].as_array().unwrap();
        let names: Vec<&str> = list
            .iter()
            .map(|one| one["Name"].as_str().unwrap())
            .collect();
        names.join(" ")
    };
    let below = account
        .ok("GetParametersByPath", json!({ "Path": "/p" }))
        .await;
    assert_eq!(names(&below), "/p/a /p/b");
    let mut input = json!({ "Path": "/p/", "Recursive": true, "MaxResults": 2 });
    let first = account.ok("GetParametersByPath", input.clone()).await;
    assert_eq!(names(&first), "/p/a /p/b");
    input["NextToken"] = first["NextToken"].clone();
    let rest = account.ok("GetParametersByPath", input).await;
    assert_eq!(
        (names(&rest).as_str(), &rest["NextToken"]),
        ("/p/deep/c", &Value::Null)
    );
    for (filter, expected) in [
        (json!({ "Key": "Name", "Values": ["/q/d"] }), "/q/d"),
        (
            json!({ "Key": "Name", "Option": "BeginsWith", "Values": ["/p/d", "pl"] }),
            "/p/deep/c plain",
        ),
        (
            json!({ "Key": "Path", "Option": "OneLevel", "Values": ["/p"] }),
            "/p/a /p/b",
        ),
        (json!({ "Key": "Type", "Values": ["String"] }), ""),
    ] {
        let input = json!({ "ParameterFilters": [filter] });
        let found = account.ok("DescribeParameters", input).await;
        assert_eq!(names(&found), expected, "{filter}");
    }
    let odd = json!({ "ParameterFilters": [{ "Key": "Odd", "Values": [] }] });
    assert_eq!(
        account.refused("DescribeParameters", odd).await,
        "ValidationException"
    );
}

#[tokio::test]
async fn tags_are_kept_and_parameters_go() {
    let account = account();
    account.secret("/p/a", "x").await;
    let on = |more: Value| {
        let mut input = json!({ "ResourceType": "Parameter", "ResourceId": "/p/a" });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        input
    };
    let tags = json!({ "Tags": [{ "Key": "k", "Value": "v" }, { "Key": "l", "Value": "" }] });
    account.ok("AddTagsToResource", on(tags)).await;
    account
        .ok("RemoveTagsFromResource", on(json!({ "TagKeys": ["l"] })))
        .await;
    let listed = account.ok("ListTagsForResource", on(json!({}))).await;
    assert_eq!(listed["TagList"], json!([{ "Key": "k", "Value": "v" }]));
    let by_tag = json!({ "ParameterFilters": [{ "Key": "tag:k", "Values": ["v"] }] });
    let by_tag = account.ok("DescribeParameters", by_tag).await;
    assert_eq!(by_tag["Parameters"].as_array().unwrap().len(), 1);

    let gone = account
        .ok("DeleteParameters", json!({ "Names": ["/p/a", "/no"] }))
        .await;
    let expected = json!({ "DeletedParameters": ["/p/a"], "InvalidParameters": ["/no"] });
    assert_eq!(gone, expected);
    assert_eq!(
        account.refused("ListTagsForResource", on(json!({}))).await,
        "InvalidResourceId"
    );
    let name = json!({ "Name": "/p/a" });
    assert_eq!(
        account.refused("DeleteParameter", name).await,
        "ParameterNotFound"
    );
}

#[tokio::test]
async fn refusals_have_the_codes_of_aws() {
    let account = account();
    account.secret("/p/a", "x").await;
    let put = |name: &str, value: &str, more: Value| {
        let mut input = json!({ "Name": name, "Value": value, "Type": "String" });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        input
    };
    for (operation, input, code) in [
        (
            "PutParameter",
            put("/p/a", "y", json!({})),
            "ParameterAlreadyExists",
        ),
        (
            "PutParameter",
            put("/aws/x", "y", json!({})),
            "ValidationException",
        ),
        (
            "PutParameter",
            put("/x", "", json!({})),
            "ValidationException",
        ),
        (
            "PutParameter",
            put("/x", "y", json!({ "Type": "Odd" })),
            "ValidationException",
        ),
        (
            "PutParameter",
            put("/x", "y", json!({ "Type": null })),
            "ValidationException",
        ),
        (
            "PutParameter",
            put("/x", "y", json!({ "Tier": "Advanced" })),
            "ValidationException",
        ),
        (
            "PutParameter",
            put("/x", "y", json!({ "AllowedPattern": "a" })),
            "ValidationException",
        ),
        (
            "PutParameter",
            json!({ "Name": 1 }),
            "SerializationException",
        ),
        (
            "GetParameter",
            json!({ "Name": "/no" }),
            "ParameterNotFound",
        ),
        (
            "GetParameters",
            json!({ "Names": [] }),
            "ValidationException",
        ),
        (
            "GetParametersByPath",
            json!({ "Path": "p" }),
            "ValidationException",
        ),
        (
            "GetParametersByPath",
            json!({ "Path": "/p", "MaxResults": 11 }),
            "ValidationException",
        ),
        (
            "GetParametersByPath",
            json!({ "Path": "/p", "NextToken": "//" }),
            "InvalidNextToken",
        ),
        ("SendCommand", json!({}), "UnknownOperationException"),
    ] {
        assert_eq!(
            account.refused(operation, input.clone()).await,
            code,
            "{operation} {input}"
        );
    }
}

#[tokio::test]
async fn a_role_reads_what_its_policy_says_and_nothing_else() {
    let account = account();
    for name in ["/p/dev/a", "/p/dev/b", "/p/prod/a"] {
        account.secret(name, "x").await;
    }
    let iam = &account.api.iam;
    let role = NewRole {
        name: "r".to_owned(),
        path: "/".to_owned(),
        description: None,
        trust: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#.to_owned(),
        max_session_seconds: 3600,
        permissions_boundary: None,
        tags: std::collections::BTreeMap::new(),
    };
    iam.create_role(role).await.unwrap();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:GetParameter*","Resource":"arn:aws:ssm:us-east-1:123456789012:parameter/p/dev/*"}]}"#;
    iam.put_role_policy("r", "p", policy.to_owned())
        .await
        .unwrap();
    let call =
        async |operation: &str, input: Value| account.call_as(Some("r"), operation, &input).await;
    assert!(
        call("GetParameter", json!({ "Name": "/p/dev/a" }))
            .await
            .is_ok()
    );
    let both = json!({ "Names": ["/p/dev/a", "/p/dev/b"] });
    assert!(call("GetParameters", both).await.is_ok());
    for (operation, input) in [
        ("GetParameter", json!({ "Name": "/p/prod/a" })),
        ("GetParameter", json!({ "Name": "/p/prod/a:1" })),
        (
            "GetParameter",
            json!({ "Name": "arn:aws:ssm:us-east-1:123456789012:parameter/p/prod/a" }),
        ),
        (
            "GetParameters",
            json!({ "Names": ["/p/dev/a", "/p/prod/a"] }),
        ),
        ("GetParametersByPath", json!({ "Path": "/p" })),
        (
            "PutParameter",
            json!({ "Name": "/p/dev/a", "Value": "y", "Overwrite": true }),
        ),
        ("DeleteParameters", json!({ "Names": ["/p/dev/a"] })),
        ("DescribeParameters", json!({})),
    ] {
        let code = call(operation, input.clone()).await.unwrap_err();
        assert_eq!(code, "AccessDeniedException", "{operation} {input}");
    }
}
