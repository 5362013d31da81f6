//! What clients do with stages and deployments, and the stages that deploy by
//! themselves.

use std::collections::BTreeMap;

use types::Timestamp;

use super::apis::{check_tags, set, set_text, too_many};
use super::error::HttpApiError;
use super::ids::{ApiId, PartId, StageName};
use super::model::{Api, Deployment, NewStage, Snapshot, Stage, StagePatch};
use super::{Deploys, HttpApis};

const MOST_STAGES: usize = 10;
/// Deployments that clients make; to make room they delete some.
const MOST_DEPLOYMENTS: usize = 100;
/// Of those that were made by themselves and are not served any more, the last ones
/// are kept, so that a stage can be led back to them.
const KEPT_BY_ITSELF: usize = 10;

impl HttpApis {
    pub async fn create_stage(&self, api: &ApiId, new: NewStage) -> Result<Stage, HttpApiError> {
        check_tags(&new.tags)?;
        self.change_api(api, Deploys::Not, |api| {
            if api.stages.contains_key(&new.name) {
                return Err(HttpApiError::Conflict("Stage already exists".to_owned()));
            }
            if api.stages.len() >= MOST_STAGES {
                return Err(too_many("stages", MOST_STAGES));
            }
            api.check_deployment(new.rest.deployment.as_ref())?;
            api.check_settings(&new.rest)?;
            let name = new.name.clone();
            let stage = Stage::new(new.name, new.tags, new.rest);
            let deploys = stage.deploys_by_itself;
            api.stages.insert(name.clone(), stage);
            if deploys {
                api.deploy_by_itself()?;
            }
            api.stage(&name).cloned()
        })
        .await
    }

    pub async fn update_stage(
        &self,
        api: &ApiId,
        name: &StageName,
        patch: StagePatch,
    ) -> Result<Stage, HttpApiError> {
        self.change_api(api, Deploys::Not, |api| {
            api.check_deployment(patch.deployment.as_ref())?;
            api.check_settings(&patch)?;
            let stage = api.stage_mut(name)?;
            let before = stage.deploys_by_itself;
            stage.apply(patch);
            stage.touch(Timestamp::now());
            if stage.deploys_by_itself && !before {
                api.deploy_by_itself()?;
            }
            api.stage(name).cloned()
        })
        .await
    }

    /// What is said of the route itself; what is said of all routes stays.
    pub async fn delete_route_settings(
        &self,
        api: &ApiId,
        name: &StageName,
        key: &str,
    ) -> Result<(), HttpApiError> {
        self.change_stage(api, name, |stage| match stage.route_settings.remove(key) {
            Some(_) => Ok(()),
            None => Err(no_route(key)),
        })
        .await
    }

    pub async fn delete_access_log(
        &self,
        api: &ApiId,
        name: &StageName,
    ) -> Result<(), HttpApiError> {
        self.change_stage(api, name, |stage| {
            stage.access_log = None;
            Ok(())
        })
        .await
    }

    /// Serves a stage anew, so that nothing is left of what was kept while it was served
    /// until now: answers of authorizers, for one.
    pub async fn renew_stage(&self, api: &ApiId, name: &StageName) -> Result<(), HttpApiError> {
        self.change_stage(api, name, |_| Ok(())).await
    }

    async fn change_stage(
        &self,
        api: &ApiId,
        name: &StageName,
        change: impl FnOnce(&mut Stage) -> Result<(), HttpApiError>,
    ) -> Result<(), HttpApiError> {
        self.change_api(api, Deploys::Not, |api| {
            let stage = api.stage_mut(name)?;
            change(stage)?;
            stage.touch(Timestamp::now());
            Ok(())
        })
        .await
    }

    pub async fn delete_stage(&self, api: &ApiId, name: &StageName) -> Result<(), HttpApiError> {
        self.state
            .change(|state| {
                state.check_unmapped(api, Some(name))?;
                let mut api = state.copy(api)?;
                api.stage(name)?;
                api.stages.remove(name);
                state.put(api);
                Ok(())
            })
            .await
    }

    /// Keeps the API as it is now, and serves it under a stage if one is named.
    pub async fn create_deployment(
        &self,
        api: &ApiId,
        description: Option<String>,
        stage: Option<StageName>,
    ) -> Result<Deployment, HttpApiError> {
        self.change_api(api, Deploys::Not, |api| {
            let made = api.deployments.values().filter(|made| !made.automatic);
            if made.count() >= MOST_DEPLOYMENTS {
                return Err(too_many("deployments", MOST_DEPLOYMENTS));
            }
            let deployment = Deployment {
                id: PartId::random()?,
                created: Timestamp::now(),
                description,
                automatic: false,
                snapshot: api.snapshot(),
            };
            if let Some(stage) = stage {
                let stage = api.stage_mut(&stage)?;
                stage.deployment = Some(deployment.id.clone());
                stage.touch(deployment.created);
            }
            api.deployments
                .insert(deployment.id.clone(), deployment.clone());
            Ok(deployment)
        })
        .await
    }

    pub async fn describe_deployment(
        &self,
        api: &ApiId,
        id: &PartId,
        description: Option<String>,
    ) -> Result<Deployment, HttpApiError> {
        self.change_api(api, Deploys::Not, |api| {
            let deployment = api.deployments.get_mut(id);
            let deployment = deployment.ok_or_else(|| no_deployment(id))?;
            set_text(&mut deployment.description, description);
            Ok(deployment.clone())
        })
        .await
    }

    pub async fn delete_deployment(&self, api: &ApiId, id: &PartId) -> Result<(), HttpApiError> {
        self.change_api(api, Deploys::Not, |api| {
            api.deployment(id)?;
            if api.serves(id) {
                return Err(HttpApiError::invalid(
                    "Active stages pointing to this deployment must be moved or deleted",
                ));
            }
            api.deployments.remove(id);
            Ok(())
        })
        .await
    }
}

impl Api {
    pub fn stage(&self, name: &StageName) -> Result<&Stage, HttpApiError> {
        let found = self.stages.get(name);
        found.ok_or_else(|| HttpApiError::not_found("stage", name.as_str()))
    }

    pub fn deployment(&self, id: &PartId) -> Result<&Deployment, HttpApiError> {
        self.deployments.get(id).ok_or_else(|| no_deployment(id))
    }

    pub(super) fn stage_mut(&mut self, name: &StageName) -> Result<&mut Stage, HttpApiError> {
        let found = self.stages.get_mut(name);
        found.ok_or_else(|| HttpApiError::not_found("stage", name.as_str()))
    }

    fn check_deployment(&self, id: Option<&PartId>) -> Result<(), HttpApiError> {
        id.map_or(Ok(()), |id| self.deployment(id).map(drop))
    }

    /// Refuses settings that no route would have.
    fn check_settings(&self, patch: &StagePatch) -> Result<(), HttpApiError> {
        let there = |key: &str| {
            let mut routes = self.routes.values();
            routes.any(|route| route.key.to_string() == key)
        };
        let mut keys = patch.route_settings.iter().flatten().map(|(key, _)| key);
        match keys.find(|key| !there(key)) {
            None => Ok(()),
            Some(key) => Err(no_route(key)),
        }
    }

    /// Whether a stage has this deployment.
    fn serves(&self, id: &PartId) -> bool {
        let mut stages = self.stages.values();
        stages.any(|stage| stage.deployment.as_ref() == Some(id))
    }

    /// What would be served if it were deployed now.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            routes: self.routes.clone(),
            integrations: self.integrations.clone(),
            authorizers: self.authorizers.clone(),
            cors: self.cors.clone(),
        }
    }

    /// Deploys to the stages that want every change at once.
    pub(super) fn deploy_by_itself(&mut self) -> Result<(), HttpApiError> {
        let (id, now) = (PartId::random()?, Timestamp::now());
        let mut used = false;
        for stage in self.stages.values_mut() {
            if stage.deploys_by_itself {
                used = true;
                stage.deployment = Some(id.clone());
                stage.touch(now);
            }
        }
        if !used {
            return Ok(());
        }
        let deployment = Deployment {
            id: id.clone(),
            created: now,
            description: Some(
                "Automatic deployment triggered by changes to the Api configuration".to_owned(),
            ),
            automatic: true,
            snapshot: self.snapshot(),
        };
        self.deployments.insert(id, deployment);
        self.forget_old_deployments();
        Ok(())
    }

    fn forget_old_deployments(&mut self) {
        let unused = self.deployments.values();
        let unused = unused.filter(|made| made.automatic && !self.serves(&made.id));
        let mut unused: Vec<_> = unused.map(|made| (made.created, made.id.clone())).collect();
        unused.sort_unstable();
        let too_many = unused.len().saturating_sub(KEPT_BY_ITSELF);
        for (_, id) in unused.into_iter().take(too_many) {
            self.deployments.remove(&id);
        }
    }
}

impl Stage {
    pub(super) fn new(name: StageName, tags: BTreeMap<String, String>, rest: StagePatch) -> Self {
        let now = Timestamp::now();
        let mut stage = Self {
            name,
            description: None,
            deploys_by_itself: false,
            deployment: None,
            variables: BTreeMap::new(),
            created: now,
            updated: now,
            tags,
            default_settings: None,
            route_settings: BTreeMap::new(),
            access_log: None,
            managed: false,
        };
        stage.apply(rest);
        stage
    }

    /// It changed. Later than before even within a millisecond: by this the gateway sees that
    /// what it keeps of the stage is old, though nothing else of it may differ.
    fn touch(&mut self, now: Timestamp) {
        self.updated = now.max(Timestamp(self.updated.0 + 1));
    }

    fn apply(&mut self, patch: StagePatch) {
        set_text(&mut self.description, patch.description);
        set(&mut self.deploys_by_itself, patch.deploys_by_itself);
        // An empty text takes away what was there.
        self.variables.extend(patch.variables.unwrap_or_default());
        self.variables.retain(|_, value| !value.is_empty());
        let settings = patch.route_settings.unwrap_or_default();
        self.route_settings.extend(settings);
        if patch.deployment.is_some() {
            self.deployment = patch.deployment;
        }
        if patch.default_settings.is_some() {
            self.default_settings = patch.default_settings;
        }
        if patch.access_log.is_some() {
            self.access_log = patch.access_log;
        }
    }
}

fn no_route(key: &str) -> HttpApiError {
    HttpApiError::NoRoute(key.chars().take(100).collect())
}

fn no_deployment(id: &PartId) -> HttpApiError {
    HttpApiError::not_found("Deployment", id.as_str())
}
