//! Which permission an operation needs, and on what: the one table.

/// On what the permission is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// All buckets.
    Everything,
    Bucket,
    Object,
    /// The object that is copied from.
    Source,
}

/// A permission that an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub action: &'static str,
    pub on: On,
}

/// What of a request decides over the permission.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that have nothing to do with each other"
)]
pub(crate) struct Facts {
    /// A version is named.
    pub version: bool,
    /// A version of the source is named.
    pub source_version: bool,
    /// Tags come with the object.
    pub tagging: bool,
    /// An ACL comes with the object.
    pub acl: bool,
}

/// All that `operation` needs. `None`: it asks for itself, for each key. What is
/// not in the table cannot be permitted to anyone but the owner.
pub(crate) fn needs(operation: &str, facts: Facts) -> Option<Vec<Need>> {
    let of = |on, action| Some(vec![Need { action, on }]);
    let bucket = |action| of(On::Bucket, action);
    let either = |plain, versioned| of(On::Object, if facts.version { versioned } else { plain });
    match operation {
        "ListBuckets" => of(On::Everything, "s3:ListAllMyBuckets"),
        "CreateBucket" => bucket("s3:CreateBucket"),
        "DeleteBucket" => bucket("s3:DeleteBucket"),
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => bucket("s3:ListBucket"),
        "ListObjectVersions" => bucket("s3:ListBucketVersions"),
        "ListMultipartUploads" => bucket("s3:ListBucketMultipartUploads"),
        "GetObject" | "HeadObject" => either("s3:GetObject", "s3:GetObjectVersion"),
        "GetObjectAttributes" if facts.version => Some(vec![
            object("s3:GetObjectVersion"),
            object("s3:GetObjectVersionAttributes"),
        ]),
        "GetObjectAttributes" => Some(vec![
            object("s3:GetObject"),
            object("s3:GetObjectAttributes"),
        ]),
        "GetObjectTagging" => either("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
        "PutObjectTagging" => either("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
        "DeleteObjectTagging" => either("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
        "GetObjectAcl" => either("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
        "PutObjectAcl" => either("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
        "DeleteObject" => either("s3:DeleteObject", "s3:DeleteObjectVersion"),
        "DeleteObjects" => None,
        "PutObject" | "PostObject" | "CreateMultipartUpload" => Some(writing(facts)),
        "UploadPart" | "CompleteMultipartUpload" => of(On::Object, "s3:PutObject"),
        "CopyObject" | "UploadPartCopy" => {
            let mut needs = writing(facts);
            let action = if facts.source_version {
                "s3:GetObjectVersion"
            } else {
                "s3:GetObject"
            };
            needs.push(Need {
                action,
                on: On::Source,
            });
            Some(needs)
        }
        "AbortMultipartUpload" => of(On::Object, "s3:AbortMultipartUpload"),
        "ListParts" => of(On::Object, "s3:ListMultipartUploadParts"),
        "GetObjectLegalHold" => of(On::Object, "s3:GetObjectLegalHold"),
        "GetObjectRetention" => of(On::Object, "s3:GetObjectRetention"),
        "PutObjectLegalHold" => of(On::Object, "s3:PutObjectLegalHold"),
        "PutObjectRetention" => of(On::Object, "s3:PutObjectRetention"),
        "RestoreObject" => of(On::Object, "s3:RestoreObject"),
        "SelectObjectContent" => of(On::Object, "s3:GetObject"),
        _ => bucket(setting(operation)),
    }
}

/// Whether conditions may ask for the tags that the object has: on AWS not for
/// every action, and not where it is written or deleted.
pub(crate) fn knows_tags(action: &str) -> bool {
    matches!(
        action,
        "s3:GetObject"
            | "s3:GetObjectVersion"
            | "s3:GetObjectAttributes"
            | "s3:GetObjectVersionAttributes"
            | "s3:GetObjectAcl"
            | "s3:GetObjectVersionAcl"
            | "s3:PutObjectAcl"
            | "s3:PutObjectVersionAcl"
            | "s3:GetObjectTagging"
            | "s3:GetObjectVersionTagging"
            | "s3:PutObjectTagging"
            | "s3:PutObjectVersionTagging"
            | "s3:DeleteObjectTagging"
            | "s3:DeleteObjectVersionTagging"
    )
}

fn object(action: &'static str) -> Need {
    Need {
        action,
        on: On::Object,
    }
}

fn writing(facts: Facts) -> Vec<Need> {
    let mut needs = vec![object("s3:PutObject")];
    if facts.tagging {
        needs.push(object("s3:PutObjectTagging"));
    }
    if facts.acl {
        needs.push(object("s3:PutObjectAcl"));
    }
    needs
}

/// The settings of a bucket: deleting one needs what putting it needs, mostly.
fn setting(operation: &str) -> &'static str {
    match operation {
        "GetBucketLocation" => "s3:GetBucketLocation",
        "GetBucketVersioning" => "s3:GetBucketVersioning",
        "PutBucketVersioning" => "s3:PutBucketVersioning",
        "GetBucketTagging" => "s3:GetBucketTagging",
        "PutBucketTagging" | "DeleteBucketTagging" => "s3:PutBucketTagging",
        "GetBucketCors" => "s3:GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "s3:PutBucketCORS",
        "GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            "s3:PutLifecycleConfiguration"
        }
        "GetBucketPolicy" => "s3:GetBucketPolicy",
        "PutBucketPolicy" => "s3:PutBucketPolicy",
        "DeleteBucketPolicy" => "s3:DeleteBucketPolicy",
        "GetBucketPolicyStatus" => "s3:GetBucketPolicyStatus",
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        "GetBucketWebsite" => "s3:GetBucketWebsite",
        "PutBucketWebsite" => "s3:PutBucketWebsite",
        "DeleteBucketWebsite" => "s3:DeleteBucketWebsite",
        "GetBucketNotificationConfiguration" => "s3:GetBucketNotification",
        "PutBucketNotificationConfiguration" => "s3:PutBucketNotification",
        "GetBucketOwnershipControls" => "s3:GetBucketOwnershipControls",
        "PutBucketOwnershipControls" | "DeleteBucketOwnershipControls" => {
            "s3:PutBucketOwnershipControls"
        }
        "GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "s3:PutEncryptionConfiguration",
        "GetBucketAcl" => "s3:GetBucketAcl",
        "PutBucketAcl" => "s3:PutBucketAcl",
        "GetBucketRequestPayment" => "s3:GetBucketRequestPayment",
        "PutBucketRequestPayment" => "s3:PutBucketRequestPayment",
        "GetBucketLogging" => "s3:GetBucketLogging",
        "PutBucketLogging" => "s3:PutBucketLogging",
        "GetBucketAccelerateConfiguration" => "s3:GetAccelerateConfiguration",
        "PutBucketAccelerateConfiguration" => "s3:PutAccelerateConfiguration",
        "GetBucketReplication" => "s3:GetReplicationConfiguration",
        "PutBucketReplication" | "DeleteBucketReplication" => "s3:PutReplicationConfiguration",
        "GetObjectLockConfiguration" => "s3:GetBucketObjectLockConfiguration",
        "PutObjectLockConfiguration" => "s3:PutBucketObjectLockConfiguration",
        // Not an action of AWS: only who may everything has it.
        _ => "s3:Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(operation: &str, facts: Facts) -> Vec<&'static str> {
        let needs = needs(operation, facts).unwrap();
        needs.iter().map(|need| need.action).collect()
    }

    #[test]
    fn operations_need_what_they_need_on_aws() {
        let plain = Facts::default();
        let version = Facts {
            version: true,
            ..plain
        };
        assert_eq!(actions("HeadObject", plain), ["s3:GetObject"]);
        assert_eq!(actions("GetObject", version), ["s3:GetObjectVersion"]);
        assert_eq!(actions("HeadBucket", plain), ["s3:ListBucket"]);
        assert_eq!(actions("DeleteObject", version), ["s3:DeleteObjectVersion"]);
        assert_eq!(actions("UploadPart", plain), ["s3:PutObject"]);
        assert_eq!(actions("DeleteBucketCors", plain), ["s3:PutBucketCORS"]);
        let tagged = Facts {
            tagging: true,
            ..plain
        };
        assert_eq!(
            actions("CopyObject", tagged),
            ["s3:PutObject", "s3:PutObjectTagging", "s3:GetObject"]
        );
        assert!(needs("DeleteObjects", plain).is_none());
        assert_eq!(
            actions("GetBucketInventoryConfiguration", plain),
            ["s3:Unknown"]
        );
    }
}
