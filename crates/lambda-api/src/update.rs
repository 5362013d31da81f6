//! `UpdateFunctionCode` and `UpdateFunctionConfiguration`.

use engine::catalog::{CodeUpdate, ConfigPatch};
use serde::Deserialize;

use crate::config::ConfigMembers;
use crate::create::{Blob, CodeMembers, architecture, check_role, code_source, runtime};
use crate::functions;
use crate::request::{Answer, Call};
use crate::validate::Faults;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateCodeMembers {
    // Not flattened into a struct of their own: that would copy the zip once more.
    zip_file: Option<Blob>,
    #[serde(rename = "S3Bucket")]
    s3_bucket: Option<String>,
    #[serde(rename = "S3Key")]
    s3_key: Option<String>,
    #[serde(rename = "S3ObjectVersion")]
    s3_object_version: Option<String>,
    image_uri: Option<String>,
    publish: Option<bool>,
    dry_run: Option<bool>,
    revision_id: Option<String>,
    architectures: Option<Vec<String>>,
}

pub(crate) async fn code(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    let members: UpdateCodeMembers = call.members_with_zip("UpdateFunctionCode").await?;
    let mut faults = Faults::default();
    let architecture = architecture(&mut faults, members.architectures.as_deref());
    faults.none()?;
    let update = CodeUpdate {
        code: code_source(
            call,
            CodeMembers {
                zip_file: members.zip_file,
                s3_bucket: members.s3_bucket,
                s3_key: members.s3_key,
                s3_object_version: members.s3_object_version,
                image_uri: members.image_uri,
            },
        )
        .await?,
        architecture,
        publish: members.publish.unwrap_or(false),
        dry_run: members.dry_run.unwrap_or(false),
        revision: members.revision_id,
    };
    let entry = call.catalog().update_code(name, update).await?;
    functions::updated(call, &entry)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateConfigurationMembers {
    role: Option<String>,
    revision_id: Option<String>,
    #[serde(flatten)]
    config: ConfigMembers,
}

pub(crate) async fn configuration(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function(name)?;
    let members: UpdateConfigurationMembers = call.members()?;
    let mut faults = Faults::default();
    if let Some(role) = &members.role {
        check_role(&mut faults, role);
    }
    let raw_runtime = members.config.runtime.clone();
    let config = members.config.check(&mut faults, call.api.engine.limits());
    faults.none()?;
    if let Some(role) = &members.role {
        call.may_pass(role)?;
    }
    let patch = ConfigPatch {
        runtime: raw_runtime.map(|text| runtime(call, &text)).transpose()?,
        handler: config.handler,
        role: members.role,
        description: config.description,
        memory_mb: config.memory_mb,
        timeout_seconds: config.timeout_seconds,
        tmp_mb: config.tmp_mb,
        environment: config.environment,
        layers: config.layers,
        tracing: config.tracing,
        snap_start: config.snap_start,
        logging: config.logging,
        dead_letter_target: config.dead_letter_target,
        vpc: config.vpc,
        kms_key_arn: config.kms_key_arn,
        revision: members.revision_id,
    };
    let entry = call.catalog().update_configuration(name, patch).await?;
    functions::updated(call, &entry)
}
