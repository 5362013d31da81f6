//! Parameters over a real store: what is sealed, what is kept, what is refused.

use std::path::Path;

use store::Durability;

use super::*;

const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];
const ME: &str = "arn:aws:iam::123456789012:root";

fn open(folder: &Path, key: &[u8; KEY_BYTES]) -> Parameters {
    let store = Store::open(folder, Durability::Relaxed).unwrap();
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    Parameters::open(Arc::new(store), scope, Sealer::new(key)).unwrap()
}

async fn close(parameters: Parameters) {
    parameters.drain().await;
    parameters.book.store().close().await;
}

fn secret(name: &str, value: &str) -> NewParameter {
    NewParameter {
        name: name.parse().unwrap(),
        value: value.to_owned(),
        kind: Some(Kind::SecureString),
        overwrite: false,
        description: None,
        key_id: None,
        tags: BTreeMap::new(),
    }
}

fn holds(folder: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(path).unwrap();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_sealed_on_disk_and_opens_with_its_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let parameters = open(folder.path(), &KEY);
    let put = parameters.put(secret("/a/token", "hidden-value"), ME);
    assert_eq!(put.await.unwrap(), 1);
    let mut plain = secret("/a/plain", "open-value");
    plain.kind = Some(Kind::String);
    parameters.put(plain, ME).await.unwrap();
    close(parameters).await;
    assert!(!holds(folder.path(), "hidden-value"));
    assert!(
        holds(folder.path(), "open-value"),
        "the search finds nothing"
    );

    let parameters = open(folder.path(), &KEY);
    let found = parameters.get("/a/token").unwrap();
    assert_eq!(parameters.value(&found, true).unwrap(), "hidden-value");
    let sealed = parameters.value(&found, false).unwrap();
    assert!(!sealed.contains("hidden") && !format!("{found:?}").contains(&sealed));
    close(parameters).await;

    let parameters = open(folder.path(), &[8; KEY_BYTES]);
    let found = parameters.get("/a/token").unwrap();
    let refused = parameters.value(&found, true).unwrap_err();
    assert!(matches!(refused, ParameterError::Unsealable));
    close(parameters).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_never_seal_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let parameters = open(folder.path(), &KEY);
    parameters.put(secret("/a", "1"), ME).await.unwrap();
    close(parameters).await;

    let parameters = open(folder.path(), &[8; KEY_BYTES]);
    let refused = parameters.put(secret("/b", "2"), ME).await.unwrap_err();
    assert!(matches!(refused, ParameterError::Unsealable));
    let plain = NewParameter {
        kind: Some(Kind::String),
        ..secret("/plain", "2")
    };
    parameters.put(plain, ME).await.unwrap();
    // What takes the place of the last one is no second key at work.
    let anew = NewParameter {
        overwrite: true,
        ..secret("/a", "3")
    };
    parameters.put(anew, ME).await.unwrap();
    parameters.put(secret("/b", "2"), ME).await.unwrap();
    let found = parameters.get("/a").unwrap();
    assert_eq!(parameters.value(&found, true).unwrap(), "3");
    close(parameters).await;
}

#[test]
fn what_is_sealed_opens_nowhere_else() {
    let sealer = Sealer::new(&KEY);
    let sealed = sealer.seal("/a", 1, "x");
    assert_eq!(sealer.open("/a", 1, &sealed).as_deref(), Some("x"));
    assert_ne!(sealer.seal("/a", 1, "x"), sealed);
    for (name, version, text) in [
        ("/b", 1, sealed.as_str()),
        ("/a", 2, &sealed),
        ("/a", 1, &sealed[..8]),
        ("/a", 1, "no base64!"),
        ("/a", 1, ""),
    ] {
        assert_eq!(sealer.open(name, version, text), None, "{name} {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_change_only_where_that_is_meant_and_keep_their_tags() {
    let folder = tempfile::tempdir().unwrap();
    let parameters = open(folder.path(), &KEY);
    let mut new = secret("/a", "1");
    new.tags.insert("k".to_owned(), "v".to_owned());
    new.description = Some("d".to_owned());
    parameters.put(new, ME).await.unwrap();
    let again = parameters.put(secret("/a", "2"), ME).await.unwrap_err();
    assert!(matches!(again, ParameterError::AlreadyExists));
    let over = NewParameter {
        overwrite: true,
        kind: None,
        ..secret("/a", "2")
    };
    assert_eq!(parameters.put(over, ME).await.unwrap(), 2);
    let found = parameters.get("/a").unwrap();
    assert_eq!(parameters.value(&found, true).unwrap(), "2");
    assert_eq!(found.kind, Kind::SecureString);
    assert_eq!(found.tags["k"], "v");
    assert_eq!(found.description.as_deref(), Some("d"));
    let tag = parameters.tag("/a", |tags| {
        tags.insert("l".to_owned(), "w".to_owned());
    });
    tag.await.unwrap();
    assert_eq!(parameters.get("/a").unwrap().tags.len(), 2);
    let names = ["/a".parse().unwrap(), "/b".parse().unwrap()];
    let gone = parameters.remove(&names).await.unwrap();
    assert_eq!(gone, names[..1]);
    assert!(parameters.get("/a").is_err());
    close(parameters).await;
    let parameters = open(folder.path(), &KEY);
    assert!(parameters.all().is_empty());
    close(parameters).await;
}

#[test]
fn names_are_checked_and_found_below_their_paths() {
    for good in ["a", "/a", "/a/b-c/D_e.f", "/squall/p/dev/TOKEN"] {
        assert!(good.parse::<ParameterName>().is_ok(), "{good}");
    }
    let deep = "/a".repeat(16);
    let long = format!("/{}", "a".repeat(1011));
    for bad in [
        "", "/", "a b", "a/b", "/a/", "/a//b", "aws-x", "/SSM/x", "/\u{e4}", &deep, &long,
    ] {
        assert!(bad.parse::<ParameterName>().is_err(), "{bad}");
    }
    let name: ParameterName = "/a/b/c".parse().unwrap();
    for (path, any_depth, below) in [
        ("/", true, true),
        ("/", false, false),
        ("/a", true, true),
        ("/a/", true, true),
        ("/a", false, false),
        ("/a/b", false, true),
        ("/a/b/c", true, false),
        ("/a/bb", true, false),
        ("/A", true, false),
    ] {
        assert_eq!(name.is_below(path, any_depth), below, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_tags_have_limits() {
    let folder = tempfile::tempdir().unwrap();
    let parameters = open(folder.path(), &KEY);
    let mut tagged = secret("/t", "x");
    tagged.tags = (0..51).map(|n| (n.to_string(), String::new())).collect();
    let mut untyped = secret("/u", "x");
    untyped.kind = None;
    for new in [
        secret("/e", ""),
        secret("/l", &"x".repeat(4097)),
        tagged,
        untyped,
    ] {
        let name = new.name.clone();
        let refused = parameters.put(new, ME).await.unwrap_err();
        assert!(!refused.to_string().contains("xxx"), "{name}: {refused}");
    }
    assert!(parameters.all().is_empty());
    parameters
        .put(secret("/l", &"\u{e9}".repeat(4096)), ME)
        .await
        .unwrap();
    close(parameters).await;
}
