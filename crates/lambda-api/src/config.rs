//! The members that `CreateFunction` and `UpdateFunctionConfiguration` share,
//! as sent and as understood.

use std::collections::BTreeMap;

use engine::catalog::{Logging, Patch};
use serde::Deserialize;
use types::{LayerVersionArn, Limits, SnapStart, TracingMode, VpcConfig};

use crate::validate::{Faults, is_word};

const LAYER_ARN_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";

/// The members that create and update have in common.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConfigMembers {
    pub runtime: Option<String>,
    pub handler: Option<String>,
    pub description: Option<String>,
    pub timeout: Option<i64>,
    pub memory_size: Option<i64>,
    pub vpc_config: Option<VpcMembers>,
    pub dead_letter_config: Option<DeadLetterMembers>,
    pub environment: Option<EnvironmentMembers>,
    #[serde(rename = "KMSKeyArn")]
    pub kms_key_arn: Option<String>,
    pub tracing_config: Option<TracingMembers>,
    pub layers: Option<Vec<String>>,
    pub ephemeral_storage: Option<StorageMembers>,
    pub snap_start: Option<SnapStartMembers>,
    pub logging_config: Option<LoggingMembers>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VpcMembers {
    subnet_ids: Option<Vec<String>>,
    security_group_ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeadLetterMembers {
    target_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnvironmentMembers {
    variables: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TracingMembers {
    mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StorageMembers {
    size: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SnapStartMembers {
    apply_on: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LoggingMembers {
    log_format: Option<String>,
    application_log_level: Option<String>,
    system_log_level: Option<String>,
    log_group: Option<String>,
}

/// The shared members, checked and understood.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub handler: Option<String>,
    pub description: Option<String>,
    pub timeout_seconds: Option<u32>,
    pub memory_mb: Option<u32>,
    pub tmp_mb: Option<u32>,
    pub vpc: Patch<VpcConfig>,
    pub dead_letter_target: Patch<String>,
    pub environment: Option<BTreeMap<String, String>>,
    pub kms_key_arn: Patch<String>,
    pub tracing: Option<TracingMode>,
    pub layers: Option<Vec<LayerVersionArn>>,
    pub snap_start: Option<SnapStart>,
    pub logging: Option<Logging>,
}

impl ConfigMembers {
    pub fn check(self, faults: &mut Faults, limits: &Limits) -> Config {
        if let Some(handler) = &self.handler {
            faults.max_length(handler, "handler", 128);
            let fits = !handler.is_empty() && !handler.contains(char::is_whitespace);
            faults.pattern(handler, "handler", fits, r"[^\s]+");
        }
        if let Some(description) = &self.description {
            faults.max_length(description, "description", 256);
        }
        let mut number = |value: Option<i64>, field, min, max| {
            value.and_then(|value| faults.range(value, field, min, max))
        };
        let timeout_seconds = number(self.timeout, "timeout", 1, limits.timeout_seconds_max);
        let memory_mb = number(
            self.memory_size,
            "memorySize",
            limits.memory_mb_min,
            limits.memory_mb_max,
        );
        let tmp_mb = number(
            self.ephemeral_storage.and_then(|storage| storage.size),
            "ephemeralStorage.size",
            limits.tmp_mb_min,
            limits.tmp_mb_max,
        );
        let environment = self.environment.map(|e| e.variables.unwrap_or_default());
        if let Some(environment) = &environment {
            check_variables(faults, environment);
        }
        Config {
            handler: self.handler,
            description: self.description,
            timeout_seconds,
            memory_mb,
            tmp_mb,
            vpc: patch(self.vpc_config.map(VpcMembers::config)),
            dead_letter_target: patch(self.dead_letter_config.map(|d| non_empty(d.target_arn))),
            environment,
            kms_key_arn: patch(self.kms_key_arn.map(|key| non_empty(Some(key)))),
            tracing: self.tracing_config.and_then(|t| t.mode).and_then(|mode| {
                let modes = [
                    ("Active", TracingMode::Active),
                    ("PassThrough", TracingMode::PassThrough),
                ];
                faults.one_of(&mode, "tracingConfig.mode", &modes)
            }),
            layers: self.layers.and_then(|layers| layer_arns(faults, &layers)),
            snap_start: self.snap_start.and_then(|s| s.apply_on).and_then(|text| {
                let all = [
                    ("PublishedVersions", SnapStart::PublishedVersions),
                    ("None", SnapStart::None),
                ];
                faults.one_of(&text, "snapStart.applyOn", &all)
            }),
            logging: self.logging_config.map(|logging| logging.check(faults)),
        }
    }
}

impl VpcMembers {
    fn config(self) -> Option<VpcConfig> {
        let config = VpcConfig {
            subnet_ids: self.subnet_ids.unwrap_or_default(),
            security_group_ids: self.security_group_ids.unwrap_or_default(),
        };
        Some(config).filter(|c| !(c.subnet_ids.is_empty() && c.security_group_ids.is_empty()))
    }
}

impl LoggingMembers {
    fn check(self, faults: &mut Faults) -> Logging {
        if let Some(format) = &self.log_format {
            faults.one_of(
                format,
                "loggingConfig.logFormat",
                &[("JSON", ()), ("Text", ())],
            );
        }
        if let Some(level) = &self.application_log_level {
            let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].map(|l| (l, ()));
            faults.one_of(level, "loggingConfig.applicationLogLevel", &levels);
        }
        if let Some(level) = &self.system_log_level {
            let levels = ["DEBUG", "INFO", "WARN"].map(|l| (l, ()));
            faults.one_of(level, "loggingConfig.systemLogLevel", &levels);
        }
        if let Some(group) = &self.log_group {
            faults.max_length(group, "loggingConfig.logGroup", 512);
            let fits = is_word(group, ".-_/#");
            faults.pattern(
                group,
                "loggingConfig.logGroup",
                fits,
                r"[\.\-_/#A-Za-z0-9]+",
            );
        }
        Logging {
            group: self.log_group,
            format: self.log_format,
            application_level: self.application_log_level,
            system_level: self.system_log_level,
        }
    }
}

fn check_variables(faults: &mut Faults, variables: &BTreeMap<String, String>) {
    let is_name = |name: &str| {
        name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && is_word(name, "_")
    };
    let bad = |name: &String, value: &String| !is_name(name) || value.contains('\0');
    if let Some((name, _)) = variables.iter().find(|(name, value)| bad(name, value)) {
        faults.add(
            format_args!("{{{name}=***}}"),
            "environment.variables",
            "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]",
        );
    }
}

fn layer_arns(faults: &mut Faults, layers: &[String]) -> Option<Vec<LayerVersionArn>> {
    let arns = layers.iter().map(|layer| layer.parse()).collect();
    if let Ok(arns) = arns {
        return Some(arns);
    }
    faults.add(
        format_args!("[{}]", layers.join(", ")),
        "layers",
        format_args!(
            "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: {LAYER_ARN_PATTERN}, Member must not be null]"
        ),
    );
    None
}

/// A member that was sent empty takes the setting away.
#[expect(clippy::option_option, reason = "not sent, sent empty, sent")]
fn patch<T>(sent: Option<Option<T>>) -> Patch<T> {
    match sent {
        None => Patch::Keep,
        Some(None) => Patch::Clear,
        Some(Some(value)) => Patch::Set(value),
    }
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
