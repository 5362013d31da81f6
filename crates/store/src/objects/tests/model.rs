//! Random scripts against a simple model: what versions there are, and what
//! listings show of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use types::{ObjectKey, VersionId};

use super::Fixture;
use crate::objects::{ListMark, ListQuery, ObjectError, Precondition, StoredBody, Versioning};

/// A version as the model has it, newest last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    id: String,
    /// `None` for a delete marker.
    content: Option<u8>,
}

type Model = BTreeMap<String, Vec<Version>>;

#[derive(Debug, Clone)]
enum Act {
    Put {
        key: usize,
        content: u8,
    },
    Delete {
        key: usize,
    },
    /// The version so far from the newest one, or one that is not there.
    DeleteVersion {
        key: usize,
        back: usize,
    },
    Mode {
        enabled: bool,
    },
}

const KEYS: [&str; 3] = ["a", "b", "a/b"];

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..3_usize, 0..4_u8).prop_map(|(key, content)| Act::Put { key, content }),
        2 => (0..3_usize).prop_map(|key| Act::Delete { key }),
        3 => (0..3_usize, 0..4_usize).prop_map(|(key, back)| Act::DeleteVersion { key, back }),
        1 => any::<bool>().prop_map(|enabled| Act::Mode { enabled }),
    ]
}

/// Every content is made of one byte; some of them are files.
fn content_of(byte: u8) -> Vec<u8> {
    vec![byte; if byte.is_multiple_of(2) { 10 } else { 40_000 }]
}

/// Puts a version on top as S3 does; answers whether one went for it.
fn push(versions: &mut Vec<Version>, mode: Versioning, version: Version) -> bool {
    let before = versions.len();
    if mode != Versioning::Enabled {
        versions.retain(|version| version.id != "null");
    }
    let went = versions.len() < before;
    versions.push(version);
    went
}

async fn run(acts: Vec<Act>) {
    let fixture = Fixture::new().await;
    let (mut model, mut mode) = (Model::new(), Versioning::Off);
    for act in acts {
        match act {
            Act::Mode { enabled: true } => mode = Versioning::Enabled,
            // There is no way back to `Off`.
            Act::Mode { enabled: false } if mode == Versioning::Off => {}
            Act::Mode { enabled: false } => mode = Versioning::Suspended,
            Act::Put { key, content } => {
                let mut object = fixture.object(KEYS[key], &content_of(content)).await;
                object.versioning = mode;
                let committed = fixture.objects().put(object, None).await.unwrap();
                let id = committed.written.unwrap().version.to_string();
                let content = Some(content);
                let versions = model.entry(KEYS[key].to_owned()).or_default();
                let went = push(versions, mode, Version { id, content });
                assert_eq!(committed.removed.is_some(), went);
            }
            Act::Delete { key } => {
                let committed = fixture.delete(KEYS[key], mode).await;
                let versions = model.entry(KEYS[key].to_owned()).or_default();
                let went = match committed.written {
                    None => versions.pop().is_some(),
                    Some(marker) => {
                        let id = marker.version.to_string();
                        push(versions, mode, Version { id, content: None })
                    }
                };
                assert_eq!(committed.removed.is_some(), went);
            }
            Act::DeleteVersion { key, back } => {
                let versions = model.entry(KEYS[key].to_owned()).or_default();
                let at = versions.len().checked_sub(back + 1);
                let id = at.map_or_else(
                    || VersionId::random().to_string(),
                    |at| versions[at].id.clone(),
                );
                let deleted = fixture.objects().delete(
                    fixture.bucket,
                    KEYS[key].parse().unwrap(),
                    Some(id.parse().unwrap()),
                    mode,
                    Precondition::default(),
                    None,
                );
                let committed = deleted.await.unwrap();
                assert!(committed.written.is_none());
                let removed = committed.removed.map(|stored| stored.version.to_string());
                assert_eq!(removed, at.map(|at| versions.remove(at).id));
            }
        }
        model.retain(|_, versions| !versions.is_empty());
        agree(&fixture, &model).await;
    }
    no_bytes_are_lost_or_left(&fixture, &model).await;
}

async fn agree(fixture: &Fixture, model: &Model) {
    for key in KEYS {
        let expected = model.get(key).and_then(|versions| versions.last());
        let key: ObjectKey = key.parse().unwrap();
        let found = fixture.objects().get(fixture.bucket, &key, None).await;
        match (expected, found) {
            (None, Err(ObjectError::NoSuchKey)) => {}
            (Some(version), Ok(found)) => {
                assert_eq!(version.id, found.stored.version.as_str());
                let is_object = matches!(found.stored.body, StoredBody::Object(_));
                assert_eq!(version.content.is_some(), is_object);
            }
            (expected, found) => panic!("{key}: {found:?} in place of {expected:?}"),
        }
    }
    let query = ListQuery {
        bucket: fixture.bucket,
        prefix: String::new(),
        delimiter: None,
        after: ListMark::Start,
        limit: 1000,
    };
    let listed = fixture
        .objects()
        .list_versions(query.clone())
        .await
        .unwrap();
    let listed: Vec<_> = listed
        .entries
        .iter()
        .map(|entry| (entry.key.as_str(), entry.version.as_str(), entry.is_latest))
        .collect();
    let expected: Vec<_> = model
        .iter()
        .flat_map(|(key, versions)| {
            let newest_first = versions.iter().rev().enumerate();
            newest_first.map(|(at, version)| (key.as_str(), version.id.as_str(), at == 0))
        })
        .collect();
    assert_eq!(listed, expected);
    let listed = fixture.objects().list(query).await.unwrap();
    let visible = model
        .values()
        .filter(|versions| versions.last().is_some_and(|last| last.content.is_some()));
    assert_eq!(listed.entries.len(), visible.count());
}

async fn no_bytes_are_lost_or_left(fixture: &Fixture, model: &Model) {
    let mut contents = BTreeSet::new();
    for (key, versions) in model {
        for version in versions {
            let Some(content) = version.content else {
                continue;
            };
            let (key, id) = (key.parse().unwrap(), version.id.parse().unwrap());
            let found = fixture
                .objects()
                .get(fixture.bucket, &key, Some(&id))
                .await
                .unwrap();
            assert_eq!(fixture.read(&found, 0..u64::MAX).await, content_of(content));
            contents.insert(content);
        }
    }
    fixture.settle().await;
    let large = contents.iter().filter(|content| *content % 2 == 1).count();
    assert_eq!(fixture.files().len(), large);
    let report = fixture.check().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.contents, contents.len() as u64);
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn versions_are_kept_as_in_the_model(acts in prop::collection::vec(act(), 1..30)) {
        block_on(run(acts));
    }

    #[test]
    fn listings_agree_with_a_naive_one(
        keys in prop::collection::btree_set("[a/é\u{1f980}\u{0}-]{1,5}", 0..25),
        hidden in prop::collection::btree_set(0..25_usize, 0..5),
        questions in prop::collection::vec(
            ("[a/é]{0,2}", prop::option::of("[/é]|a/"), 1..6_usize), 1..6),
    ) {
        block_on(compare_listings(keys, hidden, questions));
    }
}

/// What a listing shows, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Key(String),
    Prefix(String),
}

async fn compare_listings(
    keys: BTreeSet<String>,
    hidden: BTreeSet<usize>,
    questions: Vec<(String, Option<String>, usize)>,
) {
    let fixture = Fixture::new().await;
    let mut visible = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        fixture.put(key, b"x").await;
        if hidden.contains(&at) {
            fixture.delete(key, Versioning::Enabled).await;
        } else {
            visible.push(key.clone());
        }
    }
    for (prefix, delimiter, limit) in questions {
        let naive = naive(&visible, &prefix, delimiter.as_deref());
        let query = ListQuery {
            bucket: fixture.bucket,
            prefix: prefix.clone(),
            delimiter: delimiter.clone(),
            after: ListMark::Start,
            limit,
        };
        let listed = page_through(&fixture, query.clone(), false).await;
        assert_eq!(listed, naive, "{query:?}");
        // Each hidden key has a version below its delete marker.
        let all: Vec<String> = keys.iter().cloned().collect();
        let mut naive = self::naive(&all, &prefix, delimiter.as_deref());
        let twice: BTreeSet<&String> = hidden.iter().filter_map(|at| all.get(*at)).collect();
        naive = naive
            .into_iter()
            .flat_map(|line| {
                let count = match &line {
                    Line::Key(key) if twice.contains(key) => 2,
                    _ => 1,
                };
                std::iter::repeat_n(line, count)
            })
            .collect();
        assert_eq!(
            page_through(&fixture, query.clone(), true).await,
            naive,
            "{query:?}"
        );
        // From a key that need not be there.
        let after = ListQuery {
            after: ListMark::Key("a/".to_owned()),
            ..query
        };
        let behind: Vec<String> = visible
            .iter()
            .filter(|key| key.as_str() > "a/")
            .cloned()
            .collect();
        let naive = self::naive(&behind, &prefix, delimiter.as_deref());
        assert_eq!(page_through(&fixture, after, false).await, naive);
    }
}

/// `keys` are in the order of their bytes.
fn naive(keys: &[String], prefix: &str, delimiter: Option<&str>) -> Vec<Line> {
    let mut lines = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let at = delimiter.and_then(|delimiter| {
            let at = key[prefix.len()..].find(delimiter)?;
            Some(prefix.len() + at + delimiter.len())
        });
        let line = match at {
            Some(end) => Line::Prefix(key[..end].to_owned()),
            None => Line::Key(key.clone()),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

async fn page_through(fixture: &Fixture, mut query: ListQuery, versions: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        let page = if versions {
            fixture
                .objects()
                .list_versions(query.clone())
                .await
                .unwrap()
        } else {
            fixture.objects().list(query.clone()).await.unwrap()
        };
        let count = page.entries.len() + page.prefixes.len();
        assert!(count <= query.limit);
        let keys = page
            .entries
            .iter()
            .map(|entry| Line::Key(entry.key.to_string()));
        let mut both: Vec<Line> = keys
            .chain(page.prefixes.into_iter().map(Line::Prefix))
            .collect();
        both.sort_by(|a, b| text(a).cmp(text(b)));
        lines.extend(both);
        let Some(next) = page.next else {
            return lines;
        };
        assert_eq!(
            count, query.limit,
            "a page that is not the last one is full"
        );
        query.after = next;
    }
}

fn text(line: &Line) -> &str {
    match line {
        Line::Key(text) | Line::Prefix(text) => text,
    }
}

#[tokio::test]
async fn versions_are_found_again_behind_one_that_went() {
    let fixture = Fixture::new().await;
    for content in 0..5 {
        let mut object = fixture.object("key", &[content]).await;
        object.versioning = Versioning::Enabled;
        fixture.objects().put(object, None).await.unwrap();
    }
    fixture.put("later", b"").await;
    let mut query = ListQuery {
        bucket: fixture.bucket,
        prefix: String::new(),
        delimiter: None,
        after: ListMark::Start,
        limit: 2,
    };
    // As somebody does who empties a bucket page by page.
    let mut emptied = 0;
    loop {
        let page = fixture
            .objects()
            .list_versions(query.clone())
            .await
            .unwrap();
        for entry in page.entries {
            let deleted = fixture.objects().delete(
                fixture.bucket,
                entry.key,
                Some(entry.version),
                Versioning::Enabled,
                Precondition::default(),
                None,
            );
            assert!(deleted.await.unwrap().removed.is_some());
            emptied += 1;
        }
        match page.next {
            Some(next) => query.after = next,
            None => break,
        }
    }
    assert_eq!(emptied, 6);
    fixture
        .objects()
        .delete_bucket(fixture.bucket)
        .await
        .unwrap();
}
