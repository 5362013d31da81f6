//! `CreateFunction`, and how code, roles and architectures are sent.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engine::catalog::{CodeSource, NewFunction, ObjectCode};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use types::{Architecture, FunctionName, Runtime};

use crate::config::ConfigMembers;
use crate::error::ApiError;
use crate::functions;
use crate::request::{Answer, Call};
use crate::validate::{Faults, is_word, present};

const ROLE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
const CREATE_NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";

const DEFAULT_MEMORY_MB: u32 = 128;
const DEFAULT_TIMEOUT_SECONDS: u32 = 3;

/// A zip in base64, decoded while the body is read, so that it is copied once.
#[derive(Debug, Clone)]
pub(crate) struct Blob(pub Bytes);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64;
        impl Visitor<'_> for Base64 {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Blob, E> {
                let bytes = STANDARD.decode(text).map_err(E::custom)?;
                Ok(Blob(bytes.into()))
            }
        }
        deserializer.deserialize_str(Base64)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateMembers {
    function_name: Option<String>,
    role: Option<String>,
    code: Option<CodeMembers>,
    publish: Option<bool>,
    package_type: Option<String>,
    architectures: Option<Vec<String>>,
    tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    config: ConfigMembers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CodeMembers {
    pub zip_file: Option<Blob>,
    #[serde(rename = "S3Bucket")]
    pub s3_bucket: Option<String>,
    #[serde(rename = "S3Key")]
    pub s3_key: Option<String>,
    #[serde(rename = "S3ObjectVersion")]
    pub s3_object_version: Option<String>,
    pub image_uri: Option<String>,
}

pub(crate) async fn create(call: &Call<'_>) -> Answer {
    let members: CreateMembers = call.members_with_zip("CreateFunction").await?;
    let mut faults = Faults::default();
    let name = faults.required(members.function_name, "functionName");
    let role = faults.required(members.role, "role");
    let code = faults.required(members.code, "code");
    if let Some(name) = &name {
        check_name(&mut faults, name);
    }
    if let Some(role) = &role {
        check_role(&mut faults, role);
    }
    let architecture = architecture(&mut faults, members.architectures.as_deref());
    let package_types = [("Zip", true), ("Image", false)];
    let package_type = members.package_type.as_deref().unwrap_or("Zip");
    let is_zip = faults.one_of(package_type, "packageType", &package_types);
    let raw_runtime = members.config.runtime.clone();
    let config = members.config.check(&mut faults, call.api.engine.limits());
    faults.none()?;

    if is_zip == Some(false) {
        return Err(ApiError::invalid(
            "Container images are not supported by this engine. Please use packageType Zip.",
        ));
    }
    let name = own_name(call, &present(name)?)?;
    let arn = call.catalog().arn(&name, None);
    call.allow("lambda:CreateFunction", &arn, None)?;
    let role = present(role)?;
    call.may_pass(&role)?;
    let (Some(raw_runtime), Some(handler)) = (raw_runtime, config.handler) else {
        return Err(ApiError::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    };
    let runtime = runtime(call, &raw_runtime)?;
    let code = code_source(call, present(code)?).await?;
    let limits = call.api.engine.limits();
    let new = NewFunction {
        name,
        runtime,
        handler,
        role,
        description: config.description.unwrap_or_default(),
        memory_mb: config
            .memory_mb
            .unwrap_or(DEFAULT_MEMORY_MB.max(limits.memory_mb_min)),
        timeout_seconds: config.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS),
        tmp_mb: config.tmp_mb.unwrap_or(limits.tmp_mb_min),
        environment: config.environment.unwrap_or_default(),
        layers: config.layers.unwrap_or_default(),
        architecture: architecture.unwrap_or_default(),
        tracing: config.tracing.unwrap_or_default(),
        snap_start: config.snap_start.unwrap_or_default(),
        logging: config.logging.unwrap_or_default(),
        dead_letter_target: config.dead_letter_target.into_option(),
        vpc: config.vpc.into_option(),
        kms_key_arn: config.kms_key_arn.into_option(),
        tags: members.tags.unwrap_or_default(),
        publish: members.publish.unwrap_or(false),
        code,
    };
    let entry = call.catalog().create_function(new).await?;
    functions::fresh(call, &entry)
}

/// Without reading the pattern to the letter: what parses as a reference fits it.
fn check_name(faults: &mut Faults, name: &str) {
    faults.min_length(name, "functionName", 1);
    faults.max_length(name, "functionName", 140);
    let fits = name.split(':').all(|part| is_word(part, "-_$"));
    faults.pattern(name, "functionName", fits, CREATE_NAME_PATTERN);
}

/// A new function may be named by its ARN, but not with a qualifier.
fn own_name(call: &Call<'_>, text: &str) -> Result<FunctionName, ApiError> {
    let name = text.rsplit(':').next().unwrap_or(text);
    if name.len() > 64 {
        return Err(ApiError::invalid(format!(
            "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
        )));
    }
    call.function(text)
}

pub(crate) fn check_role(faults: &mut Faults, role: &str) {
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let fits = match parts.as_slice() {
        ["arn", partition, "iam", "", account, path] => {
            partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && path
                    .strip_prefix("role")
                    .is_some_and(|path| is_word(path, "+=,.@-_/"))
        }
        _ => false,
    };
    faults.pattern(role, "role", fits, ROLE_PATTERN);
}

pub(crate) fn architecture(faults: &mut Faults, all: Option<&[String]>) -> Option<Architecture> {
    let all = all?;
    let shown = || format!("[{}]", all.join(", "));
    let [one] = all else {
        let (length, bound) = if all.is_empty() {
            ("greater", 1)
        } else {
            ("less", 1)
        };
        faults.add(
            shown(),
            "architectures",
            format_args!("Member must have length {length} than or equal to {bound}"),
        );
        return None;
    };
    match one.as_str() {
        "x86_64" => Some(Architecture::X86_64),
        "arm64" => Some(Architecture::Arm64),
        _ => {
            faults.add(
                shown(),
                "architectures",
                "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
            );
            None
        }
    }
}

/// A runtime that this engine knows; whether the machine has it, the catalog asks.
pub(crate) fn runtime(call: &Call<'_>, text: &str) -> Result<Runtime, ApiError> {
    text.parse().map_err(|_| {
        let here: Vec<String> = call
            .catalog()
            .runtimes()
            .iter()
            .map(ToString::to_string)
            .collect();
        let quoted: String = text.chars().take(100).collect();
        ApiError::invalid(format!(
            "Value {quoted} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
            here.join(", ")
        ))
    })
}

pub(crate) async fn code_source(
    call: &Call<'_>,
    code: CodeMembers,
) -> Result<CodeSource, ApiError> {
    if code.image_uri.is_some() {
        return Err(ApiError::invalid(
            "Please don't provide ImageUri when updating a function with packageType Zip.",
        ));
    }
    match (code.zip_file, code.s3_bucket, code.s3_key) {
        (Some(Blob(zip)), None, None) => Ok(CodeSource::Zip(zip)),
        (None, Some(bucket), Some(key)) => {
            let version = code.s3_object_version.as_deref();
            call.may_read(&bucket, &key, version).await?;
            Ok(CodeSource::Object(ObjectCode {
                bucket,
                key,
                version: code.s3_object_version,
            }))
        }
        (Some(_), _, _) => Err(ApiError::invalid(
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        )),
        _ => Err(ApiError::invalid(
            "Please provide a source for function code.",
        )),
    }
}
