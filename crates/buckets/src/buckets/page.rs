//! A bucket as a website: pages out of the store.

use policy::Context;
use types::ObjectKey;

use super::{Buckets, GetObject};
use crate::bucket::Bucket;
use crate::error::BucketError;
use crate::website::{Looked, PageRequest, SiteAnswer, SiteError, resolve};

/// What to answer to a request for a page.
pub type SitePage = SiteAnswer<GetObject>;

impl Buckets {
    /// The page that anyone gets, without a signature.
    pub async fn page(
        &self,
        bucket: &Bucket,
        request: &PageRequest<'_>,
    ) -> Result<SitePage, BucketError> {
        let Some(website) = &bucket.settings.website else {
            return Ok(SiteAnswer::Error(SiteError::not_configured()));
        };
        let context = Context::new()
            .with("aws:SourceIp", request.source_ip)
            .with("aws:SecureTransport", "false");
        let context = &context;
        let look = |key: String| async move { self.look(bucket, &key, context).await };
        resolve(website, request, look).await
    }

    async fn look(
        &self,
        bucket: &Bucket,
        key: &str,
        context: &Context,
    ) -> Result<Looked<GetObject>, BucketError> {
        let settings = &bucket.settings;
        if !settings.allows_anyone(&bucket.name, "s3:GetObject", Some(key), context) {
            return Ok(Looked::Forbidden);
        }
        let Ok(key) = key.parse::<ObjectKey>() else {
            return Ok(Looked::Missing);
        };
        match self.get(bucket, &key, None).await {
            Ok(object) => Ok(Looked::Object {
                redirect: object.attributes.website_redirect.clone(),
                object,
            }),
            Err(BucketError::NoSuchKey { .. } | BucketError::Deleted { .. }) => Ok(Looked::Missing),
            Err(error) => Err(error),
        }
    }
}
