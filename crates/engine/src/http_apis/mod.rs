//! HTTP APIs: what API Gateway v2 keeps of them, and the tables by which the gateway
//! finds what a request is for. Here and not in the gateway, because two services need
//! them: one changes them over the wire of AWS, one serves them.
//!
//! Reading order: [`ids`] and [`route_key`] are the words, [`model`] what is kept, with
//! [`who`] (may call a route), [`handling`] (of its requests), `targets` (of Squall's own)
//! and `throttle`; `table` how a path finds its route, `state` what is in memory; `apis`,
//! `routes`, `integrations`, `authorizers`, `stages` and [`domains`] are what clients do
//! with them.
//!
//! An API is one document, with everything that belongs to it, and so is a domain: a
//! change of it is whole or has not happened. It is committed first and visible
//! afterwards.

mod apis;
mod authorizers;
mod cors;
mod domains;
mod error;
mod handling;
mod ids;
mod integrations;
mod ip_range;
mod model;
mod route_key;
mod routes;
mod stages;
mod state;
mod table;
mod targets;
mod throttle;
mod who;

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use store::{Change, Store, StoreError};
use tokio_util::task::TaskTracker;
use types::Scope;

pub use apis::Tagged;
pub use authorizers::AuthorizationType;
pub use cors::check_cors;
pub use domains::{Domain, Mapping, MappingPatch, NewDomain, NewMapping};
pub use error::HttpApiError;
pub use handling::{BadHandling, Handling};
pub use ids::{ApiId, BadId, DomainName, PartId, StageName};
pub use ip_range::{BadIpRange, IpRange};
pub use model::{
    AccessLog, Api, ApiPatch, AuthorizationPatch, Deployment, FunctionTarget, Integration,
    IntegrationPatch, IntegrationTarget, MapTarget, ModelTarget, NewApi, NewAuthorizer,
    NewIntegration, NewRoute, NewStage, PayloadFormat, QuickCreate, RedirectTarget, Route,
    RoutePatch, RouteSettings, RouteTarget, SiteTarget, Snapshot, Stage, StagePatch,
};
pub use route_key::{BadRouteKey, PathTemplate, RouteKey};
pub use state::{Entry, Served};
pub use table::{Endpoint, Match};
pub use throttle::Throttle;
pub use who::{Authorization, Authorizer, AuthorizerKind, FunctionAuthorizer, JwtAuthorizer};

use state::State;

/// All HTTP APIs of the account.
pub struct HttpApis {
    scope: Scope,
    store: Arc<Store>,
    state: Arc<RwLock<State>>,
    /// Held from reading the state to publishing its successor.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Commits run as tasks of their own, so that a client that vanishes cannot stop
    /// one between the disk and the memory.
    tasks: TaskTracker,
}

impl fmt::Debug for HttpApis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpApis")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl HttpApis {
    /// Reads what is stored. It blocks: call it at the start.
    pub fn open(store: Arc<Store>, scope: Scope) -> Result<Self, StoreError> {
        let mut state = State::default();
        for (key, body) in store.documents().load(state::DOCUMENTS)? {
            match serde_json::from_slice(&body) {
                Ok(api) => {
                    state.put(api);
                }
                // One that a later version wrote must not keep the engine down.
                Err(error) => tracing::error!(%key, %error, "a stored HTTP API cannot be read"),
            }
        }
        for (key, body) in store.documents().load(state::DOMAINS)? {
            match serde_json::from_slice(&body) {
                Ok(domain) => {
                    state.put_domain(domain);
                }
                Err(error) => tracing::error!(%key, %error, "a stored domain cannot be read"),
            }
        }
        // These came from the store; they need not go back.
        state.take_changes();
        Ok(Self {
            scope,
            store,
            state: Arc::new(RwLock::new(state)),
            writing: Arc::default(),
            tasks: TaskTracker::new(),
        })
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Works on a copy of the state; what it touched is committed before the copy
    /// takes the state's place. On an error nothing has happened.
    async fn change<T>(
        &self,
        operation: impl FnOnce(&mut State) -> Result<T, HttpApiError>,
    ) -> Result<T, HttpApiError> {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let mut draft = self.state.read().clone();
        let result = operation(&mut draft)?;
        let changes: Vec<Change> = draft.take_changes();
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

    /// Changes one API. Stages that deploy by themselves follow if `deploys` says so.
    async fn change_api<T>(
        &self,
        id: &ApiId,
        deploys: Deploys,
        operation: impl FnOnce(&mut Api) -> Result<T, HttpApiError>,
    ) -> Result<T, HttpApiError> {
        self.change(|state| {
            let mut api = state.copy(id)?;
            let result = operation(&mut api)?;
            if deploys == Deploys::ByItself {
                api.deploy_by_itself()?;
            }
            state.put(api);
            Ok(result)
        })
        .await
    }
}

/// Whether a change is one of what is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deploys {
    ByItself,
    Not,
}

#[cfg(test)]
mod tests;
