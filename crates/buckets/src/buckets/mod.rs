//! All buckets, and what can be done with them. This file has the buckets
//! themselves; [`objects`], [`uploads`], [`listing`] and [`expiry`] what is in them.

mod announce;
mod assembly;
mod conditions;
mod expiry;
mod listing;
mod objects;
mod page;
mod uploads;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use store::{BucketRow, NewEvent, ObjectError, Store, StoreError};
use tokio_util::task::TaskTracker;
use types::{BucketName, Scope, Timestamp};

use crate::bucket::{Bucket, BucketSettings};
use crate::error::BucketError;

pub use announce::{Origin, WriteKind};
pub use conditions::EXISTING_TAG;
pub use listing::{Entry, Page, UploadPage, UploadQuery};
pub use objects::{ByteRange, Copy, GetObject, Write};
pub use page::SitePage;
pub use uploads::{
    Complete, MOST_PARTS, NewUpload, PartInfo, PartPage, SMALLEST_PART, Upload, UploadedPart,
};

/// As many as an account of AWS may have after it asked for more.
const MOST_BUCKETS: usize = 10_000;

/// Gives the EventBridge rules as they are now. Rules are a sibling's business;
/// the server brings the two together.
pub type EventRouter = Arc<dyn Fn() -> Routes + Send + Sync>;

/// EventBridge rules at one moment.
pub struct Routes {
    /// How many events one event of a bucket can cause: their places in the
    /// queue are reserved before the write.
    pub most: usize,
    /// The events that one event of a bucket causes. It runs on the thread that
    /// writes, so it must not wait for anything.
    pub route: Route,
}

pub type Route = Box<dyn Fn(&Value) -> Vec<NewEvent> + Send>;

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl Routes {
    /// Without any rule.
    pub fn none() -> Self {
        Self {
            most: 0,
            route: Box::new(|_| Vec::new()),
        }
    }
}

/// All buckets. A clone is another handle.
#[derive(Clone)]
pub struct Buckets {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    scope: Scope,
    /// How many accepted events there may be.
    accepted_limit: u64,
    router: EventRouter,
    by_name: Arc<RwLock<BTreeMap<BucketName, Arc<Bucket>>>>,
    /// Held from reading a bucket to publishing its successor.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Changes run as tasks of their own, so that a client that vanishes cannot
    /// stop one between the disk and the memory.
    tasks: TaskTracker,
    completed: Mutex<assembly::Completed>,
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").finish_non_exhaustive()
    }
}

impl Buckets {
    /// Reads the buckets. It blocks: call it at the start. `accepted_limit` is
    /// how many events may be accepted and not yet done.
    pub fn open(
        store: Arc<Store>,
        scope: Scope,
        accepted_limit: u64,
        router: EventRouter,
    ) -> Result<Self, StoreError> {
        let rows = store.objects().buckets()?;
        let buckets = rows.into_iter().map(|row| {
            let bucket = read(row)?;
            Ok((bucket.name.clone(), Arc::new(bucket)))
        });
        let by_name = buckets.collect::<Result<_, StoreError>>()?;
        let inner = Inner {
            store,
            scope,
            accepted_limit,
            router,
            by_name: Arc::new(RwLock::new(by_name)),
            writing: Arc::default(),
            tasks: TaskTracker::new(),
            completed: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Waits for changes under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    pub fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    pub fn bucket(&self, name: &BucketName) -> Result<Arc<Bucket>, BucketError> {
        let found = self.inner.by_name.read().get(name).cloned();
        found.ok_or_else(|| BucketError::NoSuchBucket {
            bucket: Some(name.clone()),
        })
    }

    /// Sorted by name.
    pub fn all(&self) -> Vec<Arc<Bucket>> {
        self.inner.by_name.read().values().cloned().collect()
    }

    pub async fn create(
        &self,
        name: BucketName,
        settings: BucketSettings,
    ) -> Result<Arc<Bucket>, BucketError> {
        let bytes = write(&settings);
        let (store, by_name) = (self.inner.store.clone(), self.inner.by_name.clone());
        self.change(async move {
            {
                let buckets = by_name.read();
                if buckets.contains_key(&name) {
                    return Err(BucketError::BucketAlreadyOwnedByYou { bucket: name });
                }
                if buckets.len() >= MOST_BUCKETS {
                    return Err(BucketError::TooManyBuckets);
                }
            }
            let created = store
                .objects()
                .create_bucket(name.clone(), Timestamp::now(), bytes)
                .await;
            let row = created.map_err(|error| BucketError::of_bucket(error, &name))?;
            let bucket = Arc::new(Bucket {
                id: row.id,
                name: row.name,
                created: row.created,
                settings,
            });
            by_name.write().insert(name, Arc::clone(&bucket));
            Ok(bucket)
        })
        .await
    }

    /// Only an empty bucket goes.
    pub async fn delete(&self, name: &BucketName) -> Result<(), BucketError> {
        let name = name.clone();
        let (store, by_name) = (self.inner.store.clone(), self.inner.by_name.clone());
        self.change(async move {
            let found = by_name.read().get(&name).cloned();
            let Some(bucket) = found else {
                return Err(BucketError::NoSuchBucket { bucket: Some(name) });
            };
            match store.objects().delete_bucket(bucket.id).await {
                Ok(()) | Err(ObjectError::NoSuchBucket) => {}
                Err(error) => return Err(BucketError::of_bucket(error, &name)),
            }
            by_name.write().remove(&name);
            Ok(())
        })
        .await
    }

    /// Changes settings: committed first, visible afterwards. When `change`
    /// refuses, nothing has happened.
    pub async fn configure(
        &self,
        name: &BucketName,
        change: impl FnOnce(&mut BucketSettings) -> Result<(), BucketError> + Send + 'static,
    ) -> Result<Arc<Bucket>, BucketError> {
        let name = name.clone();
        let (store, by_name) = (self.inner.store.clone(), self.inner.by_name.clone());
        self.change(async move {
            let found = by_name.read().get(&name).cloned();
            let Some(old) = found else {
                return Err(BucketError::NoSuchBucket { bucket: Some(name) });
            };
            let mut bucket = Bucket::clone(&old);
            change(&mut bucket.settings)?;
            let bytes = write(&bucket.settings);
            let set = store.objects().set_bucket(bucket.id, bytes).await;
            set.map_err(|error| BucketError::of_bucket(error, &name))?;
            let bucket = Arc::new(bucket);
            by_name.write().insert(name, Arc::clone(&bucket));
            Ok(bucket)
        })
        .await
    }

    /// Runs one change at a time, to its end even when nobody waits for it.
    async fn change<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, BucketError>> + Send + 'static,
    ) -> Result<T, BucketError> {
        let turn = Arc::clone(&self.inner.writing).lock_owned().await;
        let task = self.inner.tasks.spawn(async move {
            let _turn = turn;
            change.await
        });
        task.await.expect("a change neither panics nor is aborted")
    }
}

fn read(row: BucketRow) -> Result<Bucket, StoreError> {
    let settings = serde_json::from_slice(&row.settings).map_err(|error| StoreError::Corrupt {
        what: "the settings of a bucket",
        detail: format!("{}: {error}", row.name),
    })?;
    Ok(Bucket {
        id: row.id,
        name: row.name,
        created: row.created,
        settings,
    })
}

fn write(settings: &BucketSettings) -> Vec<u8> {
    serde_json::to_vec(settings).expect("settings have text keys only")
}
