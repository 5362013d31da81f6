//! Payloads that are too large to be sent: they wait in a bucket, and the function is
//! told where.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_client::Client;
use bytes::Bytes;
use http::Method;
use map::run::{Exchange, Loan};
use tokio::sync::OnceCell;

use crate::s3::{Doomed, S3, S3Error, object_path};

/// A function may take 15 minutes, and wait for its turn before that.
const VALID_SECONDS: u32 = 3_600;
/// Objects are kept apart by job, so that a bucket's owner sees what is whose.
const FOLDER: &str = "squall-map";
const ANSWER: &str = ".answer";
/// Transfers of large payloads at once.
const PARALLEL: usize = 8;

/// The bucket of the account for jobs, made when it is first needed.
#[derive(Debug)]
pub struct S3Exchange {
    client: Client,
    s3: S3,
    bucket: String,
    /// Part of all keys, so that two jobs never share one.
    job: String,
    next: AtomicU64,
    made: OnceCell<()>,
}

impl S3Exchange {
    /// `bucket` as the user named it; else one of our own.
    pub fn new(client: Client, account: &str, bucket: Option<String>) -> Arc<Self> {
        let own = || format!("squall-jobs-{account}-{}", client.region());
        Arc::new(Self {
            bucket: bucket.unwrap_or_else(own),
            s3: S3::new(client.clone(), PARALLEL),
            client,
            job: types::RequestId::random().to_string(),
            next: AtomicU64::new(0),
            made: OnceCell::new(),
        })
    }

    async fn ensure_bucket(&self) -> Result<(), S3Error> {
        let make = async || {
            if self.s3.has_bucket(&self.bucket).await? {
                return Ok(());
            }
            match self.s3.create_bucket(&self.bucket).await {
                // Another job was faster.
                Err(error) if error.has_code("BucketAlreadyOwnedByYou") => Ok(()),
                other => other,
            }
        };
        self.made.get_or_try_init(make).await.copied()
    }

    async fn presigned(&self, method: Method, key: &str) -> Result<String, String> {
        let target = object_path(&self.bucket, key);
        let signed = self.client.presign(method, "s3", &target, VALID_SECONDS);
        signed.await.map_err(|error| error.line())
    }

    async fn put_down(&self, payload: Bytes) -> Result<String, S3Error> {
        self.ensure_bucket().await?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let key = format!("{FOLDER}/{}/{number}", self.job);
        self.s3.put_bytes((&self.bucket, &key), payload).await?;
        Ok(key)
    }
}

impl Exchange for S3Exchange {
    async fn lend(&self, payload: Bytes) -> Result<Loan, String> {
        let words = |error: S3Error| {
            format!(
                "bucket {} for large payloads: {}",
                self.bucket,
                error.line()
            )
        };
        let key = self.put_down(payload).await.map_err(words)?;
        Ok(Loan {
            get: self.presigned(Method::GET, &key).await?,
            put: self.presigned(Method::PUT, &(key.clone() + ANSWER)).await?,
            key,
        })
    }

    async fn collect(&self, loan: &Loan) -> Result<Bytes, String> {
        let key = loan.key.clone() + ANSWER;
        let answer = self.s3.get_bytes((&self.bucket, &key)).await;
        answer.map_err(|error| format!("the answer in bucket {}: {}", self.bucket, error.line()))
    }

    async fn settle(&self, loan: Loan) {
        let doomed = [loan.key.clone(), loan.key + ANSWER].map(Doomed::newest);
        // What stays is a matter of space, not of the job's success.
        let _ = self.s3.delete_many(&self.bucket, &doomed).await;
    }
}
