//! What a function needs and may have: its runtime, its environment, its layers.

use std::collections::{BTreeMap, HashSet};

use types::{CodeRef, InstanceOptions, LayerRef, LayerVersionArn};

use super::Catalog;
use super::error::ControlError;
use super::state::State;

const VARIABLES_REFUSED: &str = "Lambda was unable to configure your environment variables because the environment variables you have provided";

/// How much of a too large environment an error message repeats.
const QUOTED_ENVIRONMENT: usize = 5_000;

impl Catalog {
    pub(super) fn check_runtime(&self, runtime: types::Runtime) -> Result<(), ControlError> {
        (self.inner.check_runtime)(runtime).map_err(ControlError::invalid)
    }

    pub(super) fn check_environment(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<InstanceOptions, ControlError> {
        let reserved: Vec<&str> = environment
            .keys()
            .map(String::as_str)
            .filter(|name| types::RESERVED_VARIABLES.contains(name))
            .collect();
        if !reserved.is_empty() {
            return Err(ControlError::invalid(format!(
                "{VARIABLES_REFUSED} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
                reserved.join(", ")
            )));
        }
        let limit = self.inner.limits.environment_bytes;
        let measured = serde_json::to_string(environment).expect("a map of texts is JSON");
        if measured.len() > limit {
            let quoted: String = measured.chars().take(QUOTED_ENVIRONMENT).collect();
            return Err(ControlError::invalid(format!(
                "{VARIABLES_REFUSED} exceeded the {}KB limit. String measured: {quoted}",
                limit / 1024
            )));
        }
        InstanceOptions::from_environment(environment)
            .map_err(|error| ControlError::invalid(error.to_string()))
    }

    /// The layers that a client named, checked as AWS checks them.
    pub(super) fn find_layers(
        &self,
        state: &State,
        arns: &[LayerVersionArn],
    ) -> Result<Vec<LayerRef>, ControlError> {
        let limit = self.inner.limits.layers;
        if arns.len() > limit {
            return Err(ControlError::invalid(format!(
                "Cannot reference more than {limit} layers."
            )));
        }
        let mut seen: HashSet<&str> = HashSet::new();
        let mut layers: Vec<LayerRef> = Vec::with_capacity(arns.len());
        for arn in arns {
            if let Some(code) = self.find_layer(state, arn)? {
                if !seen.insert(arn.name.as_str()) {
                    let other = layers.iter().find(|layer| layer.arn.name == arn.name);
                    let other = other.map_or(arn, |layer| &layer.arn);
                    return Err(ControlError::invalid(format!(
                        "Two different versions of the same layer are not allowed to be referenced in the same function. {other} and {arn} are versions of the same layer."
                    )));
                }
                layers.push(LayerRef {
                    arn: arn.clone(),
                    code,
                });
            } else {
                return Err(ControlError::invalid(format!(
                    "Layer version {arn} does not exist."
                )));
            }
        }
        Ok(layers)
    }

    fn find_layer(
        &self,
        state: &State,
        arn: &LayerVersionArn,
    ) -> Result<Option<CodeRef>, ControlError> {
        let scope = &self.inner.scope;
        if arn.region != scope.region {
            return Err(ControlError::invalid(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                scope.region
            )));
        }
        if arn.account != scope.account {
            return Err(ControlError::ForeignLayer {
                account: scope.account.to_string(),
                arn: arn.to_string(),
            });
        }
        let layer = state.layers.get(&arn.name);
        let version = layer.and_then(|layer| layer.versions.get(&arn.version));
        Ok(version.map(|version| version.code.clone()))
    }
}
