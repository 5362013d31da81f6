//! What functions and rules are told, in AWS's JSON.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use types::{BucketName, ObjectKey, Scope, Timestamp, VersionId};

/// As forms are encoded, with the slashes left in.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// Something that happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Happening<'a> {
    pub scene: &'a Scene,
    pub kind: Kind,
    /// `None` where the bucket keeps no versions.
    pub version: Option<VersionId>,
    /// Larger for what happened later.
    pub sequence: u64,
}

/// Where it happened and through whom, as it is known beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub scope: Scope,
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub time: Timestamp,
    /// ARN or id of who did it.
    pub principal: String,
    pub source_ip: String,
    pub request_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Created {
        by: &'static str,
        size: u64,
        etag: String,
    },
    Removed {
        how: Removal,
        /// By a lifecycle rule.
        expired: bool,
    },
    Tagged {
        etag: String,
        /// Or its tags are gone.
        put: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    ForGood,
    MarkerCreated,
}

impl Kind {
    /// Such as `ObjectCreated:Put`.
    pub fn name(&self) -> String {
        match self {
            Self::Created { by, .. } => format!("ObjectCreated:{by}"),
            Self::Removed { how, expired } => {
                let group = if *expired {
                    "LifecycleExpiration"
                } else {
                    "ObjectRemoved"
                };
                match how {
                    Removal::ForGood => format!("{group}:Delete"),
                    Removal::MarkerCreated => format!("{group}:DeleteMarkerCreated"),
                }
            }
            Self::Tagged { put: true, .. } => "ObjectTagging:Put".to_owned(),
            Self::Tagged { put: false, .. } => "ObjectTagging:Delete".to_owned(),
        }
    }

    /// The version of AWS's event schema that first had it.
    fn schema(&self) -> &'static str {
        match self {
            Self::Created { .. } | Self::Removed { expired: false, .. } => "2.1",
            Self::Removed { expired: true, .. } | Self::Tagged { .. } => "2.3",
        }
    }
}

impl Scene {
    /// `arn:aws:s3:::BUCKET`
    pub fn bucket_arn(&self) -> String {
        format!("arn:aws:s3:::{}", self.bucket)
    }
}

impl Happening<'_> {
    /// Later ones are larger as texts too.
    fn sequencer(&self) -> String {
        format!("{:018X}", self.sequence)
    }

    /// What a function is told that was asked to be told by `configuration`.
    pub fn notification(&self, configuration: &str) -> Value {
        let owner = json!({ "principalId": self.scene.scope.account.as_str() });
        let mut object = Map::new();
        object.insert("key".into(), encode(self.scene.key.as_str()).into());
        match &self.kind {
            Kind::Created { size, etag, .. } => {
                object.insert("size".into(), (*size).into());
                object.insert("eTag".into(), etag.as_str().into());
            }
            Kind::Tagged { etag, .. } => {
                object.insert("eTag".into(), etag.as_str().into());
            }
            Kind::Removed { .. } => {}
        }
        if let Some(version) = &self.version {
            object.insert("versionId".into(), version.as_str().into());
        }
        object.insert("sequencer".into(), self.sequencer().into());
        json!({ "Records": [{
            "eventVersion": self.kind.schema(),
            "eventSource": "aws:s3",
            "awsRegion": self.scene.scope.region.as_str(),
            "eventTime": self.scene.time.rfc3339(),
            "eventName": self.kind.name(),
            "userIdentity": { "principalId": self.principal_id() },
            "requestParameters": { "sourceIPAddress": self.scene.source_ip },
            "responseElements": {
                "x-amz-request-id": self.scene.request_id,
                "x-amz-id-2": self.scene.request_id,
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": configuration,
                "bucket": {
                    "name": self.scene.bucket.as_str(),
                    "ownerIdentity": owner,
                    "arn": self.scene.bucket_arn(),
                },
                "object": object,
            },
        }]})
    }

    fn principal_id(&self) -> String {
        match &self.kind {
            // S3 itself did it.
            Kind::Removed { expired: true, .. } => self.scene.principal.clone(),
            _ => format!("AWS:{}", self.scene.principal),
        }
    }

    /// What the EventBridge rules are told.
    pub fn bus_event(&self) -> Value {
        let mut object = Map::new();
        object.insert("key".into(), self.scene.key.as_str().into());
        let mut detail = Map::new();
        let detail_type = match &self.kind {
            Kind::Created { by, size, etag } => {
                object.insert("size".into(), (*size).into());
                object.insert("etag".into(), etag.as_str().into());
                detail.insert("reason".into(), reason(by).into());
                "Object Created"
            }
            Kind::Removed { how, expired } => {
                let reason = if *expired {
                    "Lifecycle Expiration"
                } else {
                    "DeleteObject"
                };
                detail.insert("reason".into(), reason.into());
                let how = match how {
                    Removal::ForGood => "Permanently Deleted",
                    Removal::MarkerCreated => "Delete Marker Created",
                };
                detail.insert("deletion-type".into(), how.into());
                "Object Deleted"
            }
            Kind::Tagged { etag, put } => {
                object.insert("etag".into(), etag.as_str().into());
                if *put {
                    "Object Tags Added"
                } else {
                    "Object Tags Deleted"
                }
            }
        };
        if let Some(version) = &self.version {
            object.insert("version-id".into(), version.as_str().into());
        }
        if !matches!(self.kind, Kind::Tagged { .. }) {
            object.insert("sequencer".into(), self.sequencer().into());
        }
        detail.insert("version".into(), "0".into());
        detail.insert(
            "bucket".into(),
            json!({ "name": self.scene.bucket.as_str() }),
        );
        detail.insert("object".into(), object.into());
        detail.insert("request-id".into(), self.scene.request_id.as_str().into());
        detail.insert("requester".into(), self.requester().into());
        if !self.scene.source_ip.is_empty() {
            detail.insert(
                "source-ip-address".into(),
                self.scene.source_ip.as_str().into(),
            );
        }
        json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": detail_type,
            "source": "aws.s3",
            "account": self.scene.scope.account.as_str(),
            "time": whole_seconds(self.scene.time),
            "region": self.scene.scope.region.as_str(),
            "resources": [self.scene.bucket_arn()],
            "detail": detail,
        })
    }

    fn requester(&self) -> &str {
        match &self.kind {
            Kind::Removed { expired: true, .. } => &self.scene.principal,
            _ => self.scene.scope.account.as_str(),
        }
    }
}

fn reason(by: &str) -> &str {
    match by {
        "Put" => "PutObject",
        "Post" => "POST Object",
        "Copy" => "CopyObject",
        other => other,
    }
}

fn encode(key: &str) -> String {
    utf8_percent_encode(key, KEY).to_string().replace(' ', "+")
}

/// `2026-11-21T02:37:16Z`
fn whole_seconds(time: Timestamp) -> String {
    let text = time.rfc3339();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        Scene {
            scope: Scope {
                account: "123456789012".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            bucket: "data".parse().unwrap(),
            key: "raw/a b+ü.csv".parse().unwrap(),
            time: Timestamp(1_700_000_000_042),
            principal: "AIDA".to_owned(),
            source_ip: "127.0.0.1".to_owned(),
            request_id: "R".to_owned(),
        }
    }

    fn happening(scene: &Scene, kind: Kind) -> Happening<'_> {
        Happening {
            scene,
            kind,
            version: None,
            sequence: 255,
        }
    }

    fn created() -> Kind {
        Kind::Created {
            by: "Put",
            size: 3,
            etag: "e".to_owned(),
        }
    }

    #[test]
    fn a_function_is_told_in_the_words_of_aws() {
        let wanted = json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2023-11-14T22:13:20.042Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "AWS:AIDA" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": "R", "x-amz-id-2": "R" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "c",
                "bucket": {
                    "name": "data",
                    "ownerIdentity": { "principalId": "123456789012" },
                    "arn": "arn:aws:s3:::data",
                },
                "object": {
                    "key": "raw/a+b%2B%C3%BC.csv",
                    "size": 3,
                    "eTag": "e",
                    "sequencer": "0000000000000000FF",
                },
            },
        }]});
        assert_eq!(happening(&scene(), created()).notification("c"), wanted);
    }

    #[test]
    fn what_is_gone_has_neither_size_nor_tag() {
        for (how, expired, name) in [
            (Removal::ForGood, false, "ObjectRemoved:Delete"),
            (
                Removal::MarkerCreated,
                false,
                "ObjectRemoved:DeleteMarkerCreated",
            ),
            (Removal::ForGood, true, "LifecycleExpiration:Delete"),
            (
                Removal::MarkerCreated,
                true,
                "LifecycleExpiration:DeleteMarkerCreated",
            ),
        ] {
            let scene = scene();
            let mut removed = happening(&scene, Kind::Removed { how, expired });
            removed.version = Some("v".parse().unwrap());
            let record = &removed.notification("c")["Records"][0];
            assert_eq!(record["eventName"], name);
            let object = record["s3"]["object"].as_object().unwrap();
            let fields: Vec<&str> = object.keys().map(String::as_str).collect();
            assert_eq!(fields, ["key", "sequencer", "versionId"]);
        }
    }

    #[test]
    fn rules_are_told_in_the_words_of_aws() {
        let mut event = happening(&scene(), created()).bus_event();
        assert_eq!(event["id"].as_str().unwrap().len(), 36);
        event.as_object_mut().unwrap().remove("id");
        let wanted = json!({
            "version": "0",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": "123456789012",
            "time": "2023-11-14T22:13:20Z",
            "region": "us-east-1",
            "resources": ["arn:aws:s3:::data"],
            "detail": {
                "version": "0",
                "bucket": { "name": "data" },
                "object": {
                    "key": "raw/a b+ü.csv",
                    "size": 3,
                    "etag": "e",
                    "sequencer": "0000000000000000FF",
                },
                "request-id": "R",
                "requester": "123456789012",
                "source-ip-address": "127.0.0.1",
                "reason": "PutObject",
            },
        });
        assert_eq!(event, wanted);
        let marker = Kind::Removed {
            how: Removal::MarkerCreated,
            expired: true,
        };
        let marker = happening(&scene(), marker).bus_event();
        assert_eq!(marker["detail-type"], "Object Deleted");
        assert_eq!(marker["detail"]["deletion-type"], "Delete Marker Created");
        assert_eq!(marker["detail"]["reason"], "Lifecycle Expiration");
    }
}
