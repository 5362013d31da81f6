//! A bucket and its settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::{BucketId, Versioning};
use types::{BucketName, Timestamp};

use crate::access::{BucketPolicy, PublicAccessBlock};
use crate::cors::Cors;
use crate::lifecycle::Lifecycle;
use crate::notify::Notifications;
use crate::website::Website;

#[derive(Debug, Clone)]
pub struct Bucket {
    pub id: BucketId,
    pub name: BucketName,
    pub created: Timestamp,
    pub settings: BucketSettings,
}

/// Stored as JSON with the bucket. Whatever is missing there has the value that
/// a new bucket has, so that settings can be added in later versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct BucketSettings {
    /// `None` until versioning was first set.
    pub versioning: Option<bool>,
    pub tags: BTreeMap<String, String>,
    pub cors: Option<Cors>,
    pub lifecycle: Option<Lifecycle>,
    /// Set it by `set_policy`, which knows what may not be set.
    pub policy: Option<BucketPolicy>,
    /// A new bucket has all of it; `None` after it was deleted.
    pub public_access_block: Option<PublicAccessBlock>,
    pub website: Option<Website>,
    pub notifications: Notifications,
    pub ownership: Option<Ownership>,
    pub encryption: Encryption,
}

impl Default for BucketSettings {
    /// Those of a new bucket.
    fn default() -> Self {
        Self {
            versioning: None,
            tags: BTreeMap::new(),
            cors: None,
            lifecycle: None,
            policy: None,
            public_access_block: Some(PublicAccessBlock::ALL),
            website: None,
            notifications: Notifications::default(),
            ownership: Some(Ownership::BucketOwnerEnforced),
            encryption: Encryption::default(),
        }
    }
}

impl BucketSettings {
    /// What a write does to what was there.
    pub fn versioning(&self) -> Versioning {
        match self.versioning {
            None => Versioning::Off,
            Some(true) => Versioning::Enabled,
            Some(false) => Versioning::Suspended,
        }
    }
}

/// `ObjectOwnership`. There is one owner, so it is kept and answered only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    ObjectWriter,
}

/// The default encryption that clients are told of. Bytes lie on the disk of the
/// machine as they are: who can read its disk can read them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    pub kms_key: Option<String>,
    pub bucket_key: bool,
}

impl Default for Encryption {
    /// S3's own keys, as every new bucket on AWS.
    fn default() -> Self {
        Self {
            algorithm: "AES256".to_owned(),
            kms_key: None,
            bucket_key: false,
        }
    }
}
