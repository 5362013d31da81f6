//! What clients do with integrations.

use std::mem::discriminant;

use super::apis::{set, set_text, too_many};
use super::error::HttpApiError;
use super::ids::{ApiId, PartId};
use super::model::{
    Api, FunctionTarget, Integration, IntegrationPatch, IntegrationTarget, NewIntegration,
};
use super::{Deploys, HttpApis};

const MOST_INTEGRATIONS: usize = 300;

impl HttpApis {
    pub async fn create_integration(
        &self,
        api: &ApiId,
        new: NewIntegration,
    ) -> Result<Integration, HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            if api.integrations.len() >= MOST_INTEGRATIONS {
                return Err(too_many("integrations", MOST_INTEGRATIONS));
            }
            let integration = new_integration(new)?;
            api.integrations
                .insert(integration.id.clone(), integration.clone());
            Ok(integration)
        })
        .await
    }

    pub async fn update_integration(
        &self,
        api: &ApiId,
        id: &PartId,
        patch: IntegrationPatch,
    ) -> Result<Integration, HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            let mut integration = api.integration(id)?.clone();
            integration.apply(patch)?;
            let mut routes = api.routes.values();
            let mut routes = routes
                .by_ref()
                .filter(|route| route.target.as_ref() == Some(id));
            routes.try_for_each(|route| integration.target.check_variables(&route.key))?;
            api.integrations.insert(id.clone(), integration.clone());
            Ok(integration)
        })
        .await
    }

    pub async fn delete_integration(&self, api: &ApiId, id: &PartId) -> Result<(), HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            api.integration(id)?;
            let mut routes = api.routes.values();
            if let Some(route) = routes.find(|route| route.target.as_ref() == Some(id)) {
                return Err(HttpApiError::Conflict(format!(
                    "Cannot delete Integration '{id}', route '{}' is using it",
                    route.id
                )));
            }
            api.integrations.remove(id);
            Ok(())
        })
        .await
    }
}

impl Api {
    pub fn integration(&self, id: &PartId) -> Result<&Integration, HttpApiError> {
        let found = self.integrations.get(id);
        found.ok_or_else(|| HttpApiError::not_found("Integration", id.as_str()))
    }
}

impl Integration {
    fn apply(&mut self, patch: IntegrationPatch) -> Result<(), HttpApiError> {
        match (&mut self.target, patch.target) {
            (IntegrationTarget::Function(function), None) => {
                function.apply(patch.uri, patch.payload, patch.role);
            }
            _ if patch.uri.is_some() || patch.role.is_some() => return Err(other_kind()),
            (_, None) => {}
            (there, Some(new)) if discriminant(there) == discriminant(&new) => *there = new,
            _ => return Err(other_kind()),
        }
        set(&mut self.handling, patch.handling);
        set_text(&mut self.description, patch.description);
        if patch.timeout_ms.is_some() {
            self.timeout_ms = patch.timeout_ms;
        }
        Ok(())
    }
}

impl FunctionTarget {
    fn apply(
        &mut self,
        named: Option<(String, types::FunctionName, Option<types::Qualifier>)>,
        payload: Option<super::PayloadFormat>,
        role: Option<String>,
    ) {
        if let Some((uri, function, qualifier)) = named {
            (self.uri, self.function, self.qualifier) = (uri, function, qualifier);
        }
        set(&mut self.payload, payload);
        set_text(&mut self.role, role);
    }
}

fn other_kind() -> HttpApiError {
    HttpApiError::invalid("An integration cannot become one of another kind; make a new one.")
}

pub(super) fn new_integration(new: NewIntegration) -> Result<Integration, HttpApiError> {
    Ok(Integration {
        id: PartId::random()?,
        target: new.target,
        handling: new.handling,
        description: new.description,
        timeout_ms: new.timeout_ms,
        managed: false,
    })
}
