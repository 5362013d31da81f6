//! HTTP APIs: what API Gateway v2 keeps of them, and the tables by which the gateway
//! finds what a request is for. Here and not in the gateway, because two services need
//! them: one changes them over the wire of AWS, one serves them.
//!
//! Reading order: [`ids`] and [`route_key`] are the words, [`model`] what is kept, with
//! [`who`] (may call a route), [`docs`] (may see its description), [`handling`] (of its
//! requests), `targets` (of Squall's own) and `throttle`; `table` how a path finds its
//! route, `state` what is in memory; `apis`, `routes`, `integrations`, `authorizers`,
//! `stages` and [`domains`] are what clients do with them.
//!
//! An API is one document, with everything that belongs to it, and so is a domain: a
//! change of it is whole or has not happened. It is committed first and visible
//! afterwards.

mod apis;
mod authorizers;
mod cors;
mod docs;
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

use store::{Store, StoreError};
use types::Scope;

pub use apis::Tagged;
pub use authorizers::AuthorizationType;
pub use cors::check_cors;
pub use docs::Docs;
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
pub use table::{Endpoint, Match, choose};
pub use throttle::Throttle;
pub use who::{Authorization, Authorizer, AuthorizerKind, FunctionAuthorizer, JwtAuthorizer};

use crate::kept::Kept;
use state::State;

/// All HTTP APIs of the account.
pub struct HttpApis {
    scope: Scope,
    state: Kept<State>,
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
        Ok(Self {
            scope,
            state: Kept::new(store, state),
        })
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.state.drain().await;
    }

    /// Changes one API. Stages that deploy by themselves follow if `deploys` says so.
    async fn change_api<T>(
        &self,
        id: &ApiId,
        deploys: Deploys,
        operation: impl FnOnce(&mut Api) -> Result<T, HttpApiError>,
    ) -> Result<T, HttpApiError> {
        self.state
            .change(|state| {
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
