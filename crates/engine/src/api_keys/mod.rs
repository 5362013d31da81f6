//! API keys: who may call routes that ask for one. A key is shown once, when it is made;
//! what is kept is its hash.
//!
//! They are found by that hash, so who presents a key is known by one look.

mod error;
mod model;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use store::{Store, StoreError};
use types::{Scope, Timestamp};

pub use error::{ApiKeyError, NotLetIn};
pub use model::{ApiKey, ApiKeyPatch, EXPIRES, NewApiKey, OWNER, ROUTES, Secret, covers, hash};

use crate::book::{Book, Draft};
pub(crate) use model::random_id;
use model::{check_stage, check_tags, check_text};

const KIND: &str = "api-key";
/// What AWS lets an account have.
const MOST: usize = 10_000;

/// All API keys of the account.
pub struct ApiKeys {
    scope: Scope,
    /// By their hashes.
    book: Book<ApiKey>,
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl ApiKeys {
    /// Reads what is stored. It blocks: call it at the start.
    pub fn open(store: Arc<Store>, scope: Scope) -> Result<Self, StoreError> {
        let book = Book::open(store, KIND)?;
        Ok(Self { scope, book })
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.book.drain().await;
    }

    /// Whether what a call brought lets it into a route of a stage, `API/STAGE`.
    pub fn let_in(
        &self,
        presented: Option<&[u8]>,
        stage: &str,
        route: &str,
        now: Timestamp,
    ) -> Result<Arc<ApiKey>, NotLetIn> {
        let presented = presented.ok_or(NotLetIn::Missing)?;
        let key = self.book.get(&model::hash(presented));
        let key = key.ok_or(NotLetIn::Unknown)?;
        key.check(stage, route, now)?;
        Ok(key)
    }

    /// Sorted by when they were made.
    pub fn all(&self) -> Vec<Arc<ApiKey>> {
        let mut all: Vec<_> = self.book.read().values().cloned().collect();
        all.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        all
    }

    pub fn get(&self, id: &str) -> Result<Arc<ApiKey>, ApiKeyError> {
        let pages = self.book.read();
        let found = pages.values().find(|key| key.id == id).cloned();
        found.ok_or(ApiKeyError::NotFound)
    }

    /// Makes a key. Its value is returned here and never again.
    pub async fn create(&self, new: NewApiKey) -> Result<(Arc<ApiKey>, Secret), ApiKeyError> {
        let (key, secret) = ApiKey::make(new)?;
        let key = self.book.change(|draft| {
            if draft.pages().len() >= MOST {
                return Err(ApiKeyError::TooMany(MOST));
            }
            if draft.pages().contains_key(&key.digest) {
                return Err(ApiKeyError::AlreadyExists);
            }
            Ok(draft.put(key.digest.clone(), key))
        });
        Ok((key.await?, secret))
    }

    pub async fn update(&self, id: &str, patch: ApiKeyPatch) -> Result<Arc<ApiKey>, ApiKeyError> {
        let added = patch.add_stages.iter();
        added.clone().try_for_each(|stage| check_stage(stage))?;
        let texts = [&patch.name, &patch.description, &patch.customer_id];
        for text in texts.into_iter().flatten() {
            check_text("a text", text)?;
        }
        self.change_one(id, |key| {
            key.stages
                .retain(|stage| !patch.remove_stages.contains(stage));
            for stage in patch.add_stages {
                if !key.stages.contains(&stage) {
                    key.stages.push(stage);
                }
            }
            key.name = patch.name.unwrap_or_else(|| std::mem::take(&mut key.name));
            if let Some(description) = patch.description {
                key.description = description;
            }
            key.enabled = patch.enabled.unwrap_or(key.enabled);
            key.customer_id = patch.customer_id.or_else(|| key.customer_id.take());
            Ok(())
        })
        .await
    }

    /// Changes the tags of a key.
    pub async fn tag(
        &self,
        id: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<Arc<ApiKey>, ApiKeyError> {
        self.change_one(id, |key| {
            change(&mut key.tags);
            check_tags(&key.tags)
        })
        .await
    }

    pub async fn delete(&self, id: &str) -> Result<(), ApiKeyError> {
        let change = |draft: &mut Draft<ApiKey>| {
            let key = find(draft, id)?;
            draft.remove(&key.digest);
            Ok(())
        };
        self.book.change(change).await
    }

    async fn change_one(
        &self,
        id: &str,
        change: impl FnOnce(&mut ApiKey) -> Result<(), ApiKeyError>,
    ) -> Result<Arc<ApiKey>, ApiKeyError> {
        self.book
            .change(|draft| {
                let mut key = ApiKey::clone(&*find(draft, id)?);
                change(&mut key)?;
                key.updated = Timestamp::now();
                Ok(draft.put(key.digest.clone(), key))
            })
            .await
    }
}

fn find(draft: &Draft<ApiKey>, id: &str) -> Result<Arc<ApiKey>, ApiKeyError> {
    let found = draft.pages().values().find(|key| key.id == id).cloned();
    found.ok_or(ApiKeyError::NotFound)
}

#[cfg(test)]
mod tests;
