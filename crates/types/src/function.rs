//! A function version: everything that decides how an instance is made and what
//! AWS's `FunctionConfiguration` says about it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::arn::LayerVersionArn;
use crate::names::{BadName, FunctionName, Version};
use crate::time::Timestamp;

/// Variables that the runtime sets; a function's configuration may not.
pub const RESERVED_VARIABLES: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// One version of a function. `$LATEST` is the version that updates change;
/// a published version never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionVersion {
    pub name: FunctionName,
    pub version: Version,
    pub runtime: Runtime,
    pub handler: String,
    pub role: String,
    pub description: String,
    pub memory_mb: u32,
    pub timeout_seconds: u32,
    pub tmp_mb: u32,
    pub environment: BTreeMap<String, String>,
    pub code: CodeRef,
    /// In the order in which they are mounted: a later one covers an earlier one.
    pub layers: Vec<LayerRef>,
    pub architecture: Architecture,
    pub tracing: TracingMode,
    pub snap_start: SnapStart,
    pub options: InstanceOptions,
    /// Where its log goes; `/aws/lambda/NAME` unless the client named another.
    pub log_group: Option<String>,
    /// `Text` or `JSON`, kept and shown; lines are written as text.
    pub log_format: String,
    pub dead_letter_target: Option<String>,
    pub vpc: Option<VpcConfig>,
    pub kms_key_arn: Option<String>,
    pub last_modified: Timestamp,
    pub revision_id: String,
}

impl FunctionVersion {
    pub fn log_group(&self) -> String {
        self.log_group
            .clone()
            .unwrap_or_else(|| format!("/aws/lambda/{}", self.name))
    }

    /// What must be equal for two versions to be served by the same instances.
    pub fn key(&self) -> VersionKey {
        VersionKey {
            name: self.name.clone(),
            version: self.version,
            revision: self.revision_id.as_str().into(),
        }
    }
}

/// Names one state of one version: `$LATEST` before and after an update differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VersionKey {
    pub name: FunctionName,
    pub version: Version,
    pub revision: Arc<str>,
}

/// A package in the store, by its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CodeRef {
    /// Lower-case hexadecimal SHA-256 of the zip: its name in the store.
    pub sha256: String,
    pub zip_bytes: u64,
    pub unzipped_bytes: u64,
}

/// A layer version as a function uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRef {
    pub arn: LayerVersionArn,
    pub code: CodeRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcConfig {
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
}

/// What runs the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Runtime {
    /// `python3.MINOR`
    Python(u8),
    /// `r`, whichever there is, or `r4.MINOR`. AWS has none of them.
    R(Option<u8>),
    Provided,
    ProvidedAl2,
    ProvidedAl2023,
}

impl Runtime {
    /// The language is ours to start; otherwise the package brings `bootstrap`.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Python(_) | Self::R(_))
    }
}

impl FromStr for Runtime {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text {
            "provided" => Ok(Self::Provided),
            "provided.al2" => Ok(Self::ProvidedAl2),
            "provided.al2023" => Ok(Self::ProvidedAl2023),
            "r" => Ok(Self::R(None)),
            _ => minor_of(text, "python3.")
                .map(Self::Python)
                .or_else(|| minor_of(text, "r4.").map(|minor| Self::R(Some(minor))))
                .ok_or_else(|| {
                    BadName::new(
                        "runtime",
                        text,
                        "use python3.N, r, r4.N, provided, provided.al2 or provided.al2023",
                    )
                }),
        }
    }
}

/// The 11 of `python3.11`, in its one spelling.
fn minor_of(text: &str, prefix: &str) -> Option<u8> {
    let minor = text.strip_prefix(prefix)?;
    let number: u8 = minor.parse().ok()?;
    (number.to_string() == minor).then_some(number)
}

impl TryFrom<String> for Runtime {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Runtime> for String {
    fn from(runtime: Runtime) -> String {
        runtime.to_string()
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(minor) => write!(f, "python3.{minor}"),
            Self::R(None) => f.write_str("r"),
            Self::R(Some(minor)) => write!(f, "r4.{minor}"),
            Self::Provided => f.write_str("provided"),
            Self::ProvidedAl2 => f.write_str("provided.al2"),
            Self::ProvidedAl2023 => f.write_str("provided.al2023"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Architecture {
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "arm64")]
    Arm64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TracingMode {
    Active,
    #[default]
    PassThrough,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SnapStart {
    PublishedVersions,
    #[default]
    None,
}

/// How instances come to be. `Auto` forks a template and falls back to spawning
/// where the loaded libraries do not survive a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartMode {
    #[default]
    Auto,
    Fork,
    Spawn,
}

impl FromStr for StartMode {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text {
            "auto" => Ok(Self::Auto),
            "fork" => Ok(Self::Fork),
            "spawn" => Ok(Self::Spawn),
            _ => Err(BadName::new("start mode", text, "use auto, fork or spawn")),
        }
    }
}

/// Whether instances share the machine's network, as on AWS, or have one of
/// their own in which there is nothing but the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    #[default]
    Host,
    None,
}

impl FromStr for NetworkMode {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text {
            "host" => Ok(Self::Host),
            "none" => Ok(Self::None),
            _ => Err(BadName::new("network mode", text, "use host or none")),
        }
    }
}

/// What a function may choose of its instances, beyond what AWS knows. Chosen by
/// environment variables: they travel with the configuration through every tool
/// and do no harm on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceOptions {
    /// `SQUALL_START`
    pub start: StartMode,
    /// `SQUALL_NETWORK`
    pub network: NetworkMode,
}

impl InstanceOptions {
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Result<Self, BadName> {
        fn chosen<T: FromStr<Err = BadName> + Default>(
            environment: &BTreeMap<String, String>,
            name: &str,
        ) -> Result<T, BadName> {
            environment
                .get(name)
                .map_or(Ok(T::default()), |text| text.parse())
        }
        Ok(Self {
            start: chosen(environment, "SQUALL_START")?,
            network: chosen(environment, "SQUALL_NETWORK")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_the_environment() {
        let with = |name: &str, value: &str| {
            let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            InstanceOptions::from_environment(&environment)
        };
        assert_eq!(with("OTHER", "x"), Ok(InstanceOptions::default()));
        assert_eq!(
            with("SQUALL_START", "spawn").unwrap().start,
            StartMode::Spawn
        );
        assert_eq!(
            with("SQUALL_NETWORK", "none").unwrap().network,
            NetworkMode::None
        );
        assert!(with("SQUALL_NETWORK", "some").is_err());
    }

    #[test]
    fn runtimes_have_one_spelling() {
        for text in [
            "python3.11",
            "python3.9",
            "r",
            "r4.0",
            "r4.2",
            "provided",
            "provided.al2023",
        ] {
            assert_eq!(text.parse::<Runtime>().unwrap().to_string(), text);
        }
        for bad in [
            "python",
            "python3",
            "python3.",
            "python3.+1",
            "python3.011",
            "R",
            "r4",
            "r4.",
            "r3.6",
            "r4.02",
            "node20",
        ] {
            assert!(bad.parse::<Runtime>().is_err(), "{bad}");
        }
    }
}
