//! Buckets and their settings.

use super::*;

#[tokio::test]
async fn buckets_are_made_listed_and_deleted() {
    let wire = Wire::with_bucket().await;
    wire.put("/another", "").await.ok();
    let list = wire.get("/").await.ok();
    assert_eq!(list.elements("Name"), ["another", "data"]);
    let page = wire.get("/?max-buckets=1").await.ok();
    assert_eq!(page.element("ContinuationToken"), "another");
    let head = wire.call(Method::HEAD, "/data", &[], "").await.ok();
    assert_eq!(head.header("x-amz-bucket-region"), "us-east-1");
    let constraint = "<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>";
    let refusal = wire.put("/third", constraint).await.refusal();
    assert_eq!(refusal, refused(400, "InvalidLocationConstraint"));
    wire.put("/data/k", "x").await.ok();
    assert_eq!(
        wire.delete("/data").await.refusal(),
        refused(409, "BucketNotEmpty")
    );
    wire.delete("/data/k").await.ok();
    assert_eq!(wire.delete("/data").await.ok().status.as_u16(), 204);
    assert_eq!(
        wire.get("/data").await.refusal(),
        refused(404, "NoSuchBucket")
    );
}

#[tokio::test]
async fn a_new_bucket_answers_what_one_on_aws_does() {
    let wire = Wire::with_bucket().await;
    for (query, status, said) in [
        ("location", 200, "LocationConstraint"),
        ("versioning", 200, "VersioningConfiguration"),
        ("tagging", 404, "NoSuchTagSet"),
        ("cors", 404, "NoSuchCORSConfiguration"),
        ("lifecycle", 404, "NoSuchLifecycleConfiguration"),
        ("policy", 404, "NoSuchBucketPolicy"),
        ("policyStatus", 404, "NoSuchBucketPolicy"),
        ("publicAccessBlock", 200, "<BlockPublicPolicy>true"),
        ("website", 404, "NoSuchWebsiteConfiguration"),
        ("notification", 200, "NotificationConfiguration"),
        ("ownershipControls", 200, "BucketOwnerEnforced"),
        ("encryption", 200, "AES256"),
        ("acl", 200, "FULL_CONTROL"),
        ("requestPayment", 200, "BucketOwner"),
        ("logging", 200, "BucketLoggingStatus"),
        ("accelerate", 200, "AccelerateConfiguration"),
        ("replication", 404, "ReplicationConfigurationNotFoundError"),
        ("object-lock", 404, "ObjectLockConfigurationNotFoundError"),
    ] {
        let answer = wire.get(&format!("/data?{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {}", answer.text());
        assert!(answer.text().contains(said), "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn settings_come_back_and_go() {
    let wire = Wire::with_bucket().await;
    for (query, document, said) in [
        (
            "tagging",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
            "<Value>b</Value>",
        ),
        (
            "cors",
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>",
            "<AllowedOrigin>*",
        ),
        (
            "lifecycle",
            "<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>a/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>",
            "<Days>3</Days>",
        ),
        (
            "website",
            "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>",
            "index.html",
        ),
        (
            "policy",
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::data/locked/*"}]}"#,
            "locked",
        ),
        (
            "ownershipControls",
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
            "ObjectWriter",
        ),
        (
            "publicAccessBlock",
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
            "<BlockPublicPolicy>false",
        ),
    ] {
        let path = format!("/data?{query}");
        wire.put(&path, document).await.ok();
        let got = wire.get(&path).await.ok();
        assert!(got.text().contains(said), "{query}: {}", got.text());
        wire.delete(&path).await.ok();
        assert_eq!(wire.get(&path).await.status.as_u16(), 404, "{query}");
    }
}

#[tokio::test]
async fn documents_that_are_none_are_refused() {
    let wire = Wire::with_bucket().await;
    for document in [
        "nonsense",
        "<Tagging>",
        "<Tagging/><Tagging/>",
        "<Tagging>\0</Tagging>",
    ] {
        let refusal = wire.put("/data?tagging", document).await.refusal();
        assert_eq!(refusal, refused(400, "MalformedXML"), "{document}");
    }
    let refusal = wire.put("/data?policy", "{").await.refusal();
    assert_eq!(refusal, refused(400, "MalformedPolicy"));
    let kms = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
    assert_eq!(
        wire.put("/data?encryption", kms).await.refusal(),
        refused(501, "NotImplemented")
    );
    let public = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}]}"#;
    assert_eq!(
        wire.put("/data?policy", public).await.refusal(),
        refused(403, "AccessDenied")
    );
    let acl = [("x-amz-acl", "public-read")];
    let put = wire.put_with("/data?acl", &acl, "").await;
    assert_eq!(put.refusal(), refused(400, "AccessControlListNotSupported"));
    wire.put_with("/data?acl", &[("x-amz-acl", "private")], "")
        .await
        .ok();
}

#[tokio::test]
async fn notifications_go_to_functions_that_let_the_bucket_in() {
    let wire = Wire::with_bucket().await;
    let to = |function: &str| {
        format!(
            "<NotificationConfiguration><CloudFunctionConfiguration><CloudFunction>arn:aws:lambda:us-east-1:123456789012:function:{function}</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration></NotificationConfiguration>"
        )
    };
    let refusal = wire.put("/data?notification", to("none")).await;
    assert_eq!(refusal.refusal(), refused(400, "InvalidArgument"));
    assert!(
        refusal.element("Message").contains("Unable to validate"),
        "{}",
        refusal.text()
    );
    assert!(wire.engine.catalog().function_names().is_empty());
    let skip = [("x-amz-skip-destination-validation", "true")];
    let unseen = wire.put_with("/data?notification", &skip, to("none")).await;
    unseen.ok();
    for (own, other) in [("us-east-1", "eu-west-1"), ("123456789012", "210987654321")] {
        let elsewhere = to("none").replace(own, other);
        let put = wire.put_with("/data?notification", &skip, elsewhere).await;
        assert_eq!(put.refusal(), refused(400, "InvalidArgument"));
        assert!(put.text().contains("Unable to validate"), "{}", put.text());
    }
    let bridge =
        "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
    wire.put("/data?notification", bridge).await.ok();
    let got = wire.get("/data?notification").await.ok();
    assert!(
        got.text().contains("EventBridgeConfiguration"),
        "{}",
        got.text()
    );
    let queue = "<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1:123456789012:q</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>";
    assert_eq!(
        wire.put("/data?notification", queue).await.refusal(),
        refused(501, "NotImplemented")
    );
}

#[tokio::test]
async fn browsers_are_told_what_the_rules_say() {
    let wire = Wire::with_bucket().await;
    let asked = [
        ("origin", "https://here.org"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-amz-date, content-type"),
    ];
    let before = wire.anonymous(Method::OPTIONS, "/data/k", &asked).await;
    assert_eq!(before.refusal(), refused(403, "AccessForbidden"));
    let rules = "<CORSConfiguration><CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://*.org</AllowedOrigin><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>";
    wire.put("/data?cors", rules).await.ok();
    let told = wire
        .anonymous(Method::OPTIONS, "/data/k", &asked)
        .await
        .ok();
    for (name, value) in [
        ("access-control-allow-origin", "https://here.org"),
        ("access-control-allow-methods", "PUT, GET"),
        ("access-control-allow-headers", "x-amz-date, content-type"),
        ("access-control-max-age", "60"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(told.header(name), value, "{name}");
    }
    let elsewhere = [("origin", "https://here.com"), asked[1]];
    let refusal = wire.anonymous(Method::OPTIONS, "/data/k", &elsewhere).await;
    assert_eq!(refusal.refusal(), refused(403, "AccessForbidden"));
    let bare = wire.anonymous(Method::OPTIONS, "/data/k", &[]).await;
    assert_eq!(bare.refusal(), refused(400, "BadRequest"));
    let put = wire
        .put_with("/data/k", &[("origin", "https://here.org")], "x")
        .await
        .ok();
    assert_eq!(put.header("access-control-expose-headers"), "ETag");
    let missing = wire
        .get_with("/data/none", &[("origin", "https://here.org")])
        .await;
    assert_eq!(
        missing.header("access-control-allow-origin"),
        "https://here.org"
    );
}
