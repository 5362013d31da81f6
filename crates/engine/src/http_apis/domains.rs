//! Host names of an account's own, and which APIs stand behind them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::ids::{ApiId, PartId, StageName};

/// A host name that leads to APIs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// In lower case, without a port; `*.example.com` stands for all names below.
    pub name: String,
    /// Kept for the client: the certificates that count here are those of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    pub created: Timestamp,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub mappings: BTreeMap<PartId, Mapping>,
}

/// What of a domain's paths goes to which API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    pub id: PartId,
    pub api: ApiId,
    pub stage: StageName,
    /// What paths begin with, such as `v1`; empty is all that no other mapping takes.
    #[serde(default)]
    pub key: String,
}
