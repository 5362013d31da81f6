//! State that lives in memory as a whole and is written through: a change is committed
//! first and visible afterwards.

use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use store::{Change, Store, StoreError};
use tokio_util::task::TaskTracker;

/// A state that notes what is to be stored of it, so that no operation can forget to.
/// It is cloned for each change: what is large in it is best behind an [`Arc`].
pub(crate) trait Draft: Clone + Send + Sync + 'static {
    /// What was touched since the last call.
    fn take_changes(&mut self) -> Vec<Change>;
}

pub(crate) struct Kept<S> {
    store: Arc<Store>,
    state: Arc<RwLock<S>>,
    /// Held from reading the state to publishing its successor.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Commits run as tasks of their own, so that a client that vanishes cannot stop one
    /// between the disk and the memory.
    tasks: TaskTracker,
}

impl<S: Draft> Kept<S> {
    /// Of a state that was read from the store.
    pub fn new(store: Arc<Store>, mut state: S) -> Self {
        // What reading it has noted came from there.
        state.take_changes();
        Self {
            store,
            state: Arc::new(RwLock::new(state)),
            writing: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, S> {
        self.state.read()
    }

    /// Works on a copy; what was touched is committed before the copy takes the place of
    /// the state. On an error nothing has happened.
    pub async fn change<T, E: From<StoreError>>(
        &self,
        operation: impl FnOnce(&mut S) -> Result<T, E>,
    ) -> Result<T, E> {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let mut draft = self.state.read().clone();
        let result = operation(&mut draft)?;
        let changes = draft.take_changes();
        if changes.is_empty() {
            return Ok(result);
        }
        let (store, state) = (Arc::clone(&self.store), Arc::clone(&self.state));
        let commit = self.tasks.spawn(async move {
            let _turn = turn;
            store.documents().commit(changes).await?;
            // What was there until now is dropped without the lock: requests wait for it.
            let before = std::mem::replace(&mut *state.write(), draft);
            drop(before);
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
