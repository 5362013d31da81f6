//! A bucket as a website: pages out of the store.

use std::borrow::Cow;

use policy::Context;
use types::ObjectKey;

use super::{Buckets, EXISTING_TAG, GetObject};
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
        let mut context = Cow::Borrowed(context);
        let policy = settings.policy.as_ref();
        if policy.is_some_and(|policy| policy.document().mentions(EXISTING_TAG)) {
            let context = context.to_mut();
            self.add_existing_tags(bucket, key, None, context).await?;
        }
        if !settings.allows_anyone(&bucket.name, "s3:GetObject", Some(key), &context) {
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
