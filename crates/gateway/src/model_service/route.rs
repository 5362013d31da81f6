//! What a route of type model says: which object is the model, and the options of those
//! who name none.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::{BucketName, ObjectKey};

use super::asked::Asked;
use crate::map_service::Pairs;

/// A model in a bucket, and options by the names that they have in a query.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct ModelRoute {
    pub bucket: BucketName,
    pub key: ObjectKey,
    options: Pairs,
    asked: Arc<Asked>,
}

/// As it is sent and kept.
#[derive(Serialize, Deserialize)]
struct Written {
    /// `s3://BUCKET/KEY`
    model: String,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    options: Pairs,
}

impl ModelRoute {
    /// What is wrong with the options is for who makes the route.
    pub fn new(bucket: BucketName, key: ObjectKey, options: Pairs) -> Result<Self, String> {
        let asked = Asked::default().with(&options);
        let asked = asked.map_err(|refusal| refusal.to_string())?;
        Ok(Self {
            bucket,
            key,
            options,
            asked: Arc::new(asked),
        })
    }

    /// Of a model that no route names: only its options count.
    pub fn standalone(options: Pairs) -> Result<Self, String> {
        Self::at("s3://standalone/model", options)
    }

    /// `s3://BUCKET/KEY`
    pub fn at(address: &str, options: Pairs) -> Result<Self, String> {
        let rest = address.strip_prefix("s3://");
        let (bucket, key) = rest
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(|| format!("a model is at s3://BUCKET/KEY, and not at {address:?}"))?;
        let bucket = bucket.parse().map_err(|error| format!("{error}"))?;
        let key = key.parse().map_err(|error| format!("{error}"))?;
        Self::new(bucket, key, options)
    }

    pub fn address(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    pub fn options(&self) -> &Pairs {
        &self.options
    }

    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }
}

impl PartialEq for ModelRoute {
    fn eq(&self, other: &Self) -> bool {
        (&self.bucket, &self.key, &self.options) == (&other.bucket, &other.key, &other.options)
    }
}

impl Eq for ModelRoute {}

impl TryFrom<Written> for ModelRoute {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Self::at(&written.model, written.options)
    }
}

impl From<ModelRoute> for Written {
    fn from(route: ModelRoute) -> Self {
        Self {
            model: route.address(),
            options: route.options,
        }
    }
}
