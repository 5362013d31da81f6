//! What clients do with event buses.

use std::sync::Arc;

use serde_json::Value;
use types::{BusName, Timestamp};

use crate::error::RuleError;
use crate::model::{Bus, Tags};
use crate::rules::Rules;
use crate::tags::check_tags;

/// AWS's quota.
const BUSES: usize = 100;
const POLICY_SIZE: usize = 10_240;

#[derive(Debug, Clone)]
pub struct NewBus {
    pub name: BusName,
    pub description: Option<String>,
    pub kms_key: Option<String>,
    pub dead_letter: Option<String>,
    pub tags: Tags,
}

/// What is absent stays.
#[derive(Debug, Clone, Default)]
pub struct BusPatch {
    pub description: Option<String>,
    pub kms_key: Option<String>,
    pub dead_letter: Option<String>,
}

impl Rules {
    pub fn bus(&self, name: &BusName) -> Result<Arc<Bus>, RuleError> {
        self.state.read().bus(name).cloned()
    }

    /// Sorted by name.
    pub fn buses(&self, prefix: &str) -> Vec<Arc<Bus>> {
        let state = self.state.read();
        let fitting = state
            .buses()
            .filter(|bus| bus.name.as_str().starts_with(prefix));
        fitting.cloned().collect()
    }

    pub async fn create_bus(&self, new: NewBus) -> Result<Arc<Bus>, RuleError> {
        if new.name.as_str().contains('/') {
            return Err(RuleError::invalid(
                "Event bus name starting with 'aws.' or containing '/' is not valid.",
            ));
        }
        check_tags(&new.tags).map_err(RuleError::Invalid)?;
        let now = self.clock.now();
        self.change(|state| {
            if state.bus(&new.name).is_ok() {
                return Err(RuleError::BusExists(new.name));
            }
            if state.buses().count() >= BUSES {
                return Err(RuleError::TooMany);
            }
            Ok(state.put_bus(Bus {
                description: new.description,
                kms_key: new.kms_key,
                dead_letter: new.dead_letter,
                tags: new.tags,
                name: new.name,
                ..Bus::standard(now)
            }))
        })
        .await
    }

    pub async fn update_bus(&self, name: &BusName, patch: BusPatch) -> Result<Arc<Bus>, RuleError> {
        self.change_bus(name, |bus| {
            let set = |old: &mut Option<String>, new: Option<String>| {
                if let Some(new) = new {
                    *old = Some(new).filter(|text| !text.is_empty());
                }
            };
            set(&mut bus.description, patch.description);
            set(&mut bus.kms_key, patch.kms_key);
            set(&mut bus.dead_letter, patch.dead_letter);
            Ok(())
        })
        .await
    }

    pub async fn delete_bus(&self, name: &BusName) -> Result<(), RuleError> {
        if *name == BusName::standard() {
            return Err(RuleError::invalid("Cannot delete event bus default."));
        }
        self.change(|state| {
            state.bus(name)?;
            if state.rules(name).next().is_some() {
                return Err(RuleError::invalid(
                    "Event bus can't be deleted since it has rules.",
                ));
            }
            state.remove_bus(name);
            Ok(())
        })
        .await
    }

    /// One statement of a bus's policy. A statement of the same id is replaced.
    pub async fn put_permission(
        &self,
        bus: &BusName,
        id: String,
        statement: Value,
    ) -> Result<(), RuleError> {
        self.change_bus(bus, |bus| {
            bus.statements.insert(id, statement);
            check_policy(bus)
        })
        .await
        .map(drop)
    }

    /// All statements at once, by their ids.
    pub async fn put_policy(
        &self,
        bus: &BusName,
        statements: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(), RuleError> {
        self.change_bus(bus, |bus| {
            bus.statements = statements.into_iter().collect();
            check_policy(bus)
        })
        .await
        .map(drop)
    }

    /// `None` removes all of them.
    pub async fn remove_permission(
        &self,
        bus: &BusName,
        id: Option<&str>,
    ) -> Result<(), RuleError> {
        self.change_bus(bus, |bus| match id {
            None => {
                bus.statements.clear();
                Ok(())
            }
            Some(id) => match bus.statements.remove(id) {
                Some(_) => Ok(()),
                None => Err(RuleError::NoStatement),
            },
        })
        .await
        .map(drop)
    }

    pub(crate) async fn change_bus(
        &self,
        name: &BusName,
        edit: impl FnOnce(&mut Bus) -> Result<(), RuleError>,
    ) -> Result<Arc<Bus>, RuleError> {
        let now: Timestamp = self.clock.now();
        self.change(|state| {
            let mut bus = Bus::clone(state.bus(name)?);
            edit(&mut bus)?;
            bus.updated = now;
            Ok(state.put_bus(bus))
        })
        .await
    }
}

fn check_policy(bus: &Bus) -> Result<(), RuleError> {
    let size: usize = bus
        .statements
        .values()
        .map(|one| one.to_string().len())
        .sum();
    if size > POLICY_SIZE {
        return Err(RuleError::TooMany);
    }
    Ok(())
}
