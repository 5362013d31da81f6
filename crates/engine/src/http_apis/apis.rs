//! What clients do with APIs as a whole, and with tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::Timestamp;

use super::docs;
use super::error::HttpApiError;
use super::handling::Handling;
use super::ids::{ApiId, DomainName, PartId, StageName};
use super::integrations::new_integration;
use super::model::{
    Api, ApiPatch, FunctionTarget, IntegrationTarget, NewApi, NewIntegration, QuickCreate, Route,
    Stage, StagePatch,
};
use super::route_key::RouteKey;
use super::state::Entry;
use super::who::Authorization;
use super::{Deploys, HttpApis};
use crate::catalog::Cors;

const MOST_APIS: usize = 600;
const MOST_TAGS: usize = 50;

/// What may have tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    Api(ApiId),
    Stage(ApiId, StageName),
    Domain(DomainName),
}

impl HttpApis {
    pub fn api(&self, id: &ApiId) -> Result<Arc<Entry>, HttpApiError> {
        let found = self.find(id);
        found.ok_or_else(|| HttpApiError::not_found("API", id.as_str()))
    }

    /// An API that a request is for.
    pub fn find(&self, id: &ApiId) -> Option<Arc<Entry>> {
        self.named(id.as_str())
    }

    /// The same by what a request says, whether that is an id or not.
    pub fn named(&self, id: &str) -> Option<Arc<Entry>> {
        self.state.read().get(id).cloned()
    }

    /// Sorted by id.
    pub fn apis(&self) -> Vec<Arc<Entry>> {
        self.state.read().all().cloned().collect()
    }

    /// Its id is its name in the letters of host names while nobody else has that.
    pub async fn create_api(&self, new: NewApi) -> Result<Arc<Entry>, HttpApiError> {
        check_tags(&new.tags)?;
        docs::check(&new.tags)?;
        self.state
            .change(|state| {
                if state.count() >= MOST_APIS {
                    return Err(too_many("APIs", MOST_APIS));
                }
                let readable =
                    ApiId::of_name(&new.name).filter(|id| state.get(id.as_str()).is_none());
                let id = match readable {
                    Some(id) => id,
                    None => ApiId::random()?,
                };
                let mut api = Api {
                    id,
                    name: new.name,
                    description: new.description,
                    version: new.version,
                    cors: new.cors.filter(|cors| *cors != Cors::default()),
                    is_hidden: new.is_hidden,
                    created: Timestamp::now(),
                    tags: new.tags,
                    routes: BTreeMap::new(),
                    integrations: BTreeMap::new(),
                    authorizers: BTreeMap::new(),
                    stages: BTreeMap::new(),
                    deployments: BTreeMap::new(),
                };
                if let Some(quick) = new.quick {
                    api.create_quickly(quick)?;
                }
                Ok(state.put(api))
            })
            .await
    }

    pub async fn update_api(
        &self,
        id: &ApiId,
        patch: ApiPatch,
    ) -> Result<Arc<Entry>, HttpApiError> {
        self.state
            .change(|state| {
                let mut api = state.copy(id)?;
                let before = api.clone();
                set(&mut api.name, patch.name);
                set_text(&mut api.description, patch.description);
                set_text(&mut api.version, patch.version);
                set(&mut api.is_hidden, patch.is_hidden);
                // Rules that say nothing are none.
                if let Some(cors) = patch.cors {
                    api.cors = Some(cors).filter(|cors| *cors != Cors::default());
                }
                api.update_quickly(patch.key, patch.target)?;
                if api.snapshot() != before.snapshot() {
                    api.deploy_by_itself()?;
                }
                Ok(state.put(api))
            })
            .await
    }

    pub async fn delete_cors(&self, id: &ApiId) -> Result<(), HttpApiError> {
        self.change_api(id, Deploys::ByItself, |api| {
            api.cors = None;
            Ok(())
        })
        .await
    }

    /// Deletes an API with everything that belongs to it.
    pub async fn delete_api(&self, id: &ApiId) -> Result<(), HttpApiError> {
        self.state
            .change(|state| {
                state.check_unmapped(id, None)?;
                if state.remove(id) {
                    Ok(())
                } else {
                    Err(HttpApiError::not_found("API", id.as_str()))
                }
            })
            .await
    }

    pub fn tags(&self, of: &Tagged) -> Result<BTreeMap<String, String>, HttpApiError> {
        match of {
            Tagged::Api(id) => Ok(self.api(id)?.api.tags.clone()),
            Tagged::Stage(id, stage) => {
                let entry = self.api(id)?;
                let stage = entry.api.stage(stage)?;
                Ok(stage.tags.clone())
            }
            Tagged::Domain(name) => Ok(self.domain_named(name.as_str())?.tags.clone()),
        }
    }

    pub async fn tag(
        &self,
        of: &Tagged,
        tags: BTreeMap<String, String>,
    ) -> Result<(), HttpApiError> {
        if matches!(of, Tagged::Api(_)) {
            docs::check(&tags)?;
        }
        self.change_tags(of, |there| {
            there.extend(tags);
            check_tags(there)
        })
        .await
    }

    /// Tags that are not there are no error.
    pub async fn untag(&self, of: &Tagged, keys: &[String]) -> Result<(), HttpApiError> {
        self.change_tags(of, |there| {
            there.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn change_tags(
        &self,
        of: &Tagged,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), HttpApiError>,
    ) -> Result<(), HttpApiError> {
        match of {
            Tagged::Api(id) => {
                self.change_api(id, Deploys::Not, |api| change(&mut api.tags))
                    .await
            }
            Tagged::Stage(id, stage) => {
                self.change_api(id, Deploys::Not, |api| {
                    change(&mut api.stage_mut(stage)?.tags)
                })
                .await
            }
            Tagged::Domain(name) => {
                self.change_domain(name.as_str(), |_, domain| change(&mut domain.tags))
                    .await
            }
        }
    }
}

impl Api {
    fn create_quickly(&mut self, quick: QuickCreate) -> Result<(), HttpApiError> {
        let mut integration = new_integration(NewIntegration {
            target: IntegrationTarget::Function(quick.target),
            handling: Handling::default(),
            description: None,
            timeout_ms: None,
        })?;
        integration.managed = true;
        let route = Route {
            id: PartId::random()?,
            key: quick.key,
            target: Some(integration.id.clone()),
            operation_name: None,
            key_required: false,
            authorization: Authorization::Open,
            managed: true,
        };
        self.integrations
            .insert(integration.id.clone(), integration);
        self.routes.insert(route.id.clone(), route);
        let name: StageName = StageName::DEFAULT.parse().expect("it is one of the forms");
        let rest = StagePatch {
            deploys_by_itself: Some(true),
            ..StagePatch::default()
        };
        let mut stage = Stage::new(name, BTreeMap::new(), rest);
        stage.managed = true;
        self.stages.insert(stage.name.clone(), stage);
        self.deploy_by_itself()
    }

    /// Changes the route and the integration that were made with the API.
    fn update_quickly(
        &mut self,
        key: Option<RouteKey>,
        target: Option<FunctionTarget>,
    ) -> Result<(), HttpApiError> {
        let none = || HttpApiError::invalid("This API was not created with a target.");
        if let Some(key) = key {
            let managed = self.routes.values().find(|route| route.managed);
            let id = managed.map(|route| route.id.clone()).ok_or_else(none)?;
            self.check_key(&key, Some(&id))?;
            if let Some(route) = self.routes.get_mut(&id) {
                route.key = key;
            }
        }
        if let Some(target) = target {
            let mut all = self.integrations.values_mut();
            let managed = all.find(|integration| integration.managed);
            managed.ok_or_else(none)?.target = IntegrationTarget::Function(target);
        }
        Ok(())
    }
}

pub(super) fn too_many(what: &'static str, most: usize) -> HttpApiError {
    HttpApiError::TooMany { what, most }
}

pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), HttpApiError> {
    if tags.len() > MOST_TAGS {
        return Err(HttpApiError::invalid(format!(
            "A resource has at most {MOST_TAGS} tags."
        )));
    }
    Ok(())
}

pub(super) fn set<T>(field: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *field = new;
    }
}

/// An empty text takes away what was there.
pub(super) fn set_text(field: &mut Option<String>, new: Option<String>) {
    if let Some(new) = new {
        *field = Some(new).filter(|text| !text.is_empty());
    }
}
