//! What the catalog keeps: functions with their versions, aliases and settings,
//! and layers. All of it is plain data, stored as JSON documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use types::{
    AliasName, Architecture, CodeRef, FunctionName, FunctionVersion, LayerName, LayerVersionArn,
    Qualifier, Runtime, SnapStart, Timestamp, TracingMode, Version, VpcConfig,
};

/// A version as clients see it: what instances are made of, and what only the
/// control plane cares for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionEntry {
    pub config: Arc<FunctionVersion>,
    /// The `RevisionId` that clients see. Permissions and tags change it, while
    /// `config.revision_id` only changes when instances must be replaced.
    pub revision: String,
    /// Only with log format JSON.
    pub log_levels: Option<LogLevels>,
    /// What `$LATEST` was described as when this version was published from it.
    pub source_description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLevels {
    pub application: String,
    pub system: String,
}

/// A name for a version, or for two of them by weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    pub name: AliasName,
    pub version: Version,
    pub description: String,
    /// Share of the invocations that go to other versions, 0 to 1.
    pub weights: BTreeMap<u64, f64>,
    pub revision: String,
}

/// What is kept of a function beside its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The last number given to a published version: numbers are not reused.
    pub last_version: u64,
    pub tags: BTreeMap<String, String>,
    pub reserved: Option<u32>,
    pub recursive_loop: RecursiveLoop,
    pub aliases: BTreeMap<AliasName, Alias>,
    pub provisioned: BTreeMap<Qualifier, ProvisionedConfig>,
    pub event_configs: BTreeMap<Qualifier, EventInvokeConfig>,
    /// By alias; the function's own under the empty name.
    pub urls: BTreeMap<String, FunctionUrl>,
    /// By qualifier; the function's own under the empty name.
    pub policies: BTreeMap<String, Vec<Statement>>,
    pub runtime_management: BTreeMap<Version, RuntimeManagement>,
}

impl Facts {
    pub fn new(tags: BTreeMap<String, String>) -> Self {
        Self {
            last_version: 0,
            tags,
            reserved: None,
            recursive_loop: RecursiveLoop::Terminate,
            aliases: BTreeMap::new(),
            provisioned: BTreeMap::new(),
            event_configs: BTreeMap::new(),
            urls: BTreeMap::new(),
            policies: BTreeMap::new(),
            runtime_management: BTreeMap::new(),
        }
    }
}

/// A function in memory.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub name: FunctionName,
    pub facts: Facts,
    /// `$LATEST`, which is always there, and the published versions.
    pub versions: BTreeMap<Version, Arc<VersionEntry>>,
}

impl Function {
    pub fn latest(&self) -> &Arc<VersionEntry> {
        self.versions
            .get(&Version::Latest)
            .expect("a function is created with $LATEST and loses it only as a whole")
    }

    pub fn total_provisioned(&self) -> u32 {
        self.facts
            .provisioned
            .values()
            .fold(0, |sum, config| sum.saturating_add(config.requested))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecursiveLoop {
    Allow,
    Terminate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeManagement {
    /// `Auto`, `FunctionUpdate` or `Manual`.
    pub update_on: String,
    pub version_arn: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedConfig {
    pub requested: u32,
    pub last_modified: Timestamp,
}

/// What a client configured for asynchronous invocations of one qualifier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    pub max_retries: Option<u32>,
    pub max_age_seconds: Option<u32>,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    pub last_modified: Timestamp,
}

/// What holds for asynchronous invocations, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventConfig {
    pub max_age_seconds: u32,
    pub max_retries: u32,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionUrl {
    /// The first label of the URL's host; never given twice.
    pub id: String,
    pub function: FunctionName,
    pub alias: Option<AliasName>,
    pub auth: UrlAuth,
    pub cors: Option<Cors>,
    /// Set once a client named it, as AWS shows it on create only then.
    pub invoke_mode: Option<UrlInvokeMode>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlAuth {
    #[serde(rename = "NONE")]
    None,
    #[serde(rename = "AWS_IAM")]
    AwsIam,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlInvokeMode {
    #[serde(rename = "BUFFERED")]
    Buffered,
    #[serde(rename = "RESPONSE_STREAM")]
    ResponseStream,
}

/// Cross-origin rules of a function URL, spelled as on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cors {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_origins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

/// One statement of a resource policy, in the order and spelling of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    pub sid: String,
    pub effect: String,
    pub principal: serde_json::Value,
    pub action: String,
    pub resource: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, BTreeMap<String, String>>,
}

/// A layer and its versions; it stays when the last version goes, so that
/// numbers are not reused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layer {
    pub last_version: u64,
    pub versions: BTreeMap<u64, Arc<LayerVersion>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerVersion {
    pub arn: LayerVersionArn,
    pub description: String,
    pub created: Timestamp,
    pub code: CodeRef,
    /// As the client sent them: absent and empty are shown differently.
    pub runtimes: Option<Vec<String>>,
    pub architectures: Option<Vec<String>>,
    pub license: Option<String>,
    pub statements: Vec<Statement>,
    pub policy_revision: String,
}

/// Where the code of a new function or layer comes from.
#[derive(Debug, Clone)]
pub enum CodeSource {
    Zip(Bytes),
    Object(ObjectCode),
}

/// A zip in a bucket, as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCode {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

/// Everything that `CreateFunction` decides.
#[derive(Debug, Clone)]
pub struct NewFunction {
    pub name: FunctionName,
    pub runtime: Runtime,
    pub handler: String,
    pub role: String,
    pub description: String,
    pub memory_mb: u32,
    pub timeout_seconds: u32,
    pub tmp_mb: u32,
    pub environment: BTreeMap<String, String>,
    pub layers: Vec<LayerVersionArn>,
    pub architecture: Architecture,
    pub tracing: TracingMode,
    pub snap_start: SnapStart,
    pub logging: Logging,
    pub dead_letter_target: Option<String>,
    pub vpc: Option<VpcConfig>,
    pub kms_key_arn: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub publish: bool,
    pub code: CodeSource,
}

#[derive(Debug, Clone, Default)]
pub struct Logging {
    pub group: Option<String>,
    pub format: Option<String>,
    pub application_level: Option<String>,
    pub system_level: Option<String>,
}

/// What an update says about a setting that may also be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Patch<T> {
    pub(super) fn apply(self, setting: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *setting = None,
            Self::Set(value) => *setting = Some(value),
        }
    }

    /// The setting of something new.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

/// `UpdateFunctionConfiguration`: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ConfigPatch {
    pub runtime: Option<Runtime>,
    pub handler: Option<String>,
    pub role: Option<String>,
    pub description: Option<String>,
    pub memory_mb: Option<u32>,
    pub timeout_seconds: Option<u32>,
    pub tmp_mb: Option<u32>,
    pub environment: Option<BTreeMap<String, String>>,
    pub layers: Option<Vec<LayerVersionArn>>,
    pub tracing: Option<TracingMode>,
    pub snap_start: Option<SnapStart>,
    pub logging: Option<Logging>,
    pub dead_letter_target: Patch<String>,
    pub vpc: Patch<VpcConfig>,
    pub kms_key_arn: Patch<String>,
    pub revision: Option<String>,
}

/// `UpdateFunctionCode`.
#[derive(Debug, Clone)]
pub struct CodeUpdate {
    pub code: CodeSource,
    pub architecture: Option<Architecture>,
    pub publish: bool,
    pub dry_run: bool,
    pub revision: Option<String>,
}

/// `PublishLayerVersion`.
#[derive(Debug, Clone)]
pub struct NewLayer {
    pub name: LayerName,
    pub description: String,
    pub runtimes: Option<Vec<String>>,
    pub architectures: Option<Vec<String>>,
    pub license: Option<String>,
    pub code: CodeSource,
}

/// What a client asked of a list.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    pub marker: Option<String>,
    pub max_items: Option<usize>,
}

/// A part of a list and where the rest begins.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_marker: Option<String>,
}
