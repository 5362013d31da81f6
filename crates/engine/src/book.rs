//! Documents of one kind, all of them in memory and written through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{MappedRwLockReadGuard, RwLockReadGuard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Change, Store, StoreError};

use crate::kept::{self, Kept};

/// Documents by their keys, sorted.
pub(crate) type Pages<V> = BTreeMap<String, Arc<V>>;

pub(crate) struct Book<V: Page>(Kept<Draft<V>>);

/// The pages as they shall be.
pub(crate) struct Draft<V> {
    kind: &'static str,
    pages: Pages<V>,
    touched: BTreeSet<String>,
}

/// What can be a document.
pub(crate) trait Page: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Page for V {}

impl<V: Page> Book<V> {
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
        let touched = BTreeSet::new();
        let draft = Draft {
            kind,
            pages,
            touched,
        };
        Ok(Self(Kept::new(store, draft)))
    }

    pub fn get(&self, key: &str) -> Option<Arc<V>> {
        self.read().get(key).cloned()
    }

    pub fn read(&self) -> MappedRwLockReadGuard<'_, Pages<V>> {
        RwLockReadGuard::map(self.0.read(), |state| &state.pages)
    }

    pub async fn change<T, E: From<StoreError>>(
        &self,
        operation: impl FnOnce(&mut Draft<V>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.change(operation).await
    }

    #[cfg(test)]
    pub fn store(&self) -> &Store {
        self.0.store()
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.0.drain().await;
    }
}

impl<V: Page> Draft<V> {
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

    fn change_of(&self, key: String) -> Change {
        let page = self.pages.get(&key);
        let body = page.map(|page| serde_json::to_vec(&**page).expect("a document is plain data"));
        Change {
            kind: self.kind,
            key,
            body,
        }
    }
}

impl<V: Page> kept::Draft for Draft<V> {
    fn take_changes(&mut self) -> Vec<Change> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().map(|key| self.change_of(key)).collect()
    }
}

// By hand: a page need not be one that can be cloned.
impl<V> Clone for Draft<V> {
    fn clone(&self) -> Self {
        Self {
            kind: self.kind,
            pages: self.pages.clone(),
            touched: self.touched.clone(),
        }
    }
}
