//! What operations answer: functions, aliases, layers as JSON, with the members
//! that AWS writes and without those it leaves out.

use engine::catalog::{Alias, LayerVersion, VersionEntry, base64_of_hex};
use serde_json::{Map, Value, json};
use types::{Architecture, FunctionVersion, Qualifier, Scope, SnapStart, TracingMode, Version};

use crate::request::Call;

/// What an answer about a function says of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Just created: clients wait until a read says otherwise.
    Creating,
    /// `$LATEST` was just updated.
    Updating,
    Settled,
    /// Lists leave the state out.
    Listed,
}

/// A `FunctionConfiguration`, whose ARN ends in `qualifier` if there is one.
pub(crate) fn configuration(
    scope: &Scope,
    entry: &VersionEntry,
    qualifier: Option<&Qualifier>,
    phase: Phase,
) -> Map<String, Value> {
    let config = &*entry.config;
    let arn = match qualifier {
        None => scope.function_arn(&config.name),
        Some(qualifier) => scope.qualified_arn(&config.name, qualifier),
    };
    let mut shape = members(json!({
        "FunctionName": config.name,
        "FunctionArn": arn,
        "Runtime": config.runtime,
        "Role": config.role,
        "Handler": config.handler,
        "CodeSize": config.code.zip_bytes,
        "Description": config.description,
        "Timeout": config.timeout_seconds,
        "MemorySize": config.memory_mb,
        "LastModified": config.last_modified.lambda_form(),
        "CodeSha256": base64_of_hex(&config.code.sha256),
        "Version": config.version,
        "TracingConfig": { "Mode": tracing_mode(config.tracing) },
        "RevisionId": entry.revision,
        "PackageType": "Zip",
        "Architectures": [architecture(config.architecture)],
        "EphemeralStorage": { "Size": config.tmp_mb },
        "SnapStart": snap_start(config),
        "RuntimeVersionConfig": { "RuntimeVersionArn": runtime_arn(scope, config) },
        "LoggingConfig": logging(entry),
    }));
    shape.extend(optional(config));
    shape.extend(state(phase));
    shape
}

/// The members that are left out where there is nothing to say.
fn optional(config: &FunctionVersion) -> Map<String, Value> {
    let mut shape = Map::new();
    let mut put = |name: &str, value| shape.insert(name.to_owned(), value);
    if !config.environment.is_empty() {
        put("Environment", json!({ "Variables": config.environment }));
    }
    if !config.layers.is_empty() {
        let layers = config
            .layers
            .iter()
            .map(|layer| json!({ "Arn": layer.arn, "CodeSize": layer.code.zip_bytes }));
        put("Layers", layers.collect());
    }
    if let Some(target) = &config.dead_letter_target {
        put("DeadLetterConfig", json!({ "TargetArn": target }));
    }
    if let Some(key) = &config.kms_key_arn {
        put("KMSKeyArn", json!(key));
    }
    if let Some(vpc) = &config.vpc {
        put(
            "VpcConfig",
            json!({
                "SubnetIds": vpc.subnet_ids,
                "SecurityGroupIds": vpc.security_group_ids,
                "VpcId": "",
                "Ipv6AllowedForDualStack": false,
            }),
        );
    }
    shape
}

fn state(phase: Phase) -> Map<String, Value> {
    members(match phase {
        Phase::Creating => json!({
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
        }),
        Phase::Updating => json!({
            "State": "Active",
            "LastUpdateStatus": "InProgress",
            "LastUpdateStatusReason": "The function is being created.",
            "LastUpdateStatusReasonCode": "Creating",
        }),
        Phase::Settled => json!({ "State": "Active", "LastUpdateStatus": "Successful" }),
        Phase::Listed => json!({}),
    })
}

fn snap_start(config: &FunctionVersion) -> Value {
    let (apply_on, optimized) = match config.snap_start {
        SnapStart::None => ("None", false),
        SnapStart::PublishedVersions => ("PublishedVersions", config.version != Version::Latest),
    };
    let status = if optimized { "On" } else { "Off" };
    json!({ "ApplyOn": apply_on, "OptimizationStatus": status })
}

fn logging(entry: &VersionEntry) -> Value {
    let mut shape = json!({
        "LogFormat": entry.config.log_format,
        "LogGroup": entry.config.log_group(),
    });
    if let Some(levels) = &entry.log_levels {
        shape["ApplicationLogLevel"] = json!(levels.application);
        shape["SystemLogLevel"] = json!(levels.system);
    }
    shape
}

/// AWS names the build of a runtime by a digest; ours has no builds, so the name
/// of the runtime stands in the digest's place, in its form.
fn runtime_arn(scope: &Scope, config: &FunctionVersion) -> String {
    let name = config.runtime.to_string();
    let digest: Vec<u8> = name.bytes().cycle().take(32).collect();
    let digest = hex::encode(digest);
    format!("arn:aws:lambda:{}::runtime:{digest}", scope.region)
}

fn tracing_mode(mode: TracingMode) -> &'static str {
    match mode {
        TracingMode::Active => "Active",
        TracingMode::PassThrough => "PassThrough",
    }
}

fn architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "arm64",
    }
}

/// An `AliasConfiguration`.
pub(crate) fn alias(call: &Call<'_>, function: &types::FunctionName, alias: &Alias) -> Value {
    let qualifier = Qualifier::Alias(alias.name.clone());
    let mut shape = json!({
        "AliasArn": call.scope().qualified_arn(function, &qualifier),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    });
    if !alias.weights.is_empty() {
        shape["RoutingConfig"] = json!({ "AdditionalVersionWeights": alias.weights });
    }
    shape
}

/// A layer version as lists show it.
pub(crate) fn layer_item(version: &LayerVersion) -> Map<String, Value> {
    let mut shape = members(json!({
        "LayerVersionArn": version.arn,
        "Version": version.arn.version,
        "Description": version.description,
        "CreatedDate": version.created.lambda_form(),
    }));
    let mut put = |name: &str, value| shape.insert(name.to_owned(), value);
    if let Some(runtimes) = &version.runtimes {
        put("CompatibleRuntimes", json!(runtimes));
    }
    if let Some(architectures) = &version.architectures {
        put("CompatibleArchitectures", json!(architectures));
    }
    if let Some(license) = &version.license {
        put("LicenseInfo", json!(license));
    }
    shape
}

/// A layer version with its content.
pub(crate) fn layer(call: &Call<'_>, version: &LayerVersion) -> Map<String, Value> {
    let mut shape = layer_item(version);
    let arn = call.scope().layer_arn(&version.arn.name);
    shape.insert("LayerArn".to_owned(), json!(arn));
    shape.insert(
        "Content".to_owned(),
        json!({
            "Location": call.code_location(&version.code.sha256),
            "CodeSha256": base64_of_hex(&version.code.sha256),
            "CodeSize": version.code.zip_bytes,
        }),
    );
    shape
}

/// A page of a list under its name, with the marker if there is more.
pub(crate) fn page(name: &str, items: Vec<Value>, next_marker: Option<String>) -> Value {
    let mut shape = Map::new();
    shape.insert(name.to_owned(), items.into());
    if let Some(marker) = next_marker {
        shape.insert("NextMarker".to_owned(), marker.into());
    }
    shape.into()
}

/// A policy document, which travels as a text inside JSON.
pub(crate) fn policy(statements: &[engine::catalog::Statement]) -> String {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Policy<'a> {
        version: &'static str,
        id: &'static str,
        statement: &'a [engine::catalog::Statement],
    }
    text(&Policy {
        version: "2012-10-17",
        id: "default",
        statement: statements,
    })
}

/// JSON inside JSON.
pub(crate) fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("policies are plain data with text keys")
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
