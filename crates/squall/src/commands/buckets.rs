//! `squall mb` and `squall rb`: a bucket is made, and goes.

use types::BucketName;

use super::{rm, session};
use crate::args::{Global, MbArgs, RbArgs};
use crate::failure::Failure;
use crate::output;
use crate::place::Remote;
use crate::s3::S3;
use crate::transfer::Outcome;

pub async fn make(global: &Global, args: MbArgs) -> Result<(), Failure> {
    let bucket = bucket(&args.bucket)?;
    let s3 = session::s3(global, 1)?;
    s3.create_bucket(bucket.as_str()).await?;
    if global.json {
        output::json(&serde_json::json!({ "bucket": bucket }))?;
    }
    Ok(())
}

pub async fn remove(global: &Global, args: RbArgs) -> Result<(), Failure> {
    let bucket = bucket(&args.bucket)?;
    let s3 = session::s3(global, 2)?;
    if args.force {
        let question = format!("Remove bucket {bucket} with all objects and versions in it?");
        if !args.yes && !global.json && !session::confirmed(&question) {
            return Err(session::declined());
        }
        empty(global, &s3, &bucket).await?;
    }
    s3.delete_bucket(bucket.as_str()).await?;
    if global.json {
        output::json(&serde_json::json!({ "bucket": bucket }))?;
    }
    Ok(())
}

/// Until no version is left: what is listed is gone by the next page.
async fn empty(global: &Global, s3: &S3, bucket: &BucketName) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = s3.versions_page(bucket.as_str(), after.as_ref()).await?;
        let (_, failed) = rm::remove(s3, bucket, &page.versions, global.json).await?;
        if !failed.is_empty() {
            let outcome = Outcome {
                failed,
                ..Outcome::default()
            };
            return session::finish(global, true, &outcome);
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// A name alone, or `s3://` before it.
fn bucket(text: &str) -> Result<BucketName, Failure> {
    let place = Remote::parse(text)?;
    if !place.key.is_empty() {
        return Err(Failure::mistake(format!("{text} is more than a bucket"))
            .hint("squall rm removes objects; folders need not be made"));
    }
    Ok(place.bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_with_or_without_scheme() {
        for text in ["lake", "s3://lake", "s3://lake/", "lake/"] {
            assert_eq!(bucket(text).unwrap().as_str(), "lake");
        }
        for text in ["lake/a", "Lake", ""] {
            assert!(bucket(text).is_err(), "{text}");
        }
    }
}
