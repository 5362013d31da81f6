//! Layers.

use super::*;

#[tokio::test]
async fn layers_are_published_listed_and_read() {
    let wire = Wire::new().await;
    let layers = "/2018-10-31/layers";
    let members = json!({
        "Content": { "ZipFile": zip("layer") },
        "CompatibleRuntimes": ["python3.11", "nodejs20.x"],
        "Description": "d",
    });
    let published = wire
        .post(&format!("{layers}/scipy/versions"), members)
        .await;
    assert_eq!(published.status, StatusCode::CREATED);
    assert_snapshot!(stable(published.json()), @r#"
    {
      "CompatibleRuntimes": [
        "python3.11",
        "nodejs20.x"
      ],
      "Content": {
        "CodeSha256": "sswHtScGHWeFt6JjMrY63P7w61whRn4YfgpVx0DCZRg=",
        "CodeSize": 123,
        "Location": "..."
      },
      "CreatedDate": "...",
      "Description": "d",
      "LayerArn": "arn:aws:lambda:us-east-1:123456789012:layer:scipy",
      "LayerVersionArn": "arn:aws:lambda:us-east-1:123456789012:layer:scipy:1",
      "Version": 1
    }
    "#);
    let arn = "arn:aws:lambda:us-east-1:123456789012:layer:scipy:1";
    let by_arn = wire
        .get(&format!("{layers}?find=LayerVersion&Arn={arn}"))
        .await
        .json();
    assert_eq!(by_arn["Version"], 1);
    let list = |query: &str| format!("{layers}{query}");
    let all = wire.get(layers).await.json();
    assert_eq!(
        all["Layers"][0]["LatestMatchingVersion"]["LayerVersionArn"],
        arn
    );
    let other = wire.get(&list("?CompatibleRuntime=python3.9")).await.json();
    assert_eq!(other["Layers"], json!([]));
    let zero = wire.get(&list("/scipy/versions/0")).await;
    assert_eq!(zero.code, "InvalidParameterValueException");
    assert_eq!(
        wire.get(&list("/scipy/versions/2")).await.status,
        StatusCode::NOT_FOUND
    );

    let grant = json!({ "StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*" });
    let granted = wire.post(&list("/scipy/versions/1/policy"), grant).await;
    assert_eq!(granted.status, StatusCode::CREATED);
    let policy = wire.get(&list("/scipy/versions/1/policy")).await.json();
    assert!(
        policy["Policy"]
            .as_str()
            .unwrap()
            .starts_with(r#"{"Version":"2012-10-17","Id":"default""#)
    );
    let removed = wire.delete(&list("/scipy/versions/1/policy/s")).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);

    let function = wire.create("f", json!({ "Layers": [arn] })).await.json();
    assert_eq!(function["Layers"][0]["Arn"], arn);
    let unversioned = wire
        .create(
            "g",
            json!({ "Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:scipy"] }),
        )
        .await;
    assert_eq!(unversioned.code, "ValidationException");
    assert_eq!(
        wire.delete(&list("/scipy/versions/1")).await.status,
        StatusCode::NO_CONTENT
    );
}
