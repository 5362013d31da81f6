//! What answers the same for every bucket: things that AWS has and that a bucket
//! here never gets. Reading them answers what a new bucket on AWS answers.

use s3s::dto::{
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput,
    GetBucketAclInput, GetBucketAclOutput, GetBucketLoggingInput, GetBucketLoggingOutput,
    GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketRequestPaymentInput,
    GetBucketRequestPaymentOutput, GetObjectAclInput, GetObjectAclOutput, GetObjectLegalHoldInput,
    GetObjectLegalHoldOutput, GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput,
    GetObjectRetentionInput, GetObjectRetentionOutput, Grant, Grantee, Payer, Permission,
    PutBucketAclInput, PutBucketAclOutput, PutObjectAclInput, PutObjectAclOutput, Type,
};
use s3s::{S3Error, S3Request, S3Response, S3Result};
use types::Scope;

use crate::error::{fault, fault_with, refused};
use crate::ops::{done, key, owner, owner_id, version};
use crate::service::Service;

fn full_control(scope: &Scope) -> Vec<Grant> {
    vec![Grant {
        grantee: Some(Grantee {
            display_name: None,
            email_address: None,
            id: Some(owner_id(scope)),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }]
}

pub(crate) async fn get_bucket_acl(
    service: &Service,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    service.bucket(&request.input.bucket)?;
    done(GetBucketAclOutput {
        grants: Some(full_control(&service.scope)),
        owner: Some(owner(&service.scope)),
    })
}

pub(crate) async fn put_bucket_acl(
    service: &Service,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<S3Response<PutBucketAclOutput>> {
    let input = request.input;
    service.bucket(&input.bucket)?;
    check_canned(input.acl.as_ref().map(s3s::dto::BucketCannedACL::as_str))?;
    done(PutBucketAclOutput::default())
}

pub(crate) async fn get_object_acl(
    service: &Service,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let input = request.input;
    let bucket = service.bucket(&input.bucket)?;
    let version = version(input.version_id.as_deref())?;
    let key = key(&input.key)?;
    let found = service.buckets.get(&bucket, &key, version.as_ref());
    found.await.map_err(refused)?;
    done(GetObjectAclOutput {
        grants: Some(full_control(&service.scope)),
        owner: Some(owner(&service.scope)),
        request_charged: None,
    })
}

pub(crate) async fn put_object_acl(
    service: &Service,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<S3Response<PutObjectAclOutput>> {
    let input = request.input;
    let bucket = service.bucket(&input.bucket)?;
    check_canned(input.acl.as_ref().map(s3s::dto::ObjectCannedACL::as_str))?;
    let version = version(input.version_id.as_deref())?;
    let key = key(&input.key)?;
    let found = service.buckets.get(&bucket, &key, version.as_ref());
    found.await.map_err(refused)?;
    done(PutObjectAclOutput::default())
}

/// The owner has full control, and that can be said again and nothing else.
pub(crate) fn check_canned(acl: Option<&str>) -> S3Result {
    match acl {
        Some("private" | "bucket-owner-full-control") => Ok(()),
        _ => Err(fault("AccessControlListNotSupported")),
    }
}

pub(crate) async fn payment(
    service: &Service,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> S3Result<S3Response<GetBucketRequestPaymentOutput>> {
    service.bucket(&request.input.bucket)?;
    done(GetBucketRequestPaymentOutput {
        payer: Some(Payer::from_static(Payer::BUCKET_OWNER)),
    })
}

pub(crate) async fn logging(
    service: &Service,
    request: S3Request<GetBucketLoggingInput>,
) -> S3Result<S3Response<GetBucketLoggingOutput>> {
    service.bucket(&request.input.bucket)?;
    done(GetBucketLoggingOutput::default())
}

pub(crate) async fn accelerate(
    service: &Service,
    request: S3Request<GetBucketAccelerateConfigurationInput>,
) -> S3Result<S3Response<GetBucketAccelerateConfigurationOutput>> {
    service.bucket(&request.input.bucket)?;
    done(GetBucketAccelerateConfigurationOutput::default())
}

pub(crate) async fn replication(
    service: &Service,
    request: S3Request<GetBucketReplicationInput>,
) -> S3Result<S3Response<GetBucketReplicationOutput>> {
    service.bucket(&request.input.bucket)?;
    Err(fault_with(
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
    ))
}

pub(crate) async fn object_lock(
    service: &Service,
    request: S3Request<GetObjectLockConfigurationInput>,
) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
    service.bucket(&request.input.bucket)?;
    Err(fault_with(
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ))
}

pub(crate) async fn legal_hold(
    service: &Service,
    request: S3Request<GetObjectLegalHoldInput>,
) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
    service.bucket(&request.input.bucket)?;
    Err(no_lock())
}

pub(crate) async fn retention(
    service: &Service,
    request: S3Request<GetObjectRetentionInput>,
) -> S3Result<S3Response<GetObjectRetentionOutput>> {
    service.bucket(&request.input.bucket)?;
    Err(no_lock())
}

fn no_lock() -> S3Error {
    fault_with(
        "InvalidRequest",
        "Bucket is missing Object Lock Configuration",
    )
}
