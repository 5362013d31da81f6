//! Layers, and who may read them.

use std::sync::Arc;

use types::{LayerName, LayerVersionArn, Timestamp};

use super::error::ControlError;
use super::model::{Layer, LayerVersion, NewLayer, Page, Paging, Statement};
use super::permissions::check_size;
use super::state::{Draft, State};
use super::{Catalog, fresh_id, paging};

/// Which layer versions a list is about.
#[derive(Debug, Clone, Default)]
pub struct LayerFilter {
    pub runtime: Option<String>,
    pub architecture: Option<String>,
}

impl LayerFilter {
    /// A layer that names none is compatible with all when nothing is asked for,
    /// and with none when something is.
    fn admits(&self, version: &LayerVersion) -> bool {
        let has = |named: &Option<Vec<String>>, wanted: &Option<String>| match wanted {
            None => true,
            Some(wanted) => named.as_ref().is_some_and(|named| named.contains(wanted)),
        };
        has(&version.runtimes, &self.runtime) && has(&version.architectures, &self.architecture)
    }
}

impl Catalog {
    pub async fn publish_layer(&self, new: NewLayer) -> Result<Arc<LayerVersion>, ControlError> {
        let upload = self.upload(new.code.clone()).await?;
        let code = upload.code();
        let catalog = self.clone();
        self.change_with(Some(upload), move |draft| {
            catalog.check_storage(&draft.state, code.zip_bytes)?;
            let old = draft.state.layers.get(&new.name);
            let mut layer = old.map_or_else(Layer::default, |layer| Layer::clone(layer));
            layer.last_version += 1;
            let scope = &catalog.inner.scope;
            let version = Arc::new(LayerVersion {
                arn: LayerVersionArn {
                    region: scope.region.clone(),
                    account: scope.account.clone(),
                    name: new.name.clone(),
                    version: layer.last_version,
                },
                description: new.description,
                created: Timestamp::now(),
                code,
                runtimes: new.runtimes,
                architectures: new.architectures,
                license: new.license,
                statements: Vec::new(),
                policy_revision: fresh_id(),
            });
            layer
                .versions
                .insert(layer.last_version, Arc::clone(&version));
            draft.save_layer(new.name, layer);
            Ok(version)
        })
        .await
    }

    pub fn get_layer_version(
        &self,
        name: &LayerName,
        number: u64,
    ) -> Result<Arc<LayerVersion>, ControlError> {
        self.read(|state| {
            let found = find(state, name, number).cloned();
            found.ok_or_else(ControlError::no_such_resource)
        })
    }

    /// The newest matching version of each layer.
    pub fn list_layers(
        &self,
        filter: &LayerFilter,
        paging: &Paging,
    ) -> Result<Page<Arc<LayerVersion>>, ControlError> {
        self.read(|state| {
            let newest = state.layers.iter().filter_map(|(name, layer)| {
                let mut versions = layer.versions.values().rev();
                let version = versions.find(|version| filter.admits(version))?;
                Some((name.to_string(), Arc::clone(version)))
            });
            paging::cut(newest, paging)
        })
    }

    /// The matching versions of a layer, newest first; of a layer nobody
    /// published, none.
    pub fn list_layer_versions(
        &self,
        name: &LayerName,
        filter: &LayerFilter,
        paging: &Paging,
    ) -> Result<Page<Arc<LayerVersion>>, ControlError> {
        self.read(|state| {
            let versions = state.layers.get(name).into_iter();
            let versions = versions.flat_map(|layer| layer.versions.iter().rev());
            let matching = versions.filter(|(_, version)| filter.admits(version));
            // Newest first, so the key counts down.
            let keyed =
                matching.map(|(n, version)| (format!("{:020}", u64::MAX - n), Arc::clone(version)));
            paging::cut(keyed, paging)
        })
    }

    /// Functions that use the version keep it; deleting one that is not there
    /// succeeds.
    pub async fn delete_layer_version(
        &self,
        name: LayerName,
        number: u64,
    ) -> Result<(), ControlError> {
        self.change(move |draft| {
            let old = draft.state.layers.get(&name);
            if let Some(mut layer) = old.map(|layer| Layer::clone(layer))
                && layer.versions.remove(&number).is_some()
            {
                draft.save_layer(name, layer);
            }
            Ok(())
        })
        .await
    }

    /// The statement as stored and the policy's new revision.
    pub async fn add_layer_permission(
        &self,
        name: LayerName,
        number: u64,
        sid: String,
        principal: serde_json::Value,
        organization: Option<String>,
        revision: Option<String>,
    ) -> Result<(Statement, String), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut version = catalog.own_layer_version(&draft.state, &name, number)?;
            check_policy_revision(&version, revision.as_deref())?;
            if version.statements.iter().any(|s| s.sid == sid) {
                return Err(ControlError::conflict(format!(
                    "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
                )));
            }
            let statement = Statement {
                sid,
                effect: "Allow".to_owned(),
                principal,
                action: "lambda:GetLayerVersion".to_owned(),
                resource: version.arn.to_string(),
                condition: organization
                    .map(|id| ("aws:PrincipalOrgID".to_owned(), id))
                    .map(|pair| ("StringEquals".to_owned(), std::iter::once(pair).collect()))
                    .into_iter()
                    .collect(),
            };
            version.statements.push(statement.clone());
            check_size(&version.statements)?;
            let revision = put_version(draft, &name, number, version);
            Ok((statement, revision))
        })
        .await
    }

    pub async fn remove_layer_permission(
        &self,
        name: LayerName,
        number: u64,
        sid: String,
        revision: Option<String>,
    ) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut version = catalog.own_layer_version(&draft.state, &name, number)?;
            if version.statements.is_empty() {
                return Err(ControlError::not_found(
                    "No policy is associated with the given resource.",
                ));
            }
            check_policy_revision(&version, revision.as_deref())?;
            let Some(place) = version.statements.iter().position(|s| s.sid == sid) else {
                return Err(ControlError::not_found(format!(
                    "Statement {sid} is not found in resource policy."
                )));
            };
            version.statements.remove(place);
            put_version(draft, &name, number, version);
            Ok(())
        })
        .await
    }

    /// The statements of a layer version that has some, and their revision.
    pub fn layer_policy(
        &self,
        name: &LayerName,
        number: u64,
    ) -> Result<(Vec<Statement>, String), ControlError> {
        self.read(|state| {
            let version = self.layer_version(state, name, number)?;
            if version.statements.is_empty() {
                return Err(ControlError::not_found(
                    "No policy is associated with the given resource.",
                ));
            }
            Ok((version.statements.clone(), version.policy_revision.clone()))
        })
    }

    fn layer_version<'s>(
        &self,
        state: &'s State,
        name: &LayerName,
        number: u64,
    ) -> Result<&'s Arc<LayerVersion>, ControlError> {
        find(state, name, number).ok_or_else(|| {
            let arn = self.inner.scope.layer_arn(name);
            ControlError::not_found(format!("Layer version {arn}:{number} does not exist."))
        })
    }

    fn own_layer_version(
        &self,
        state: &State,
        name: &LayerName,
        number: u64,
    ) -> Result<LayerVersion, ControlError> {
        let version = self.layer_version(state, name, number)?;
        Ok(LayerVersion::clone(version))
    }
}

fn find<'s>(state: &'s State, name: &LayerName, number: u64) -> Option<&'s Arc<LayerVersion>> {
    state.layers.get(name)?.versions.get(&number)
}

fn check_policy_revision(
    version: &LayerVersion,
    revision: Option<&str>,
) -> Result<(), ControlError> {
    match revision {
        Some(revision) if revision != version.policy_revision => Err(ControlError::StaleRevision {
            api: "GetLayerPolicy",
        }),
        _ => Ok(()),
    }
}

/// Puts a changed version into its layer and gives the new policy revision.
fn put_version(
    draft: &mut Draft,
    name: &LayerName,
    number: u64,
    mut version: LayerVersion,
) -> String {
    version.policy_revision = fresh_id();
    let revision = version.policy_revision.clone();
    if let Some(layer) = draft.state.layers.get(name) {
        let mut layer = Layer::clone(layer);
        layer.versions.insert(number, Arc::new(version));
        draft.save_layer(name.clone(), layer);
    }
    revision
}
