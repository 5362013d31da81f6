//! What clients do with authorizers, and what routes make of them.

use super::apis::too_many;
use super::error::HttpApiError;
use super::ids::{ApiId, PartId};
use super::model::{Api, AuthorizationPatch, NewAuthorizer};
use super::who::{Authorization, Authorizer, AuthorizerKind};
use super::{Deploys, HttpApis};

const MOST_AUTHORIZERS: usize = 10;

/// What AWS calls the ways to say who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationType {
    None,
    AwsIam,
    Jwt,
    Custom,
}

impl HttpApis {
    pub async fn create_authorizer(
        &self,
        api: &ApiId,
        new: NewAuthorizer,
    ) -> Result<Authorizer, HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            if api.authorizers.len() >= MOST_AUTHORIZERS {
                return Err(too_many("authorizers", MOST_AUTHORIZERS));
            }
            let authorizer = Authorizer {
                id: PartId::random()?,
                name: new.name,
                kind: new.kind,
            };
            api.put_authorizer(authorizer)
        })
        .await
    }

    /// `change` sees it as it is at the moment, and what it makes of it is kept whole or
    /// not at all.
    pub async fn update_authorizer(
        &self,
        api: &ApiId,
        id: &PartId,
        change: impl FnOnce(&mut Authorizer) -> Result<(), HttpApiError>,
    ) -> Result<Authorizer, HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            let mut authorizer = api.authorizer(id)?.clone();
            change(&mut authorizer)?;
            api.put_authorizer(authorizer)
        })
        .await
    }

    pub async fn delete_authorizer(&self, api: &ApiId, id: &PartId) -> Result<(), HttpApiError> {
        self.change_api(api, Deploys::ByItself, |api| {
            api.authorizer(id)?;
            let mut routes = api.routes.values();
            let names = |by: &Authorization| matches!(by, Authorization::By { authorizer, .. } if authorizer == id);
            if let Some(route) = routes.find(|route| names(&route.authorization)) {
                return Err(HttpApiError::Conflict(format!(
                    "Cannot delete authorizer '{id}', is referenced in route: {}",
                    route.id
                )));
            }
            api.authorizers.remove(id);
            Ok(())
        })
        .await
    }
}

impl Api {
    pub fn authorizer(&self, id: &PartId) -> Result<&Authorizer, HttpApiError> {
        let found = self.authorizers.get(id);
        found.ok_or_else(|| HttpApiError::not_found("Authorizer", id.as_str()))
    }

    fn put_authorizer(&mut self, authorizer: Authorizer) -> Result<Authorizer, HttpApiError> {
        authorizer.check().map_err(HttpApiError::Invalid)?;
        let Authorizer { id, name, .. } = &authorizer;
        let mut others = self.authorizers.values().filter(|other| other.id != *id);
        if others.any(|other| other.name == *name) {
            return Err(HttpApiError::invalid(format!(
                "Authorizer name must be unique. Authorizer {name} already exists in this API."
            )));
        }
        self.authorizers.insert(id.clone(), authorizer.clone());
        Ok(authorizer)
    }

    /// How AWS calls what a route asks of its callers.
    pub fn authorization_type(&self, of: &Authorization) -> AuthorizationType {
        match of {
            Authorization::Open => AuthorizationType::None,
            Authorization::Iam => AuthorizationType::AwsIam,
            Authorization::By { authorizer, .. } => match self.authorizers.get(authorizer) {
                Some(Authorizer {
                    kind: AuthorizerKind::Jwt(_),
                    ..
                }) => AuthorizationType::Jwt,
                _ => AuthorizationType::Custom,
            },
        }
    }

    /// What a route asks of its callers after a patch. What would let in others than it
    /// says is refused, and not passed over.
    pub(super) fn authorization(
        &self,
        before: &Authorization,
        patch: AuthorizationPatch,
    ) -> Result<Authorization, HttpApiError> {
        let kind = patch.kind;
        let kind = kind.unwrap_or_else(|| self.authorization_type(before));
        let scoped = patch.scopes.as_ref().is_some_and(|all| !all.is_empty());
        if scoped && kind != AuthorizationType::Jwt {
            return Err(HttpApiError::invalid(
                "authorizationScopes go with an authorizationType of JWT",
            ));
        }
        let named = patch.authorizer.as_ref().is_some_and(Option::is_some);
        match kind {
            AuthorizationType::None | AuthorizationType::AwsIam if named => {
                Err(HttpApiError::invalid(
                    "authorizerId goes with an authorizationType of JWT or CUSTOM",
                ))
            }
            AuthorizationType::None => Ok(Authorization::Open),
            AuthorizationType::AwsIam => Ok(Authorization::Iam),
            AuthorizationType::Jwt | AuthorizationType::Custom => {
                let (id, scopes) = match before {
                    Authorization::By { authorizer, scopes } => {
                        (Some(authorizer), scopes.as_slice())
                    }
                    Authorization::Open | Authorization::Iam => (None, [].as_slice()),
                };
                let id = match &patch.authorizer {
                    Some(given) => given.as_ref(),
                    None => id,
                };
                let there = id.and_then(|id| self.authorizers.get(id));
                let is_jwt = kind == AuthorizationType::Jwt;
                let fits =
                    |found: &&Authorizer| matches!(found.kind, AuthorizerKind::Jwt(_)) == is_jwt;
                let authorizer = there.filter(fits).ok_or_else(|| no_authorizer(is_jwt))?;
                let scopes = patch.scopes.unwrap_or_else(|| scopes.to_vec());
                Ok(Authorization::By {
                    authorizer: authorizer.id.clone(),
                    scopes: if is_jwt { scopes } else { Vec::new() },
                })
            }
        }
    }
}

fn no_authorizer(is_jwt: bool) -> HttpApiError {
    HttpApiError::invalid(if is_jwt {
        "Invalid authorizer ID specified. Setting the authorization type to JWT requires a valid JWT authorizer."
    } else {
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer."
    })
}
