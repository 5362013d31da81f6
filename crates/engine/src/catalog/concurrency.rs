//! Reserved and provisioned concurrency, and what the account uses.

use types::{FunctionName, Qualifier, Timestamp, Version};

use super::configs::by_qualifier;
use super::error::ControlError;
use super::model::{Function, Page, Paging, ProvisionedConfig};
use super::state::State;
use super::{Catalog, paging};

/// What the account has in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub code_bytes: u64,
    pub functions: u64,
}

impl Catalog {
    pub fn usage(&self) -> Usage {
        self.read(|state| Usage {
            code_bytes: state.code_bytes(),
            functions: state.functions.len() as u64,
        })
    }

    pub async fn reserve(&self, name: FunctionName, reserved: u32) -> Result<u32, ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own_unqualified(&draft.state, &name)?;
            let mine = function.facts.reserved.unwrap_or(0);
            let others = draft.state.reserved_total() - mine;
            let limits = &catalog.inner.limits;
            let taken = others.saturating_add(reserved);
            let floor = limits.unreserved_concurrency_min;
            if taken > limits.account_concurrency.saturating_sub(floor) {
                return Err(ControlError::invalid(format!(
                    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{floor}]."
                )));
            }
            let provisioned = function.total_provisioned();
            if reserved < provisioned {
                return Err(ControlError::invalid(format!(
                    " ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned concurrency [{provisioned}]."
                )));
            }
            function.facts.reserved = Some(reserved);
            draft.save(function);
            Ok(reserved)
        })
        .await
    }

    pub async fn unreserve(&self, name: FunctionName) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            function.facts.reserved = None;
            draft.save(function);
            Ok(())
        })
        .await
    }

    /// The reservation of a function that is there.
    pub fn get_reserved(&self, name: &FunctionName) -> Result<Option<u32>, ControlError> {
        self.read(|state| {
            let function = state.function(&self.inner.scope, name)?;
            Ok(function.facts.reserved)
        })
    }

    pub async fn provision(
        &self,
        name: FunctionName,
        qualifier: Qualifier,
        requested: u32,
    ) -> Result<ProvisionedConfig, ControlError> {
        if qualifier == Qualifier::Version(Version::Latest) {
            return Err(ControlError::invalid(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
            ));
        }
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own_provisionable(&draft.state, &name, &qualifier)?;
            function.check_provisionable(&qualifier)?;
            catalog.check_provisioned_sum(&draft.state, &function, &qualifier, requested)?;
            let config = ProvisionedConfig {
                requested,
                last_modified: Timestamp::now(),
            };
            function.facts.provisioned.insert(qualifier, config);
            draft.save(function);
            Ok(config)
        })
        .await
    }

    pub fn get_provisioned(
        &self,
        name: &FunctionName,
        qualifier: &Qualifier,
    ) -> Result<ProvisionedConfig, ControlError> {
        refuse_latest(qualifier)?;
        self.read(|state| {
            let function = self.own_provisionable(state, name, qualifier)?;
            let config = function.facts.provisioned.get(qualifier);
            config.copied().ok_or(ControlError::ProvisionedNotFound)
        })
    }

    pub fn list_provisioned(
        &self,
        name: &FunctionName,
        paging: &Paging,
    ) -> Result<Page<(Qualifier, ProvisionedConfig)>, ControlError> {
        self.read(|state| {
            let function = state.function(&self.inner.scope, name)?;
            paging::cut(by_qualifier(function.facts.provisioned.iter()), paging)
        })
    }

    /// Taking away what is not there succeeds.
    pub async fn unprovision(
        &self,
        name: FunctionName,
        qualifier: Qualifier,
    ) -> Result<(), ControlError> {
        refuse_latest(&qualifier)?;
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own_provisionable(&draft.state, &name, &qualifier)?;
            if function.facts.provisioned.remove(&qualifier).is_some() {
                draft.save(function);
            }
            Ok(())
        })
        .await
    }

    /// AWS names the version that it looked for here, but not elsewhere.
    fn own_unqualified(
        &self,
        state: &State,
        name: &FunctionName,
    ) -> Result<Function, ControlError> {
        let latest = Qualifier::Version(Version::Latest);
        state.version(&self.inner.scope, name, Some(&latest))?;
        self.own(state, name)
    }

    fn own_provisionable(
        &self,
        state: &State,
        name: &FunctionName,
        qualifier: &Qualifier,
    ) -> Result<Function, ControlError> {
        let found = state.version(&self.inner.scope, name, Some(qualifier));
        match (found, qualifier) {
            (Err(_), Qualifier::Alias(alias)) => Err(ControlError::AliasNotFound {
                arn: self.alias_arn(name, alias),
            }),
            (Err(error), Qualifier::Version(_)) => Err(error),
            (Ok(_), _) => self.own(state, name),
        }
    }

    fn check_provisioned_sum(
        &self,
        state: &State,
        function: &Function,
        qualifier: &Qualifier,
        requested: u32,
    ) -> Result<(), ControlError> {
        let old = function.facts.provisioned.get(qualifier);
        let before = function.total_provisioned() - old.map_or(0, |old| old.requested);
        let wanted = before.saturating_add(requested);
        if let Some(reserved) = function.facts.reserved {
            if wanted > reserved {
                return Err(ControlError::invalid(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
                ));
            }
            return Ok(());
        }
        let limits = &self.inner.limits;
        let unreserved = limits
            .account_concurrency
            .saturating_sub(state.reserved_total());
        if wanted > unreserved {
            return Err(ControlError::invalid(format!(
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
            )));
        }
        let floor = limits.unreserved_concurrency_min;
        if unreserved - wanted < floor {
            return Err(ControlError::invalid(format!(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{floor}]."
            )));
        }
        Ok(())
    }
}

impl Function {
    /// A version is provisioned directly or through one alias, not both.
    fn check_provisionable(&self, qualifier: &Qualifier) -> Result<(), ControlError> {
        let provisioned = &self.facts.provisioned;
        match qualifier {
            Qualifier::Alias(name) => {
                let Some(alias) = self.facts.aliases.get(name) else {
                    return Ok(());
                };
                if alias.version == Version::Latest {
                    return Err(ControlError::invalid(
                        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
                    ));
                }
                if !alias.weights.is_empty() {
                    return Err(ControlError::invalid(
                        "Alias with weights can not be used with Provisioned Concurrency",
                    ));
                }
                if provisioned.contains_key(&Qualifier::Version(alias.version)) {
                    return Err(ControlError::conflict(
                        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
                    ));
                }
            }
            Qualifier::Version(version) => {
                let pointed = self.facts.aliases.values().any(|alias| {
                    alias.version == *version
                        && provisioned.contains_key(&Qualifier::Alias(alias.name.clone()))
                });
                if pointed {
                    return Err(ControlError::conflict(
                        "Version is pointed by a Provisioned Concurrency alias",
                    ));
                }
            }
        }
        Ok(())
    }
}

fn refuse_latest(qualifier: &Qualifier) -> Result<(), ControlError> {
    if *qualifier == Qualifier::Version(Version::Latest) {
        return Err(ControlError::invalid(
            "The function resource provided must be an alias or a published version.",
        ));
    }
    Ok(())
}
