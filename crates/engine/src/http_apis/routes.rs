//! What clients do with routes.

use super::apis::{set, set_text, too_many};
use super::error::HttpApiError;
use super::ids::{ApiId, PartId};
use super::model::{Api, NewRoute, Route, RoutePatch};
use super::route_key::RouteKey;
use super::who::Authorization;
use super::{Deploys, HttpApis};

const MOST_ROUTES: usize = 300;

impl HttpApis {
    pub async fn create_route(&self, api: &ApiId, new: NewRoute) -> Result<Route, HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            if api.routes.len() >= MOST_ROUTES {
                return Err(too_many("routes", MOST_ROUTES));
            }
            api.check_key(&new.key, None)?;
            api.check_target(new.target.as_ref(), &new.key)?;
            let authorization = api.authorization(&Authorization::Open, new.authorization)?;
            let route = Route {
                id: PartId::random()?,
                key: new.key,
                target: new.target,
                operation_name: new.operation_name,
                key_required: new.key_required,
                authorization,
                managed: false,
            };
            api.routes.insert(route.id.clone(), route.clone());
            Ok(route)
        })
        .await
    }

    pub async fn update_route(
        &self,
        api: &ApiId,
        id: &PartId,
        patch: RoutePatch,
    ) -> Result<Route, HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            let mut route = api.route(id)?.clone();
            if let Some(key) = &patch.key {
                api.check_key(key, Some(id))?;
            }
            set(&mut route.key, patch.key);
            if patch.target.is_some() {
                route.target = patch.target;
            }
            api.check_target(route.target.as_ref(), &route.key)?;
            set_text(&mut route.operation_name, patch.operation_name);
            set(&mut route.key_required, patch.key_required);
            route.authorization = api.authorization(&route.authorization, patch.authorization)?;
            api.routes.insert(id.clone(), route.clone());
            Ok(route)
        })
        .await
    }

    pub async fn delete_route(&self, api: &ApiId, id: &PartId) -> Result<(), HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            api.route(id)?;
            api.routes.remove(id);
            Ok(())
        })
        .await
    }
}

impl Api {
    pub fn route(&self, id: &PartId) -> Result<&Route, HttpApiError> {
        let found = self.routes.get(id);
        found.ok_or_else(|| HttpApiError::not_found("Route", id.as_str()))
    }

    /// Refuses a key that another route has.
    pub(super) fn check_key(
        &self,
        key: &RouteKey,
        own: Option<&PartId>,
    ) -> Result<(), HttpApiError> {
        let mut others = self.routes.values().filter(|route| Some(&route.id) != own);
        if others.any(|route| route.key.is_same(key)) {
            return Err(HttpApiError::Conflict(format!(
                "Route with key {key} already exists for this API"
            )));
        }
        Ok(())
    }

    fn check_target(&self, target: Option<&PartId>, key: &RouteKey) -> Result<(), HttpApiError> {
        let Some(id) = target else {
            return Ok(());
        };
        let integration = self.integrations.get(id).ok_or_else(|| {
            HttpApiError::invalid(format!("Invalid Integration identifier specified {id}"))
        })?;
        integration.target.check_variables(key)
    }
}
