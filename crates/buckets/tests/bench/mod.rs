//! A store in a temporary directory with buckets over it, and short ways to use
//! them.

// Each test binary uses its own part of it.
#![allow(dead_code, missing_debug_implementations)]

use std::sync::Arc;

use buckets::{
    Attributes, Bucket, BucketError, BucketPolicy, BucketSettings, Buckets, EventRouter, GetObject,
    Origin, Routes, Write, WriteKind,
};
use bytes::Bytes;
use store::{Committed, Content, Durability, Precondition, Store};
use tempfile::TempDir;
use types::{Scope, Timestamp};

pub struct Bench {
    dir: TempDir,
    router: EventRouter,
    pub store: Arc<Store>,
    pub buckets: Buckets,
}

/// So many events may wait.
pub const ACCEPTED_LIMIT: u64 = 20;

impl Bench {
    pub fn open() -> Self {
        Self::with_router(Arc::new(Routes::none))
    }

    pub fn with_router(router: EventRouter) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::over(dir, router)
    }

    fn over(dir: TempDir, router: EventRouter) -> Self {
        let store = Arc::new(Store::open(dir.path(), Durability::Relaxed).unwrap());
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let (limit, routes) = (ACCEPTED_LIMIT, Arc::clone(&router));
        let buckets = Buckets::open(Arc::clone(&store), scope, limit, routes).unwrap();
        Self {
            dir,
            router,
            store,
            buckets,
        }
    }

    /// The same directory, as a new engine finds it.
    pub async fn reopen(self) -> Self {
        let Self {
            dir,
            router,
            store,
            buckets,
        } = self;
        buckets.drain().await;
        store.close().await;
        drop((store, buckets));
        Self::over(dir, router)
    }

    pub async fn bucket(&self, name: &str) -> Arc<Bucket> {
        let settings = BucketSettings::default();
        let made = self.buckets.create(name.parse().unwrap(), settings);
        made.await.unwrap()
    }

    pub async fn versioned_bucket(&self, name: &str) -> Arc<Bucket> {
        let settings = BucketSettings {
            versioning: Some(true),
            ..BucketSettings::default()
        };
        let made = self.buckets.create(name.parse().unwrap(), settings);
        made.await.unwrap()
    }

    /// As a client makes a bucket of a website public.
    pub async fn make_public(&self, bucket: &Bucket) -> Arc<Bucket> {
        let name = bucket.name.clone();
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{name}/*"}}]}}"#
        );
        let set = self.buckets.configure(&bucket.name, move |settings| {
            settings.public_access_block = None;
            settings.set_policy(BucketPolicy::parse(&text, &name)?)
        });
        set.await.unwrap()
    }

    pub async fn content(&self, bytes: impl Into<Bytes>) -> Content {
        let bytes = bytes.into();
        let mut writer = self.buckets.writer(Some(bytes.len() as u64));
        writer.write(bytes).await.unwrap();
        Box::pin(writer.finish()).await.unwrap()
    }

    pub async fn put(&self, bucket: &Bucket, key: &str, text: &str) -> Committed {
        let put = self.try_put(bucket, key, text, Precondition::default());
        put.await.unwrap()
    }

    pub async fn try_put(
        &self,
        bucket: &Bucket,
        key: &str,
        text: &str,
        precondition: Precondition,
    ) -> Result<Committed, BucketError> {
        let mut attributes = Attributes::default();
        attributes.headers.content_type = Some("text/plain".to_owned());
        let write = Write {
            key: key.parse().unwrap(),
            content: self.content(text.to_owned()).await,
            attributes,
            precondition,
            kind: WriteKind::Put,
            origin: origin(),
        };
        self.buckets.put(bucket, write).await
    }

    pub async fn get(&self, bucket: &Bucket, key: &str) -> Result<GetObject, BucketError> {
        let key = key.parse().unwrap();
        self.buckets.get(bucket, &key, None).await
    }

    pub async fn read(&self, bucket: &Bucket, key: &str) -> Bytes {
        let got = self.get(bucket, key).await.unwrap();
        self.bytes(&got).await
    }

    pub async fn bytes(&self, got: &GetObject) -> Bytes {
        let mut reader = self.buckets.read(&got.found, 0..got.object.size);
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        bytes.into()
    }

    pub async fn delete(&self, bucket: &Bucket, key: &str) -> Committed {
        let (key, free) = (key.parse().unwrap(), Precondition::default());
        let deleted = self
            .buckets
            .delete_object(bucket, key, None, free, origin());
        deleted.await.unwrap()
    }

    /// What the functions are told that are due now.
    pub async fn due(&self) -> Vec<store::Event> {
        let soon = Timestamp::now().plus_millis(1_000);
        self.store.events().due(soon, 100).await
    }
}

pub fn origin() -> Origin {
    Origin {
        principal: "AIDA".to_owned(),
        source_ip: "127.0.0.1".to_owned(),
        request_id: "R".to_owned(),
        trace_id: Some("Root=1".to_owned()),
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
