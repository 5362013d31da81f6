//! Roles, policies and temporary keys: records that clients make and read, and
//! that the engine asks when it enforces permissions.
//!
//! All of it is in memory and written through to the store: a change is
//! committed first and visible afterwards.

mod authorize;
mod document;
mod error;
mod managed;
mod model;
mod policies;
mod roles;
mod sessions;
mod state;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use store::{Store, StoreError};
use types::Scope;

pub use authorize::{Ask, Denied, PolicyKind, Reason, request_context};
pub use error::IamError;
pub use managed::ManagedPolicy;
pub(crate) use model::random;
pub use model::{NewPolicy, NewRole, Policy, PolicyVersion, Role, RolePatch};
pub use policies::FoundPolicy;
pub(crate) use sessions::FunctionSession;
pub use sessions::Session;

use crate::kept::Kept;
use authorize::Read;
use model::GoneRole;
use sessions::Sessions;
use state::State;

pub struct Iam {
    scope: Scope,
    state: Kept<State>,
    sessions: Arc<Sessions>,
}

impl fmt::Debug for Iam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iam")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Iam {
    /// Reads the records. It blocks: call it at the start.
    pub fn open(store: Arc<Store>, scope: Scope) -> Result<Self, StoreError> {
        let mut state = State::default();
        for role in load::<Role>(&store, state::ROLE)? {
            state.put_role(role);
        }
        for policy in load::<Policy>(&store, state::POLICY)? {
            state.put_policy(policy);
        }
        for role in load::<GoneRole>(&store, state::GONE_ROLE)? {
            state.put_gone(role);
        }
        Ok(Self {
            scope,
            state: Kept::new(store, state),
            sessions: Arc::default(),
        })
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.state.drain().await;
    }

    async fn change<T>(
        &self,
        operation: impl FnOnce(&mut State) -> Result<T, IamError>,
    ) -> Result<T, IamError> {
        let operation = |state: &mut State| {
            // What was read of the policies holds for the old state only.
            state.read = Read::default();
            operation(state)
        };
        self.state.change(operation).await
    }
}

fn load<T: DeserializeOwned>(store: &Store, kind: &str) -> Result<Vec<T>, StoreError> {
    let documents = store.documents().load(kind)?;
    Ok(documents
        .into_iter()
        .filter_map(|(key, body)| {
            serde_json::from_slice(&body)
                .inspect_err(|error| {
                    tracing::error!(kind, key, %error, "skipped a stored record that is not readable");
                })
                .ok()
        })
        .collect())
}

#[cfg(test)]
mod authorize_tests;
#[cfg(test)]
mod tests;
