//! The small settings of a bucket: versioning, tags, ownership, encryption.

use buckets::{BucketError, BucketSettings, Encryption, Ownership};
use s3s::dto::{
    BucketVersioningStatus, DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput,
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput,
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketEncryptionInput,
    GetBucketEncryptionOutput, GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PutBucketEncryptionInput, PutBucketEncryptionOutput, PutBucketOwnershipControlsInput,
    PutBucketOwnershipControlsOutput, PutBucketTaggingInput, PutBucketTaggingOutput,
    PutBucketVersioningInput, PutBucketVersioningOutput, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use s3s::{S3Request, S3Response, S3Result};

use crate::error::{fault, fault_with, refused};
use crate::ops::done;
use crate::ops::tags::{from_wire, to_wire};
use crate::service::Service;

/// As many tags as a bucket may have.
const MOST_TAGS: usize = 50;

/// Changes the settings of a bucket.
pub(crate) async fn change(
    service: &Service,
    bucket: &str,
    change: impl FnOnce(&mut BucketSettings) -> Result<(), BucketError> + Send + 'static,
) -> S3Result {
    let bucket = service.bucket(bucket)?;
    let changed = service.buckets.configure(&bucket.name, change).await;
    changed.map(|_| ()).map_err(refused)
}

pub(crate) async fn get_versioning(
    service: &Service,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let status = bucket.settings.versioning.map(|enabled| {
        BucketVersioningStatus::from_static(if enabled {
            BucketVersioningStatus::ENABLED
        } else {
            BucketVersioningStatus::SUSPENDED
        })
    });
    done(GetBucketVersioningOutput {
        mfa_delete: None,
        status,
    })
}

pub(crate) async fn put_versioning(
    service: &Service,
    request: S3Request<PutBucketVersioningInput>,
) -> S3Result<S3Response<PutBucketVersioningOutput>> {
    let input = request.input;
    let configuration = input.versioning_configuration;
    if configuration
        .mfa_delete
        .is_some_and(|mfa| mfa.as_str() == "Enabled")
    {
        return Err(fault_with(
            "NotImplemented",
            "Squall does not provide MFA delete.",
        ));
    }
    let status = configuration.status;
    let enabled = match status.as_ref().map(BucketVersioningStatus::as_str) {
        Some("Enabled") => true,
        Some("Suspended") => false,
        Some(_) => return Err(fault("MalformedXML")),
        None => {
            return Err(fault_with(
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            ));
        }
    };
    change(service, &input.bucket, move |settings| {
        settings.versioning = Some(enabled);
        Ok(())
    })
    .await?;
    done(PutBucketVersioningOutput::default())
}

pub(crate) async fn get_tagging(
    service: &Service,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<S3Response<GetBucketTaggingOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let tags = &bucket.settings.tags;
    if tags.is_empty() {
        return Err(fault_with("NoSuchTagSet", "The TagSet does not exist"));
    }
    done(GetBucketTaggingOutput {
        tag_set: to_wire(tags),
    })
}

pub(crate) async fn put_tagging(
    service: &Service,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<S3Response<PutBucketTaggingOutput>> {
    let tags = from_wire(request.input.tagging.tag_set, MOST_TAGS)?;
    change(service, &request.input.bucket, move |settings| {
        settings.tags = tags;
        Ok(())
    })
    .await?;
    done(PutBucketTaggingOutput::default())
}

pub(crate) async fn delete_tagging(
    service: &Service,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
    change(service, &request.input.bucket, |settings| {
        settings.tags.clear();
        Ok(())
    })
    .await?;
    done(DeleteBucketTaggingOutput::default())
}

/// `BucketOwnerEnforced` and the like.
pub(crate) fn ownership(chosen: &ObjectOwnership) -> S3Result<Ownership> {
    match chosen.as_str() {
        "BucketOwnerEnforced" => Ok(Ownership::BucketOwnerEnforced),
        "BucketOwnerPreferred" => Ok(Ownership::BucketOwnerPreferred),
        "ObjectWriter" => Ok(Ownership::ObjectWriter),
        _ => Err(fault("MalformedXML")),
    }
}

pub(crate) async fn get_ownership(
    service: &Service,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let Some(ownership) = bucket.settings.ownership else {
        return Err(fault_with(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
        ));
    };
    let object_ownership = ObjectOwnership::from_static(match ownership {
        Ownership::BucketOwnerEnforced => ObjectOwnership::BUCKET_OWNER_ENFORCED,
        Ownership::BucketOwnerPreferred => ObjectOwnership::BUCKET_OWNER_PREFERRED,
        Ownership::ObjectWriter => ObjectOwnership::OBJECT_WRITER,
    });
    done(GetBucketOwnershipControlsOutput {
        ownership_controls: Some(OwnershipControls {
            rules: vec![OwnershipControlsRule { object_ownership }],
        }),
    })
}

pub(crate) async fn put_ownership(
    service: &Service,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
    let rules = request.input.ownership_controls.rules;
    let [rule] = rules.as_slice() else {
        return Err(fault("MalformedXML"));
    };
    let chosen = ownership(&rule.object_ownership)?;
    change(service, &request.input.bucket, move |settings| {
        settings.ownership = Some(chosen);
        Ok(())
    })
    .await?;
    done(PutBucketOwnershipControlsOutput::default())
}

pub(crate) async fn delete_ownership(
    service: &Service,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> S3Result<S3Response<DeleteBucketOwnershipControlsOutput>> {
    change(service, &request.input.bucket, |settings| {
        settings.ownership = None;
        Ok(())
    })
    .await?;
    done(DeleteBucketOwnershipControlsOutput::default())
}

pub(crate) async fn get_encryption(
    service: &Service,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let encryption = &bucket.settings.encryption;
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
            kms_master_key_id: encryption.kms_key.clone(),
            sse_algorithm: ServerSideEncryption::from(encryption.algorithm.clone()),
        }),
        bucket_key_enabled: Some(encryption.bucket_key),
    };
    done(GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(ServerSideEncryptionConfiguration {
            rules: vec![rule],
        }),
    })
}

pub(crate) async fn put_encryption(
    service: &Service,
    request: S3Request<PutBucketEncryptionInput>,
) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
    let configuration = request.input.server_side_encryption_configuration;
    let [rule] = configuration.rules.as_slice() else {
        return Err(fault("MalformedXML"));
    };
    let default = rule.apply_server_side_encryption_by_default.as_ref();
    match default.map(|default| default.sse_algorithm.as_str()) {
        Some("AES256") => {}
        Some("aws:kms" | "aws:kms:dsse") => {
            return Err(fault_with(
                "NotImplemented",
                "Squall does not provide encryption with keys of AWS KMS.",
            ));
        }
        _ => return Err(fault("MalformedXML")),
    }
    let bucket_key = rule.bucket_key_enabled.unwrap_or_default();
    change(service, &request.input.bucket, move |settings| {
        settings.encryption = Encryption {
            bucket_key,
            ..Encryption::default()
        };
        Ok(())
    })
    .await?;
    done(PutBucketEncryptionOutput::default())
}

pub(crate) async fn delete_encryption(
    service: &Service,
    request: S3Request<DeleteBucketEncryptionInput>,
) -> S3Result<S3Response<DeleteBucketEncryptionOutput>> {
    // Every bucket is encrypted since 2023: what goes is the choice.
    change(service, &request.input.bucket, |settings| {
        settings.encryption = Encryption::default();
        Ok(())
    })
    .await?;
    done(DeleteBucketEncryptionOutput::default())
}
