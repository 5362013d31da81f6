//! Lifecycle rules carried out.
//!
//! An upload that was abandoned stays until a rule with
//! `AbortIncompleteMultipartUpload` ends it, as on AWS: nothing goes that nobody
//! asked to go.

use std::sync::Arc;

use store::{ListMark, ListQuery, MatchRule, ObjectError, Precondition, StoredBody};
use tokio::task::JoinSet;
use types::Timestamp;

use super::objects::Removal;
use super::{Buckets, Entry, Origin};
use crate::bucket::Bucket;
use crate::error::BucketError;
use crate::lifecycle::{Doomed, Lifecycle, Seen, SeenObject, Sweep};

/// So many versions are looked at before those of them that are over go.
const BATCH: usize = 1_000;
/// So many go at a time, for the store to write them together.
const AT_ONCE: usize = 64;

impl Buckets {
    /// Removes what the lifecycle rules of all buckets say is over at `now`, and
    /// uploads that they say were abandoned. Answers how many went. A bucket
    /// where it fails does not keep others from their turn; the last failure is
    /// the answer.
    pub async fn expire(&self, now: Timestamp) -> Result<u64, BucketError> {
        let (mut gone, mut failure) = (0, None);
        for bucket in self.all() {
            let Some(lifecycle) = &bucket.settings.lifecycle else {
                continue;
            };
            match self.expire_in(&bucket, lifecycle, now).await {
                Ok(count) => gone += count,
                // It was deleted in the meantime.
                Err(BucketError::NoSuchBucket { .. }) => {}
                Err(error) => {
                    tracing::error!(
                        bucket = %bucket.name,
                        error = &error as &dyn std::error::Error,
                        "the lifecycle rules of a bucket could not be carried out"
                    );
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(gone), Err)
    }

    async fn expire_in(
        &self,
        bucket: &Arc<Bucket>,
        lifecycle: &Lifecycle,
        now: Timestamp,
    ) -> Result<u64, BucketError> {
        let Some(mut sweep) = Sweep::new(lifecycle, now) else {
            return Ok(0);
        };
        let mut gone = self.abort_abandoned(bucket, &sweep).await?;
        let mut after = ListMark::Start;
        loop {
            let query = ListQuery {
                bucket: bucket.id,
                prefix: String::new(),
                delimiter: None,
                after,
                limit: BATCH,
            };
            let page = self.list_versions(bucket, query).await?;
            let mut doomed = Vec::new();
            for entry in &page.entries {
                sweep.visit(&seen(entry), &mut doomed);
            }
            if page.next.is_none() {
                doomed.extend(sweep.end());
            }
            gone += self.remove_all(bucket, doomed).await?;
            match page.next {
                Some(next) => after = next,
                None => return Ok(gone),
            }
        }
    }

    async fn abort_abandoned(
        &self,
        bucket: &Bucket,
        sweep: &Sweep<'_>,
    ) -> Result<u64, BucketError> {
        let objects = self.inner.store.objects();
        let listed = objects.list_uploads(bucket.id).await;
        let rows = listed.map_err(|error| BucketError::of_bucket(error, &bucket.name))?;
        let mut gone = 0;
        for row in rows {
            if !sweep.upload_is_over(&row.key, row.started) {
                continue;
            }
            match objects.abort_upload(&row.id).await {
                Ok(()) => gone += 1,
                // It was completed or aborted in the meantime.
                Err(ObjectError::NoSuchUpload) => {}
                Err(error) => return Err(BucketError::of_bucket(error, &bucket.name)),
            }
        }
        Ok(gone)
    }

    async fn remove_all(
        &self,
        bucket: &Arc<Bucket>,
        doomed: Vec<Doomed>,
    ) -> Result<u64, BucketError> {
        let (mut gone, mut failure) = (0, None);
        let mut note = |result: Result<bool, BucketError>| match result {
            Ok(went) => gone += u64::from(went),
            Err(error) => failure = Some(error),
        };
        let mut tasks = JoinSet::new();
        for doomed in doomed {
            if tasks.len() >= AT_ONCE
                && let Some(done) = tasks.join_next().await
            {
                note(done.expect("a removal neither panics nor is aborted"));
            }
            let (buckets, bucket) = (self.clone(), Arc::clone(bucket));
            tasks.spawn(async move { buckets.remove_one(&bucket, doomed).await });
        }
        while let Some(done) = tasks.join_next().await {
            note(done.expect("a removal neither panics nor is aborted"));
        }
        failure.map_or(Ok(gone), Err)
    }

    /// Answers whether it went. What was replaced since it was listed stays.
    async fn remove_one(&self, bucket: &Bucket, doomed: Doomed) -> Result<bool, BucketError> {
        let removal = Removal {
            key: doomed.key,
            version: doomed.version,
            precondition: Precondition {
                if_match: doomed.sequence.map(MatchRule::Sequence),
                ..Precondition::default()
            },
            expired: true,
        };
        match self.remove(bucket, removal, Origin::s3()).await {
            Ok(done) => Ok(done.removed.is_some() || done.written.is_some()),
            Err(BucketError::PreconditionFailed { .. } | BucketError::NoSuchKey { .. }) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn seen(entry: &Entry) -> Seen<'_> {
    let stored = &entry.stored;
    let object = match &stored.body {
        StoredBody::DeleteMarker => None,
        StoredBody::Object(object) => Some(SeenObject {
            size: object.size,
            tags: &entry.attributes.tags,
        }),
    };
    Seen {
        key: &stored.key,
        version: &stored.version,
        sequence: stored.sequence,
        is_latest: stored.is_latest,
        modified: stored.modified,
        object,
    }
}
