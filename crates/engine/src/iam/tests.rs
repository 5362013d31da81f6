//! Roles and policies over a real store in a temporary directory.

use store::Durability;

use super::*;

const ROOT: &str = "arn:aws:iam::123456789012:root";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
pub(super) const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

pub(super) fn open(dir: &tempfile::TempDir) -> Iam {
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    Iam::open(Arc::new(store), scope).unwrap()
}

pub(super) fn role(name: &str) -> NewRole {
    NewRole {
        name: name.to_owned(),
        path: "/".to_owned(),
        description: None,
        trust: TRUST.to_owned(),
        max_session_seconds: 3600,
        permissions_boundary: None,
        tags: [("team".to_owned(), "data".to_owned())].into(),
    }
}

pub(super) fn policy(name: &str) -> NewPolicy {
    NewPolicy {
        name: name.to_owned(),
        path: "/team/".to_owned(),
        description: None,
        document: ALLOW.to_owned(),
        tags: [].into(),
    }
}

#[tokio::test]
async fn a_role_lives_and_dies_with_its_policies() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    let made = iam.create_role(role("r")).await.unwrap();
    assert_eq!(iam.role_arn(&made), "arn:aws:iam::123456789012:role/r");
    assert!(made.id.starts_with("AROA") && made.id.len() == 21);
    let again = iam.create_role(role("R")).await;
    assert!(matches!(again, Err(IamError::AlreadyExists(_))));

    iam.put_role_policy("r", "p", ALLOW.to_owned())
        .await
        .unwrap();
    iam.attach_role_policy("r", BASIC).await.unwrap();
    iam.attach_role_policy("r", BASIC).await.unwrap();
    let unknown = iam
        .attach_role_policy("r", "arn:aws:iam::aws:policy/No")
        .await;
    assert!(matches!(unknown, Err(IamError::NoSuchEntity(_))));
    assert_eq!(iam.attachments(BASIC), 1);

    let conflict = iam.delete_role("r").await;
    assert!(matches!(conflict, Err(IamError::DeleteConflict(_))));
    iam.detach_role_policy("r", BASIC).await.unwrap();
    assert!(iam.delete_role("r").await.is_err());
    iam.delete_role_policy("r", "p").await.unwrap();
    iam.delete_role("r").await.unwrap();
    let gone = iam.role("r").unwrap_err();
    assert_eq!(gone.to_string(), "The role with name r cannot be found.");
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    iam.create_role(role("gone")).await.unwrap();
    iam.delete_role("gone").await.unwrap();
    let arn = iam.create_policy(policy("p")).await.unwrap().arn.clone();
    iam.create_policy_version(&arn, ALLOW.to_owned(), true)
        .await
        .unwrap();
    iam.attach_role_policy("r", &arn).await.unwrap();
    let before = (iam.role("r").unwrap(), iam.attachments(&arn));
    iam.state.store().close().await;
    drop(iam);

    let iam = open(&dir);
    assert_eq!((iam.role("r").unwrap(), iam.attachments(&arn)), before);
    assert!(iam.role("gone").is_err());
    let FoundPolicy::Own(policy) = iam.policy(&arn).unwrap() else {
        panic!("a policy of the account");
    };
    assert_eq!((policy.default_version, policy.versions.len()), (2, 2));
}

#[tokio::test]
async fn policies_have_five_versions_and_a_default() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    let arn = iam.create_policy(policy("p")).await.unwrap().arn.clone();
    assert_eq!(arn, "arn:aws:iam::123456789012:policy/team/p");
    for number in 2..=5 {
        let made = iam
            .create_policy_version(&arn, ALLOW.to_owned(), false)
            .await;
        assert_eq!(made.unwrap().0, number);
    }
    let sixth = iam
        .create_policy_version(&arn, ALLOW.to_owned(), false)
        .await;
    assert!(matches!(sixth, Err(IamError::LimitExceeded { .. })));
    let default = iam.delete_policy_version(&arn, 1).await;
    assert!(matches!(default, Err(IamError::DeleteConflict(_))));
    iam.set_default_policy_version(&arn, 5).await.unwrap();
    for number in 1..=4 {
        iam.delete_policy_version(&arn, number).await.unwrap();
    }
    let sixth = iam
        .create_policy_version(&arn, ALLOW.to_owned(), false)
        .await;
    assert_eq!(sixth.unwrap().0, 6);
    assert!(iam.delete_policy(&arn).await.is_err());
    iam.delete_policy_version(&arn, 6).await.unwrap();
    iam.delete_policy(&arn).await.unwrap();
    assert!(matches!(
        iam.delete_policy(BASIC).await,
        Err(IamError::Denied(_))
    ));
}

#[tokio::test]
async fn bad_names_and_documents_store_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    for name in ["", "a b", "a/b", "../x", "ä", &"a".repeat(65)] {
        let refused = iam.create_role(role(name)).await;
        assert!(matches!(refused, Err(IamError::Validation(_))), "{name}");
    }
    for path in ["", "x", "/x", "x/", "/x y/"] {
        let refused = iam
            .create_role(NewRole {
                path: path.to_owned(),
                ..role("r")
            })
            .await;
        assert!(matches!(refused, Err(IamError::Validation(_))), "{path}");
    }
    let refused = iam
        .create_role(NewRole {
            trust: "{".to_owned(),
            ..role("r")
        })
        .await;
    assert!(matches!(refused, Err(IamError::MalformedDocument(_))));
    assert!(iam.roles("/").is_empty());
}

#[tokio::test]
async fn a_session_is_of_its_role() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    let made = iam.create_role(role("r")).await.unwrap();
    let arn = iam.role_arn(&made);
    let session = iam.assume_role(ROOT, &arn, "me", 900).unwrap();
    assert_eq!(session.arn, "arn:aws:sts::123456789012:assumed-role/r/me");
    assert_eq!(session.user_id, format!("{}:me", made.id));
    assert_eq!(iam.session(&session.access_key), Some(session));
    assert_eq!(iam.session("ASIAOTHER"), None);
    assert!(iam.assume_role(ROOT, &arn, "me", 3601).is_err());
    assert!(iam.assume_role(ROOT, &arn, "me", 1).is_err());
    assert!(
        iam.assume_role(ROOT, "arn:aws:iam::999999999999:role/r", "me", 900)
            .is_err()
    );
    assert!(iam.assume_role(ROOT, "", "me", 900).is_err());
}

/// The keys of a role that is deleted must not become those of an unknown one,
/// for which nothing is enforced.
#[tokio::test]
async fn the_keys_of_a_role_end_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    let arn = iam.role_arn(&iam.create_role(role("r")).await.unwrap());
    iam.create_role(role("other")).await.unwrap();
    let taken = iam.assume_role(ROOT, &arn, "me", 900).unwrap();
    let other = arn.replace("/r", "/other");
    let kept = iam.assume_role(ROOT, &other, "me", 900).unwrap();
    let function = iam.function_session(&arn, &"f".parse().unwrap());
    iam.delete_role("R").await.unwrap();
    assert_eq!(iam.session(&taken.access_key), None);
    assert_eq!(
        iam.session(&function.variables()["AWS_ACCESS_KEY_ID"]),
        None
    );
    assert!(iam.session(&kept.access_key).is_some());
}

/// A policy that denies something to `role/Named` must find its sessions, however
/// a function spells the role.
#[tokio::test]
async fn a_function_has_its_role_under_the_name_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("Named")).await.unwrap();
    let arn = "arn:aws:iam::123456789012:role/nAMED";
    let keys = iam.function_session(arn, &"f".parse().unwrap());
    let session = iam.session(&keys.variables()["AWS_ACCESS_KEY_ID"]).unwrap();
    assert_eq!(
        session.arn,
        "arn:aws:sts::123456789012:assumed-role/Named/f"
    );
}

/// With `sts:AssumeRole` on itself alone, a role could become any other.
#[tokio::test]
async fn a_role_becomes_another_only_where_both_agree() {
    const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/r/f";
    let dir = tempfile::tempdir().unwrap();
    let iam = open(&dir);
    iam.create_role(role("r")).await.unwrap();
    let target = iam.role_arn(&iam.create_role(role("t")).await.unwrap());
    let take = || iam.assume_role(SESSION, &target, "me", 900).is_ok();
    assert!(!take(), "neither agrees");
    let all = r#"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
    iam.put_role_policy("r", "p", all.to_owned()).await.unwrap();
    assert!(!take(), "the target trusts Lambda alone");
    let account = TRUST.replace(
        r#""Service":"lambda.amazonaws.com""#,
        r#""AWS":"123456789012""#,
    );
    iam.update_trust("t", account).await.unwrap();
    assert!(take());
    iam.delete_role_policy("r", "p").await.unwrap();
    assert!(
        !take(),
        "trust in the account is for the account to share out"
    );
    let named = TRUST.replace(
        r#""Service":"lambda.amazonaws.com""#,
        r#""AWS":"arn:aws:iam::123456789012:role/r""#,
    );
    iam.update_trust("t", named).await.unwrap();
    assert!(take());
}
