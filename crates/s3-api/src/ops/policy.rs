//! Who may do what with a bucket besides its owner.

use buckets::{BucketPolicy, PublicAccessBlock};
use s3s::dto::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, DeletePublicAccessBlockInput,
    DeletePublicAccessBlockOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, GetPublicAccessBlockInput,
    GetPublicAccessBlockOutput, PolicyStatus, PublicAccessBlockConfiguration, PutBucketPolicyInput,
    PutBucketPolicyOutput, PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result};

use crate::error::{fault_with, refused};
use crate::ops::done;
use crate::ops::settings::change;
use crate::service::Service;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<S3Response<GetBucketPolicyOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let policy = bucket.settings.policy.as_ref().ok_or_else(no_policy)?;
    done(GetBucketPolicyOutput {
        policy: Some(policy.text().to_owned()),
    })
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutBucketPolicyInput>,
) -> S3Result<S3Response<PutBucketPolicyOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let policy = BucketPolicy::parse(&request.input.policy, &bucket.name).map_err(refused)?;
    change(service, &request.input.bucket, move |settings| {
        settings.set_policy(policy)
    })
    .await?;
    done(PutBucketPolicyOutput::default())
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketPolicyInput>,
) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
    change(service, &request.input.bucket, |settings| {
        settings.policy = None;
        Ok(())
    })
    .await?;
    done(DeleteBucketPolicyOutput::default())
}

pub(crate) async fn status(
    service: &Service,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let policy = bucket.settings.policy.as_ref().ok_or_else(no_policy)?;
    done(GetBucketPolicyStatusOutput {
        policy_status: Some(PolicyStatus {
            is_public: Some(policy.is_public()),
        }),
    })
}

pub(crate) async fn get_block(
    service: &Service,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let Some(block) = bucket.settings.public_access_block else {
        return Err(fault_with(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        ));
    };
    done(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(PublicAccessBlockConfiguration {
            block_public_acls: Some(block.block_public_acls),
            block_public_policy: Some(block.block_public_policy),
            ignore_public_acls: Some(block.ignore_public_acls),
            restrict_public_buckets: Some(block.restrict_public_buckets),
        }),
    })
}

pub(crate) async fn put_block(
    service: &Service,
    request: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
    let chosen = request.input.public_access_block_configuration;
    let block = PublicAccessBlock {
        block_public_acls: chosen.block_public_acls.unwrap_or_default(),
        ignore_public_acls: chosen.ignore_public_acls.unwrap_or_default(),
        block_public_policy: chosen.block_public_policy.unwrap_or_default(),
        restrict_public_buckets: chosen.restrict_public_buckets.unwrap_or_default(),
    };
    change(service, &request.input.bucket, move |settings| {
        settings.public_access_block = Some(block);
        Ok(())
    })
    .await?;
    done(PutPublicAccessBlockOutput::default())
}

pub(crate) async fn delete_block(
    service: &Service,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
    change(service, &request.input.bucket, |settings| {
        settings.public_access_block = None;
        Ok(())
    })
    .await?;
    done(DeletePublicAccessBlockOutput::default())
}

fn no_policy() -> S3Error {
    fault_with("NoSuchBucketPolicy", "The bucket policy does not exist")
}
