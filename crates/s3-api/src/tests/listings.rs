//! Listings, in pages and folders.

use super::*;

async fn filled() -> Wire {
    let wire = Wire::with_bucket().await;
    for key in ["a", "b/1", "b/2", "c%20d", "e/1"] {
        wire.put(&format!("/data/{key}"), "x").await.ok();
    }
    wire
}

#[tokio::test]
async fn keys_are_listed_in_order() {
    let wire = filled().await;
    let list = wire.get("/data?list-type=2").await.ok();
    assert_eq!(list.elements("Key"), ["a", "b/1", "b/2", "c d", "e/1"]);
    assert_eq!(list.element("KeyCount"), "5");
    assert_eq!(list.element("IsTruncated"), "false");
    assert!(!list.text().contains("<Owner>"));
    let list = wire
        .get("/data?list-type=2&encoding-type=url&fetch-owner=true&prefix=c")
        .await
        .ok();
    assert_eq!(list.elements("Key"), ["c%20d"]);
    assert!(list.text().contains("<Owner>"));
    let list = wire.get("/data?delimiter=%2F").await.ok();
    assert_eq!(list.elements("Key"), ["a", "c d"]);
    let folders: Vec<_> = list
        .elements("Prefix")
        .into_iter()
        .filter(|p| !p.is_empty())
        .collect();
    assert_eq!(folders, ["b/", "e/"]);
    let list = wire.get("/data?list-type=2&start-after=b%2F1").await.ok();
    assert_eq!(list.elements("Key"), ["b/2", "c d", "e/1"]);
}

#[tokio::test]
async fn pages_of_any_size_make_the_same_list() {
    let wire = filled().await;
    for size in 1..=5 {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let next = if token.is_empty() {
                String::new()
            } else {
                format!("&continuation-token={token}")
            };
            let path = format!("/data?list-type=2&delimiter=%2F&max-keys={size}{next}");
            let page = wire.get(&path).await.ok();
            seen.extend(page.elements("Key"));
            seen.extend(
                page.elements("Prefix")
                    .into_iter()
                    .filter(|p| !p.is_empty()),
            );
            token = page.element("NextContinuationToken");
            if token.is_empty() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, ["a", "b/", "c d", "e/"], "pages of {size}");
    }
}

#[tokio::test]
async fn markers_go_on_after_folders() {
    let wire = filled().await;
    let page = wire.get("/data?delimiter=%2F&max-keys=2").await.ok();
    assert_eq!(page.element("NextMarker"), "b/");
    let page = wire.get("/data?delimiter=%2F&marker=b%2F").await.ok();
    assert_eq!(page.elements("Key"), ["c d"]);
}

#[tokio::test]
async fn odd_questions_are_refused() {
    let wire = filled().await;
    for query in [
        "list-type=2&max-keys=-1",
        "list-type=2&max-keys=x",
        "list-type=2&continuation-token=!",
        "list-type=2&encoding-type=xml",
        "versions=&version-id-marker=x",
    ] {
        let answer = wire.get(&format!("/data?{query}")).await;
        assert_eq!(answer.refusal(), refused(400, "InvalidArgument"), "{query}");
    }
    let none = wire.get("/data?list-type=2&max-keys=0").await.ok();
    assert_eq!(
        (none.elements("Key").len(), none.element("IsTruncated")),
        (0, "false".to_owned())
    );
    // A question that is not known is not taken for another.
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = wire.call(method.clone(), "/data?nonsense", &[], "").await;
        assert_eq!(answer.refusal(), refused(501, "NotImplemented"), "{method}");
    }
    wire.get("/data").await.ok();
}
