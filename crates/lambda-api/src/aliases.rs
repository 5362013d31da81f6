//! Aliases.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use types::Version;

use crate::error::ApiError;
use crate::names;
use crate::request::{Answer, Call, created, no_content, ok};
use crate::shapes;
use crate::validate::{Faults, present};

const WEIGHTS: &str = "routingConfig.additionalVersionWeights";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasMembers {
    name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingMembers>,
    revision_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoutingMembers {
    additional_version_weights: Option<BTreeMap<String, f64>>,
}

impl AliasMembers {
    /// The weights that were sent; none where no routing was.
    fn weights(&self, faults: &mut Faults) -> Option<BTreeMap<u64, f64>> {
        let routing = self.routing_config.as_ref()?;
        let Some(sent) = &routing.additional_version_weights else {
            return Some(BTreeMap::new());
        };
        let shown = || {
            let pairs: Vec<String> = sent.iter().map(|(v, w)| format!("{v}={w:?}")).collect();
            format!("{{{}}}", pairs.join(", "))
        };
        let mut weights = BTreeMap::new();
        for (version, weight) in sent {
            let Ok(Version::Number(number)) = version.parse() else {
                faults.add(
                    shown(),
                    WEIGHTS,
                    "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
                );
                continue;
            };
            if !(0.0..=1.0).contains(weight) {
                faults.add(
                    shown(),
                    WEIGHTS,
                    "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
                );
            }
            weights.insert(number, *weight);
        }
        Some(weights)
    }

    fn check(&self) -> Result<Option<BTreeMap<u64, f64>>, ApiError> {
        let mut faults = Faults::default();
        let weights = self.weights(&mut faults);
        if let Some(description) = &self.description {
            faults.max_length(description, "description", 256);
        }
        faults.none()?;
        Ok(weights)
    }
}

pub(crate) async fn create(call: &Call<'_>, function: &str) -> Answer {
    let function = call.function(function)?;
    let mut members: AliasMembers = call.members()?;
    let mut faults = Faults::default();
    let name = faults.required(members.name.take(), "name");
    let version = faults.required(members.function_version.take(), "functionVersion");
    faults.none()?;
    let weights = members.check()?.unwrap_or_default();
    let alias = call
        .catalog()
        .create_alias(
            function.clone(),
            names::alias(&present(name)?)?,
            names::version(&present(version)?)?,
            members.description.unwrap_or_default(),
            weights,
        )
        .await?;
    created(&shapes::alias(call, &function, &alias))
}

pub(crate) fn get(call: &Call<'_>, function: &str, alias: &str) -> Answer {
    let function = call.function(function)?;
    let alias = call.catalog().get_alias(&function, &names::alias(alias)?)?;
    ok(&shapes::alias(call, &function, &alias))
}

pub(crate) fn list(call: &Call<'_>, function: &str) -> Answer {
    let function = call.function(function)?;
    let version = call.query("FunctionVersion");
    let version = version.map(|text| names::version(&text)).transpose()?;
    let paging = call.paging(10_000)?;
    let page = call.catalog().list_aliases(&function, version, &paging)?;
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|alias| shapes::alias(call, &function, alias))
        .collect();
    ok(&shapes::page("Aliases", items, page.next_marker))
}

pub(crate) async fn update(call: &Call<'_>, function: &str, alias: &str) -> Answer {
    let function = call.function(function)?;
    let members: AliasMembers = call.members()?;
    let weights = members.check()?;
    let version = members.function_version.as_deref();
    let alias = call
        .catalog()
        .update_alias(
            function.clone(),
            names::alias(alias)?,
            version.map(names::version).transpose()?,
            members.description,
            weights,
            members.revision_id,
        )
        .await?;
    ok(&shapes::alias(call, &function, &alias))
}

pub(crate) async fn delete(call: &Call<'_>, function: &str, alias: &str) -> Answer {
    let function = call.function(function)?;
    call.catalog()
        .delete_alias(function, names::alias(alias)?)
        .await?;
    no_content()
}
