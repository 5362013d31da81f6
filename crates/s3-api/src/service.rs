//! The operations of S3: each goes to a function in the file of its topic.

use std::sync::Arc;

use async_trait::async_trait;
use buckets::{Bucket, Buckets};
use engine::Engine;
#[allow(
    clippy::wildcard_imports,
    reason = "two shapes of each operation; tests are let alone by the lint"
)]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};
use types::Scope;

use crate::error::{fault, refused};
use crate::gate::Gate;
use crate::ops::{
    buckets as of_buckets, copy, cors, delete, delete_many, describe, fixed, get, lifecycle, list,
    notification, policy, put, settings, tags, upload, upload_list, versions, website,
};

/// What the operations work on. A clone is another handle.
#[derive(Clone)]
pub(crate) struct Service {
    pub buckets: Buckets,
    pub engine: Engine,
    pub scope: Scope,
    pub gate: Gate,
}

impl Service {
    /// A bucket by its name on the wire.
    pub fn bucket(&self, name: &str) -> S3Result<Arc<Bucket>> {
        let name = name.parse().map_err(|_| fault("InvalidBucketName"))?;
        self.buckets.bucket(&name).map_err(refused)
    }
}

macro_rules! operations {
    ($($name:ident: $input:ident => $output:ident, $function:path;)*) => {
        #[async_trait]
        impl S3 for Service {
            $(
                async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    $function(self, request).await
                }
            )*
        }
    };
}

operations! {
    list_buckets: ListBucketsInput => ListBucketsOutput, of_buckets::list;
    create_bucket: CreateBucketInput => CreateBucketOutput, of_buckets::create;
    head_bucket: HeadBucketInput => HeadBucketOutput, of_buckets::head;
    delete_bucket: DeleteBucketInput => DeleteBucketOutput, of_buckets::delete;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput, of_buckets::location;

    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput, settings::get_versioning;
    put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput, settings::put_versioning;
    get_bucket_tagging: GetBucketTaggingInput => GetBucketTaggingOutput, settings::get_tagging;
    put_bucket_tagging: PutBucketTaggingInput => PutBucketTaggingOutput, settings::put_tagging;
    delete_bucket_tagging: DeleteBucketTaggingInput => DeleteBucketTaggingOutput, settings::delete_tagging;
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput => GetBucketOwnershipControlsOutput, settings::get_ownership;
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput => PutBucketOwnershipControlsOutput, settings::put_ownership;
    delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput => DeleteBucketOwnershipControlsOutput, settings::delete_ownership;
    get_bucket_encryption: GetBucketEncryptionInput => GetBucketEncryptionOutput, settings::get_encryption;
    put_bucket_encryption: PutBucketEncryptionInput => PutBucketEncryptionOutput, settings::put_encryption;
    delete_bucket_encryption: DeleteBucketEncryptionInput => DeleteBucketEncryptionOutput, settings::delete_encryption;

    get_bucket_policy: GetBucketPolicyInput => GetBucketPolicyOutput, policy::get;
    put_bucket_policy: PutBucketPolicyInput => PutBucketPolicyOutput, policy::put;
    delete_bucket_policy: DeleteBucketPolicyInput => DeleteBucketPolicyOutput, policy::delete;
    get_bucket_policy_status: GetBucketPolicyStatusInput => GetBucketPolicyStatusOutput, policy::status;
    get_public_access_block: GetPublicAccessBlockInput => GetPublicAccessBlockOutput, policy::get_block;
    put_public_access_block: PutPublicAccessBlockInput => PutPublicAccessBlockOutput, policy::put_block;
    delete_public_access_block: DeletePublicAccessBlockInput => DeletePublicAccessBlockOutput, policy::delete_block;

    get_bucket_cors: GetBucketCorsInput => GetBucketCorsOutput, cors::get;
    put_bucket_cors: PutBucketCorsInput => PutBucketCorsOutput, cors::put;
    delete_bucket_cors: DeleteBucketCorsInput => DeleteBucketCorsOutput, cors::delete;
    get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationInput => GetBucketLifecycleConfigurationOutput, lifecycle::get;
    put_bucket_lifecycle_configuration: PutBucketLifecycleConfigurationInput => PutBucketLifecycleConfigurationOutput, lifecycle::put;
    delete_bucket_lifecycle: DeleteBucketLifecycleInput => DeleteBucketLifecycleOutput, lifecycle::delete;
    get_bucket_website: GetBucketWebsiteInput => GetBucketWebsiteOutput, website::get;
    put_bucket_website: PutBucketWebsiteInput => PutBucketWebsiteOutput, website::put;
    delete_bucket_website: DeleteBucketWebsiteInput => DeleteBucketWebsiteOutput, website::delete;
    get_bucket_notification_configuration: GetBucketNotificationConfigurationInput => GetBucketNotificationConfigurationOutput, notification::get;
    put_bucket_notification_configuration: PutBucketNotificationConfigurationInput => PutBucketNotificationConfigurationOutput, notification::put;

    get_bucket_acl: GetBucketAclInput => GetBucketAclOutput, fixed::get_bucket_acl;
    put_bucket_acl: PutBucketAclInput => PutBucketAclOutput, fixed::put_bucket_acl;
    get_object_acl: GetObjectAclInput => GetObjectAclOutput, fixed::get_object_acl;
    put_object_acl: PutObjectAclInput => PutObjectAclOutput, fixed::put_object_acl;
    get_bucket_request_payment: GetBucketRequestPaymentInput => GetBucketRequestPaymentOutput, fixed::payment;
    get_bucket_logging: GetBucketLoggingInput => GetBucketLoggingOutput, fixed::logging;
    get_bucket_accelerate_configuration: GetBucketAccelerateConfigurationInput => GetBucketAccelerateConfigurationOutput, fixed::accelerate;
    get_bucket_replication: GetBucketReplicationInput => GetBucketReplicationOutput, fixed::replication;
    get_object_lock_configuration: GetObjectLockConfigurationInput => GetObjectLockConfigurationOutput, fixed::object_lock;
    get_object_legal_hold: GetObjectLegalHoldInput => GetObjectLegalHoldOutput, fixed::legal_hold;
    get_object_retention: GetObjectRetentionInput => GetObjectRetentionOutput, fixed::retention;

    get_object: GetObjectInput => GetObjectOutput, get::get;
    head_object: HeadObjectInput => HeadObjectOutput, get::head;
    get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput, describe::attributes;
    put_object: PutObjectInput => PutObjectOutput, put::put;
    copy_object: CopyObjectInput => CopyObjectOutput, copy::copy;
    delete_object: DeleteObjectInput => DeleteObjectOutput, delete::delete;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput, delete_many::delete;
    get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput, tags::get;
    put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput, tags::put;
    delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput, tags::delete;
    list_objects: ListObjectsInput => ListObjectsOutput, list::first;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output, list::second;
    list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput, versions::list;

    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput, upload::create;
    upload_part: UploadPartInput => UploadPartOutput, upload::part;
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput, copy::part;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput, upload::complete;
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput, upload::abort;
    list_parts: ListPartsInput => ListPartsOutput, upload_list::parts;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput, upload_list::uploads;
}
