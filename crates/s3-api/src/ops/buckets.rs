//! Buckets themselves.

use buckets::{BucketError, BucketSettings};
use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use crate::error::{bad_argument, fault, fault_with, refused, wire_time};
use crate::ops::settings::ownership;
use crate::ops::{done, owner};
use crate::service::Service;

/// The region whose buckets have no location constraint.
const FIRST_REGION: &str = "us-east-1";
const MOST_LISTED: usize = 10_000;

pub(crate) async fn list(
    service: &Service,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let input = request.input;
    let limit = match input.max_buckets {
        None => MOST_LISTED,
        Some(number) => usize::try_from(number)
            .ok()
            .filter(|number| (1..=MOST_LISTED).contains(number))
            .ok_or_else(|| {
                bad_argument(
                    "max-buckets",
                    &number.to_string(),
                    "Argument max-buckets must be an integer between 1 and 10000",
                )
            })?,
    };
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.continuation_token.unwrap_or_default();
    let elsewhere = input
        .bucket_region
        .is_some_and(|region| region != service.scope.region.as_str());
    let mut found = service.buckets.all();
    found.retain(|bucket| {
        let name = bucket.name.as_str();
        !elsewhere && name.starts_with(&prefix) && name > after.as_str()
    });
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|bucket| bucket.name.to_string());
    let paged = input.max_buckets.is_some();
    let buckets = found.iter().map(|bucket| Bucket {
        bucket_region: paged.then(|| service.scope.region.to_string()),
        creation_date: Some(wire_time(bucket.created)),
        name: Some(bucket.name.to_string()),
    });
    done(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        continuation_token: last.filter(|_| more),
        owner: Some(owner(&service.scope)),
        prefix: input.prefix,
    })
}

pub(crate) async fn create(
    service: &Service,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let input = request.input;
    let name = input
        .bucket
        .parse()
        .map_err(|_| fault("InvalidBucketName"))?;
    let configuration = input.create_bucket_configuration;
    let constraint = configuration.and_then(|configuration| configuration.location_constraint);
    let constraint = constraint.as_ref().map(BucketLocationConstraint::as_str);
    check_location(constraint, service.scope.region.as_str())?;
    if input.acl.is_some_and(|acl| acl.as_str() != "private") {
        return Err(fault_with(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        ));
    }
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(fault_with(
            "NotImplemented",
            "Squall does not provide object lock.",
        ));
    }
    let mut settings = BucketSettings::default();
    if let Some(chosen) = input.object_ownership {
        settings.ownership = Some(ownership(&chosen)?);
    }
    match service.buckets.create(name, settings).await {
        Ok(_) => {}
        // There, and only there, making a bucket twice is no mistake.
        Err(BucketError::BucketAlreadyOwnedByYou { .. })
            if service.scope.region.as_str() == FIRST_REGION => {}
        Err(error) => return Err(refused(error)),
    }
    done(CreateBucketOutput {
        location: Some(format!("/{}", input.bucket)),
    })
}

fn check_location(constraint: Option<&str>, own: &str) -> S3Result {
    let constraint = constraint.filter(|constraint| !constraint.is_empty());
    match constraint {
        None if own == FIRST_REGION => Ok(()),
        None => Err(fault("IllegalLocationConstraintException")),
        Some(FIRST_REGION) => Err(fault("InvalidLocationConstraint")),
        Some("EU") if own == "eu-west-1" => Ok(()),
        Some(constraint) if constraint == own => Ok(()),
        Some(constraint) if is_region(constraint) => Err(fault_with(
            "IllegalLocationConstraintException",
            format!(
                "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
            ),
        )),
        Some(_) => Err(fault("InvalidLocationConstraint")),
    }
}

/// `eu-west-1`, `us-gov-east-1`, ...
fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let number = parts.next_back().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    words.len() >= 2
        && words.iter().all(|word| is_word(word))
        && number.len() == 1
        && number.bytes().all(|b| b.is_ascii_digit())
}

pub(crate) async fn head(
    service: &Service,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    service.bucket(&request.input.bucket)?;
    done(HeadBucketOutput {
        access_point_alias: Some(false),
        bucket_region: Some(service.scope.region.to_string()),
        ..HeadBucketOutput::default()
    })
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let deleted = service.buckets.delete(&bucket.name).await;
    deleted.map_err(refused)?;
    done(DeleteBucketOutput::default())
}

pub(crate) async fn location(
    service: &Service,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    service.bucket(&request.input.bucket)?;
    let region = service.scope.region.to_string();
    // Empty for the first region, as it was before there were others.
    let constraint = if region == FIRST_REGION {
        String::new()
    } else {
        region
    };
    done(GetBucketLocationOutput {
        location_constraint: Some(BucketLocationConstraint::from(constraint)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_region_has_no_name() {
        let code = |constraint, own| {
            check_location(constraint, own).map_err(|error| error.code().as_str().to_owned())
        };
        let illegal = Err("IllegalLocationConstraintException".to_owned());
        let invalid = Err("InvalidLocationConstraint".to_owned());
        assert_eq!(code(None, "us-east-1"), Ok(()));
        assert_eq!(code(Some(""), "us-east-1"), Ok(()));
        assert_eq!(code(Some("us-east-1"), "us-east-1"), invalid);
        assert_eq!(code(Some("us-east-1"), "eu-west-1"), invalid);
        assert_eq!(code(Some("eu-west-1"), "us-east-1"), illegal);
        assert_eq!(code(Some("nowhere"), "us-east-1"), invalid);
        assert_eq!(code(Some("eu-west-1"), "eu-west-1"), Ok(()));
        assert_eq!(code(Some("EU"), "eu-west-1"), Ok(()));
        assert_eq!(code(None, "eu-west-1"), illegal);
    }
}
