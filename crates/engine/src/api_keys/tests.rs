//! API keys over a real store: who is let in, what is kept, what survives.

use std::path::Path;

use store::Durability;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn open(folder: &Path) -> ApiKeys {
    let store = Store::open(folder, Durability::Relaxed).unwrap();
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    ApiKeys::open(Arc::new(store), scope).unwrap()
}

fn new(name: &str) -> NewApiKey {
    NewApiKey {
        name: Some(name.to_owned()),
        enabled: true,
        ..NewApiKey::default()
    }
}

fn let_in(keys: &ApiKeys, value: &str) -> Result<Arc<ApiKey>, NotLetIn> {
    keys.let_in(Some(value.as_bytes()), "api/dev", "/", NOW)
}

#[tokio::test]
async fn a_key_lets_in_until_it_is_disabled_or_gone() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    let (key, secret) = keys.create(new("page")).await.unwrap();
    let value = secret.text();
    assert_eq!(let_in(&keys, value).unwrap().id, key.id);
    assert_eq!(let_in(&keys, &value[1..]).unwrap_err(), NotLetIn::Unknown);
    let none = keys.let_in(None, "api/dev", "/", NOW);
    assert_eq!(none.unwrap_err(), NotLetIn::Missing);

    let disabled = ApiKeyPatch {
        enabled: Some(false),
        ..ApiKeyPatch::default()
    };
    keys.update(&key.id, disabled).await.unwrap();
    assert_eq!(let_in(&keys, value).unwrap_err(), NotLetIn::Disabled);
    keys.delete(&key.id).await.unwrap();
    assert_eq!(let_in(&keys, value).unwrap_err(), NotLetIn::Unknown);
    let again = keys.delete(&key.id).await;
    assert!(matches!(again, Err(ApiKeyError::NotFound)));
}

#[tokio::test]
async fn keys_survive_and_their_values_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    let (key, secret) = keys.create(new("page")).await.unwrap();
    keys.drain().await;
    keys.book.store().close().await;
    drop(keys);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let there = bytes
                .windows(secret.text().len())
                .any(|part| part == secret.text().as_bytes());
            assert!(!there, "{}", path.display());
        }
    }
    let keys = open(folder.path());
    assert_eq!(let_in(&keys, secret.text()).unwrap().id, key.id);
}

#[tokio::test]
async fn a_value_of_ones_own_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    let own = || NewApiKey {
        value: Some(Secret::new("a-value-of-my-own-choosing".to_owned()).unwrap()),
        ..new("own")
    };
    keys.create(own()).await.unwrap();
    assert!(let_in(&keys, "a-value-of-my-own-choosing").is_ok());
    let again = keys.create(own()).await;
    assert!(matches!(again, Err(ApiKeyError::AlreadyExists)));
}

#[tokio::test]
async fn an_end_is_a_tag_that_must_be_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    let (key, secret) = keys.create(new("page")).await.unwrap();
    let tag = |value: &'static str| {
        move |tags: &mut BTreeMap<String, String>| {
            tags.insert(EXPIRES.to_owned(), value.to_owned());
        }
    };
    let bad = keys.tag(&key.id, tag("tomorrow")).await;
    assert!(matches!(bad, Err(ApiKeyError::Invalid(_))));
    assert!(let_in(&keys, secret.text()).is_ok());
    keys.tag(&key.id, tag("1970-01-01T00:00:01Z"))
        .await
        .unwrap();
    assert_eq!(let_in(&keys, secret.text()).unwrap_err(), NotLetIn::Expired);
}
