//! The CORS rules of a bucket, to be read and set. What they do is elsewhere.

use buckets::Cors;
use s3s::dto::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput,
    GetBucketCorsOutput, PutBucketCorsInput, PutBucketCorsOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use crate::error::{fault_with, refused};
use crate::ops::done;
use crate::ops::settings::change;
use crate::service::Service;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let Some(cors) = &bucket.settings.cors else {
        return Err(fault_with(
            "NoSuchCORSConfiguration",
            "The CORS configuration does not exist",
        ));
    };
    done(GetBucketCorsOutput {
        cors_rules: Some(cors.rules().iter().map(to_wire).collect()),
    })
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutBucketCorsInput>,
) -> S3Result<S3Response<PutBucketCorsOutput>> {
    let rules = request.input.cors_configuration.cors_rules;
    let cors = Cors::new(rules.into_iter().map(from_wire).collect()).map_err(refused)?;
    change(service, &request.input.bucket, move |settings| {
        settings.cors = Some(cors);
        Ok(())
    })
    .await?;
    done(PutBucketCorsOutput::default())
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketCorsInput>,
) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
    change(service, &request.input.bucket, |settings| {
        settings.cors = None;
        Ok(())
    })
    .await?;
    done(DeleteBucketCorsOutput::default())
}

fn to_wire(rule: &buckets::CorsRule) -> CORSRule {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    CORSRule {
        allowed_headers: some(&rule.allowed_headers),
        allowed_methods: rule.allowed_methods.clone(),
        allowed_origins: rule.allowed_origins.clone(),
        expose_headers: some(&rule.expose_headers),
        id: rule.id.clone(),
        max_age_seconds: rule
            .max_age_seconds
            .map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX)),
    }
}

fn from_wire(rule: CORSRule) -> buckets::CorsRule {
    buckets::CorsRule {
        id: rule.id,
        allowed_origins: rule.allowed_origins,
        allowed_methods: rule.allowed_methods,
        allowed_headers: rule.allowed_headers.unwrap_or_default(),
        expose_headers: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule
            .max_age_seconds
            .map(|seconds| u32::try_from(seconds).unwrap_or_default()),
    }
}
