//! Aliases and their weights.

use std::collections::BTreeMap;

use types::{AliasName, FunctionName, Qualifier, Version};

use super::error::ControlError;
use super::model::{Alias, Function, Page, Paging};
use super::{Catalog, fresh_id, paging};

impl Catalog {
    pub async fn create_alias(
        &self,
        name: FunctionName,
        alias: AliasName,
        version: Version,
        description: String,
        weights: BTreeMap<u64, f64>,
    ) -> Result<Alias, ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own_version(draft, &name, version)?;
            if function.facts.aliases.contains_key(&alias) {
                let arn = catalog.alias_arn(&name, &alias);
                return Err(ControlError::conflict(format!(
                    "Alias already exists: {arn}"
                )));
            }
            catalog.check_weights(&function, version, &weights)?;
            let alias = Alias {
                name: alias,
                version,
                description,
                weights,
                revision: fresh_id(),
            };
            let aliases = &mut function.facts.aliases;
            aliases.insert(alias.name.clone(), alias.clone());
            draft.save(function);
            Ok(alias)
        })
        .await
    }

    pub fn get_alias(&self, name: &FunctionName, alias: &AliasName) -> Result<Alias, ControlError> {
        self.read(|state| {
            let function = state.functions.get(name);
            let found = function.and_then(|function| function.facts.aliases.get(alias));
            found.cloned().ok_or_else(|| ControlError::AliasNotFound {
                arn: self.alias_arn(name, alias),
            })
        })
    }

    pub fn list_aliases(
        &self,
        name: &FunctionName,
        version: Option<Version>,
        paging: &Paging,
    ) -> Result<Page<Alias>, ControlError> {
        self.read(|state| {
            let function = state.function(&self.inner.scope, name)?;
            let aliases = function.facts.aliases.values().filter(|alias| {
                version.is_none_or(|version| {
                    alias.version == version
                        || matches!(version, Version::Number(n) if alias.weights.contains_key(&n))
                })
            });
            paging::cut(
                aliases.map(|alias| (alias.name.to_string(), alias.clone())),
                paging,
            )
        })
    }

    /// What is absent stays.
    pub async fn update_alias(
        &self,
        name: FunctionName,
        alias: AliasName,
        version: Option<Version>,
        description: Option<String>,
        weights: Option<BTreeMap<u64, f64>>,
        revision: Option<String>,
    ) -> Result<Alias, ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let found = draft.state.functions.get(&name);
            let Some(old) = found.and_then(|f| f.facts.aliases.get(&alias)).cloned() else {
                let arn = catalog.alias_arn(&name, &alias);
                return Err(ControlError::not_found(format!("Alias not found: {arn}")));
            };
            if revision.is_some_and(|revision| revision != old.revision) {
                return Err(ControlError::StaleRevision {
                    api: "GetFunction/GetAlias",
                });
            }
            let new = Alias {
                version: version.unwrap_or(old.version),
                description: description.unwrap_or(old.description),
                weights: weights.unwrap_or(old.weights),
                revision: fresh_id(),
                name: alias,
            };
            let mut function = catalog.own_version(draft, &name, new.version)?;
            catalog.check_weights(&function, new.version, &new.weights)?;
            let qualifier = Qualifier::Alias(new.name.clone());
            if !new.weights.is_empty() && function.facts.provisioned.contains_key(&qualifier) {
                return Err(ControlError::invalid(
                    "Alias with weights can not be used with Provisioned Concurrency",
                ));
            }
            function.facts.aliases.insert(new.name.clone(), new.clone());
            draft.save(function);
            Ok(new)
        })
        .await
    }

    /// Deleting an alias that is not there succeeds, as on AWS.
    pub async fn delete_alias(
        &self,
        name: FunctionName,
        alias: AliasName,
    ) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            if function.facts.aliases.remove(&alias).is_some() {
                function.forget(&Qualifier::Alias(alias));
                draft.save(function);
            }
            Ok(())
        })
        .await
    }

    pub(super) fn alias_arn(&self, name: &FunctionName, alias: &AliasName) -> String {
        let qualifier = Qualifier::Alias(alias.clone());
        self.inner.scope.qualified_arn(name, &qualifier)
    }

    /// A copy of a function that has this version.
    fn own_version(
        &self,
        draft: &super::Draft,
        name: &FunctionName,
        version: Version,
    ) -> Result<Function, ControlError> {
        let qualifier = Qualifier::Version(version);
        draft
            .state
            .version(&self.inner.scope, name, Some(&qualifier))?;
        self.own(&draft.state, name)
    }

    fn check_weights(
        &self,
        function: &Function,
        version: Version,
        weights: &BTreeMap<u64, f64>,
    ) -> Result<(), ControlError> {
        if weights.len() > 1 {
            return Err(ControlError::invalid(
                "Number of items in AdditionalVersionWeights cannot be greater than 1",
            ));
        }
        for number in weights.keys() {
            if version == Version::Latest {
                return Err(ControlError::invalid(
                    "$LATEST is not supported for an alias pointing to more than 1 version",
                ));
            }
            let other = Version::Number(*number);
            if other == version {
                return Err(ControlError::invalid(format!(
                    "Invalid function version {number}. Function version {number} is already included in routing configuration."
                )));
            }
            if !function.versions.contains_key(&other) {
                let qualifier = Qualifier::Version(other);
                let arn = self.inner.scope.qualified_arn(&function.name, &qualifier);
                return Err(ControlError::FunctionNotFound { arn });
            }
        }
        Ok(())
    }
}

impl Alias {
    /// The version for one invocation, by the weights.
    pub(super) fn draw(&self) -> Version {
        if self.weights.is_empty() {
            return self.version;
        }
        // Without randomness from the system, the main version is as good as any.
        let point = getrandom::u32().map_or(1.0, |n| f64::from(n) / f64::from(u32::MAX));
        self.at(point)
    }

    /// The version at a point between 0 and 1.
    fn at(&self, point: f64) -> Version {
        let mut bound = 0.0;
        for (number, weight) in &self.weights {
            bound += weight;
            if point < bound {
                return Version::Number(*number);
            }
        }
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_cut_the_line_in_their_proportion() {
        let alias = Alias {
            name: "live".parse().unwrap(),
            version: Version::Number(1),
            description: String::new(),
            weights: BTreeMap::from([(2, 0.25)]),
            revision: String::new(),
        };
        let hits = (0..100).filter(|n| alias.at(f64::from(*n) / 100.0) == Version::Number(2));
        assert_eq!(hits.count(), 25);
    }
}
