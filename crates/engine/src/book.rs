//! Documents of one kind, all of them in memory and written through: a change is
//! committed first and visible afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Change, Store, StoreError};
use tokio_util::task::TaskTracker;

/// Documents by their keys, sorted.
pub(crate) type Pages<V> = BTreeMap<String, Arc<V>>;

pub(crate) struct Book<V> {
    kind: &'static str,
    store: Arc<Store>,
    pages: Arc<RwLock<Pages<V>>>,
    /// Held from reading the pages to publishing their successors.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Commits run as tasks of their own, so that a client that vanishes cannot stop one
    /// between the disk and the memory.
    tasks: TaskTracker,
}

/// The pages as they shall be. What is put and removed is noted, so no operation can
/// forget to store something.
pub(crate) struct Draft<V> {
    pages: Pages<V>,
    touched: BTreeSet<String>,
}

impl<V> Book<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Reads what is stored. It blocks: call it at the start.
    pub fn open(store: Arc<Store>, kind: &'static str) -> Result<Self, StoreError> {
        let mut pages = Pages::new();
        for (key, body) in store.documents().load(kind)? {
            if let Ok(page) = serde_json::from_slice(&body) {
                pages.insert(key, Arc::new(page));
            } else {
                // One that a later version wrote must not keep the engine down. Without
                // the error, which may show what is stored.
                tracing::error!(kind, key, "skipped a stored document that is not readable");
            }
        }
        Ok(Self {
            kind,
            store,
            pages: Arc::new(RwLock::new(pages)),
            writing: Arc::default(),
            tasks: TaskTracker::new(),
        })
    }

    pub fn get(&self, key: &str) -> Option<Arc<V>> {
        self.pages.read().get(key).cloned()
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Pages<V>> {
        self.pages.read()
    }

    /// Works on a copy; what was touched is committed before the copy takes the place of
    /// the pages. On an error nothing has happened.
    pub async fn change<T, E: From<StoreError>>(
        &self,
        operation: impl FnOnce(&mut Draft<V>) -> Result<T, E>,
    ) -> Result<T, E> {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let mut draft = Draft {
            pages: self.pages.read().clone(),
            touched: BTreeSet::new(),
        };
        let result = operation(&mut draft)?;
        let changes = draft.changes(self.kind);
        if changes.is_empty() {
            return Ok(result);
        }
        let (store, pages) = (Arc::clone(&self.store), Arc::clone(&self.pages));
        let commit = self.tasks.spawn(async move {
            let _turn = turn;
            store.documents().commit(changes).await?;
            *pages.write() = draft.pages;
            Ok::<_, StoreError>(())
        });
        commit
            .await
            .expect("a commit neither panics nor is aborted")?;
        Ok(result)
    }

    #[cfg(test)]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl<V: Serialize> Draft<V> {
    pub fn pages(&self) -> &Pages<V> {
        &self.pages
    }

    pub fn put(&mut self, key: String, page: V) -> Arc<V> {
        let page = Arc::new(page);
        self.pages.insert(key.clone(), Arc::clone(&page));
        self.touched.insert(key);
        page
    }

    /// Whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let was = self.pages.remove(key).is_some();
        if was {
            self.touched.insert(key.to_owned());
        }
        was
    }

    fn changes(&self, kind: &'static str) -> Vec<Change> {
        let change = |key: &String| Change {
            kind,
            key: key.clone(),
            body: self
                .pages
                .get(key)
                .map(|page| serde_json::to_vec(&**page).expect("a document is plain data")),
        };
        self.touched.iter().map(change).collect()
    }
}
