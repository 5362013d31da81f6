//! Which bucket a host name stands for.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// Reads hosts such as `data.s3.localhost:4566`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(host);
        Ok(match bucket_of_host(host) {
            Some(bucket) => virtual_host.with_bucket(bucket.to_ascii_lowercase()),
            None => virtual_host,
        })
    }
}

/// The bucket in `BUCKET.s3.localhost`, `BUCKET.s3.REGION.localhost` and the same
/// under `amazonaws.com`; a port does not matter.
pub fn bucket_of_host(host: &str) -> Option<&str> {
    let name = without_port(host);
    // Names of buckets may have dots, so the last mark is the one that counts.
    let lower = name.to_ascii_lowercase();
    let at = lower.rfind(".s3.").or_else(|| lower.rfind(".s3-"))?;
    (at > 0 && is_service(&lower[at + 1..])).then(|| &name[..at])
}

/// Is this a name of S3 itself, or of a bucket in it?
pub fn is_s3_host(host: &str) -> bool {
    is_service(&without_port(host).to_ascii_lowercase()) || bucket_of_host(host).is_some()
}

/// `s3.localhost`, `s3.REGION.localhost`, `s3-REGION.amazonaws.com`, ...
fn is_service(name: &str) -> bool {
    let inner = name
        .strip_suffix(".localhost")
        .or_else(|| name.strip_suffix(".amazonaws.com"));
    let Some(inner) = inner else {
        return false;
    };
    let is_region = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let inner = inner.strip_prefix("s3").unwrap_or("-");
    let inner = inner.strip_prefix(".dualstack").unwrap_or(inner);
    match inner.strip_prefix('.').or_else(|| inner.strip_prefix('-')) {
        Some(region) => is_region(region) && !region.starts_with("website"),
        None => inner.is_empty(),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_buckets() {
        for (host, bucket) in [
            ("data.s3.localhost:4566", Some("data")),
            ("my.data.s3.localhost", Some("my.data")),
            ("a.s3.b.s3.localhost", Some("a.s3.b")),
            ("data.s3.eu-west-1.localhost:80", Some("data")),
            ("data.s3.amazonaws.com", Some("data")),
            ("data.s3.us-east-1.amazonaws.com", Some("data")),
            ("data.s3-us-west-2.amazonaws.com", Some("data")),
            ("data.s3.dualstack.us-east-1.amazonaws.com", Some("data")),
            ("s3.localhost:4566", None),
            ("s3.us-east-1.amazonaws.com", None),
            ("localhost:4566", None),
            ("data.localhost", None),
            ("127.0.0.1:4566", None),
            ("data.s3-website.localhost:8080", None),
            ("data.s3-website-us-east-1.amazonaws.com", None),
            ("data.s3.example.com", None),
            (".s3.localhost", None),
        ] {
            assert_eq!(bucket_of_host(host), bucket, "{host}");
        }
        assert!(is_s3_host("s3.localhost:4566"));
        assert!(!is_s3_host("localhost:4566"));
        assert!(!is_s3_host("lambda.us-east-1.amazonaws.com"));
    }
}
