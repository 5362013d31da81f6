//! Names of the object store: buckets, keys, versions.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::{BadName, name};

name!(
    /// The name of a bucket.
    BucketName,
    "bucket name",
    "use 3 to 63 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit",
    is_bucket_name
);

name!(
    /// The name of an object in its bucket: 1 to 1,024 bytes of UTF-8.
    ObjectKey,
    "object key",
    "use 1 to 1024 bytes",
    |text| (1..=1024).contains(&text.len())
);

name!(
    /// The id of one version of an object; `null` where none was asked for.
    VersionId,
    "version id",
    "use 1 to 1024 bytes",
    |text| (1..=1024).contains(&text.len())
);

impl VersionId {
    /// The version of buckets that keep no versions.
    pub fn null() -> Self {
        Self("null".into())
    }

    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// A new one, which no other version has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }
}

fn is_bucket_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_inner = |b: &u8| is_plain(b) || *b == b'-' || *b == b'.';
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(is_inner)
        && bytes.first().is_some_and(is_plain)
        && bytes.last().is_some_and(is_plain)
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"]
            .iter()
            .any(|reserved| name.starts_with(reserved))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|reserved| name.ends_with(reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_as_on_aws() {
        for good in ["abc", "a-b.c", "123", &"a".repeat(63)] {
            assert!(good.parse::<BucketName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "192.168.1.1",
            "xn--abc",
            "abc-s3alias",
            "../etc",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<BucketName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_counted_in_bytes() {
        assert!("é".repeat(512).parse::<ObjectKey>().is_ok());
        assert!("é".repeat(513).parse::<ObjectKey>().is_err());
        assert!("".parse::<ObjectKey>().is_err());
    }
}
