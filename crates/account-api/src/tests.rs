//! Requests as clients send them, straight into the service.

use std::sync::Arc;

use aws_wire::form;
use aws_wire::sigv4::{Identity, Principal};
use bytes::Bytes;
use engine::iam::Iam;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use store::{Durability, Store};
use types::Scope;

use crate::AccountApi;

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
const ALLOW: &str = r#"{"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}"#;
const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

struct Account {
    api: AccountApi,
    _dir: tempfile::TempDir,
}

fn account() -> Account {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let iam = Iam::open(Arc::new(store), scope).unwrap();
    Account {
        api: AccountApi::new(Arc::new(iam)),
        _dir: dir,
    }
}

impl Account {
    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> (StatusCode, String) {
        self.call_as(None, action, parameters).await
    }

    /// As a role's session, if it is named, else as the owner.
    async fn call_as(
        &self,
        session: Option<&str>,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> (StatusCode, String) {
        let version = match action {
            "GetCallerIdentity" | "AssumeRole" | "GetSessionToken" => "2011-06-15",
            _ => "2010-05-08",
        };
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            let value = form::encode(value);
            body.extend(["&", name, "=", &value]);
        }
        let mut request = Request::post("/").body(Bytes::from(body)).unwrap();
        if let Some(session) = session {
            let account = "123456789012".parse().unwrap();
            request.extensions_mut().insert(Identity {
                access_key: "ASIA".to_owned(),
                principal: Principal {
                    arn: format!("arn:aws:sts::123456789012:assumed-role/{session}"),
                    user_id: "AROA:f".to_owned(),
                    ..Principal::root(account)
                },
                region: "us-east-1".to_owned(),
                service: "iam".to_owned(),
            });
        }
        let (head, body) = self.api.handle(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn ok(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let (status, text) = self.call(action, parameters).await;
        assert_eq!(status, StatusCode::OK, "{action}: {text}");
        assert!(text.contains(&format!("<{action}Response xmlns=\"https://")));
        assert!(text.contains("<ResponseMetadata><RequestId>"));
        text
    }

    async fn refused(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
        let (status, text) = self.call(action, parameters).await;
        (status.as_u16(), inside(&text, "Code").to_owned())
    }
}

fn inside<'a>(text: &'a str, element: &str) -> &'a str {
    let start = text
        .split_once(&format!("<{element}>"))
        .map(|(_, rest)| rest);
    start
        .and_then(|rest| rest.split_once(&format!("</{element}>")))
        .map_or("", |(inside, _)| inside)
}

#[tokio::test]
async fn a_caller_learns_who_it_is() {
    let text = account().ok("GetCallerIdentity", &[]).await;
    assert_eq!(inside(&text, "Arn"), "arn:aws:iam::123456789012:root");
    assert_eq!(inside(&text, "Account"), "123456789012");
}

#[tokio::test]
async fn a_role_is_made_shown_and_deleted() {
    let account = account();
    let name = ("RoleName", "r");
    let made = account
        .ok(
            "CreateRole",
            &[
                name,
                ("AssumeRolePolicyDocument", TRUST),
                ("Tags.member.1.Key", "a"),
                ("Tags.member.1.Value", "<b>"),
            ],
        )
        .await;
    assert_eq!(inside(&made, "Arn"), "arn:aws:iam::123456789012:role/r");
    assert_eq!(
        inside(&made, "AssumeRolePolicyDocument"),
        form::encode(TRUST)
    );
    assert!(
        inside(&made, "CreateDate").ends_with('Z') && !inside(&made, "CreateDate").contains('.')
    );
    assert_eq!(inside(&made, "Value"), "&lt;b&gt;");

    account
        .ok(
            "PutRolePolicy",
            &[name, ("PolicyName", "p"), ("PolicyDocument", ALLOW)],
        )
        .await;
    let shown = account
        .ok("GetRolePolicy", &[name, ("PolicyName", "p")])
        .await;
    assert_eq!(inside(&shown, "PolicyDocument"), form::encode(ALLOW));
    let listed = account.ok("ListRolePolicies", &[name]).await;
    assert!(listed.contains("<PolicyNames><member>p</member></PolicyNames>"));

    account
        .ok("AttachRolePolicy", &[name, ("PolicyArn", BASIC)])
        .await;
    let listed = account.ok("ListAttachedRolePolicies", &[name]).await;
    assert_eq!(inside(&listed, "PolicyName"), "AWSLambdaBasicExecutionRole");
    assert_eq!(
        account.refused("DeleteRole", &[name]).await,
        (409, "DeleteConflict".into())
    );

    account
        .ok("DetachRolePolicy", &[name, ("PolicyArn", BASIC)])
        .await;
    account
        .ok("DeleteRolePolicy", &[name, ("PolicyName", "p")])
        .await;
    account
        .ok("UpdateRole", &[name, ("Description", "d")])
        .await;
    assert_eq!(
        inside(&account.ok("GetRole", &[name]).await, "Description"),
        "d"
    );
    account.ok("ListInstanceProfilesForRole", &[name]).await;
    account.ok("DeleteRole", &[name]).await;
    assert_eq!(
        account.refused("GetRole", &[name]).await,
        (404, "NoSuchEntity".into())
    );
}

#[tokio::test]
async fn roles_are_listed_in_parts() {
    let account = account();
    for name in ["b", "A", "c"] {
        account
            .ok(
                "CreateRole",
                &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)],
            )
            .await;
    }
    let first = account.ok("ListRoles", &[("MaxItems", "2")]).await;
    assert_eq!(inside(&first, "IsTruncated"), "true");
    assert!(first.contains("<RoleName>A<") && first.contains("<RoleName>b<"));
    let rest = account
        .ok("ListRoles", &[("Marker", inside(&first, "Marker"))])
        .await;
    assert_eq!(inside(&rest, "RoleName"), "c");
    assert_eq!(inside(&rest, "IsTruncated"), "false");
    let refused = account.refused("ListRoles", &[("MaxItems", "0")]).await;
    assert_eq!(refused, (400, "ValidationError".into()));
}

#[tokio::test]
async fn a_policy_has_versions() {
    let account = account();
    let made = account
        .ok(
            "CreatePolicy",
            &[("PolicyName", "p"), ("PolicyDocument", ALLOW)],
        )
        .await;
    let arn = ("PolicyArn", inside(&made, "Arn"));
    assert_eq!(arn.1, "arn:aws:iam::123456789012:policy/p");
    let made = account
        .ok(
            "CreatePolicyVersion",
            &[arn, ("PolicyDocument", ALLOW), ("SetAsDefault", "true")],
        )
        .await;
    assert_eq!(inside(&made, "VersionId"), "v2");
    let shown = account
        .ok("GetPolicyVersion", &[arn, ("VersionId", "v2")])
        .await;
    assert_eq!(inside(&shown, "Document"), form::encode(ALLOW));
    assert_eq!(
        inside(&account.ok("GetPolicy", &[arn]).await, "DefaultVersionId"),
        "v2"
    );
    let local = account.ok("ListPolicies", &[("Scope", "Local")]).await;
    assert_eq!(local.matches("<PolicyName>").count(), 1);
    assert!(
        account
            .ok("ListPolicies", &[])
            .await
            .contains("AdministratorAccess")
    );
    account
        .ok("DeletePolicyVersion", &[arn, ("VersionId", "v1")])
        .await;
    account.ok("DeletePolicy", &[arn]).await;
    assert_eq!(
        account.refused("GetPolicy", &[arn]).await,
        (404, "NoSuchEntity".into())
    );

    let basic = ("PolicyArn", BASIC);
    let shown = account
        .ok("GetPolicyVersion", &[basic, ("VersionId", "v1")])
        .await;
    assert!(inside(&shown, "Document").contains("logs%3ACreateLogGroup"));
    assert_eq!(
        account.refused("DeletePolicy", &[basic]).await,
        (403, "AccessDenied".into())
    );
}

#[tokio::test]
async fn a_role_is_assumed() {
    let account = account();
    account
        .ok(
            "CreateRole",
            &[("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST)],
        )
        .await;
    let arn = ("RoleArn", "arn:aws:iam::123456789012:role/r");
    let text = account
        .ok("AssumeRole", &[arn, ("RoleSessionName", "me")])
        .await;
    assert_eq!(
        inside(&text, "Arn"),
        "arn:aws:sts::123456789012:assumed-role/r/me"
    );
    let session = account
        .api
        .iam
        .session(inside(&text, "AccessKeyId"))
        .unwrap();
    assert_eq!(session.token, inside(&text, "SessionToken"));
    let other = ("RoleArn", "arn:aws:iam::123456789012:role/no");
    let refused = account
        .refused("AssumeRole", &[other, ("RoleSessionName", "me")])
        .await;
    assert_eq!(refused, (403, "AccessDenied".into()));
}

#[tokio::test]
async fn refusals_have_the_codes_of_aws() {
    let account = account();
    let check = async |action: &str, parameters: &[(&str, &str)], expected: (u16, &str)| {
        let refused = account.refused(action, parameters).await;
        assert_eq!(refused, (expected.0, expected.1.to_owned()), "{action}");
    };
    check("Nonsense", &[], (400, "InvalidAction")).await;
    check("", &[], (400, "InvalidAction")).await;
    check("CreateRole", &[], (400, "ValidationError")).await;
    let trust = ("AssumeRolePolicyDocument", TRUST);
    check(
        "CreateRole",
        &[("RoleName", "a b"), trust],
        (400, "ValidationError"),
    )
    .await;
    let bad = ("AssumeRolePolicyDocument", "{\"a\"");
    check(
        "CreateRole",
        &[("RoleName", "r"), bad],
        (400, "MalformedPolicyDocument"),
    )
    .await;
    account.ok("CreateRole", &[("RoleName", "r"), trust]).await;
    check(
        "CreateRole",
        &[("RoleName", "r"), trust],
        (409, "EntityAlreadyExists"),
    )
    .await;
    check("GetUser", &[("UserName", "u")], (404, "NoSuchEntity")).await;
}

/// What a role is denied everywhere else it could give itself here.
#[tokio::test]
async fn a_role_gives_itself_nothing() {
    const ADMIN: (&str, &str) = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    let account = account();
    let trust = ("AssumeRolePolicyDocument", TRUST);
    for name in ["limited", "strong"] {
        account.ok("CreateRole", &[("RoleName", name), trust]).await;
    }
    let limited = ("RoleName", "limited");
    let policy = [limited, ("PolicyName", "p"), ("PolicyDocument", ALLOW)];
    account.ok("PutRolePolicy", &policy).await;
    let as_role = async |action: &str, parameters: &[(&str, &str)]| {
        let answer = account.call_as(Some("limited/f"), action, parameters);
        let (status, text) = answer.await;
        (status.as_u16(), inside(&text, "Code").to_owned())
    };
    let denied = (403, "AccessDenied".to_owned());
    for (action, parameters) in [
        ("AttachRolePolicy", &[limited, ADMIN][..]),
        ("PutRolePolicy", &policy),
        ("DeleteRole", &[limited]),
        ("CreateRole", &[("RoleName", "new"), trust]),
        (
            "UpdateAssumeRolePolicy",
            &[limited, ("PolicyDocument", TRUST)],
        ),
        ("ListRoles", &[]),
        ("GetSessionToken", &[]),
        (
            "AssumeRole",
            &[
                ("RoleArn", "arn:aws:iam::123456789012:role/strong"),
                ("RoleSessionName", "x"),
            ],
        ),
    ] {
        assert_eq!(as_role(action, parameters).await, denied, "{action}");
    }
    assert_eq!(as_role("GetCallerIdentity", &[]).await.0, 200);
    // What its policies allow, it may, and on nothing else.
    let read = r#"{"Statement": [{"Effect": "Allow", "Action": "iam:GetRole", "Resource": "arn:aws:iam::123456789012:role/limited"}]}"#;
    let read = [limited, ("PolicyName", "q"), ("PolicyDocument", read)];
    account.ok("PutRolePolicy", &read).await;
    assert_eq!(as_role("GetRole", &[limited]).await.0, 200);
    assert_eq!(as_role("GetRole", &[("RoleName", "strong")]).await, denied);
    // A role that is not recorded has nothing to be held to.
    let unknown = account.call_as(Some("any/f"), "ListRoles", &[]).await;
    assert_eq!(unknown.0, StatusCode::OK);
}
