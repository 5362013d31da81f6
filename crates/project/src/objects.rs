//! What a function reads and writes, as `squall.toml` has it: `lake`, `lake/raw/`, or
//! the ARN of a bucket that is not of the project.

use crate::model::{BucketRef, Objects};

/// `lake/raw/*` means the same as `lake/raw/`.
pub fn parse(text: &str) -> Option<Objects> {
    let foreign = arn(text);
    let text = foreign.unwrap_or(text);
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
    let bucket = if foreign.is_some() {
        bucket.parse::<types::BucketName>().ok()?;
        BucketRef::Foreign(bucket.to_owned())
    } else if (crate::spec::BUCKET_NAME.fits)(bucket) {
        BucketRef::Project(bucket.to_owned())
    } else {
        return None;
    };
    let prefix = prefix.strip_suffix('*').unwrap_or(prefix);
    // A star elsewhere would become part of a policy, and mean more than it says.
    let plain = !prefix.contains(['*', '?', '\0']) && prefix.len() <= 1_024;
    plain.then(|| Objects {
        bucket,
        prefix: prefix.to_owned(),
    })
}

/// What follows `arn:aws:s3:::`, whatever the partition is called.
fn arn(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("arn:")?;
    let (partition, rest) = rest.split_once(':')?;
    let known = partition == "aws" || partition.starts_with("aws-");
    rest.strip_prefix("s3:::").filter(|_| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_prefixes_are_told_apart() {
        let of = |bucket: BucketRef, prefix: &str| {
            Some(Objects {
                bucket,
                prefix: prefix.to_owned(),
            })
        };
        let lake = || BucketRef::Project("lake".to_owned());
        let other = || BucketRef::Foreign("their.data".to_owned());
        for (text, expected) in [
            ("lake", of(lake(), "")),
            ("lake/", of(lake(), "")),
            ("lake/*", of(lake(), "")),
            ("lake/raw/*", of(lake(), "raw/")),
            ("lake/model.rds", of(lake(), "model.rds")),
            ("arn:aws:s3:::their.data", of(other(), "")),
            ("arn:aws-cn:s3:::their.data/a/*", of(other(), "a/")),
            ("", None),
            ("Lake", None),
            ("lake/*/x", None),
            ("arn:aws:s3:::A", None),
            ("arn:aws:sqs:::x", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
