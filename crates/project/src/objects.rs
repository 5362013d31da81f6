//! What a function reads and writes, as `squall.toml` has it: `lake`, `lake/raw/`, or
//! the ARN of a bucket that is not of the project. And single objects: `lake/model.rds`
//! or `s3://BUCKET/KEY`.

use crate::model::{BucketRef, ObjectRef, Objects};

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

/// One object. A name that a bucket of the project has is that bucket, also behind
/// `s3://`: [`of_project`] finds it out.
pub fn parse_one(text: &str) -> Option<ObjectRef> {
    let foreign = text.strip_prefix("s3://");
    let (bucket, key) = foreign.unwrap_or(text).split_once('/')?;
    let bucket = if foreign.is_some() {
        // A short name may be one of the project.
        let is_name = bucket.parse::<types::BucketName>().is_ok();
        if !is_name && !(crate::spec::BUCKET_NAME.fits)(bucket) {
            return None;
        }
        BucketRef::Foreign(bucket.to_owned())
    } else if (crate::spec::BUCKET_NAME.fits)(bucket) {
        BucketRef::Project(bucket.to_owned())
    } else {
        return None;
    };
    // It becomes part of a policy, where some signs mean more than they say.
    let is_plain =
        !key.contains(['*', '?']) && !key.contains("${") && !key.contains(char::is_control);
    let is_key = key.parse::<types::ObjectKey>().is_ok() && !key.ends_with('/');
    (is_plain && is_key).then(|| ObjectRef {
        bucket,
        key: key.to_owned(),
    })
}

/// Where the pages of a site are: `site`, `site/pages` or `s3://BUCKET/PREFIX`. A prefix
/// is a folder.
pub fn parse_site(text: &str) -> Option<Objects> {
    let foreign = text.strip_prefix("s3://");
    let text = foreign.unwrap_or(text);
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
    let is_name = |name: &str| (crate::spec::BUCKET_NAME.fits)(name);
    let bucket = if foreign.is_some() {
        (bucket.parse::<types::BucketName>().is_ok() || is_name(bucket))
            .then(|| BucketRef::Foreign(bucket.to_owned()))?
    } else {
        is_name(bucket).then(|| BucketRef::Project(bucket.to_owned()))?
    };
    let prefix = prefix.trim_end_matches('/');
    let is_plain = !prefix.contains(['*', '?'])
        && !prefix.contains("${")
        && !prefix.contains(char::is_control)
        && !prefix.starts_with('/')
        && prefix.len() <= 1_000;
    is_plain.then(|| Objects {
        bucket,
        prefix: if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        },
    })
}

/// The same object, by the project's own name of its bucket if it is one of the project:
/// `buckets` are those names, with the whole names that the project says.
pub fn of_project<'a>(
    object: ObjectRef,
    buckets: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> ObjectRef {
    ObjectRef {
        bucket: bucket_of_project(object.bucket, buckets),
        key: object.key,
    }
}

/// The same of a bucket.
pub fn bucket_of_project<'a>(
    bucket: BucketRef,
    mut buckets: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> BucketRef {
    let BucketRef::Foreign(name) = &bucket else {
        return bucket;
    };
    let own = buckets.find(|(key, whole)| whole.unwrap_or(key) == name);
    match own {
        Some((key, _)) => BucketRef::Project(key.to_owned()),
        None => bucket,
    }
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
    fn an_object_is_found_in_a_bucket_of_the_project() {
        let buckets = || [("models", None), ("lake", Some("their-lake"))].into_iter();
        let read = |text: &str| of_project(parse_one(text).unwrap(), buckets()).bucket;
        let own = |key: &str| BucketRef::Project(key.to_owned());
        assert_eq!(read("models/a.rds"), own("models"));
        assert_eq!(read("s3://models/a.rds"), own("models"));
        assert_eq!(read("s3://their-lake/a.rds"), own("lake"));
        let foreign = BucketRef::Foreign("lake".to_owned());
        assert_eq!(read("s3://lake/a.rds"), foreign);
        let stem = |text: &str| parse_one(text).unwrap().stem().to_owned();
        assert_eq!(stem("models/2026/admission.rds"), "admission");
        assert_eq!(stem("models/a.b.json"), "a.b");
        assert_eq!(stem("models/.rds"), ".rds");
    }

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
