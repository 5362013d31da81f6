//! Who may do what, with real records.

use policy::{Context, Document};
use serde_json::json;

use crate::kept::Draft;

use super::tests::{BASIC, open, policy, role};
use super::*;

const OBJECT: &str = "arn:aws:s3:::b/raw/x";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/r/f";
const ROOT: &str = "arn:aws:iam::123456789012:root";

fn statement(effect: &str, action: &str, resource: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": effect, "Action": action, "Resource": resource },
    })
    .to_string()
}

/// What the owner of a bucket says about a principal.
fn of_bucket(effect: &str, principal: &str) -> Document {
    let text = json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": effect,
            "Principal": { "AWS": principal },
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*",
        },
    });
    Document::parse(&text.to_string()).unwrap()
}

fn ask(iam: &Iam, who: &str, action: &str, policy: Option<&Document>) -> Result<(), String> {
    let ask = Ask {
        principal_arn: who,
        action,
        resource: OBJECT,
        resource_policy: policy,
        context: &Context::new(),
    };
    iam.authorize(&ask).map_err(|denied| denied.to_string())
}

fn refused(reason: &str) -> Result<(), String> {
    Err(format!(
        "User: {SESSION} is not authorized to perform: s3:GetObject on resource: {OBJECT} {reason}"
    ))
}

#[tokio::test]
async fn a_role_may_what_its_policies_allow() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    iam.attach_role_policy("r", BASIC).await.unwrap();
    let get = "s3:GetObject";
    let silent = refused("because no identity-based policy allows the s3:GetObject action");
    assert_eq!(ask(&iam, SESSION, get, None), silent);
    assert_eq!(ask(&iam, SESSION, "logs:PutLogEvents", None), Ok(()));

    let read = statement("Allow", "s3:Get*", "arn:aws:s3:::b/raw/*");
    iam.put_role_policy("r", "read", read).await.unwrap();
    assert_eq!(ask(&iam, SESSION, get, None), Ok(()));
    assert!(ask(&iam, SESSION, "s3:PutObject", None).is_err());

    let never = statement("Deny", "s3:*", "*");
    iam.put_role_policy("r", "never", never).await.unwrap();
    assert_eq!(
        ask(&iam, SESSION, get, None),
        refused("with an explicit deny in an identity-based policy")
    );
    iam.delete_role_policy("r", "never").await.unwrap();
    iam.delete_role_policy("r", "read").await.unwrap();
    assert_eq!(ask(&iam, SESSION, get, None), silent);
}

#[tokio::test]
async fn a_new_version_of_a_shared_policy_holds_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    let arn = iam.create_policy(policy("p")).await.unwrap().arn.clone();
    iam.attach_role_policy("r", &arn).await.unwrap();
    assert_eq!(ask(&iam, SESSION, "s3:GetObject", None), Ok(()));
    let none = statement("Allow", "sqs:*", "*");
    iam.create_policy_version(&arn, none, true).await.unwrap();
    assert!(ask(&iam, SESSION, "s3:GetObject", None).is_err());
}

#[tokio::test]
async fn a_boundary_only_narrows() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    let arn = iam
        .create_policy(policy("bounds"))
        .await
        .unwrap()
        .arn
        .clone();
    let mut bounded = role("r");
    bounded.permissions_boundary = Some(arn);
    iam.create_role(bounded).await.unwrap();
    assert!(ask(&iam, SESSION, "s3:GetObject", None).is_err());
    let all = statement("Allow", "*", "*");
    iam.put_role_policy("r", "all", all).await.unwrap();
    assert_eq!(ask(&iam, SESSION, "s3:GetObject", None), Ok(()));
    let message = ask(&iam, SESSION, "sqs:SendMessage", None).unwrap_err();
    assert!(
        message.ends_with("because no permissions boundary allows the sqs:SendMessage action"),
        "{message}"
    );
}

#[tokio::test]
async fn a_resource_may_let_in_and_keep_out() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    let role_arn = "arn:aws:iam::123456789012:role/r";
    let get = |who: &str, policy: &Document| ask(&iam, who, "s3:GetObject", Some(policy));
    assert_eq!(get(SESSION, &of_bucket("Allow", role_arn)), Ok(()));
    assert_eq!(get(SESSION, &of_bucket("Allow", "*")), Ok(()));
    // To name the account leaves it to the role's own policies, of which it has none.
    assert!(get(SESSION, &of_bucket("Allow", ROOT)).is_err());
    assert!(
        get(
            SESSION,
            &of_bucket("Allow", "arn:aws:iam::123456789012:role/other")
        )
        .is_err()
    );
    let all = statement("Allow", "*", "*");
    iam.put_role_policy("r", "all", all).await.unwrap();
    assert_eq!(
        get(SESSION, &of_bucket("Deny", "*")),
        refused("with an explicit deny in a resource-based policy")
    );
    assert!(get(ROOT, &of_bucket("Deny", "*")).is_err());
}

#[tokio::test]
async fn who_has_no_policies_to_enforce_may_everything() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    for who in [
        ROOT,
        "arn:aws:sts::123456789012:assumed-role/any/f",
        "arn:aws:sts::999999999999:assumed-role/r/f",
    ] {
        assert_eq!(ask(&iam, who, "s3:GetObject", None), Ok(()), "{who}");
    }
}

/// A function may still have it, and would else act as an unknown role.
#[tokio::test]
async fn a_role_that_was_deleted_may_nothing_until_it_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("R")).await.unwrap();
    iam.delete_role("r").await.unwrap();
    let nothing = refused("because no identity-based policy allows the s3:GetObject action");
    let get = |iam: &Iam, policy| ask(iam, SESSION, "s3:GetObject", policy);
    assert_eq!(get(&iam, None), nothing);
    // Not even what its name was let in for.
    let by_name = of_bucket("Allow", "arn:aws:iam::123456789012:role/r");
    assert_eq!(get(&iam, Some(&by_name)), nothing);
    iam.state.store().close().await;
    drop(iam);

    let iam = open(&dir);
    assert_eq!(get(&iam, None), nothing);
    iam.create_role(role("r")).await.unwrap();
    let all = statement("Allow", "*", "*");
    iam.put_role_policy("r", "all", all).await.unwrap();
    assert_eq!(get(&iam, None), Ok(()));
    iam.state.store().close().await;
    drop(iam);
    assert_eq!(get(&open(&dir), None), Ok(()));
}

#[test]
fn of_deleted_roles_the_last_ones_are_remembered() {
    let mut state = State::default();
    let deleted = |at: i64| model::GoneRole {
        name: format!("r{at}"),
        deleted: types::Timestamp(at),
    };
    for at in 0..=i64::try_from(state::GONE_KEPT).unwrap() {
        state.put_gone(deleted(at));
    }
    assert!(!state.is_gone("r0"));
    assert!(state.is_gone("R1") && state.is_gone("r1000"));
    // As many are stored as are in memory.
    let changes = state.take_changes();
    let removed = changes.iter().filter(|change| change.body.is_none());
    assert_eq!(
        removed.map(|change| &*change.key).collect::<Vec<_>>(),
        ["r0"]
    );
}

#[tokio::test]
async fn the_tags_of_a_role_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    let own = statement("Allow", "s3:*", "arn:aws:s3:::b/${aws:PrincipalTag/team}/*");
    iam.put_role_policy("r", "own", own).await.unwrap();
    // The tag says "data", the object is in "raw".
    assert!(ask(&iam, SESSION, "s3:GetObject", None).is_err());
    let tags = [("team".to_owned(), "raw".to_owned())].into();
    iam.tag_role("r", tags).await.unwrap();
    assert_eq!(ask(&iam, SESSION, "s3:GetObject", None), Ok(()));
}

#[tokio::test]
async fn the_keys_of_a_function_live_as_long_as_its_instances() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    let function = "f".parse().unwrap();
    let keys = iam.function_session("arn:aws:iam::123456789012:role/service/r", &function);
    let variables = keys.variables();
    let access_key = &variables["AWS_ACCESS_KEY_ID"];
    let session = iam.session(access_key).unwrap();
    assert_eq!(session.arn, SESSION);
    assert_eq!(session.expires, None);
    assert_eq!(session.secret, variables["AWS_SECRET_ACCESS_KEY"]);
    assert_eq!(session.token, variables["AWS_SESSION_TOKEN"]);
    assert!(session.user_id.starts_with("AROA") && session.user_id.ends_with(":f"));
    let shown = format!("{keys:?}");
    assert!(!shown.contains(&session.secret) && !shown.contains(&session.token));
    drop(keys);
    assert_eq!(iam.session(access_key), None);
}
