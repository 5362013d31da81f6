//! Patch operations, with which the first version of the protocol changes things.

use serde::Deserialize;

use crate::error::ApiError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Patch {
    #[serde(default)]
    pub patch_operations: Vec<PatchOperation>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PatchOperation {
    pub op: String,
    pub path: String,
    #[serde(default)]
    pub value: String,
}

pub(crate) fn bad_operation(operation: &PatchOperation, hint: &str) -> ApiError {
    let PatchOperation { op, path, value } = operation;
    let shown: String = format!("{op} {path} {value}").chars().take(120).collect();
    ApiError::invalid(format!("Invalid patch operation {shown}: {hint}"))
}
