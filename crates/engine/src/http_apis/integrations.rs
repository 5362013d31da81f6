//! What clients do with integrations.

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
        match &mut self.target {
            IntegrationTarget::Function(function) => {
                if patch.map.is_some() || patch.model.is_some() {
                    return Err(other_kind());
                }
                function.apply(patch.uri, patch.payload, patch.role);
            }
            IntegrationTarget::Map(map) => {
                if patch.is_of_function() || patch.model.is_some() {
                    return Err(other_kind());
                }
                set(map, patch.map);
            }
            IntegrationTarget::Model(model) => {
                if patch.is_of_function() || patch.map.is_some() {
                    return Err(other_kind());
                }
                set(model, patch.model);
            }
            IntegrationTarget::Redirect(_)
            | IntegrationTarget::Site(_)
            | IntegrationTarget::Route(_) => {
                if patch.is_of_function() || patch.map.is_some() || patch.model.is_some() {
                    return Err(other_kind());
                }
            }
        }
        set_text(&mut self.description, patch.description);
        if patch.timeout_ms.is_some() {
            self.timeout_ms = patch.timeout_ms;
        }
        Ok(())
    }
}

impl IntegrationPatch {
    fn is_of_function(&self) -> bool {
        self.uri.is_some() || self.role.is_some()
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
