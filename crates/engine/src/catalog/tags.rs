//! Tags, and the small settings that are kept for the client and change nothing
//! here: runtime management and recursion.

use std::collections::BTreeMap;

use types::{FunctionName, Qualifier, Version};

use super::Catalog;
use super::error::ControlError;
use super::model::{RecursiveLoop, RuntimeManagement};

const MAX_TAGS: usize = 50;

impl Catalog {
    pub fn tags(&self, name: &FunctionName) -> Result<BTreeMap<String, String>, ControlError> {
        self.read(|state| {
            let function = state.function(&self.inner.scope, name)?;
            Ok(function.facts.tags.clone())
        })
    }

    pub async fn tag(
        &self,
        name: FunctionName,
        tags: BTreeMap<String, String>,
    ) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            if tags.is_empty() {
                return Err(ControlError::invalid(
                    "An error occurred and the request cannot be processed.",
                ));
            }
            function.facts.tags.extend(tags);
            check(&function.facts.tags)?;
            function.touch(None, None)?;
            draft.save(function);
            Ok(())
        })
        .await
    }

    /// Tags that are not there are no error.
    pub async fn untag(&self, name: FunctionName, keys: Vec<String>) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            function.facts.tags.retain(|key, _| !keys.contains(key));
            function.touch(None, None)?;
            draft.save(function);
            Ok(())
        })
        .await
    }

    pub fn recursive_loop(&self, name: &FunctionName) -> Result<RecursiveLoop, ControlError> {
        self.read(|state| {
            let function = state.function(&self.inner.scope, name)?;
            Ok(function.facts.recursive_loop)
        })
    }

    pub async fn set_recursive_loop(
        &self,
        name: FunctionName,
        value: RecursiveLoop,
    ) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            function.facts.recursive_loop = value;
            draft.save(function);
            Ok(())
        })
        .await
    }

    pub fn runtime_management(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<RuntimeManagement, ControlError> {
        self.read(|state| {
            let entry = state.version(&self.inner.scope, name, qualifier)?;
            let function = state.function(&self.inner.scope, name)?;
            let settings = &function.facts.runtime_management;
            Ok(settings
                .get(&entry.config.version)
                .cloned()
                .unwrap_or_else(|| RuntimeManagement {
                    update_on: "Auto".to_owned(),
                    version_arn: None,
                }))
        })
    }

    pub async fn set_runtime_management(
        &self,
        name: FunctionName,
        qualifier: Option<Qualifier>,
        value: RuntimeManagement,
    ) -> Result<Version, ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let scope = &catalog.inner.scope;
            let entry = draft.state.version(scope, &name, qualifier.as_ref())?;
            let version = entry.config.version;
            let mut function = catalog.own(&draft.state, &name)?;
            function.facts.runtime_management.insert(version, value);
            draft.save(function);
            Ok(version)
        })
        .await
    }
}

pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), ControlError> {
    if tags.len() > MAX_TAGS {
        return Err(ControlError::invalid(
            "Number of tags exceeds resource tag limit.",
        ));
    }
    Ok(())
}
