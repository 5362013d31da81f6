//! What conditions of policies may ask about an object that is there.

use policy::Context;

use super::Buckets;
use crate::bucket::Bucket;
use crate::error::BucketError;

/// How the keys begin by which conditions ask for the tags that an object has.
pub const EXISTING_TAG: &str = "s3:ExistingObjectTag/";

impl Buckets {
    /// Adds the tags of an object; one that is not there, or cannot be, has none.
    pub async fn add_existing_tags(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&str>,
        context: &mut Context,
    ) -> Result<(), BucketError> {
        let (Ok(key), Ok(version)) = (key.parse(), version.map(str::parse).transpose()) else {
            return Ok(());
        };
        let found = match self.get(bucket, &key, version.as_ref()).await {
            Ok(found) => found,
            // Not to know the tags is not to have none.
            Err(error @ BucketError::Store(_)) => return Err(error),
            Err(_) => return Ok(()),
        };
        for (tag, value) in &found.attributes.tags {
            context.add(&format!("{EXISTING_TAG}{tag}"), value);
        }
        Ok(())
    }
}
